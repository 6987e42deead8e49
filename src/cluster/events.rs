//! Events about releases: a bounded queue beside everything else. They are never waited for, and never an error.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter};
use model_release_core::api::{FIELD_MANAGER, Reason};
use model_release_core::plan::Event;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use super::limited;
use crate::metrics::Metrics;

/// How many events may wait.
const QUEUE: usize = 1000;
/// Least time between two that say the same of the same release.
const APART: Duration = Duration::from_secs(60);
/// Limit of one.
const LIMIT: Duration = Duration::from_secs(2);

/// Takes events. Clones share the queue.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, Event)>,
    metrics: Metrics,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// The queue, and the task that empties it until the last clone is gone.
    pub fn new(
        client: Client,
        instance: &str,
        metrics: Metrics,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, mut waiting) = mpsc::channel::<(ObjectReference, Event)>(QUEUE);
        let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: Some(instance.to_owned()) };
        let recorder = Recorder::new(client, reporter);
        let counters = metrics.clone();
        let work = async move {
            let mut told: HashMap<(Option<String>, Reason, String), Instant> = HashMap::new();
            while let Some((reference, event)) = waiting.recv().await {
                let now = Instant::now();
                told.retain(|_, at| now.duration_since(*at) < APART);
                let said = (reference.uid.clone(), event.reason, event.message.clone());
                if told.contains_key(&said) {
                    continue;
                }
                told.insert(said, now);
                let event = kube_event(event);
                let publish = recorder.publish(&event, &reference);
                let what = || format!("event {}", event.reason);
                if let Err(error) = limited(&counters, ("create", "events"), LIMIT, what, publish).await {
                    debug!(%error, "an event was not written");
                }
            }
        };
        (Self { queue, metrics }, work)
    }

    /// Queues an event; a full queue drops it.
    pub fn send(&self, about: ObjectReference, event: Event) {
        if self.queue.try_send((about, event)).is_err() {
            self.metrics.kube_request("create", "events", "dropped");
        }
    }
}

fn kube_event(event: Event) -> KubeEvent {
    let Event { warning, reason, action, message } = event;
    KubeEvent {
        type_: if warning { EventType::Warning } else { EventType::Normal },
        reason: reason.as_str().to_owned(),
        // The API takes 1 kB.
        note: Some(message.chars().take(900).collect()),
        action: action.to_owned(),
        secondary: None,
    }
}
