//! What is counted as decisions are committed. Counters begin at 0 with the process: a status need not carry them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use model_release_core::api::status::{Act, HistoryEntry, ModelReleaseStatus, Phase};
use model_release_core::plan::{Key, Kind};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::watch::ReleaseKey;

/// Decisions that are counted; the others move nothing.
pub const COUNTED: [(Act, &str); 4] =
    [(Act::Step, "step"), (Act::Promote, "promote"), (Act::Replace, "replace"), (Act::Rollback, "rollback")];

/// Decisions that end a trial.
const ENDS: [(Act, &str); 2] = [(Act::Promote, "promote"), (Act::Rollback, "rollback")];

/// Kinds that are put right. A record never changes, so it cannot drift.
pub const DRIFTING: [Kind; 6] = [
    Kind::Deployment,
    Kind::HorizontalPodAutoscaler,
    Kind::Service,
    Kind::VirtualService,
    Kind::HttpRoute,
    Kind::EnvoyFilter,
];

/// What is counted of one release.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Decisions, as [`COUNTED`].
    pub decisions: [u64; COUNTED.len()],
    /// Corrections, as [`DRIFTING`].
    pub drift: [u64; DRIFTING.len()],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    decision: &'static str,
}

/// Decisions committed since this process began. Clones share them.
#[derive(Clone, Debug)]
pub struct Decisions {
    counts: Arc<Mutex<HashMap<ReleaseKey, Counts>>>,
    time: Family<Decided, Histogram>,
    rollback: Histogram,
    exposed: Histogram,
}

impl Default for Decisions {
    fn default() -> Self {
        let time = Family::<Decided, Histogram>::new_with_constructor(trials);
        for (_, decision) in ENDS {
            // A family that was never touched prints nothing.
            drop(time.get_or_create(&Decided { decision }));
        }
        Self {
            counts: Arc::default(),
            time,
            rollback: Histogram::new([0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0]),
            exposed: Histogram::new([0.0, 10.0, 100.0, 500.0, 1e3, 5e3, 1e4, 1e5, 1e6]),
        }
    }
}

/// From minutes to a week.
fn trials() -> Histogram {
    let hour = 3600.0;
    Histogram::new([
        60.0,
        300.0,
        900.0,
        1800.0,
        hour,
        2.0 * hour,
        4.0 * hour,
        12.0 * hour,
        24.0 * hour,
        72.0 * hour,
        168.0 * hour,
    ])
}

impl Decisions {
    /// Puts those of the fleet on the page.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "time_to_decision_seconds",
            "Time from the start of a trial until it was decided",
            self.time.clone(),
        );
        registry.register(
            "rollback_duration_seconds",
            "Time from the commit of a rollback until every gateway was seen to have weight 0",
            self.rollback.clone(),
        );
        registry.register(
            "rollback_exposed_requests",
            "Requests of a version that was rolled back, as its guardrails had counted them when that was decided",
            self.exposed.clone(),
        );
    }

    /// Counts one, with the status that commits it.
    pub fn count(&self, release: &ReleaseKey, entry: &HistoryEntry, status: &ModelReleaseStatus) {
        if entry.verdict == Act::Rollback && entry.from == Phase::RollingBack && entry.to != entry.from {
            self.rolled_back(entry, status);
        }
        if !entry.decides() {
            return;
        }
        self.with(release, |counts| {
            for (count, (counted, _)) in counts.decisions.iter_mut().zip(COUNTED) {
                *count += u64::from(counted == entry.verdict);
            }
        });
        let of = |act: Act| move |past: &&HistoryEntry| past.verdict == act && past.hash == entry.hash;
        let began = status.history.iter().find(of(Act::Start)).map(|start| start.at);
        if let Some(((_, decision), began)) = ENDS.iter().find(|(act, _)| *act == entry.verdict).zip(began) {
            self.time.get_or_create(&Decided { decision }).observe(between(began, entry.at));
        }
        if entry.verdict == Act::Rollback {
            // Each guardrail counts all of the version's requests, some a block later than others.
            let guardrails = status.state.checks.iter().filter(|(name, _)| *name != QUALITY);
            let requests = guardrails.map(|(_, kept)| kept.canary_events).reduce(f64::max);
            if let Some(requests) = requests.filter(|requests| requests.is_finite()) {
                self.exposed.observe(requests);
            }
        }
    }

    /// A rollback is carried out: how long its version still had weight.
    fn rolled_back(&self, entry: &HistoryEntry, status: &ModelReleaseStatus) {
        let zero = status.versions.iter().find(|version| version.hash == entry.hash);
        let zero = zero.and_then(|version| version.zero_since);
        let decided =
            |past: &&HistoryEntry| past.verdict == Act::Rollback && past.hash == entry.hash && past.decides();
        if let Some((zero, decided)) = zero.zip(status.history.iter().find(decided)) {
            self.rollback.observe(between(decided.at, zero));
        }
    }

    /// Counts objects that were put right.
    pub fn drifted(&self, release: &ReleaseKey, objects: &[Key]) {
        if objects.is_empty() {
            return;
        }
        self.with(release, |counts| {
            for (count, kind) in counts.drift.iter_mut().zip(DRIFTING) {
                *count += objects.iter().filter(|object| object.kind == kind).map(|_| 1).sum::<u64>();
            }
        });
    }

    /// Counts of each release; those of releases that are gone are dropped.
    pub fn of(&self, known: &[ReleaseKey]) -> HashMap<ReleaseKey, Counts> {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, _| known.binary_search(key).is_ok());
        all.clone()
    }

    fn with(&self, release: &ReleaseKey, act: impl FnOnce(&mut Counts)) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(release.clone()).or_default());
    }
}

/// Name of the check that counts labelled answers, where the others count requests.
const QUALITY: &str = "model_accuracy";

fn between(begin: Timestamp, end: Timestamp) -> f64 {
    end.duration_since(begin).as_secs_f64().max(0.0)
}
