//! What wakes which release, how many are looked at at once, and what a failure costs. Only while this operator leads.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use model_release_core::urgency::{Urgency, urgency};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::admin::Health;
use crate::clock::{jitter, until};
use crate::cluster::ApiError;
use crate::lease::Lead;
use crate::queue::{Outcome, Queue};
use crate::reconcile::{Failure, Looked, Ports, complain, reconcile};
use crate::watch::ReleaseKey;

/// Longest that a look may take; each of its calls has a limit of its own.
const LONGEST: Duration = Duration::from_secs(90);
/// Soonest that a release that asks for it is looked at again.
const SOONEST: Duration = Duration::from_millis(10);
/// How long running looks may take to end when the operator does.
const GRACE: Duration = Duration::from_secs(10);

/// Looks at releases as they are woken or due, while this operator leads.
#[derive(Debug)]
pub struct Controller {
    ports: Ports,
    woken: mpsc::UnboundedReceiver<ReleaseKey>,
    lead: Lead,
    health: Arc<Health>,
    queue: Queue,
    running: JoinSet<(ReleaseKey, Outcome)>,
}

impl Controller {
    /// A controller of these ports.
    pub fn new(
        ports: Ports,
        woken: mpsc::UnboundedReceiver<ReleaseKey>,
        lead: Lead,
        health: Arc<Health>,
    ) -> Self {
        Self { ports, woken, lead, health, queue: Queue::default(), running: JoinSet::new() }
    }

    /// Runs until `stop` says so; then lets running looks end.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = self.ports.caches.wait_synced() => self.health.synced(),
        }
        info!(releases = self.ports.caches.releases().len(), "every kind is listed");
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.lead.becomes(true) => {}
            }
            let now = Instant::now();
            for (key, _) in self.ports.caches.releases() {
                self.queue.wake(&key, self.urgency(&key), now);
            }
            let stopped = self.lead_on(&mut stop).await;
            if stopped {
                break;
            }
            // Whatever was under way ends here: its writes carry preconditions, so one that still lands is harmless.
            self.running.abort_all();
            while self.running.join_next().await.is_some() {}
            self.queue.clear();
            self.tell_health();
        }
        self.finish().await;
    }

    /// Works while it leads. True if it was told to stop.
    async fn lead_on(&mut self, stop: &mut watch::Receiver<bool>) -> bool {
        loop {
            self.start_due();
            self.tell_health();
            let due = self.queue.next_due();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return true,
                () = self.lead.becomes(false) => return false,
                Some(ended) = self.running.join_next() => self.ended(ended),
                Some(key) = self.woken.recv() => self.queue.wake(&key, self.urgency(&key), Instant::now()),
                () = sleep_until(due) => {}
            }
        }
    }

    fn start_due(&mut self) {
        while let Some(key) = self.queue.take(Instant::now()) {
            let ports = self.ports.clone();
            self.running.spawn(async move {
                let outcome = look(&key, &ports).await;
                (key, outcome)
            });
        }
    }

    fn ended(&mut self, ended: Result<(ReleaseKey, Outcome), tokio::task::JoinError>) {
        match ended {
            Ok((key, outcome)) => {
                self.queue.done(&key, outcome, self.urgency(&key), Instant::now(), jitter());
            }
            // Each look catches its own panics, and none is aborted here.
            Err(cause) => error!(%cause, "a look was lost"),
        }
    }

    /// How urgent a release is, as far as the cache knows.
    fn urgency(&self, key: &ReleaseKey) -> Urgency {
        let known = self.ports.caches.release(key);
        known.and_then(|release| release.decoded.as_ref().ok().map(urgency)).unwrap_or_default()
    }

    fn tell_health(&self) {
        self.health.oldest_due(self.queue.oldest_due());
        let now = Instant::now();
        self.ports.metrics.queue_depth(self.queue.due(now));
    }

    /// Lets running looks end.
    async fn finish(mut self) {
        let ending = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ending).await.is_err() {
            warn!(
                "some looks did not end in time and are cut off; the next operator goes on from what is committed"
            );
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// One look, whatever happens in it.
async fn look(key: &ReleaseKey, ports: &Ports) -> Outcome {
    let begun = Instant::now();
    let looking = AssertUnwindSafe(Box::pin(reconcile(key, ports))).catch_unwind();
    let (outcome, result) = match tokio::time::timeout(LONGEST, looking).await {
        Ok(Ok(Ok(Looked::At(next)))) => {
            let wait = until(ports.clock.now(), next).max(SOONEST);
            (Outcome::At(Instant::now() + wait), "ok")
        }
        Ok(Ok(Ok(Looked::Gone))) => (Outcome::Gone, "gone"),
        Ok(Ok(Err(failure))) => sorted(key, &failure),
        Ok(Err(_)) => {
            error!(release = %key, "looking at a release panicked; the others are served");
            (Outcome::Panicked, "panicked")
        }
        Err(_) => {
            warn!(release = %key, limit = ?LONGEST, "a look took too long and was given up");
            (Outcome::Failed, "failed")
        }
    };
    ports.metrics.reconciled(result, begun.elapsed());
    outcome
}

fn sorted(key: &ReleaseKey, failure: &Failure) -> (Outcome, &'static str) {
    if let Failure::Panicked = failure {
        complain(key, failure);
        return (Outcome::Panicked, "panicked");
    }
    match failure.api() {
        Some(ApiError::Conflict { .. }) => (Outcome::Conflict, "conflict"),
        Some(ApiError::Refused { .. }) => {
            // A new refusal is told in the status at once; a known one was.
            let news = matches!(failure, Failure::Apply(apply) if apply.news);
            if !news {
                complain(key, failure);
            }
            (if news { Outcome::Conflict } else { Outcome::Refused }, "refused")
        }
        Some(ApiError::Absent { .. } | ApiError::TimedOut { .. } | ApiError::Failed { .. }) | None => {
            complain(key, failure);
            (Outcome::Failed, "failed")
        }
    }
}
