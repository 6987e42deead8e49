//! One question: the prediction, and after a while its label.

use crate::clients::{Clients, Whole};
use crate::config::{Config, Target};
use crate::reply;
use crate::tally::{Answered, Labelled, Tally, Trouble};
use crate::way::Way;
use hyper::header::HeaderValue;
use model_server::data::Example;
use model_server::front::VERSION_HEADER as APP_HEADER;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// What all questions of a load share.
pub struct Asker {
    clients: Clients,
    label_delay: Option<Duration>,
    tally: Arc<Mutex<Tally>>,
    stopped: watch::Receiver<bool>,
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
        Self { clients: Clients::new(config, target), label_delay: config.label_delay, tally, stopped }
    }

    /// Asks, counts the answer, gives `permit` back, waits, reports the label, counts what became of it.
    pub async fn ask(&self, way: Way, question: &Example, user: usize, permit: OwnedSemaphorePermit) {
        let user = HeaderValue::from_str(&format!("user-{user}")).ok();
        let sent = Instant::now();
        let answer = self.clients.predict(way, &question.domain, user.as_ref()).await;
        drop(permit);
        let Some((version, id)) = self.note(way, sent, answer) else { return };
        let Some(delay) = self.label_delay else { return };
        self.wait(delay).await;
        let label = if question.phishing { "phishing" } else { "legitimate" };
        let label = serde_json::json!({ "id": id, "label": label });
        let outcome = match self.clients.feedback(&label, user.as_ref(), version.as_ref()).await {
            Ok(answer) if answer.head.status.is_success() => {
                match serde_json::from_slice::<Counted>(&answer.body) {
                    Ok(counted) => Labelled::Counted {
                        version: text(version.as_ref()).to_owned(),
                        right: counted.correct,
                    },
                    Err(error) => {
                        Labelled::Failed(format!("the answer to a label is not the JSON expected: {error}"))
                    }
                }
            }
            Ok(answer) => Labelled::Refused(answer.head.status),
            Err(Trouble::Connection(what) | Trouble::Timeout(what)) => Labelled::Failed(what),
        };
        self.count(|tally| tally.labelled(outcome));
    }

    /// Counts the answer to a prediction. Gives back the version's name and the id of a good one.
    fn note(
        &self,
        way: Way,
        sent: Instant,
        answer: Result<Whole, Trouble>,
    ) -> Option<(Option<HeaderValue>, String)> {
        let came = Instant::now();
        let answer = match answer {
            Ok(answer) => answer,
            Err(trouble) => {
                self.count(|tally| tally.trouble(way, trouble));
                return None;
            }
        };
        let (kind, prediction) = reply::read(way, &answer);
        let version = self.clients.version(&answer).cloned();
        let (named, app) = (text(version.as_ref()), text(answer.head.headers.get(APP_HEADER)));
        let model = prediction.as_ref().map_or("", |prediction| prediction.version.as_str());
        let told = |name| Some(name).filter(|name: &&str| !name.is_empty());
        let noted =
            Answered { way, kind, version: told(named), app: told(app), model: told(model), sent, came };
        self.count(|tally| tally.answered(&noted));
        let id = prediction?.id;
        (!id.is_empty()).then_some((version, id))
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
