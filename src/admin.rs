//! `/metrics`, `/healthz` and `/readyz`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::debug;

use crate::metrics::Metrics;

/// A look may be late by this much.
const LATE: Duration = Duration::from_secs(60);
/// The lease loop may stand still for so long; it turns each two seconds, and no call takes above five.
const STILL: Duration = Duration::from_secs(30);
/// Connections at once.
const CONNECTIONS: usize = 64;

/// What health and readiness rest on.
#[derive(Debug, Default)]
pub struct Health(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    lease_beat: Option<Instant>,
    oldest_due: Option<Instant>,
    synced: bool,
    stopping: bool,
}

impl Health {
    fn with<T>(&self, act: impl FnOnce(&mut Facts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lease loop turns.
    pub fn lease_beat(&self) {
        self.with(|facts| facts.lease_beat = Some(Instant::now()));
    }

    /// The earliest due look that has not begun.
    pub fn oldest_due(&self, due: Option<Instant>) {
        self.with(|facts| facts.oldest_due = due);
    }

    /// Every watch has listed once.
    pub fn synced(&self) {
        self.with(|facts| facts.synced = true);
    }

    /// The operator is about to end.
    pub fn stopping(&self) {
        self.with(|facts| facts.stopping = true);
    }

    /// What is wrong with it, if anything is.
    fn sickness(&self, now: Instant) -> Option<&'static str> {
        let late =
            |since: Option<Instant>, limit| since.is_some_and(|at| now.saturating_duration_since(at) > limit);
        self.with(|facts| {
            if facts.stopping {
                None
            } else if late(facts.oldest_due, LATE) {
                Some("a due look is more than 60 s late")
            } else if late(facts.lease_beat, STILL) {
                Some("the lease loop stands still")
            } else {
                None
            }
        })
    }

    /// What it waits for, if it is not ready.
    fn unready(&self) -> Option<&'static str> {
        self.with(|facts| match (facts.stopping, facts.synced) {
            (true, _) => Some("it is about to end"),
            (false, false) => Some("not every kind has been listed yet"),
            (false, true) => None,
        })
    }
}

/// Why the address could not be served.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address} for /metrics, /healthz and /readyz; choose another --metrics-address")]
pub struct AdminError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub cause: std::io::Error,
}

/// Listens.
///
/// # Errors
/// If the address cannot be had.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, AdminError> {
    TcpListener::bind(address).await.map_err(|cause| AdminError { address, cause })
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, health: Arc<Health>, metrics: Metrics) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                // Out of file descriptors: another try at once would only spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (health, metrics) = (health.clone(), metrics.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&request, &health, &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended");
            }
            drop(slot);
        });
    }
}

fn answer(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered here\n");
    }
    let verdict = |trouble: Option<&str>| match trouble {
        None => reply(StatusCode::OK, TEXT, "ok\n"),
        Some(trouble) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{trouble}\n")),
    };
    match request.uri().path() {
        "/healthz" => verdict(health.sickness(Instant::now())),
        "/readyz" => verdict(health.unready()),
        "/metrics" => match metrics.page() {
            Ok(page) => {
                reply(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", page)
            }
            Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics could not be written\n"),
        },
        _ => reply(StatusCode::NOT_FOUND, TEXT, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn reply(code: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_healthy_until_a_look_is_late_or_the_lease_loop_stands_still() {
        let health = Health::default();
        let now = Instant::now();
        assert_eq!(health.sickness(now), None);
        health.oldest_due(Some(now));
        assert_eq!(health.sickness(now + LATE), None);
        assert!(health.sickness(now + LATE + Duration::from_secs(1)).unwrap().contains("60 s late"));
        health.oldest_due(None);
        health.lease_beat();
        assert!(health.sickness(now + STILL + Duration::from_secs(1)).unwrap().contains("lease"));
        tokio::time::advance(STILL).await;
        health.lease_beat();
        assert_eq!(health.sickness(Instant::now()), None);
    }

    #[test]
    fn it_is_ready_between_the_first_lists_and_the_end() {
        let health = Health::default();
        assert!(health.unready().is_some());
        health.synced();
        assert_eq!(health.unready(), None);
        health.stopping();
        assert!(health.unready().is_some());
        assert_eq!(health.sickness(Instant::now()), None, "an operator that ends is not to be killed");
    }
}
