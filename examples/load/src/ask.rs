//! One question: the prediction, and after a while its label.

use crate::config::{Config, Target};
use crate::tally::{Answered, Labelled, Tally, Trouble};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use model_server::data::Example;
use serde::Deserialize;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Larger answers are no predictions.
const MAX_BODY: usize = 64 * 1024;

/// What all questions of a load share.
pub struct Asker {
    client: Client<HttpConnector, Full<Bytes>>,
    target: Target,
    timeout: Duration,
    label_delay: Option<Duration>,
    tally: Arc<Mutex<Tally>>,
    stopped: watch::Receiver<bool>,
}

#[derive(Deserialize)]
struct Prediction {
    id: String,
}

#[derive(Deserialize)]
struct Counted {
    correct: bool,
}

impl Asker {
    pub fn new(
        config: &Config,
        target: Target,
        tally: Arc<Mutex<Tally>>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.timeout));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, target, timeout: config.timeout, label_delay: config.label_delay, tally, stopped }
    }

    /// Asks, counts the answer, gives `permit` back, waits, reports the label, counts what became of it.
    pub async fn ask(&self, question: &Example, user: usize, permit: OwnedSemaphorePermit) {
        let user = HeaderValue::from_str(&format!("user-{user}")).ok();
        let body = serde_json::json!({ "domain": question.domain });
        let sent = Instant::now();
        let answer = self.exchange(&self.target.predict, &body, user.as_ref(), None).await;
        drop(permit);
        let Some((version, bytes)) = self.note(sent, answer) else { return };
        let (Some(delay), Ok(prediction)) = (self.label_delay, serde_json::from_slice::<Prediction>(&bytes))
        else {
            return;
        };
        self.wait(delay).await;
        let label = if question.phishing { "phishing" } else { "legitimate" };
        let body = serde_json::json!({ "id": prediction.id, "label": label });
        let answer = self.exchange(&self.target.feedback, &body, user.as_ref(), version.as_ref()).await;
        let outcome = match answer {
            Ok(answer) if answer.status().is_success() => {
                match serde_json::from_slice::<Counted>(answer.body()) {
                    Ok(counted) => Labelled::Counted {
                        version: text(version.as_ref()).to_owned(),
                        right: counted.correct,
                    },
                    Err(error) => {
                        Labelled::Failed(format!("the answer to a label is not the JSON expected: {error}"))
                    }
                }
            }
            Ok(answer) => Labelled::Refused(answer.status()),
            Err(Trouble::Connection(what) | Trouble::Timeout(what)) => Labelled::Failed(what),
        };
        self.count(|tally| tally.labelled(outcome));
    }

    /// Counts the answer to a prediction. Gives back the version's name and the body of a good one.
    fn note(
        &self,
        sent: Instant,
        answer: Result<Response<Bytes>, Trouble>,
    ) -> Option<(Option<HeaderValue>, Bytes)> {
        let came = Instant::now();
        let answer = match answer {
            Ok(answer) => answer,
            Err(trouble) => {
                self.count(|tally| tally.trouble(trouble));
                return None;
            }
        };
        let (head, body) = answer.into_parts();
        let version = head.headers.get(&self.target.version_header).cloned();
        let named = text(version.as_ref());
        let noted =
            Answered { version: (!named.is_empty()).then_some(named), status: head.status, sent, came };
        self.count(|tally| tally.answered(&noted));
        (head.status == StatusCode::OK).then_some((version, body))
    }

    /// `version` goes along in the version header, so that a gateway that honours it leads there directly.
    async fn exchange(
        &self,
        to: &Uri,
        body: &serde_json::Value,
        user: Option<&HeaderValue>,
        version: Option<&HeaderValue>,
    ) -> Result<Response<Bytes>, Trouble> {
        let mut request = Request::post(to.clone());
        if let Some(headers) = request.headers_mut() {
            headers.insert(HOST, self.target.host.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let named = [(&self.target.user_header, user), (&self.target.version_header, version)];
            headers
                .extend(named.into_iter().filter_map(|(name, value)| Some((name.clone(), value?.clone()))));
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| Trouble::Connection(format!("the request could not be made: {error}")))?;
        let whole = async {
            let answer = self.client.request(request).await.map_err(|error| broken(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| broken(&*error))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, whole).await {
            Ok(done) => done,
            Err(_elapsed) => {
                Err(Trouble::Timeout(format!("{to} did not answer within {} ms", self.timeout.as_millis())))
            }
        }
    }

    /// Ends early when the load is stopped: the labels of what was answered are reported, not lost.
    async fn wait(&self, delay: Duration) {
        let mut stopped = self.stopped.clone();
        // Elapsed or stopped, or the load is gone: all the same.
        let _ = tokio::time::timeout(delay, stopped.wait_for(|stop| *stop)).await;
    }

    fn count(&self, act: impl FnOnce(&mut Tally)) {
        act(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn text(version: Option<&HeaderValue>) -> &str {
    version.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn broken(error: &(dyn Error + 'static)) -> Trouble {
    let mut what = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        what = format!("{what}: {deeper}");
        cause = deeper.source();
    }
    Trouble::Connection(what)
}
