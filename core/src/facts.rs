//! What a look notes in the status before it decides: clocks, counts of pods, weights as read, settled or not.
//!
//! Noting the same world twice notes nothing new.

mod asked;
mod route;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::Subject;
use crate::api::status::{LimitsState, ModelReleaseStatus, Phase, Track, TrafficState, TrafficStatus};
use crate::capacity;
use crate::covers::covers;
use crate::observed::GatewayAnswer;
use crate::pods;
use crate::seeded::{Bug, on};
use crate::situation::{Situation, elapsed, later, role, role_mut};
use crate::traffic;
use crate::version::Hash;
use crate::wanted;

/// The status with this look's facts in it; the evidence aside.
pub fn note(s: &Situation) -> ModelReleaseStatus {
    let mut status = s.status.clone();
    asked::annotations(&mut status, s);
    asked::time(&mut status, s);
    numbers_given(&mut status, s);
    propagation(&mut status, s);
    limits(&mut status, s);
    if s.suspended() {
        seen(&mut status, s);
        return status;
    }
    if s.phase() == Phase::Pending && s.role(Track::Stable).is_none() && status.state.awaited.is_empty() {
        status.state.awaited = s.release.stable.hash.to_string();
    }
    empty_clocks(&mut status, s);
    candidate(&mut status, s);
    route::note(&mut status, s);
    seen(&mut status, s);
    status
}

/// What is only shown: weights as read back, pods, artifacts.
fn seen(status: &mut ModelReleaseStatus, s: &Situation) {
    if let Some(read) = s.weights {
        let meant = if on(Bug::R4) { wanted::split(s) } else { None };
        let meant = meant.map(|split| split.entries.map(|e| (e.hash, e.weight)).to_vec());
        let read = meant.as_deref().unwrap_or(read);
        status.traffic =
            read.iter().filter_map(|(hash, percent)| traffic_status(s, hash, *percent)).collect();
    } else {
        status.traffic.clear();
    }
    for version in &mut status.versions {
        let hash = Hash::known(&version.hash);
        (version.replicas, version.app_replicas) = capacity::asked_of(s, version);
        version.ready_replicas = s.endpoints(&hash);
        version.artifact = pods::artifact(s.pods_of(&hash)).or(version.artifact.take());
        version.failure = s.pod_failure(&hash);
    }
}

fn traffic_status(s: &Situation, hash: &Hash, percent: i32) -> Option<TrafficStatus> {
    let version = s.status.versions.iter().find(|v| v.hash == hash.as_str())?;
    Some(TrafficStatus {
        hash: hash.to_string(),
        version: version.version.clone(),
        percent,
        share: String::new(),
    })
}

/// A status that was lost, or restored from somewhere, has forgotten numbers that children bear. The next one has to be
/// above them all, or gateways could not tell it from an old one.
fn numbers_given(status: &mut ModelReleaseStatus, s: &Situation) {
    let known = status.decision.as_ref().map_or(0, |d| d.seq).max(status.state.traffic.seq);
    let ours =
        s.observed.children.values().filter(|live| live.owner.as_deref() == Some(s.release.uid.as_str()));
    let given = ours.filter_map(|live| live.seq).max().unwrap_or(0);
    if given > known {
        status.state.traffic = TrafficState { seq: given, ..TrafficState::default() };
    }
}

/// Read back as wanted; then known to every gateway that can be asked, or given the time it takes.
fn propagation(status: &mut ModelReleaseStatus, s: &Situation) {
    let memory = &mut status.state.traffic;
    // A release whose time is over has no routes: what it has is nothing, once they are seen gone.
    if memory.digest.is_empty() && status.state.expired_at.is_some() && !wanted::routed_at_all(s) {
        memory.settled_at.get_or_insert(s.now);
    }
    if memory.settled_at.is_some() && !memory.silent.is_empty() && !s.observed.gateways.is_empty() {
        memory.silent = silent(s, memory.seq);
    }
    if memory.digest.is_empty() || memory.settled_at.is_some() {
        return;
    }
    let as_wanted = wanted::traffic(s).zip(s.traffic_object()).is_some_and(|(traffic, live)| {
        covers(&traffic::numbered(traffic.body, s.status.state.traffic.seq), &live.body)
    });
    if !as_wanted {
        return;
    }
    let read_at = *memory.read_at.get_or_insert(s.now);
    let answers = &s.observed.gateways;
    let behind = answers.iter().any(|a| a.seq.is_some_and(|seq| seq < memory.seq));
    let wait = SignedDuration::from_secs(s.settings.propagation_wait_seconds);
    let waited = s.elapsed(read_at) >= wait;
    if !behind && (everyone_confirmed(s, memory.seq) || waited) {
        memory.settled_at = Some(s.now);
        memory.silent = silent(s, memory.seq);
    }
}

/// The first gateway's pod that can be asked and does not say that it has the weights of this decision; empty if all do.
fn silent(s: &Situation, seq: i64) -> String {
    if s.observed.gateways.is_empty() {
        // Nobody was asked just now.
        return String::new();
    }
    let sets = s.release.traffic.sets.iter().filter(|set| set.probe_port.is_some());
    let has = |answer: &GatewayAnswer| answer.seq.is_some_and(|at| at >= seq);
    first_pod(s, sets.map(|set| set.name.as_str()), has).unwrap_or_default()
}

/// The first pod of these sets of gateways that does not answer well, or the set if it has none.
fn first_pod<'a>(
    s: &Situation,
    mut sets: impl Iterator<Item = &'a str>,
    well: impl Fn(&GatewayAnswer) -> bool,
) -> Option<String> {
    sets.find_map(|set| {
        let mut all = s.observed.gateways.iter().filter(|answer| answer.set == set).peekable();
        let nobody = all.peek().is_none().then(|| format!("gateway set {set}, which has no ready pod,"));
        let one = all.find(|answer| !well(answer));
        one.map(|answer| format!("pod {} of gateway set {set}", answer.pod)).or(nobody)
    })
}

/// Whether a gateway that can be asked is still to be seen to limit clients as is wanted now.
pub fn limits_unproven(s: &Situation) -> bool {
    let memory = &s.status.state.limits;
    to_prove(s).is_some_and(|digest| memory.digest != digest || memory.proven_at.is_none())
}

/// Digest of the limits that gateways are to prove; none if there are none, or nobody who could be asked.
fn to_prove(s: &Situation) -> Option<String> {
    provers(s).next()?;
    traffic::limit_proof(s.release, s.settings)
}

/// Names of the sets of gateways that take limits, and can be asked.
fn provers<'a>(s: &'a Situation) -> impl Iterator<Item = &'a str> {
    let sets = s.release.traffic.sets.iter().filter(|set| set.probe_port.is_some());
    sets.filter(|set| traffic::takes_filters(s.release, set)).map(|set| set.name.as_str())
}

/// What gateways were seen to refuse. No weight waits for it.
fn limits(status: &mut ModelReleaseStatus, s: &Situation) {
    let memory = &mut status.state.limits;
    let digest = to_prove(s).filter(|_| s.release.refused.is_none() && !s.expired()).unwrap_or_default();
    if memory.digest != digest {
        let since = (!digest.is_empty()).then_some(s.now);
        *memory = LimitsState { digest, since, ..LimitsState::default() };
    }
    if memory.digest.is_empty() || memory.proven_at.is_some() || s.observed.gateways.is_empty() {
        return;
    }
    let lacking = first_pod(s, provers(s), |answer| answer.limited == Some(true));
    memory.proven_at = lacking.is_none().then_some(s.now);
    memory.lacking = lacking.unwrap_or_default();
}

/// Whether every proxy that could carry a request was asked, and has it. Sidecars cannot be asked.
fn everyone_confirmed(s: &Situation, seq: i64) -> bool {
    let sets = &s.release.traffic.sets;
    let asked = |name: &str| s.observed.gateways.iter().any(|answer| answer.set == name);
    !s.release.traffic.mesh
        && !sets.is_empty()
        && sets.iter().all(|set| set.probe_port.is_some() && asked(&set.name))
        && s.observed.gateways.iter().all(|answer| answer.seq.is_some_and(|at| at >= seq))
}

fn empty_clocks(status: &mut ModelReleaseStatus, s: &Situation) {
    let empty = |track| role(s.status, track).is_some_and(|v| s.endpoints(&Hash::known(&v.hash)) == 0);
    let clock = |since: Option<Timestamp>, empty: bool| if empty { since.or(Some(s.now)) } else { None };
    let clocks = &mut status.state.clocks;
    clocks.stable_empty_since = clock(clocks.stable_empty_since, empty(Track::Stable));
    let was_ready = s.candidate().is_some_and(|c| c.ready_at.is_some()) && s.on_the_way();
    clocks.candidate_empty_since = clock(clocks.candidate_empty_since, was_ready && empty(Track::Canary));
}

fn candidate(status: &mut ModelReleaseStatus, s: &Situation) {
    if let Some(leaving) = role_mut(status, Track::Failed)
        && s.phase() == Phase::RollingBack
        && leaving.zero_since.is_none()
        && s.weight(&Hash::known(&leaving.hash)) == 0
        // Weights that cannot be read are unknown, not zero.
        && s.weights.is_some()
    {
        leaving.zero_since = s.status.state.traffic.settled_at;
    }
    let (Some(hash), true) = (s.hash(Track::Canary), s.on_the_way()) else { return };
    let settled_at = status.state.traffic.settled_at;
    let copied = s.phase() == Phase::Shadowing;
    if let Some(rung) = &mut status.step
        && rung.settled_at.is_none()
        && (rung.weight > 0 || copied)
        && settled_at.is_some()
        && s.weight(&hash) == rung.weight
    {
        rung.settled_at = settled_at;
        status.state.clocks.paused_step_milliseconds = 0;
    }
    let rung_settled = status.step.as_ref().and_then(|rung| rung.settled_at);
    let Some(memory) = &mut status.state.candidate else { return };
    if let Some(at) = rung_settled.filter(|_| !copied) {
        memory.evidence_from.get_or_insert(later(at, s.release.analysis.initial_delay));
    }
    pods::count(&mut memory.pods, s.pods_of(&hash));
    let replacing = s.phase() == Phase::Replacing && s.committed_percent() < 100;
    let enough = if replacing { s.full_size(&hash) } else { s.need(s.next_percent()) };
    let ready = s.ready(&hash, enough);
    if replacing && ready {
        memory.ready_at.get_or_insert(s.now);
    }
    if let (Some(warmup), Some(answer)) = (s.warmup(), &s.observed.warmup)
        && answer.hash == hash
        && memory.ready_at.is_some()
    {
        memory.warmed = memory.warmed.max(answer.good).min(warmup.requests);
        memory.warmup_unreachable = answer.unreachable && memory.warmed == 0;
        if memory.warmed >= warmup.requests {
            memory.warmed_at.get_or_insert(s.now);
        }
    }
    let waits = s.phase() == Phase::Starting || replacing;
    if waits && !ready && !s.stable_down() {
        memory.unready_since.get_or_insert(s.now);
    } else if let Some(since) = memory.unready_since.take() {
        // Rounded up: a version that flaps faster than the clock ticks must not gain time by it.
        let seconds = s.elapsed(since).as_millis().saturating_add(999).div_euclid(1000);
        let before = if on(Bug::R13) { 0 } else { memory.unready_seconds };
        memory.unready_seconds = before.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
}

/// Who is judged now, against whom, and since when; nobody unless a version has weight that was seen in force.
pub fn subject<'a>(s: &Situation, stable: Option<&'a Hash>, canary: Option<&'a Hash>) -> Option<Subject<'a>> {
    let attempt = s.candidate().map_or(0, |memory| memory.attempt);
    match s.phase() {
        Phase::Shadowing => Some(Subject {
            stable,
            canary: canary?,
            apps: apps(s, [stable, canary]),
            attempt,
            evidence_from: s.status.step.as_ref()?.settled_at?,
            weight: s.release.rollout.shadow.as_ref().map_or(0, |shadow| shadow.mirror_percent),
            copied: true,
            baking: false,
            last_step: false,
        }),
        Phase::Analyzing | Phase::Promoting => {
            let rung = s.status.step.as_ref()?;
            // A weight that is not in force yet brings no evidence: blocks that overlap the change are passed over.
            let in_force = rung.settled_at.unwrap_or(s.now);
            let last = rung.index.saturating_add(1)
                >= i32::try_from(s.release.rollout.steps.len()).unwrap_or(i32::MAX);
            Some(Subject {
                stable,
                canary: canary?,
                apps: apps(s, [stable, canary]),
                attempt,
                evidence_from: s.candidate()?.evidence_from?.max(in_force),
                weight: s.committed_percent(),
                copied: false,
                baking: false,
                last_step: last,
            })
        }
        Phase::Baking => Some(Subject {
            stable: None,
            canary: stable?,
            apps: apps(s, [stable, None]),
            attempt,
            evidence_from: s.status.phase_started_at?,
            weight: 100,
            copied: false,
            baking: true,
            last_step: true,
        }),
        _ => None,
    }
}

/// Those of two versions whose requests enter by an app.
fn apps(s: &Situation, both: [Option<&Hash>; 2]) -> Vec<Hash> {
    both.into_iter().flatten().filter(|hash| s.has_app(hash)).cloned().collect()
}

/// The bake clock runs while something can be seen and nobody paused it.
pub fn bake_clock(status: &mut ModelReleaseStatus, phase: Phase, blind: bool, paused: bool, now: Timestamp) {
    let clocks = &mut status.state.clocks;
    match (blind, clocks.blind_since) {
        (true, None) => clocks.blind_since = Some(now),
        (false, Some(_)) => clocks.blind_since = None,
        _ => {}
    }
    if phase != Phase::Baking {
        return;
    }
    if blind || paused {
        if let Some(since) = clocks.bake_counted_at.take() {
            clocks.baked_milliseconds =
                clocks.baked_milliseconds.saturating_add(milliseconds(elapsed(now, since)));
        }
    } else {
        clocks.bake_counted_at.get_or_insert(now);
    }
}

fn milliseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
