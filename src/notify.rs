//! Tells people and programs of decisions: Slack, signed webhooks, `CloudEvents`.
//!
//! Nothing waits for it and nothing depends on it: what is handed over waits in bounded queues, one a sink, which one
//! task empties while this operator leads. Each sink has places of its own for requests, so that one which is slow or
//! dead keeps no other waiting; and of one release a sink is told in order. What a leader did not deliver before it ended
//! the next one sends again from the history of each release, with the same ids.

mod event;
mod queue;
mod send;
mod slack;

pub use self::send::payload;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use jiff::SignedDuration;
use model_release_core::api::status::HistoryEntry;
use model_release_core::settings::{EventKind, Notifications};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use self::event::kind;
use self::queue::{Failed, Queue};
use self::send::{Problem, Wires, send};
use crate::clock::{Clock, jitter};
use crate::lease::Lead;
use crate::metrics::Metrics;
use crate::settings::Current;
use crate::watch::cache::CachedRelease;
use crate::watch::{Caches, ReleaseKey};

/// How old a decision on record may be for a new leader to send it again: as long as one that failed is retried.
const AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// A decision to tell of.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Of which release.
    pub release: ReleaseKey,
    /// Its UID.
    pub uid: String,
    /// Name of the version that is stable after it, where that is known.
    pub stable: String,
    /// The decision, as it stands in the history.
    pub decision: HistoryEntry,
}

/// What a sink understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Slack's incoming webhooks.
    Slack,
    /// JSON of our own.
    Webhook,
    /// `CloudEvents` 1.0, structured.
    CloudEvents,
}

/// A sink of the settings, and where it stands there.
#[derive(Clone, Copy, Debug)]
pub struct Sink<'a> {
    /// The list that it is in.
    pub list: &'static str,
    /// Its place there.
    pub at: usize,
    /// What it understands.
    pub format: Format,
    /// Its name.
    pub name: &'a str,
    /// File with its address.
    pub url_file: &'a str,
    /// File with the key to sign with.
    pub secret_file: Option<&'a str>,
}

/// Every sink, in the order of the settings.
pub fn sinks(settings: &Notifications) -> impl Iterator<Item = Sink<'_>> {
    let slack = settings.slack.iter().enumerate().map(|(at, sink)| Sink {
        list: "slack",
        at,
        format: Format::Slack,
        name: &sink.name,
        url_file: &sink.url_file,
        secret_file: None,
    });
    let lists = [
        ("webhooks", Format::Webhook, &settings.webhooks),
        ("cloudEvents", Format::CloudEvents, &settings.cloud_events),
    ];
    slack.chain(lists.into_iter().flat_map(|(list, format, sinks)| {
        sinks.iter().enumerate().map(move |(at, sink)| Sink {
            list,
            at,
            format,
            name: &sink.name,
            url_file: &sink.url_file,
            secret_file: sink.secret_file.as_deref(),
        })
    }))
}

/// Whether a sink is to be told.
fn leads_to(settings: &Notifications, sink: &str, namespace: &str, kind: EventKind) -> bool {
    settings.routes.is_empty()
        || settings.routes.iter().any(|route| {
            route.sinks.iter().any(|name| name == sink)
                && (route.namespaces.is_empty() || route.namespaces.iter().any(|glob| fits(glob, namespace)))
                && (route.events.is_empty() || route.events.contains(&kind))
        })
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(glob: &str, name: &str) -> bool {
    let Some((begin, rest)) = glob.split_once('*') else { return glob == name };
    let Some(mut left) = name.strip_prefix(begin) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place is the best one for each part: it leaves the most for those after it.
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(end)
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Limit of a request.
    limit: Duration,
    /// Wait after the first failure; twice as long after each further one.
    first: Duration,
    /// Longest wait.
    longest: Duration,
    /// How long a notification is retried, from its hand-over.
    total: Duration,
}

const PACE: Pace = Pace {
    limit: Duration::from_secs(5),
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    total: Duration::from_secs(600),
};

/// Takes decisions to tell of. Clones share the queues.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    settings: Current,
    metrics: Metrics,
    clock: Clock,
    pace: Pace,
    wires: Wires,
    queues: Mutex<BTreeMap<String, Queue>>,
    handed: tokio::sync::Notify,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notifier")
    }
}

/// What became of a request: to which sink, with which number of its queue, and how it ended.
type Ended = (String, u64, Result<(), Problem>);

impl Notifier {
    /// For the sinks of these settings, as they are at each request.
    pub fn new(settings: Current, metrics: Metrics, clock: Clock) -> Self {
        Self::paced(settings, metrics, clock, PACE)
    }

    fn paced(settings: Current, metrics: Metrics, clock: Clock, pace: Pace) -> Self {
        let (wires, queues, handed) = (Wires::default(), Mutex::default(), tokio::sync::Notify::new());
        let notifier = Self(Arc::new(Inner { settings, metrics, clock, pace, wires, queues, handed }));
        notifier.meet_settings();
        notifier
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        // Entries are put and taken whole, so a panic elsewhere leaves nothing half done.
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a decision to tell of, and returns at once. Where a sink's queue is full, the oldest that waits there goes.
    pub fn hand_over(&self, decided: Notification) {
        let settings = self.0.settings.now();
        let (decided, now) = (Arc::new(decided), Instant::now());
        let kind = kind(&decided.decision);
        for sink in sinks(&settings.notifications) {
            if !leads_to(&settings.notifications, sink.name, &decided.release.namespace, kind) {
                continue;
            }
            let mut queues = self.queues();
            let queue = queues.entry(sink.name.to_owned()).or_default();
            let fell = queue.push(decided.clone(), now + self.0.pace.total, now);
            drop(queues);
            if let Some(fell) = fell {
                self.0.metrics.notified(sink.name, "dropped", 1);
                warn!(
                    sink = sink.name, release = %fell.release, seq = fell.decision.seq,
                    remedy = "see why the sink does not take them: it was logged when that began",
                    "a notification is dropped, for a thousand wait for this sink",
                );
            }
        }
        self.0.handed.notify_one();
    }

    /// Delivers while this operator leads, for as long as the operator runs.
    pub async fn run(self, caches: Caches, mut lead: Lead) {
        let mut settings = self.0.settings.clone();
        loop {
            lead.becomes(true).await;
            caches.wait_synced().await;
            self.catch_up(&caches);
            let mut running: JoinSet<Ended> = JoinSet::new();
            loop {
                self.begin_due(&mut running);
                let due = self.queues().values().filter_map(Queue::next_due).min();
                tokio::select! {
                    biased;
                    () = lead.becomes(false) => break,
                    Some(Ok((sink, number, outcome))) = running.join_next() => self.ended(&sink, number, outcome),
                    () = self.0.handed.notified() => {}
                    () = settings.changed() => self.meet_settings(),
                    () = sleep_until(due) => {}
                }
            }
            // The next leader sends what is left from the history.
            running.shutdown().await;
            self.queues().clear();
        }
    }

    /// Hands over what may not have been delivered by whoever led before. Who leads for the first time cannot know what
    /// was: receivers tell by the id.
    fn catch_up(&self, caches: &Caches) {
        let now = self.0.clock.now();
        for (release, cached) in caches.releases() {
            for decided in recent(&release, &cached, now) {
                self.hand_over(decided);
            }
        }
    }

    /// Starts the counters of new sinks, and forgets those that are no longer in the settings.
    fn meet_settings(&self) {
        let settings = self.0.settings.now();
        for sink in sinks(&settings.notifications) {
            self.0.metrics.sink(sink.name);
        }
        self.queues().retain(|name, queue| {
            let known = sinks(&settings.notifications).any(|sink| sink.name == name);
            if !known && queue.len() > 0 {
                self.0.metrics.notified(name, "dropped", u64::try_from(queue.len()).unwrap_or(u64::MAX));
                warn!(
                    sink = name,
                    count = queue.len(),
                    "notifications are dropped, for their sink is taken out"
                );
            }
            known
        });
    }

    fn begin_due(&self, running: &mut JoinSet<Ended>) {
        let settings = self.0.settings.now();
        let now = Instant::now();
        for (name, queue) in self.queues().iter_mut() {
            while let Some((number, decided)) = queue.take(now) {
                let (settings, inner, name) = (settings.clone(), self.0.clone(), name.clone());
                running.spawn(async move {
                    let sink = sinks(&settings.notifications).find(|sink| sink.name == name);
                    let sending = async {
                        match sink {
                            Some(sink) => send(&inner.wires, sink, &decided).await,
                            None => Err(Problem::TakenOut),
                        }
                    };
                    let sending = AssertUnwindSafe(sending).catch_unwind();
                    let outcome = match tokio::time::timeout(inner.pace.limit, sending).await {
                        Ok(Ok(outcome)) => outcome,
                        Ok(Err(_)) => Err(Problem::Internal),
                        Err(_) => Err(Problem::TimedOut),
                    };
                    (name, number, outcome)
                });
            }
        }
    }

    fn ended(&self, sink: &str, number: u64, outcome: Result<(), Problem>) {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(sink) else { return };
        let Err(problem) = outcome else {
            self.0.metrics.notified(sink, "delivered", 1);
            if queue.delivered(number) {
                info!(sink, "the sink takes notifications again");
            }
            return;
        };
        let Pace { first, longest, .. } = self.0.pace;
        match queue.failed(number, Instant::now(), |tries| backoff(first, longest, tries, jitter())) {
            Failed::Retried { began } => {
                self.0.metrics.notified(sink, "retried", 1);
                if began {
                    warn!(
                        sink, %problem,
                        remedy = problem.remedy(),
                        "a notification could not be delivered; each is tried again for ten minutes",
                    );
                }
            }
            Failed::Dropped(decided) => {
                self.0.metrics.notified(sink, "dropped", 1);
                warn!(
                    sink, release = %decided.release, seq = decided.decision.seq, %problem,
                    remedy = problem.remedy(),
                    "a notification is dropped, for it could not be delivered in ten minutes",
                );
            }
            Failed::Unknown => {}
        }
    }
}

/// Decisions of a release that are young enough to be sent again, the oldest first.
fn recent(release: &ReleaseKey, cached: &CachedRelease, now: jiff::Timestamp) -> Vec<Notification> {
    let Some(status) = cached.decoded.as_ref().ok().and_then(|decoded| decoded.status.as_ref()) else {
        return Vec::new();
    };
    let last = status.decision.as_ref().map(|decision| decision.seq);
    let young = status.history.iter().filter(|entry| now.duration_since(entry.at) < AGAIN);
    let mut all: Vec<Notification> = young
        .map(|entry| Notification {
            release: release.clone(),
            uid: cached.uid.clone(),
            // Which version was stable after an older one is not on record.
            stable: if last == Some(entry.seq) { status.stable_version.clone() } else { String::new() },
            decision: entry.clone(),
        })
        .collect();
    all.reverse();
    all
}

/// How long to wait after so many failures. Jitter in 0..1 takes up to half of it away.
fn backoff(first: Duration, longest: Duration, tries: u32, jitter: f64) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    doubled.min(longest).mul_f64(1.0 - jitter / 2.0)
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
