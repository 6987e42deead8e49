//! What a move does to the status. Every change of role, weight, phase and quarantine is here and nowhere else.

use crate::api::annotations::Pause;
use crate::api::status::Phase;
use crate::api::status::{
    Candidate, Clocks, Decision, HistoryEntry, ModelReleaseStatus, Quarantined, StepStatus, Track,
    VersionStatus,
};
use crate::moves::{Effect, Move};
use crate::seeded::{Bug, on};
use crate::situation::{Fallback, Situation, later, role, role_mut};
use crate::version::Hash;
use crate::wanted;

/// Decisions that are kept on record.
const HISTORY: usize = 20;

/// Quarantined versions that are kept on record.
const QUARANTINE: usize = 10;

/// The next number: above every number that was ever given.
pub fn next_seq(status: &ModelReleaseStatus) -> i64 {
    status.decision.as_ref().map_or(0, |d| d.seq).max(status.state.traffic.seq).saturating_add(1)
}

/// The status after a move, and its entry on record if it moved anything.
pub fn apply(s: &Situation, m: &Move) -> (ModelReleaseStatus, Option<HistoryEntry>) {
    let mut status = s.status.clone();
    let from_percent = wanted::committed_weight(&status, &m.hash);
    let seq = next_seq(&status);
    let from = s.phase();
    change(&mut status, s, m);
    if m.to != from || status.phase.is_none() {
        status.phase = Some(m.to);
        status.phase_started_at = Some(s.now);
    }
    let to_percent = wanted::committed_weight(&status, &m.hash);
    status.decision = Some(Decision {
        seq,
        verdict: m.act,
        hash: m.hash.to_string(),
        from,
        to: m.to,
        weight: to_percent,
        reason: m.reason,
        generation: s.release.generation,
        at: s.now,
    });
    let entry = HistoryEntry {
        seq,
        at: s.now,
        verdict: m.act,
        version: name(s, &m.hash),
        hash: m.hash.to_string(),
        from,
        to: m.to,
        from_percent,
        to_percent,
        reason: m.reason,
        message: m.message.clone(),
        numbers: m.numbers.clone(),
    };
    // What was only noted moved nothing.
    if matches!(m.effect, Effect::Note) {
        return (status, None);
    }
    status.history.insert(0, entry.clone());
    status.history.truncate(HISTORY);
    (status, Some(entry))
}

/// A version's name for people.
fn name(s: &Situation, hash: &Hash) -> String {
    let known = s.status.versions.iter().find(|v| v.hash == hash.as_str()).map(|v| v.version.clone());
    known.or_else(|| s.release.version(hash).map(|v| v.name.clone())).unwrap_or_default()
}

fn change(status: &mut ModelReleaseStatus, s: &Situation, m: &Move) {
    match &m.effect {
        Effect::Note => noted(status, s),
        Effect::Phase => {}
        Effect::Delete => {
            if s.stable_reached() {
                status.step = None;
            }
            status.analysis = None;
        }
        Effect::Retry => {
            let lifted = s.retry_lifts();
            status.quarantine.retain(|q| !lifted.iter().any(|hash| hash.as_str() == q.hash));
            status.state.handled.retry = Some(s.release.annotations.retry_digest.clone());
        }
        Effect::Expire => expire(status, s),
        Effect::Await => {
            status.state.awaited = m.hash.to_string();
            status.phase_started_at = Some(s.now);
        }
        Effect::Serve => {
            let serves = newcomer(s, &m.hash, Track::Stable, next_seq(status));
            status.versions = vec![VersionStatus { exposed: true, ..serves }];
            status.state.awaited.clear();
        }
        Effect::Choose => choose(status, s, &m.hash),
        Effect::Warm => candidate(status).ready_at = Some(s.now),
        Effect::Step { index, weight, target } => rung(status, s, *index, *weight, *target),
        Effect::Shadow => {
            if let Some(rung) = &mut status.step {
                rung.settled_at = None;
            }
            status.state.clocks.paused_step_milliseconds = 0;
            exposed(status, s);
        }
        Effect::Passed => candidate(status).passed_at = Some(s.now),
        Effect::Overdue => candidate(status).overdue_at = Some(s.now),
        Effect::Lose => lose(status, s),
        Effect::Drop => {
            status.versions.retain(|v| v.track != Track::Canary);
            status.step = None;
        }
        Effect::Replace => full_size(status),
        Effect::Promote { by_hand } => {
            full_size(status);
            candidate(status).by_hand = *by_hand;
        }
        Effect::TakeOver { promoted } => take_over(status, s, *promoted),
        Effect::Leave { who, quarantine, fallback, handled } => {
            if *quarantine {
                bar(status, s, m);
            }
            leave(status, s, *who, *quarantine);
            fall_back(status, s, fallback.as_ref());
            if *handled {
                status.state.handled.rollback = Some(s.release.annotations.rollback_digest.clone());
            }
        }
        Effect::Drain => {
            if let Some(leaving) = role_mut(status, Track::Failed) {
                leaving.drained_at = Some(s.now);
            }
        }
        Effect::Left => match role_mut(status, Track::Failed) {
            Some(leaving) if leaving.rolled_back => {
                leaving.delete_at = Some(later(s.now, s.release.rollout.ttl_after_failure));
            }
            _ => status.versions.retain(|v| v.track != Track::Failed),
        },
        Effect::Bake => {
            let kept_from = role(status, Track::Stable).and_then(|v| v.since).unwrap_or(s.now);
            let until = later(kept_from, s.release.rollout.retention).max(s.now);
            if let Some(previous) = role_mut(status, Track::Previous) {
                previous.retire_at = Some(until);
            }
            status.state.clocks.bake_counted_at = None;
            status.step = None;
        }
        Effect::Retire(track) => status.versions.retain(|v| v.track != *track),
    }
}

/// An annotation that comes to nothing was read.
fn noted(status: &mut ModelReleaseStatus, s: &Situation) {
    let annotations = &s.release.annotations;
    if !annotations.rollback_digest.is_empty() && !on(Bug::R11) {
        status.state.handled.rollback = Some(annotations.rollback_digest.clone());
    }
    if annotations.pause == Pause::Malformed {
        status.state.handled.pause = Some(annotations.pause_digest.clone());
    }
}

/// The candidate's place on the ladder, its percent, and the percent that its size is for.
fn rung(status: &mut ModelReleaseStatus, s: &Situation, index: i32, weight: i32, target: i32) {
    let moved = status.step.as_ref().is_none_or(|rung| rung.weight != weight);
    let settled_at = status.step.as_ref().and_then(|rung| rung.settled_at).filter(|_| !moved);
    status.step = Some(StepStatus { index, weight, target, settled_at });
    if moved {
        status.state.clocks.paused_step_milliseconds = 0;
    }
    if s.phase() == Phase::Shadowing && weight > 0 {
        // What copies have shown can fail a canary; it never promotes one.
        status.state.checks.clear();
        candidate(status).shadow_passed = true;
    }
    if weight > 0 {
        exposed(status, s);
    }
}

/// The candidate lost its endpoints: weight 0, its place on the ladder kept. Its next pods are new.
fn lose(status: &mut ModelReleaseStatus, s: &Situation) {
    let steps = &s.release.rollout.steps;
    if let Some(rung) = &mut status.step {
        rung.weight = 0;
        rung.settled_at = None;
        rung.index = rung.index.max(0);
        let kept = usize::try_from(rung.index).ok().and_then(|i| steps.get(i)).or(steps.last());
        rung.target = kept.map_or(rung.target, |step| step.percent);
    }
    status.state.clocks.paused_step_milliseconds = 0;
    let memory = candidate(status);
    memory.returns = memory.returns.saturating_add(1);
    memory.ready_at = None;
    memory.routed_at = None;
    memory.unrouted.clear();
    memory.warmed = 0;
    memory.warmed_at = None;
    memory.warmup_unreachable = false;
    memory.by_hand = false;
    memory.unready_since = Some(s.now);
}

fn full_size(status: &mut ModelReleaseStatus) {
    if let Some(rung) = &mut status.step {
        rung.target = 100;
    }
}

/// The candidate is seen by clients from now on, be it by copies.
fn exposed(status: &mut ModelReleaseStatus, s: &Situation) {
    if let Some(version) = role_mut(status, Track::Canary) {
        version.exposed = true;
    }
    let memory = candidate(status);
    if memory.exposed_at.is_none() {
        memory.exposed_at = Some(s.now);
        status.state.clocks.paused_milliseconds = 0;
    }
}

/// Every role ends, and what was decided stays on record. Nobody stays barred: a longer life starts as new from the spec,
/// where a version that was worse than another may be the only one there is.
fn expire(status: &mut ModelReleaseStatus, s: &Situation) {
    status.versions.clear();
    status.quarantine.clear();
    status.step = None;
    status.analysis = None;
    status.state.candidate = None;
    status.state.checks.clear();
    status.state.awaited.clear();
    status.state.expired_at = Some(s.now);
    let suspended_milliseconds = status.state.clocks.suspended_milliseconds;
    status.state.clocks = Clocks { suspended_milliseconds, ..Clocks::default() };
}

fn candidate(status: &mut ModelReleaseStatus) -> &mut Candidate {
    status.state.candidate.get_or_insert_with(Candidate::default)
}

/// A version that just got a role, by the decision `seq`.
pub fn newcomer(s: &Situation, hash: &Hash, track: Track, seq: i64) -> VersionStatus {
    VersionStatus {
        hash: hash.to_string(),
        version: name(s, hash),
        track,
        replicas: s.release.version(hash).map_or(1, crate::version::Version::min_replicas),
        app_replicas: 0,
        ready_replicas: 0,
        since: Some(s.now),
        seq: if on(Bug::Late) { 0 } else { seq },
        exposed: false,
        rolled_back: false,
        promoted_from: None,
        zero_since: None,
        drained_at: None,
        retire_at: None,
        delete_at: None,
        artifact: None,
        failure: None,
    }
}

/// A candidate is chosen: a new attempt with no old evidence. Whatever role the version had, or another failed one,
/// ends: at most one role a version, and at most one candidate or failed version.
fn choose(status: &mut ModelReleaseStatus, s: &Situation, hash: &Hash) {
    let stable_replicas = role(status, Track::Stable).map_or(1, |v| v.replicas);
    let attempt = status.state.candidate.as_ref().map_or(0, |c| c.attempt).saturating_add(1);
    status.versions.retain(|v| v.track != Track::Failed && v.hash != hash.as_str());
    let chosen = newcomer(s, hash, Track::Canary, next_seq(status));
    status.versions.push(chosen);
    status.state.candidate =
        Some(Candidate { attempt, stable_replicas, unready_since: Some(s.now), ..Candidate::default() });
    status.state.clocks.candidate_empty_since = None;
    status.state.checks.clear();
    status.analysis = None;
    status.quality_summary.clear();
    status.state.clocks.paused_milliseconds = 0;
    status.state.clocks.paused_step_milliseconds = 0;
    let target = s.release.rollout.steps.first().map_or(10, |step| step.percent);
    status.step = Some(StepStatus { index: 0, weight: 0, target, settled_at: None });
}

/// The candidate is the live version now. Nothing that runs changes: only roles do.
fn take_over(status: &mut ModelReleaseStatus, s: &Situation, promoted: bool) {
    let floor = s.stable_replicas();
    status.versions.retain(|v| v.track != Track::Previous);
    for version in &mut status.versions {
        match version.track {
            Track::Stable => {
                version.track = Track::Previous;
                version.replicas = version.replicas.max(floor);
                version.retire_at = None;
                version.since = Some(s.now);
            }
            Track::Canary => {
                version.track = Track::Stable;
                version.since = Some(s.now);
                version.promoted_from = promoted.then(|| s.stable_block().to_owned());
                if let Some(named) = s.release.canary.as_ref().filter(|_| on(Bug::R23)) {
                    (version.hash, version.version) = (named.hash.to_string(), named.name.clone());
                }
            }
            Track::Previous | Track::Failed => {}
        }
    }
    let clocks = &mut status.state.clocks;
    clocks.baked_milliseconds = 0;
    clocks.bake_counted_at = Some(s.now).filter(|_| !s.paused());
    clocks.paused_milliseconds = 0;
    clocks.blind_since = None;
    clocks.stable_empty_since = clocks.candidate_empty_since.take();
    status.state.checks.clear();
    status.step = None;
}

/// A version leaves. If it is the live one, the fallback takes its role; started anew if it no longer runs.
fn leave(status: &mut ModelReleaseStatus, s: &Situation, who: Track, rolled_back: bool) {
    status.versions.retain(|v| v.track != Track::Failed);
    if let Some(version) = role_mut(status, who) {
        version.track = Track::Failed;
        version.rolled_back = rolled_back;
        version.since = Some(s.now);
        version.zero_since = None;
        version.drained_at = None;
        version.retire_at = None;
    }
    status.step = None;
    status.state.clocks.candidate_empty_since = None;
    status.state.clocks.bake_counted_at = None;
}

/// Who is live in place of a version that left.
fn fall_back(status: &mut ModelReleaseStatus, s: &Situation, fallback: Option<&Fallback>) {
    match fallback {
        Some(Fallback::Previous(_)) => {
            if let Some(previous) = role_mut(status, Track::Previous) {
                previous.track = Track::Stable;
                previous.since = Some(s.now);
                previous.retire_at = None;
            }
        }
        Some(Fallback::SpecStable(hash)) => {
            status.versions.retain(|v| v.hash != hash.as_str());
            let anew = newcomer(s, hash, Track::Stable, next_seq(status));
            status.versions.push(anew);
        }
        None => {}
    }
}

/// Bars a version until it changes. The oldest entry goes first, but never one that the spec names.
fn bar(status: &mut ModelReleaseStatus, s: &Situation, m: &Move) {
    let seq = next_seq(status);
    let hash = m.hash.to_string();
    status.quarantine.retain(|q| q.hash != hash);
    if on(Bug::R16) {
        return;
    }
    status.quarantine.push(Quarantined { version: name(s, &m.hash), hash, reason: m.reason, seq, at: s.now });
    if status.quarantine.len() > QUARANTINE {
        let named = |q: &Quarantined| s.release.version(&Hash::known(&q.hash)).is_some();
        if let Some(oldest) = status.quarantine.iter().position(|q| !named(q)) {
            status.quarantine.remove(oldest);
        }
    }
}
