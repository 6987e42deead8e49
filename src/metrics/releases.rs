//! Series of each release, read off its status at the time of the scrape.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::settings::Current;
use jiff::Timestamp;
use model_release_core::analysis::outlook::Outlook;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{
    Act, CheckStatus, Evidence, ModelReleaseStatus, Phase, Track, Verdict, VersionStatus,
};
use model_release_core::explain;
use model_release_core::release::Release;
use model_release_core::settings::{PerRelease, Settings};
use model_release_core::version::{Hash, object_name};
use model_release_core::wanted;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::decisions::{COUNTED, Counts, DRIFTING, Decisions};
use super::page::{Page, Part, Series};
use crate::clock::Clock;
use crate::watch::{Caches, ReleaseKey};

/// Tells the series of each release.
pub struct Releases {
    caches: Caches,
    settings: Current,
    clock: Clock,
    leads: Arc<AtomicU64>,
    decisions: Decisions,
}

impl Releases {
    /// Of the releases in these caches.
    pub fn new(
        caches: Caches,
        settings: Current,
        clock: Clock,
        leads: Arc<AtomicU64>,
        decisions: Decisions,
    ) -> Self {
        Self { caches, settings, clock, leads, decisions }
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        let settings = self.settings.now();
        let mut asked = BTreeSet::new();
        if self.leads.load(Ordering::Relaxed) > 0 {
            self.tell(&mut page, &settings, &mut asked);
        }
        for source in &settings.prometheus.sources {
            let family =
                ("prometheus_sources_in_use", "Whether a version is judged by what this source tells");
            let labels = vec![("source", source.name.clone())];
            page.put(family, MetricType::Gauge, labels, flag(asked.contains(&source.name)));
        }
        page
    }

    /// All releases, and which sources their evidence comes from now.
    fn tell(&self, page: &mut Page, settings: &Settings, asked: &mut BTreeSet<String>) {
        let much = settings.metrics.per_release;
        let now = self.clock.now();
        let releases = self.caches.releases();
        let keys: Vec<ReleaseKey> = releases.iter().map(|(key, _)| key.clone()).collect();
        let decisions = self.decisions.of(&keys);
        for (key, release) in &releases {
            let mut part = Part { page, key };
            if much != PerRelease::Off {
                counted(&mut part, decisions.get(key).copied().unwrap_or_default());
            }
            let Ok(object) = &release.decoded else { continue };
            let status = object.status.clone().unwrap_or_default();
            // One that cannot be judged is told less of, and costs nobody the page.
            let judged = catch_unwind(AssertUnwindSafe(|| {
                let release = Release::parse(object, settings);
                let outlook = explain::checks(&release, &status, settings, now);
                (release, outlook)
            }));
            let Ok((release, outlook)) = judged else { continue };
            if !outlook.is_empty() {
                asked.insert(release.analysis.provider.clone());
            }
            if much == PerRelease::Off {
                continue;
            }
            life(&mut part, key, &status);
            weights(&mut part, &status);
            decided(&mut part, &status);
            fresh(&mut part, &status, &outlook);
            if much == PerRelease::Full {
                pods(&mut part, &status);
                shares(&mut part, &status);
                checks(&mut part, &release, &status, &outlook);
            }
        }
    }
}

fn counted(part: &mut Part, counts: Counts) {
    let family = ("decisions", "Decisions committed since the operator began");
    for (count, (_, word)) in counts.decisions.into_iter().zip(COUNTED) {
        part.count(family, ("decision", word), count);
    }
    let family =
        ("drift_corrections", "Objects put right after others changed them, since the operator began");
    for (count, kind) in counts.drift.into_iter().zip(DRIFTING) {
        part.count(family, ("kind", kind.api().2), count);
    }
}

/// When each check that acts last had something to count. What has failed, and what nobody exports, waits for nothing.
fn fresh(part: &mut Part, status: &ModelReleaseStatus, outlook: &[Outlook]) {
    let waits = |check: &&Outlook| check.enforced && !check.exempt && check.check.verdict != Verdict::Fail;
    for check in outlook.iter().filter(waits) {
        let kept = status.state.checks.get(&check.check.name);
        let weighed = status.state.candidate.as_ref().and_then(|candidate| candidate.exposed_at);
        let since = kept.and_then(|kept| kept.last_evidence_at.or(kept.begin)).or(weighed);
        if let Some(since) = since {
            let help = "When an enforced check last had events of the version that it judges; before the first, when it began";
            let labels = [("check", check.check.name.as_str())];
            part.add(("last_evidence_timestamp_seconds", help), &labels, seconds(since));
        }
    }
}

fn checks(part: &mut Part, release: &Release, status: &ModelReleaseStatus, outlook: &[Outlook]) {
    for check in outlook {
        if let Some(left) = check.to_go.and_then(|to_go| to_go.seconds) {
            let help = "Time until more of the same would decide a check that is open, at the pace so far";
            #[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^53")]
            part.add(("decision_eta_seconds", help), &[("check", &check.check.name)], left as f64);
        }
    }
    let Some(analysis) = &status.analysis else { return };
    for check in analysis.quality.iter().chain(&analysis.guardrails) {
        measured(part, check);
    }
    let wanted = &release.analysis;
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
    for guardrail in &wanted.guardrails {
        if let Some(late) = guardrail.metric.bound() {
            let help = "Answers that take longer are late, in a check that counts late answers";
            let labels = [("check", guardrail.name.as_str()), ("bound", "late")];
            #[expect(clippy::cast_precision_loss, reason = "milliseconds stay far below 2^53")]
            part.add(("check_bound_seconds", help), &labels, late as f64 / 1000.0);
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
        let workload = object_name(&key.name, &Hash::known(&version.hash));
        let labels = [
            ("track", version.track.as_str()),
            ("version", &version.version),
            ("hash", &version.hash),
            ("workload", &workload),
        ];
        part.add(("version_info", "The versions that have a role"), &labels, 1.0);
        artifact(part, version);
    }
}

/// A model that is served without a digest to hold it to is neither verified nor not.
fn artifact(part: &mut Part, version: &VersionStatus) {
    let track = [("track", version.track.as_str())];
    let mismatch = version.failure.as_ref().is_some_and(|failure| failure.reason == Reason::DigestMismatch);
    let verified = version.artifact.as_ref().is_some_and(|artifact| artifact.verified);
    if mismatch || verified {
        let help =
            "Whether a version's artifact is the one of its digest; only where the spec gives a digest";
        part.add(("artifact_verified", help), &track, flag(!mismatch));
    }
}

/// What was last decided.
fn decided(part: &mut Part, status: &ModelReleaseStatus) {
    let mut told = Vec::new();
    for entry in status.history.iter().filter(|entry| entry.decides()) {
        let Some((_, decision)) = COUNTED.iter().find(|(act, _)| *act == entry.verdict) else { continue };
        // Newest first: the first of each kind is the last.
        if !told.contains(&entry.verdict) {
            told.push(entry.verdict);
            let help = "When such a decision was last made";
            part.add(("last_decision_timestamp_seconds", help), &[("decision", decision)], seconds(entry.at));
        }
    }
    if let Some(last) = status.history.iter().find(|entry| entry.decides()) {
        let decision = word(last.verdict);
        let labels =
            [("decision", decision.as_str()), ("reason", last.reason.as_str()), ("version", &last.version)];
        part.add(("last_decision_info", "The last decision"), &labels, 1.0);
    }
}

fn pods(part: &mut Part, status: &ModelReleaseStatus) {
    for version in &status.versions {
        let track = version.track.as_str();
        let replicas = ("replicas", "Pods of a version: wanted, and ready");
        part.add(replicas, &[("track", track), ("state", "desired")], f64::from(version.replicas));
        part.add(replicas, &[("track", track), ("state", "ready")], f64::from(version.ready_replicas));
        if let Some(artifact) = &version.artifact {
            let help = "Time that fetching a version's artifact took";
            #[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^53")]
            part.add(("artifact_fetch_seconds", help), &[("track", track)], artifact.fetch_seconds as f64);
        }
    }
}

fn weights(part: &mut Part, status: &ModelReleaseStatus) {
    let weight = ("traffic_weight_ratio", "Share of the traffic, as committed and as read back");
    for version in &status.versions {
        let track = version.track;
        let observed =
            status.traffic.iter().filter(|t| t.hash == version.hash).map(|t| t.percent).sum::<i32>();
        let desired = wanted::committed_weight(status, &Hash::known(&version.hash));
        for (source, percent) in [("desired", desired), ("observed", observed)] {
            part.add(weight, &[("track", track.as_str()), ("source", source)], f64::from(percent) / 100.0);
        }
    }
}

fn shares(part: &mut Part, status: &ModelReleaseStatus) {
    let share_ratio =
        ("traffic_share_ratio", "Share of the requests of the last blocks, as counted at the entrance");
    for version in &status.versions {
        let shown = status.traffic.iter().find(|shown| shown.hash == version.hash);
        if let Some(share) = shown.and_then(|shown| shown.share.parse().ok()) {
            part.add(share_ratio, &[("track", version.track.as_str())], share);
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
    if let Some(found) = &check.evidence {
        evidence(part, name, found);
    }
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
        let help = "Whether this is what the check says";
        let labels = [("check", name), ("verdict", verdict.as_str())];
        part.add(("check_verdict", help), &labels, flag(check.verdict == verdict));
    }
}

/// Odds as orders of magnitude: evidence is a product, so these rise as straight lines.
fn evidence(part: &mut Part, check: &str, found: &Evidence) {
    let log10 = |text: &str| text.parse::<f64>().ok().map(|odds| odds.max(LEAST_ODDS).log10());
    let needed = log10(&found.needed);
    for (hypothesis, odds) in [("good", log10(&found.good)), ("worse", log10(&found.worse))] {
        let labels = [("check", check), ("hypothesis", hypothesis)];
        if let Some((odds, needed)) = odds.zip(needed) {
            let help =
                "Odds against chance that the canary is within its bounds (good) or beyond one (worse)";
            part.add(("check_evidence_log10", help), &labels, odds);
            let help = "Odds that prove it, whenever one looks";
            part.add(("check_evidence_threshold_log10", help), &labels, needed);
        }
    }
}

/// Odds have one place in the status; what is shown as 0.0 is less than this.
const LEAST_ODDS: f64 = 0.05;

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
            // As the registry ends those of others.
            let help = format!("{help}.");
            let mut family = encoder.encode_descriptor(name, &help, None, kind)?;
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
