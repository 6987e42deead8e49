//! The HTTP server: accepts HTTP/1.1 and HTTP/2 without TLS on one port, answers, and when told to stop finishes what it
//! began.

use futures::Stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::{conn::auto, graceful::GracefulShutdown};
use std::{convert::Infallible, future::Future, io, time::Duration};
use tokio::net::TcpListener;

/// What every handler answers with.
pub type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// How long an idle connection stays. Longer than Envoy keeps one (an hour): whoever closes first risks that the other sends
/// a request just then, and that it is lost.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// Answers with `handler` until `stop` resolves, then takes no connection and gives those in flight `grace` to end.
pub async fn serve<H, F>(listener: TcpListener, handler: H, stop: impl Future<Output = ()>, grace: Duration)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let open = GracefulShutdown::new();
    // A client's first bytes say which of the two it speaks.
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly no file descriptor is left; the next turn may find one.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small answers must not wait for the client's acknowledgement; without this they are late, not wrong.
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let answer = handler(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let watched = open.watch(protocols.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, open.shutdown()).await.is_err() {
        tracing::warn!("requests were still in flight after {grace:?}; closing");
    }
}

/// JSON from anything that can be written as it.
pub fn json(status: StatusCode, body: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(bytes) => content(status, "application/json", bytes),
        Err(error) => content(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain",
            format!("the answer could not be written as JSON: {error}").into_bytes(),
        ),
    }
}

/// `{"error": "…"}`, for people.
pub fn refuse(status: StatusCode, error: &str) -> Answer {
    json(status, &serde_json::json!({ "error": error }))
}

/// 405 with the methods that would do.
pub fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} is answered here"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Bytes that are at hand.
pub fn content(status: StatusCode, media_type: &'static str, bytes: Vec<u8>) -> Answer {
    let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
    answer(status, media_type, body)
}

/// Bytes that come piece by piece.
pub fn stream(
    media_type: &'static str,
    pieces: impl Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static,
) -> Answer {
    answer(StatusCode::OK, media_type, StreamBody::new(pieces).boxed_unsync())
}

fn answer(status: StatusCode, media_type: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// Whether the request only looks.
pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
