//! One release with everything that belongs to it: what happens, what runs, who gets how much, and what the checks say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model_release_core::api::spec::{ModelRelease, Provider};
use model_release_core::api::status::{
    CheckStatus, ModelReleaseStatus, Phase, Share, Track, TrafficStatus, VersionStatus,
};
use model_release_core::api::{LABEL_COMPONENT, LABEL_VERSION};
use serde_json::Value;

use super::{phase_tone, verdict_tone};
use crate::error::plain;
use crate::screen::{Style, Tone};
use crate::table::{Cell, column, lines, optional, wrapped};
use crate::times::{age, hour};

/// What was seen beside a release; what could not be read is left to what the operator saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// Its Deployments; none without the right to list them.
    pub deployments: Option<Vec<Value>>,
    /// Its pods; none without the right to list them.
    pub pods: Option<Vec<Value>>,
}

/// A release as a tree, with its checks below.
pub fn tree(release: &ModelRelease, beside: &Beside, now: Timestamp, style: Style) -> Vec<String> {
    let none = ModelReleaseStatus::default();
    let status = release.status.as_ref().unwrap_or(&none);
    let mut all = head(release, status, now, style);
    all.push(String::new());
    all.extend(parts(release, status, beside, now, style));
    let checks = checks(status);
    if !checks.is_empty() {
        let columns = [
            column("CHECK"),
            optional("ROLE", 4),
            column("STABLE"),
            column("CANARY"),
            optional("BOUND", 3),
            optional("SAMPLES", 2),
            column("VERDICT"),
        ];
        all.push(String::new());
        all.extend(lines(&columns, &checks, style));
    }
    all
}

fn head(release: &ModelRelease, status: &ModelReleaseStatus, now: Timestamp, style: Style) -> Vec<String> {
    let meta = &release.metadata;
    let name =
        format!("{}/{}", meta.namespace.as_deref().unwrap_or("-"), meta.name.as_deref().unwrap_or("-"));
    let phase = status.phase.map_or("not looked at yet", Phase::as_str);
    let mut facts = vec![phase.to_owned()];
    facts.extend(step(release, status));
    facts.extend(status.phase_started_at.map(|since| age(Some(since), now)));
    let mut line = format!("{name}   {}", facts.join(", "));
    let weights: Vec<String> = status.traffic.iter().map(|entry| entry.percent.to_string()).collect();
    if !weights.is_empty() {
        let settled = status.state.traffic.settled_at;
        let seen = settled.map_or_else(
            || "on their way to the gateways".to_owned(),
            |at| format!("in force since {}", hour(at, now)),
        );
        line = format!("{line}   weights {}, {seen}", weights.join("/"));
    }
    // Colours come last: they have no width.
    let line = wrapped(&line, 2, style).replacen(phase, &style.paint(phase_tone(phase), phase), 1).replacen(
        &name,
        &style.paint(Tone::Strong, &name),
        1,
    );
    let stalled = status.conditions.iter().any(|c| c.type_ == "Stalled" && c.status == "True");
    let message = plain(&status.message);
    let mut lines = vec![line];
    if !message.is_empty() {
        let tone = if stalled { Tone::Bad } else { Tone::Quiet };
        lines.push(style.paint(tone, &wrapped(&message, 0, style)));
    }
    lines
}

/// The rung of the rollout, while there is one.
fn step(release: &ModelRelease, status: &ModelReleaseStatus) -> Option<String> {
    let judged = matches!(status.phase, Some(Phase::Analyzing | Phase::Starting | Phase::Warming));
    let rung = status.step.as_ref().filter(|_| judged)?;
    let rollout = release.spec.rollout.as_ref();
    let steps = rollout.and_then(|rollout| rollout.steps.as_ref()).map_or(1, Vec::len).max(1);
    (rung.index >= 0).then(|| format!("step {}/{steps}", rung.index.saturating_add(1)))
}

/// What belongs to the release, each with how it is.
fn parts(
    release: &ModelRelease,
    status: &ModelReleaseStatus,
    beside: &Beside,
    now: Timestamp,
    style: Style,
) -> Vec<String> {
    let columns =
        [column("NAME"), optional("KIND", 3), column("STATUS"), optional("AGE", 2), optional("INFO", 1)];
    let name = release.metadata.name.clone().unwrap_or_default();
    let created = release.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let phase = status.phase.map_or("-", Phase::as_str);
    let mut rows = vec![vec![
        Cell::new(&name).tone(Tone::Strong),
        "ModelRelease".into(),
        Cell::new(phase).tone(phase_tone(phase)),
        age(created, now).into(),
        Cell::new(&status.url),
    ]];
    for track in [Track::Stable, Track::Canary, Track::Previous, Track::Failed] {
        for version in status.versions.iter().filter(|version| version.track == track) {
            rows.push(of_version(status, version, beside, now));
        }
    }
    if !status.traffic.is_empty() {
        rows.push(route(release, status, &name));
    }
    rows.extend(limit(release, status));
    let mut drawn = lines(&columns, &rows, style);
    if beside.deployments.is_none() || beside.pods.is_none() {
        let note = "You may not list deployments and pods here: counts are the operator's last ones.";
        drawn.push(style.paint(Tone::Quiet, &wrapped(note, 0, style)));
    }
    drawn
}

fn of_version(
    status: &ModelReleaseStatus,
    version: &VersionStatus,
    beside: &Beside,
    now: Timestamp,
) -> Vec<Cell> {
    let name = format!("|- {} {} {}", version.track.as_str(), version.version, version.hash);
    let deployment = beside.deployments.iter().flatten().find(|one| {
        label(one, LABEL_VERSION) == Some(version.hash.as_str())
            && label(one, LABEL_COMPONENT) == Some("model")
    });
    let number = |pointer: &str| {
        let number = deployment.map(|one| one.pointer(pointer).and_then(Value::as_i64).unwrap_or(0));
        number.and_then(|number| i32::try_from(number).ok())
    };
    let ready = number("/status/readyReplicas").unwrap_or(version.ready_replicas);
    let wanted = number("/spec/replicas").unwrap_or(version.replicas);
    let (word, tone) = match (&version.failure, ready >= wanted) {
        (Some(failure), _) => (failure.reason.as_str(), Tone::Bad),
        (None, true) => ("Ready", Tone::Good),
        (None, false) => ("Starting", Tone::Busy),
    };
    let created = deployment
        .and_then(|one| one.pointer("/metadata/creationTimestamp")?.as_str()?.parse().ok())
        .or(version.since);
    let mut info = Vec::new();
    info.extend(version.artifact.as_ref().map(|artifact| {
        if artifact.verified { "digest ok".to_owned() } else { "digest unchecked".to_owned() }
    }));
    info.extend(restarts(status, version, beside).map(|restarts| format!("restarts {restarts}")));
    info.extend(version.failure.as_ref().map(|failure| format!("pod {}: {}", failure.pod, failure.message)));
    vec![
        name.into(),
        "Deployment".into(),
        Cell::new(format!("{word} {ready}/{wanted}")).tone(tone),
        age(created, now).into(),
        info.join(", ").into(),
    ]
}

fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(name)?.as_str()
}

/// Restarts of a version's pods: of those that are there, else those that the operator counted of the one on trial.
fn restarts(status: &ModelReleaseStatus, version: &VersionStatus, beside: &Beside) -> Option<i64> {
    if let Some(pods) = &beside.pods {
        let own = pods.iter().filter(|pod| label(pod, LABEL_VERSION) == Some(version.hash.as_str()));
        let containers = own.filter_map(|pod| pod.pointer("/status/containerStatuses")?.as_array()).flatten();
        return Some(containers.filter_map(|one| one.get("restartCount")?.as_i64()).sum());
    }
    let memory = status.state.candidate.as_ref().filter(|_| version.track == Track::Canary)?;
    Some(memory.pods.values().map(|pod| i64::from(pod.restarts)).sum())
}

/// What carries the weights.
fn route(release: &ModelRelease, status: &ModelReleaseStatus, name: &str) -> Vec<Cell> {
    let provider = release.spec.traffic.as_ref().and_then(|traffic| traffic.provider).unwrap_or_default();
    let kind = match provider {
        Provider::Istio => "VirtualService",
        Provider::GatewayApi => "HTTPRoute",
    };
    let applied = status.conditions.iter().find(|c| c.type_ == "TrafficApplied");
    let (word, tone) = match applied.map(|c| (c.status.as_str(), c.reason.as_str())) {
        Some(("True", _)) => ("in step", Tone::Good),
        Some(("False", reason)) => (reason, Tone::Bad),
        _ => ("on its way", Tone::Busy),
    };
    let share = |entry: &TrafficStatus| {
        let seen = if entry.share.is_empty() { String::new() } else { format!(" (seen {})", entry.share) };
        format!("{} {} %{seen}", entry.version, entry.percent)
    };
    let shares: Vec<String> = status.traffic.iter().map(share).collect();
    vec![
        format!("|- {name}").into(),
        kind.into(),
        Cell::new(word).tone(tone),
        Cell::default(),
        shares.join(", ").into(),
    ]
}

/// What limits clients, if anything does.
fn limit(release: &ModelRelease, status: &ModelReleaseStatus) -> Option<Vec<Cell>> {
    let traffic = release.spec.traffic.as_ref()?;
    let limit = traffic.rate_limit.as_ref()?;
    let buckets = BTreeMap::from([
        ("per client", limit.per_client.as_ref()),
        ("in all", limit.total.as_ref()),
        ("per pod", limit.per_pod.as_ref()),
    ]);
    let told = buckets.into_iter().filter_map(|(whose, bucket)| {
        let bucket = bucket?;
        Some(format!("{}/{} {whose}", bucket.requests, bucket.window.as_deref().unwrap_or("60s")))
    });
    let told: Vec<String> = told.collect();
    let memory = &status.state.limits;
    let (word, tone) = if memory.proven_at.is_some() {
        ("proven", Tone::Good)
    } else if memory.lacking.is_empty() {
        ("not proven", Tone::Quiet)
    } else {
        ("lacking", Tone::Bad)
    };
    Some(vec![
        "|- rate limit".into(),
        "EnvoyFilter".into(),
        Cell::new(word).tone(tone),
        Cell::default(),
        told.join(", ").into(),
    ])
}

/// The checks, quality first.
fn checks(status: &ModelReleaseStatus) -> Vec<Vec<Cell>> {
    let Some(analysis) = &status.analysis else { return Vec::new() };
    let quality = analysis.quality.iter().map(|check| check_row(check, "quality"));
    quality.chain(analysis.guardrails.iter().map(|check| check_row(check, "guardrail"))).collect()
}

fn check_row(check: &CheckStatus, role: &str) -> Vec<Cell> {
    let value = |share: &Option<Share>| share.as_ref().map_or_else(|| "-".to_owned(), |s| s.value.clone());
    let samples = check.canary.as_ref().map_or(0, |share| share.events);
    let reason = check.reason.map_or_else(String::new, |reason| format!(" ({})", reason.as_str()));
    vec![
        Cell::new(&check.name),
        role.into(),
        value(&check.stable).into(),
        value(&check.canary).into(),
        Cell::new(if check.bound.is_empty() { "-" } else { check.bound.as_str() }),
        samples.to_string().into(),
        Cell::new(format!("{}{reason}", check.verdict.as_str())).tone(verdict_tone(check.verdict)),
    ]
}
