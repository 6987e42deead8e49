//! What the model server answers: predictions, labels, health.

use crate::http::{self, Answer};
use crate::messages::{PredictRequest, PredictResponse};
use crate::{features, grpc, ids::IdError, ids::Ids, metrics::Metrics, model::Model};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{error::Error, sync::OnceLock, time::Duration};
use tokio::time::Instant;

/// Larger bodies are refused; a domain has at most 253 characters.
pub(crate) const MAX_BODY: usize = 4096;
const MAX_DOMAIN: usize = 253;
/// Every answer names the version that gave it.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-model-version");

/// Failures on purpose, to try what a release does about them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Share of predictions, from 0 to 1, that is answered 500 instead; over gRPC INTERNAL.
    pub fail_ratio: f64,
    /// Time that each prediction takes longer.
    pub slow: Duration,
}

/// One process: a version of a model and what it has counted.
#[derive(Debug)]
pub struct App {
    name: String,
    version: String,
    model: OnceLock<(Model, String)>,
    draining: AtomicBool,
    ids: Ids,
    faults: Faults,
    asked: AtomicU64,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Feedback {
    id: String,
    label: Label,
}

/// What a domain was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Label {
    Phishing,
    Legitimate,
}

#[derive(Serialize)]
struct Counted {
    correct: bool,
}

/// Why there is no prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// What was asked about is no domain.
    #[error("domain must have 1 to 253 characters")]
    Domain,
    /// There is no model yet.
    #[error("the model is not loaded yet; try again soon")]
    NoModel,
    /// As [`Faults`] demand.
    #[error("failed on purpose (FAIL_RATIO)")]
    OnPurpose,
}

impl App {
    /// A server of `version` that has no model yet; `start` as in [`Ids::new`].
    pub fn new(name: &str, version: &str, faults: Faults, start: u64) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            model: OnceLock::new(),
            draining: AtomicBool::new(false),
            ids: Ids::new(version, start),
            faults,
            asked: AtomicU64::new(0),
            metrics: Metrics::default(),
        }
    }

    /// From now on predictions are answered with `model`, whose file has this SHA-256. Only the first call counts.
    pub fn load(&self, model: Model, sha256: String) {
        let _ = self.model.set((model, sha256));
    }

    /// From now on `/ready` says no, so that no new request is sent here. Those that come are answered.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Answers on the port of the model, over HTTP and gRPC.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    {
        let arrived = Instant::now();
        let mut answer = if grpc::is_call(request.headers()) {
            grpc::answer(self, request, arrived).await
        } else {
            self.answer_http(request, arrived).await
        };
        if let Ok(version) = HeaderValue::from_str(&self.version) {
            answer.headers_mut().insert(VERSION_HEADER, version);
        }
        answer
    }

    async fn answer_http<B>(&self, request: Request<B>, arrived: Instant) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/predict") => self.predict(body, arrived).await,
            (&Method::POST, "/feedback") => self.feedback(body).await,
            (_, "/predict" | "/feedback") => http::not_allowed("POST"),
            (method, "/healthz" | "/ready") if !http::is_read(method) => http::not_allowed("GET, HEAD"),
            (_, "/healthz") => http::json(StatusCode::OK, &serde_json::json!({ "alive": true })),
            (_, "/ready") => self.ready(),
            _ => http::refuse(
                StatusCode::NOT_FOUND,
                "nothing here; there are POST /predict, POST /feedback, GET /ready and GET /healthz",
            ),
        }
    }

    /// Answers on the port of the metrics.
    pub fn answer_metrics<B>(&self, request: &Request<B>) -> Answer {
        match (http::is_read(request.method()), request.uri().path()) {
            (false, _) => http::not_allowed("GET, HEAD"),
            (true, "/metrics") => match self.metrics.render() {
                Ok(text) => http::content(StatusCode::OK, crate::metrics::MEDIA_TYPE, text.into_bytes()),
                Err(_) => http::refuse(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the metrics could not be written as text; try again",
                ),
            },
            (true, _) => http::refuse(StatusCode::NOT_FOUND, "nothing here; there is GET /metrics"),
        }
    }

    fn ready(&self) -> Answer {
        if self.draining.load(Ordering::Acquire) {
            return http::refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "this server is going away; ask another one",
            );
        }
        match self.model.get() {
            Some((_, sha256)) => {
                http::json(StatusCode::OK, &serde_json::json!({ "model": self.name, "sha256": sha256 }))
            }
            None => refuse(Refused::NoModel),
        }
    }

    async fn predict<B>(&self, body: B, arrived: Instant) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let question: PredictRequest = match read(body).await {
            Ok(question) => question,
            Err(refusal) => return refusal,
        };
        match self.judge(&question.domain, arrived).await {
            Ok(prediction) => http::json(StatusCode::OK, &prediction),
            Err(refused) => refuse(refused),
        }
    }

    /// The prediction for a domain that was asked about at that time; counted, unless it is refused.
    pub(crate) async fn judge(&self, domain: &str, arrived: Instant) -> Result<PredictResponse, Refused> {
        let domain = features::normal(domain);
        if domain.is_empty() || domain.len() > MAX_DOMAIN {
            return Err(Refused::Domain);
        }
        let (model, sha256) = self.model.get().ok_or(Refused::NoModel)?;
        if !self.faults.slow.is_zero() {
            tokio::time::sleep(self.faults.slow).await;
        }
        if self.fails() {
            return Err(Refused::OnPurpose);
        }
        let score = model.score(&domain);
        let phishing = score > 0.5;
        let id = self.ids.make(phishing, sha256);
        self.metrics.answered(arrived.elapsed());
        Ok(PredictResponse { id, phishing, score, model: self.name.clone(), version: self.version.clone() })
    }

    async fn feedback<B>(&self, body: B) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let feedback: Feedback = match read(body).await {
            Ok(feedback) => feedback,
            Err(refusal) => return refusal,
        };
        let Some((_, sha256)) = self.model.get() else { return refuse(Refused::NoModel) };
        match self.ids.verdict(&feedback.id, sha256) {
            Ok(said_phishing) => {
                let correct = said_phishing == (feedback.label == Label::Phishing);
                self.metrics.labelled(correct);
                http::json(StatusCode::OK, &Counted { correct })
            }
            Err(other @ IdError::OtherVersion(_)) => http::refuse(StatusCode::CONFLICT, &other.to_string()),
            Err(unknown @ IdError::Unknown) => http::refuse(StatusCode::BAD_REQUEST, &unknown.to_string()),
        }
    }

    /// Spreads failures evenly, so that their share is exact: the n-th fails if n·ratio passes a whole number.
    fn fails(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "requests of one process stay far below 2^52")]
        let n = self.asked.fetch_add(1, Ordering::Relaxed) as f64;
        ((n + 1.0) * self.faults.fail_ratio).floor() > (n * self.faults.fail_ratio).floor()
    }
}

fn refuse(refused: Refused) -> Answer {
    let status = match refused {
        Refused::Domain => StatusCode::BAD_REQUEST,
        Refused::NoModel => StatusCode::SERVICE_UNAVAILABLE,
        Refused::OnPurpose => StatusCode::INTERNAL_SERVER_ERROR,
    };
    http::refuse(status, &refused.to_string())
}

/// The body as JSON of the expected shape, or the answer that says what is wrong with it.
async fn read<T, B>(body: B) -> Result<T, Answer>
where
    T: serde::de::DeserializeOwned,
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let bytes = match Limited::new(body, MAX_BODY).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(http::refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body may have at most 4096 bytes"));
        }
        Err(_) => {
            return Err(http::refuse(
                StatusCode::BAD_REQUEST,
                "the body did not arrive whole; send it again",
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        http::refuse(StatusCode::BAD_REQUEST, &format!("the body is not the JSON expected: {error}"))
    })
}

#[cfg(test)]
mod tests;
