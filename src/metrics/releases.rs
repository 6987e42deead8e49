//! Series of each release, read off its status at the time of the scrape.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::settings::Current;
use jiff::Timestamp;
use model_release_core::api::spec::ModelRelease;
use model_release_core::api::status::{
    Act, CheckStatus, HistoryEntry, ModelReleaseStatus, Phase, Track, Verdict,
};
use model_release_core::release::Release;
use model_release_core::version::{Hash, object_name};
use model_release_core::wanted;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::watch::{Caches, ReleaseKey};

/// Decisions that are counted; the others move nothing.
const COUNTED: [(Act, &str); 4] =
    [(Act::Step, "step"), (Act::Promote, "promote"), (Act::Replace, "replace"), (Act::Rollback, "rollback")];

/// Decisions committed since this process began.
#[derive(Clone, Debug, Default)]
pub struct Decisions(Arc<Mutex<HashMap<ReleaseKey, [u64; 4]>>>);

impl Decisions {
    /// Counts one.
    pub fn count(&self, release: &ReleaseKey, decision: &HistoryEntry) {
        if !decides(decision) {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(release.clone()).or_default();
        for (count, (counted, _)) in counts.iter_mut().zip(COUNTED) {
            *count += u64::from(counted == decision.verdict);
        }
    }

    /// Counts of a release; those of releases that are gone are dropped.
    fn of(&self, known: &[ReleaseKey]) -> HashMap<ReleaseKey, [u64; 4]> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, _| known.binary_search(key).is_ok());
        all.clone()
    }
}

/// Whether a commit makes its decision, and does not only carry out one made before: a rollback is committed three
/// times, as it is decided, drained and done.
fn decides(entry: &HistoryEntry) -> bool {
    let enters = |phase| entry.to == phase && entry.from != phase;
    match entry.verdict {
        Act::Step => entry.to_percent != entry.from_percent,
        Act::Promote => enters(Phase::Promoting),
        Act::Rollback => enters(Phase::RollingBack),
        Act::Replace => enters(Phase::Replacing),
        Act::Hold | Act::Start | Act::Retire | Act::Delete => true,
    }
}

/// A family of series: its help, its kind, and each series' labels and value.
struct Series {
    help: &'static str,
    kind: MetricType,
    values: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// All series of all releases, by name.
#[derive(Default)]
struct Page(BTreeMap<&'static str, Series>);

/// One release's part of the page.
struct Part<'a> {
    page: &'a mut Page,
    key: &'a ReleaseKey,
}

impl Part<'_> {
    fn add(
        &mut self,
        (name, help): (&'static str, &'static str),
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        self.put(name, help, MetricType::Gauge, labels, value);
    }

    fn put(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: MetricType,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        let mut all = vec![("namespace", self.key.namespace.clone()), ("name", self.key.name.clone())];
        all.extend(labels.iter().map(|(label, value)| (*label, (*value).to_owned())));
        self.page
            .0
            .entry(name)
            .or_insert_with(|| Series { help, kind, values: Vec::new() })
            .values
            .push((all, value));
    }
}

/// Tells the series of each release.
pub struct Releases {
    caches: Caches,
    settings: Current,
    leads: Arc<AtomicU64>,
    decisions: Decisions,
}

impl Releases {
    /// Of the releases in these caches.
    pub fn new(caches: Caches, settings: Current, leads: Arc<AtomicU64>, decisions: Decisions) -> Self {
        Self { caches, settings, leads, decisions }
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        if self.leads.load(Ordering::Relaxed) == 0 {
            return page;
        }
        let releases = self.caches.releases();
        let keys: Vec<ReleaseKey> = releases.iter().map(|(key, _)| key.clone()).collect();
        let decisions = self.decisions.of(&keys);
        for (key, release) in &releases {
            let mut part = Part { page: &mut page, key };
            let counts = decisions.get(key).copied().unwrap_or_default();
            for (count, (_, word)) in counts.into_iter().zip(COUNTED) {
                let help = "Decisions committed since the operator began";
                // Counts stay far below 2^53.
                #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
                part.put("decisions", help, MetricType::Counter, &[("decision", word)], count as f64);
            }
            if let Ok(object) = &release.decoded {
                let status = object.status.clone().unwrap_or_default();
                life(&mut part, key, &status);
                traffic(&mut part, &status);
                self.checks(&mut part, object, &status);
            }
        }
        page
    }

    fn checks(&self, part: &mut Part, object: &ModelRelease, status: &ModelReleaseStatus) {
        let Some(analysis) = &status.analysis else { return };
        for check in analysis.quality.iter().chain(&analysis.guardrails) {
            measured(part, check);
        }
        let wanted = Release::parse(object, &self.settings.now()).analysis;
        let mut bound = |check: &str, bound: &str, value: Option<f64>| {
            if let Some(value) = value {
                part.add(BOUND, &[("check", check), ("bound", bound)], value);
            }
        };
        if let Some(quality) = &analysis.quality {
            bound(&quality.name, "min", wanted.quality.min);
            bound(&quality.name, "max_drop", Some(wanted.quality.max_drop));
        }
        for guardrail in &wanted.guardrails {
            bound(&guardrail.name, "max", guardrail.max);
            bound(&guardrail.name, "max_ratio", guardrail.max_ratio);
        }
    }
}

const BOUND: (&str, &str) = ("check_bound_ratio", "What a check holds a version against");

fn life(part: &mut Part, key: &ReleaseKey, status: &ModelReleaseStatus) {
    let now = status.phase.unwrap_or_default();
    for phase in Phase::ALL {
        part.add(
            ("phase", "Whether the release is in this phase"),
            &[("phase", phase.as_str())],
            flag(phase == now),
        );
    }
    for condition in &status.conditions {
        let help = "Whether the condition is True";
        part.add(("condition", help), &[("type", &condition.type_)], flag(condition.status == "True"));
    }
    if let Some(since) = status.phase_started_at {
        part.add(("phase_start_timestamp_seconds", "When the phase began"), &[], seconds(since));
    }
    for version in &status.versions {
        let track = version.track.as_str();
        let workload = object_name(&key.name, &Hash::known(&version.hash));
        let labels = [
            ("track", track),
            ("version", &version.version),
            ("hash", &version.hash),
            ("workload", &workload),
        ];
        part.add(("version_info", "The versions that have a role"), &labels, 1.0);
        let replicas = ("replicas", "Pods of a version");
        part.add(replicas, &[("track", track), ("state", "desired")], f64::from(version.replicas));
        part.add(replicas, &[("track", track), ("state", "ready")], f64::from(version.ready_replicas));
    }
    let mut told = Vec::new();
    for entry in status.history.iter().filter(|entry| decides(entry)) {
        // Newest first: the first of each kind is the last.
        if !told.contains(&entry.verdict) {
            told.push(entry.verdict);
            let help = "When such a decision was last made";
            let decision = word(entry.verdict);
            part.add(
                ("last_decision_timestamp_seconds", help),
                &[("decision", &decision)],
                seconds(entry.at),
            );
        }
    }
    if let Some(last) = status.history.iter().find(|entry| decides(entry)) {
        let decision = word(last.verdict);
        let labels =
            [("decision", decision.as_str()), ("reason", last.reason.as_str()), ("version", &last.version)];
        part.add(("last_decision_info", "The last decision"), &labels, 1.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let drift = status.state.drift.total.max(0) as f64;
    part.put(
        "drift_corrections",
        "Objects put right after others changed them",
        MetricType::Counter,
        &[],
        drift,
    );
}

fn traffic(part: &mut Part, status: &ModelReleaseStatus) {
    let weight = ("traffic_weight_ratio", "Share of the traffic, as committed and as read back");
    let share_ratio =
        ("traffic_share_ratio", "Share of the requests of the last blocks, as counted at the entrance");
    for version in &status.versions {
        let track = version.track;
        let observed =
            status.traffic.iter().filter(|t| t.hash == version.hash).map(|t| t.percent).sum::<i32>();
        let desired = wanted::committed_weight(status, &Hash::known(&version.hash));
        for (source, percent) in [("desired", desired), ("observed", observed)] {
            part.add(weight, &[("track", track.as_str()), ("source", source)], f64::from(percent) / 100.0);
        }
        let shown = status.traffic.iter().find(|shown| shown.hash == version.hash);
        if let Some(share) = shown.and_then(|shown| shown.share.parse().ok()) {
            part.add(share_ratio, &[("track", track.as_str())], share);
        }
    }
}

fn measured(part: &mut Part, check: &CheckStatus) {
    let name = check.name.as_str();
    for (track, share) in [(Track::Stable, &check.stable), (Track::Canary, &check.canary)] {
        let Some(share) = share else { continue };
        let labels = [("check", name), ("track", track.as_str())];
        if let Ok(value) = share.value.parse() {
            part.add(("check_value_ratio", "What a check measured of a version"), &labels, value);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        part.add(("check_samples", "Events that it rests on"), &labels, share.events as f64);
    }
    if let Some(difference) = &check.difference {
        let all =
            [("lower", &difference.lower), ("point", &difference.estimate), ("upper", &difference.upper)];
        for (estimate, text) in all {
            if let Ok(value) = text.parse() {
                let help = "The canary's share less stable's, with its bounds";
                part.add(("check_difference_ratio", help), &[("check", name), ("estimate", estimate)], value);
            }
        }
    }
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
        let help = "Whether this is what the check says";
        let labels = [("check", name), ("verdict", verdict.as_str())];
        part.add(("check_verdict", help), &labels, flag(check.verdict == verdict));
    }
}

fn word(act: Act) -> String {
    act.as_str().to_lowercase()
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Unix seconds.
pub fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

impl fmt::Debug for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Releases")
    }
}

impl Collector for Releases {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, Series { help, kind, values }) in self.page().0 {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in values {
                let labels = labels.as_slice();
                let mut series = family.encode_family(&labels)?;
                match kind {
                    MetricType::Counter => series.encode_counter::<NoLabelSet, _, f64>(&value, None)?,
                    _ => series.encode_gauge(&value)?,
                }
            }
        }
        Ok(())
    }
}
