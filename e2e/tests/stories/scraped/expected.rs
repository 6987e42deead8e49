//! What a release's status says that its series have to tell. None of it is taken from the code that makes the page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model_release_core::api::ModelRelease;
use model_release_core::api::status::{Act, CheckStatus, ModelReleaseStatus, Phase, Verdict};

use super::Labels;

/// Series of a release, by family.
pub type Expected = BTreeMap<&'static str, BTreeMap<Labels, f64>>;

/// Collects them.
#[derive(Default)]
struct Told(Expected);

impl Told {
    fn put(&mut self, family: &'static str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.0.entry(family).or_default().insert(labels, value);
    }

    /// The same if the text is a number.
    fn text(&mut self, family: &'static str, labels: &[(&str, &str)], value: &str) {
        if let Ok(value) = value.parse() {
            self.put(family, labels, value);
        }
    }
}

/// What a status has only once enough was counted; until then Prometheus has to have nothing either.
const LATER: [&str; 4] = [
    "traffic_share_ratio",
    "check_difference_ratio",
    "check_evidence_log10",
    "check_evidence_threshold_log10",
];

/// All that is defined by the status.
pub fn of(release: &ModelRelease) -> Expected {
    let mut told = Told::default();
    for family in LATER {
        told.0.entry(family).or_default();
    }
    let status = release.status.clone().unwrap_or_default();
    let name = release.metadata.name.as_deref().unwrap();
    life(&mut told, name, &status);
    decisions(&mut told, &status);
    let analysis = status.analysis.clone().unwrap_or_default();
    for check in analysis.quality.iter().chain(&analysis.guardrails) {
        measured(&mut told, check);
        bounds(&mut told, check);
        let kept = status.state.checks.get(&check.name);
        let exposed = status.state.candidate.as_ref().and_then(|candidate| candidate.exposed_at);
        if let Some(at) = kept.and_then(|kept| kept.last_evidence_at.or(kept.begin)).or(exposed) {
            told.put("last_evidence_timestamp_seconds", &[("check", &check.name)], seconds(at));
        }
    }
    told.0
}

fn life(told: &mut Told, name: &str, status: &ModelReleaseStatus) {
    for phase in Phase::ALL {
        told.put("phase", &[("phase", phase.as_str())], flag(status.phase == Some(phase)));
    }
    told.put("phase_start_timestamp_seconds", &[], seconds(status.phase_started_at.unwrap()));
    for condition in &status.conditions {
        told.put("condition", &[("type", &condition.type_)], flag(condition.status == "True"));
    }
    for version in &status.versions {
        let track = ("track", version.track.as_str());
        let workload = format!("{name}-{}", version.hash);
        let named = [track, ("version", &version.version), ("hash", &version.hash), ("workload", &workload)];
        told.put("version_info", &named, 1.0);
        told.put("replicas", &[track, ("state", "desired")], f64::from(version.replicas));
        told.put("replicas", &[track, ("state", "ready")], f64::from(version.ready_replicas));
        let traffic = status.traffic.iter().find(|traffic| traffic.hash == version.hash);
        let percent = traffic.map_or(0, |traffic| traffic.percent);
        // The step is settled: what was decided is what gateways have.
        for source in ["desired", "observed"] {
            told.put("traffic_weight_ratio", &[track, ("source", source)], f64::from(percent) / 100.0);
        }
        told.text("traffic_share_ratio", &[track], traffic.map_or("", |traffic| &traffic.share));
        if let Some(artifact) = &version.artifact {
            // The demo's models have digests, and what is fetched is held to them.
            told.put("artifact_verified", &[track], 1.0);
            told.put("artifact_fetch_seconds", &[track], whole(artifact.fetch_seconds));
        }
    }
}

fn decisions(told: &mut Told, status: &ModelReleaseStatus) {
    assert!(status.history.len() < 20, "all of it is on record");
    let made = || status.history.iter().filter(|entry| entry.decides());
    let kinds = [
        (Act::Step, "step"),
        (Act::Promote, "promote"),
        (Act::Replace, "replace"),
        (Act::Rollback, "rollback"),
    ];
    for (act, word) in kinds {
        let own = || made().filter(|entry| entry.verdict == act);
        // The operator is as old as the release at least.
        told.put("decisions_total", &[("decision", word)], whole(i64::try_from(own().count()).unwrap()));
        if let Some(last) = own().next() {
            told.put("last_decision_timestamp_seconds", &[("decision", word)], seconds(last.at));
        }
    }
    let last = made().next().expect("it serves");
    let word = last.verdict.as_str().to_lowercase();
    let labels = [("decision", word.as_str()), ("reason", last.reason.as_str()), ("version", &last.version)];
    told.put("last_decision_info", &labels, 1.0);
}

fn measured(told: &mut Told, check: &CheckStatus) {
    let name = ("check", check.name.as_str());
    for (track, share) in [("stable", &check.stable), ("canary", &check.canary)] {
        if let Some(share) = share {
            told.text("check_value_ratio", &[name, ("track", track)], &share.value);
            told.put("check_samples", &[name, ("track", track)], whole(share.events));
        }
    }
    if let Some(between) = &check.difference {
        for (estimate, value) in
            [("lower", &between.lower), ("point", &between.estimate), ("upper", &between.upper)]
        {
            told.text("check_difference_ratio", &[name, ("estimate", estimate)], value);
        }
    }
    if let Some(evidence) = &check.evidence {
        // What is less than one place shows is as low as it goes.
        let log10 =
            |odds: &str| odds.parse().map(|odds: f64| odds.max(0.05).log10().to_string()).unwrap_or_default();
        for (hypothesis, odds) in [("good", &evidence.good), ("worse", &evidence.worse)] {
            if !odds.is_empty() {
                let labels = [name, ("hypothesis", hypothesis)];
                told.text("check_evidence_log10", &labels, &log10(odds));
                told.text("check_evidence_threshold_log10", &labels, &log10(&evidence.needed));
            }
        }
    }
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
        told.put("check_verdict", &[name, ("verdict", verdict.as_str())], flag(check.verdict == verdict));
    }
}

/// The bounds, as the status has them in words.
fn bounds(told: &mut Told, check: &CheckStatus) {
    for part in check.bound.split(", ") {
        let (bound, value) =
            match (part.strip_prefix("loss <= "), part.strip_prefix(">= "), part.strip_prefix("<= ")) {
                (Some(drop), ..) => ("max_drop", drop),
                (_, Some(min), _) => ("min", min),
                (.., Some(max)) => match max.strip_suffix(" x stable") {
                    Some(ratio) => ("max_ratio", ratio),
                    None => ("max", max),
                },
                _ => panic!("{}: a bound in other words: {part:?}", check.name),
            };
        told.text("check_bound_ratio", &[("check", &check.name), ("bound", bound)], value);
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
fn whole(count: i64) -> f64 {
    count as f64
}
