//! The only place that talks to Prometheus: one instant query at a time, bounded in time, size and number.
//!
//! It tells what came back, or why nothing did, and judges neither.

mod breaker;
mod fleet;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use hyper::{Method, Request, Uri};
use jiff::Timestamp;
use model_release_core::analysis::{About, Question};
use model_release_core::observed::{Answer, Unanswered};
use model_release_core::plan::Query;
use model_release_core::settings::Source;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::breaker::{Breaker, News};
use self::fleet::{Fleet, Place};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::wire::Wire;

/// Limit of a question, from connecting to the answer's last byte. Prometheus is told a second less.
const LIMIT: Duration = Duration::from_secs(5);
/// Largest answer.
const LARGEST: usize = 1 << 20;
/// Questions to one source at once.
const AT_ONCE: usize = 4;

type Outcome = Result<(u16, Vec<u8>), Unanswered>;

/// Asks the administrator's Prometheus servers. Clones share connections, limits and breakers.
#[derive(Clone)]
pub struct Prometheus(Arc<Inner>);

struct Inner {
    asked: RwLock<Arc<Asked>>,
    metrics: Metrics,
    clock: Clock,
    limit: Duration,
}

/// Who is asked, until the settings change.
struct Asked {
    client: Wire,
    sources: HashMap<String, Arc<Server>>,
}

struct Server {
    source: Source,
    query: Uri,
    headers: HeaderMap,
    token_file: Option<PathBuf>,
    slots: Semaphore,
    fleet: Mutex<Fleet>,
    breaker: Mutex<Breaker>,
    metrics: Metrics,
    clock: Clock,
    limit: Duration,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prometheus")
    }
}

/// Why Prometheus cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// A source wants TLS, and there are no certificates to check it against.
    #[error(
        "Prometheus source {source_name:?} has an https address, and no CA certificates were found; mount them and name them in SSL_CERT_FILE"
    )]
    NoCertificates {
        /// Name of the source.
        source_name: String,
        /// What was tried.
        #[source]
        cause: std::io::Error,
    },
    /// A source's address is none.
    #[error("Prometheus source {source_name:?}: its address {problem}")]
    Address {
        /// Name of the source.
        source_name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// The address that questions go to, from a source's base address.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn endpoint(url: &str) -> Result<Uri, String> {
    let hint = "write it as http://host:port or https://host:port, with the path prefix if it has one";
    let base: Uri = url.parse().map_err(|_| format!("{url:?} is no address; {hint}"))?;
    let known = matches!(base.scheme_str(), Some("http" | "https"));
    if !known || base.authority().is_none() || base.query().is_some() {
        return Err(format!("{url:?} is no address of a Prometheus; {hint}"));
    }
    if base.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err("holds a user or password, which would end up in logs; take them out".to_owned());
    }
    format!("{}/api/v1/query", url.trim_end_matches('/'))
        .parse()
        .map_err(|_| format!("{url:?} is no address; {hint}"))
}

/// The headers that a source is asked with, its token aside.
///
/// # Errors
/// What is wrong with one, and what to do.
pub fn headers(source: &Source) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &source.headers {
        let own = [AUTHORIZATION, HOST, CONTENT_TYPE, CONTENT_LENGTH, ACCEPT];
        let header: HeaderName = name.parse().map_err(|_| format!("{name:?} is no name of a header"))?;
        if header == AUTHORIZATION {
            return Err("Authorization would be shown with the settings; give tokenFile".to_owned());
        }
        if own.contains(&header) {
            return Err(format!("{name} is the operator's own to set; take it out"));
        }
        let value = value.parse().map_err(|_| format!("the value of {name} cannot be sent as a header"))?;
        headers.insert(header, value);
    }
    Ok(headers)
}

impl Prometheus {
    /// Servers for these sources.
    ///
    /// # Errors
    /// If an address is none, or an https address cannot be checked for lack of CA certificates.
    pub fn new(sources: &[Source], metrics: &Metrics, clock: &Clock) -> Result<Self, PrometheusError> {
        Self::limited(sources, metrics, clock, LIMIT)
    }

    fn limited(
        sources: &[Source],
        metrics: &Metrics,
        clock: &Clock,
        limit: Duration,
    ) -> Result<Self, PrometheusError> {
        let asked = Asked::new(sources, None, metrics, clock, limit)?;
        let (metrics, clock) = (metrics.clone(), clock.clone());
        Ok(Self(Arc::new(Inner { asked: RwLock::new(Arc::new(asked)), metrics, clock, limit })))
    }

    /// Asks these sources from now on. Those that are as they were keep what is known of them; what is under way ends as
    /// it began.
    ///
    /// # Errors
    /// As [`Self::new`]; the sources then stay as they were.
    pub fn renew(&self, sources: &[Source]) -> Result<(), PrometheusError> {
        let Inner { metrics, clock, limit, .. } = &*self.0;
        let asked = Asked::new(sources, Some(&self.asked()), metrics, clock, *limit)?;
        *self.0.asked.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(asked);
        Ok(())
    }

    fn asked(&self) -> Arc<Asked> {
        self.0.asked.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks, all at once, and waits for every answer.
    pub async fn ask(&self, queries: Vec<Query>) -> Vec<Answer> {
        join_all(queries.into_iter().map(|query| self.ask_one(query))).await
    }

    async fn ask_one(&self, query: Query) -> Answer {
        let Query { id, source, question, about, time } = query;
        let asked_at = self.0.clock.now();
        let asked = self.asked();
        let outcome = match asked.sources.get(&source) {
            Some(server) => server.place(&asked.client, question, &about, time).await,
            // The core names only sources of the settings; another is as good as away.
            None => Err(Unanswered::Unreachable),
        };
        Answer { id, asked_at, outcome }
    }
}

impl Asked {
    /// Servers for these sources; those of `before` that are the same go on.
    fn new(
        sources: &[Source],
        before: Option<&Self>,
        metrics: &Metrics,
        clock: &Clock,
        limit: Duration,
    ) -> Result<Self, PrometheusError> {
        let servers = sources
            .iter()
            .map(|source| {
                let kept = before.and_then(|before| before.sources.get(&source.name));
                if let Some(kept) = kept.filter(|kept| kept.source == *source) {
                    return Ok((source.name.clone(), kept.clone()));
                }
                let query = endpoint(&source.url).map_err(|problem| PrometheusError::Address {
                    source_name: source.name.clone(),
                    problem,
                })?;
                let headers = headers(source).map_err(|problem| PrometheusError::Address {
                    source_name: source.name.clone(),
                    problem: format!("has headers that cannot be sent: {problem}"),
                })?;
                metrics.prometheus_source(&source.name);
                let server = Server {
                    source: source.clone(),
                    query,
                    headers,
                    token_file: source.token_file.as_ref().map(PathBuf::from),
                    slots: Semaphore::new(AT_ONCE),
                    fleet: Mutex::default(),
                    breaker: Mutex::new(Breaker::default()),
                    metrics: metrics.clone(),
                    clock: clock.clone(),
                    limit,
                };
                Ok((source.name.clone(), Arc::new(server)))
            })
            .collect::<Result<HashMap<_, _>, _>>()?;
        let secured = sources.iter().find(|source| source.url.starts_with("https:"));
        let client = Wire::new(secured.is_some()).map_err(|cause| PrometheusError::NoCertificates {
            source_name: secured.map(|source| source.name.clone()).unwrap_or_default(),
            cause,
        })?;
        Ok(Self { client, sources: servers })
    }
}

impl Server {
    /// Asks together with whoever has the same question.
    async fn place(
        self: &Arc<Self>,
        client: &Wire,
        question: Question,
        about: &About,
        time: Timestamp,
    ) -> Outcome {
        let place = self.fleet(|fleet| fleet.arrive(&question, about, time));
        let answer = match place {
            Place::Ready(outcome) => return outcome,
            Place::Coming(answer) => answer,
            Place::Waits(answer) => {
                // Others may wait for it too, so it does not end with the one who asks.
                tokio::spawn(self.clone().depart(client.clone(), question, time));
                answer
            }
        };
        let answer = tokio::time::timeout(self.limit, answer).await;
        answer.map_or(Err(Unanswered::TimedOut), |answer| answer.unwrap_or(Err(Unanswered::Broken)))
    }

    /// Takes a place for all who wait with this question.
    async fn depart(self: Arc<Self>, client: Wire, question: Question, time: Timestamp) {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let Some(about) = self.fleet(|fleet| fleet.depart(&question, time)) else { return };
        let promql = question.promql(&about.iter().collect::<Vec<_>>());
        let outcome = self.ask(&client, &promql, time).await;
        self.fleet(|fleet| fleet.arrived(&question, time, about, outcome));
    }

    fn fleet<T>(&self, act: impl FnOnce(&mut Fleet) -> T) -> T {
        act(&mut self.fleet.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self, client: &Wire, promql: &str, time: Timestamp) -> Outcome {
        let asked = Instant::now();
        if !self.breaker(|breaker| breaker.allows(asked)) {
            self.metrics.prometheus_query(&self.source.name, "open");
            return Err(Unanswered::Unreachable);
        }
        let work = async {
            let headers = self.credentials().await?;
            send(client, &self.query, headers, promql, time).await
        };
        let outcome = tokio::time::timeout(self.limit, work).await.unwrap_or(Err(Unanswered::TimedOut));
        let told = match &outcome {
            Ok((200..=299, _)) => "ok",
            Ok(_) => "refused",
            Err(Unanswered::Unreachable) => "unreachable",
            Err(Unanswered::TimedOut) => "timeout",
            Err(Unanswered::TooLarge) => "too_large",
            Err(Unanswered::Broken) => "broken",
        };
        self.metrics.prometheus_query(&self.source.name, told);
        self.metrics.prometheus_took(&self.source.name, asked.elapsed());
        if told == "ok" {
            self.metrics.prometheus_success(&self.source.name, self.clock.now());
        }
        let healthy = matches!(&outcome, Ok((code, _)) if *code < 500);
        match self.breaker(|breaker| breaker.note(healthy, Instant::now())) {
            Some(News::Opened) => warn!(
                source = %self.source.name, outcome = told,
                remedy = "check the source's address in the settings, and that it runs",
                "Prometheus does not answer; it is tried each ten seconds",
            ),
            Some(News::Closed) => info!(source = %self.source.name, "Prometheus answers again"),
            None => debug!(source = %self.source.name, outcome = told, "asked"),
        }
        outcome
    }

    /// The headers of a question, with the token as it is now: it is renewed without a restart.
    async fn credentials(&self) -> Result<HeaderMap, Unanswered> {
        let mut headers = self.headers.clone();
        let Some(file) = &self.token_file else { return Ok(headers) };
        let token = tokio::fs::read_to_string(file).await.unwrap_or_default();
        let bearer = Some(token.trim()).filter(|token| !token.is_empty());
        let bearer = bearer.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        let Some(mut bearer) = bearer else {
            warn!(
                source = %self.source.name, file = %file.display(),
                remedy = "check prometheus.sources[].tokenFile and what is mounted there",
                "no token can be read, so Prometheus is not asked",
            );
            return Err(Unanswered::Unreachable);
        };
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        Ok(headers)
    }

    fn breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn send(client: &Wire, query: &Uri, headers: HeaderMap, promql: &str, time: Timestamp) -> Outcome {
    let form = format!("query={}&time={}&timeout=4s", encoded(promql), seconds(time));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(query.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::from(form)))
        .map_err(|_| Unanswered::Broken)?;
    request.headers_mut().extend(headers);
    let answer = client
        .request(request)
        .await
        .map_err(|error| if error.is_connect() { Unanswered::Unreachable } else { Unanswered::Broken })?;
    let code = answer.status().as_u16();
    match Limited::new(answer.into_body(), LARGEST).collect().await {
        Ok(body) => Ok((code, body.to_bytes().to_vec())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Unanswered::TooLarge),
        Err(_) => Err(Unanswered::Broken),
    }
}

/// Unix seconds with milliseconds.
fn seconds(time: Timestamp) -> String {
    let milliseconds = time.as_millisecond();
    format!("{}.{:03}", milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000))
}

/// A value of a form.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
