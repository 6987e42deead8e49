//! What the operator counts of itself, and the page that tells it. Labels are of known, small sets.

mod decisions;
mod page;
mod pushes;
mod releases;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::status::{HistoryEntry, ModelReleaseStatus};
use model_release_core::observed::{Part, Push};
use model_release_core::plan::Key;
use model_release_core::pushes::Gateway;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::decisions::Decisions;
use self::pushes::Pushes;
use self::releases::Releases;
use crate::clock::Clock;
use crate::settings::Current;
use crate::watch::{Caches, ReleaseKey};

/// Prefix of every name.
const PREFIX: &str = "modelrelease";

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    verb: &'static str,
    resource: &'static str,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    source: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Notified {
    sink: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    revision: &'static str,
}

/// Results of a reconcile, as counted.
pub const RESULTS: [&str; 6] = ["ok", "conflict", "failed", "refused", "panicked", "gone"];

/// Outcomes of a question to Prometheus, as counted.
pub const OUTCOMES: [&str; 7] = ["ok", "refused", "unreachable", "timeout", "too_large", "broken", "open"];

/// What becomes of a notification, as counted. One that is retried is counted each time.
pub const NOTIFIED: [&str; 3] = ["delivered", "retried", "dropped"];

/// Everything that is counted. Clones share it.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    kube_requests: Family<Called, Counter>,
    queries: Family<Asked, Counter>,
    query_duration: Family<OfSource, Histogram>,
    last_success: Family<OfSource, FloatGauge>,
    reconciles: Family<Ended, Counter>,
    reconcile_duration: Histogram,
    queue_depth: Gauge,
    leader: Gauge,
    leads: Arc<AtomicU64>,
    decisions: Decisions,
    pushes: Pushes,
    notifications: Family<Notified, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let inner = Inner {
            kube_requests: Family::default(),
            queries: Family::default(),
            query_duration: Family::new_with_constructor(durations),
            last_success: Family::default(),
            reconciles: Family::default(),
            reconcile_duration: durations(),
            queue_depth: Gauge::default(),
            leader: Gauge::default(),
            leads: Arc::default(),
            decisions: Decisions::default(),
            pushes: Pushes::default(),
            notifications: Family::default(),
            registry: Mutex::default(),
        };
        let build = Family::<Build, Gauge>::default();
        let revision = option_env!("MODEL_RELEASE_REVISION").unwrap_or("unknown");
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION"), revision }).set(1);
        for result in RESULTS {
            // A family that was never touched prints nothing.
            inner.reconciles.get_or_create(&Ended { result }).inc_by(0);
        }
        registry.register("build_info", "Version of the operator", build);
        registry.register("kube_requests", "Requests to the API server", inner.kube_requests.clone());
        registry.register("prometheus_queries", "Questions to Prometheus", inner.queries.clone());
        registry.register(
            "prometheus_query_duration_seconds",
            "Time until Prometheus answered, or the question was given up",
            inner.query_duration.clone(),
        );
        registry.register(
            "prometheus_last_success_timestamp_seconds",
            "When a source last answered a question; 0 before the first answer to this process",
            inner.last_success.clone(),
        );
        registry.register("reconcile", "Looks at a release, by how they ended", inner.reconciles.clone());
        registry.register(
            "reconcile_duration_seconds",
            "Time that a look took",
            inner.reconcile_duration.clone(),
        );
        registry.register(
            "queue_depth",
            "Releases that wait for a look that is due",
            inner.queue_depth.clone(),
        );
        registry.register("leader", "Whether this operator leads", inner.leader.clone());
        inner.decisions.register(&mut registry);
        inner.pushes.register(&mut registry);
        registry.register(
            "notifications",
            "Notifications of decisions, by what became of them",
            inner.notifications.clone(),
        );
        let metrics = Self(Arc::new(inner));
        *metrics.registry() = registry;
        metrics
    }
}

impl Metrics {
    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the series of each release, as their status stands in the cache at the time of the scrape. Only a leader
    /// tells them, and they go with the release.
    pub fn tell_releases(&self, caches: Caches, settings: Current, clock: Clock) {
        let releases = Releases::new(caches, settings, clock, self.0.leads.clone(), self.0.decisions.clone());
        self.registry().register_collector(Box::new(releases));
    }

    /// The page, in `OpenMetrics`' text format.
    ///
    /// # Errors
    /// If a metric cannot be written, which no input can cause.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &self.registry())?;
        Ok(page)
    }

    /// Counts a request to the API server.
    pub fn kube_request(&self, verb: &'static str, resource: &'static str, code: &str) {
        self.0.kube_requests.get_or_create(&Called { verb, resource, code: code.to_owned() }).inc();
    }

    /// Starts the counters of a source at 0, and tells that it has never answered, unless it has.
    pub fn prometheus_source(&self, source: &str) {
        drop(self.0.last_success.get_or_create(&OfSource { source: source.to_owned() }));
        drop(self.0.query_duration.get_or_create(&OfSource { source: source.to_owned() }));
        for outcome in OUTCOMES {
            self.0.queries.get_or_create(&Asked { source: source.to_owned(), outcome }).inc_by(0);
        }
    }

    /// Counts a question to Prometheus.
    pub fn prometheus_query(&self, source: &str, outcome: &'static str) {
        self.0.queries.get_or_create(&Asked { source: source.to_owned(), outcome }).inc();
    }

    /// Notes how long it took.
    pub fn prometheus_took(&self, source: &str, time: Duration) {
        self.0
            .query_duration
            .get_or_create(&OfSource { source: source.to_owned() })
            .observe(time.as_secs_f64());
    }

    /// Notes that a source answered.
    pub fn prometheus_success(&self, source: &str, at: Timestamp) {
        self.0.last_success.get_or_create(&OfSource { source: source.to_owned() }).set(releases::seconds(at));
    }

    /// Counts a look at a release.
    pub fn reconciled(&self, result: &'static str, time: Duration) {
        self.0.reconciles.get_or_create(&Ended { result }).inc();
        self.0.reconcile_duration.observe(time.as_secs_f64());
    }

    /// Notes how many releases wait.
    pub fn queue_depth(&self, waiting: usize) {
        self.0.queue_depth.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Counts a committed decision; commits that only carry one out count nothing.
    pub fn decided(&self, release: &ReleaseKey, decision: &HistoryEntry, status: &ModelReleaseStatus) {
        self.0.decisions.count(release, decision, status);
    }

    /// Counts objects that were put right.
    pub fn drifted(&self, release: &ReleaseKey, objects: &[Key]) {
        self.0.decisions.drifted(release, objects);
    }

    /// Starts the counters of istiod at 0.
    pub fn istiod(&self) {
        self.0.pushes.begin();
    }

    /// Counts a question to istiod.
    pub fn istiod_question(&self, outcome: &'static str) {
        self.0.pushes.asked(outcome);
    }

    /// Notes what istiod tells of gateways: what was sent to which, whether it was refused, and what else is open.
    pub fn gateway_pushes(&self, sent: &[(&Gateway, Part, bool)], open: &[Push]) {
        self.0.pushes.tell(sent, open);
    }

    /// Starts the counters of a sink at 0.
    pub fn sink(&self, sink: &str) {
        for result in NOTIFIED {
            self.0.notifications.get_or_create(&Notified { sink: sink.to_owned(), result }).inc_by(0);
        }
    }

    /// Counts what became of notifications to a sink.
    pub fn notified(&self, sink: &str, result: &'static str, count: u64) {
        self.0.notifications.get_or_create(&Notified { sink: sink.to_owned(), result }).inc_by(count);
    }

    /// Notes whether this operator leads.
    pub fn set_leader(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
        self.0.leads.store(u64::from(leads), Ordering::Relaxed);
    }
}

fn durations() -> Histogram {
    Histogram::new([0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../tests/support/told.rs"]
#[allow(dead_code, reason = "others tell the whole story")]
mod told;
