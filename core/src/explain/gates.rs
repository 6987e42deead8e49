//! What the next step forward waits for, phase by phase: each gate asks what the row of that step asks.

use jiff::SignedDuration;

use super::{Gate, GateState, trial};
use crate::analysis::outlook::Outlook;
use crate::api::annotations::Rollback;
use crate::api::status::{Phase, Track};
use crate::moves::human::unknown_version;
use crate::situation::{Situation, later};
use crate::span::span;
use crate::version::Hash;

/// Every gate of the phase, in the order in which a reader asks.
pub(super) fn gates(s: &Situation, outlook: &[Outlook]) -> Vec<Gate> {
    if s.expired() {
        let over = "the time of spec.ttl is over and everything is taken down; a longer ttl starts it anew";
        return vec![waiting("time to live", over.to_owned())];
    }
    let mut all: Vec<Gate> = refused(s).into_iter().collect();
    match s.phase() {
        Phase::Pending => all.push(readiness(s, &s.release.stable.hash, s.release.stable.min_replicas())),
        Phase::Stable | Phase::RolledBack => all.extend(barred(s)),
        Phase::Starting => all.extend(candidate(s).map(|hash| readiness(s, &hash, s.need(s.next_percent())))),
        Phase::Warming => all.extend(warming(s)),
        Phase::Shadowing => all.extend(trial::shadowing(s, outlook)),
        Phase::Analyzing => all.extend(trial::analyzing(s, outlook)),
        Phase::Promoting => all.extend(trial::promoting(s)),
        Phase::Replacing if s.committed_percent() == 100 => all.push(in_force(s)),
        Phase::Replacing => {
            all.extend(warm(s));
            all.extend(candidate(s).map(|hash| readiness(s, &hash, s.full_size(&hash))));
        }
        Phase::Baking => all.push(bake(s)),
        Phase::RollingBack => all.extend(leaving(s)),
    }
    all.push(by_hand(s));
    all
}

/// The version on the way.
pub(super) fn candidate(s: &Situation) -> Option<Hash> {
    s.hash(Track::Canary)
}

pub(super) fn gate(name: &str, open: bool, detail: String) -> Gate {
    let state = if open { GateState::Pass } else { GateState::Waiting };
    Gate { name: name.to_owned(), state, detail, until: None }
}

pub(super) fn waiting(name: &str, detail: String) -> Gate {
    gate(name, false, detail)
}

/// A time that has to pass, of which so much is done. It runs only while nobody paused it.
pub(super) fn timed(s: &Situation, name: &str, done: SignedDuration, length: SignedDuration) -> Gate {
    let left = length.saturating_sub(done).max(SignedDuration::ZERO);
    let open = done >= length;
    let detail = format!("{} of {}", span(done.min(length)), span(length));
    let runs = !open && !s.paused() && !s.suspended();
    Gate { until: runs.then(|| later(s.now, left)), ..gate(name, open, detail) }
}

/// Pods of a version, against how many it needs.
pub(super) fn readiness(s: &Situation, hash: &Hash, needed: i32) -> Gate {
    let ready = s.ready(hash, needed);
    let seen = s.endpoints(hash);
    let known = s.status.versions.iter().find(|version| version.hash == hash.as_str());
    let name = known.map(|version| version.version.clone());
    let name = name.or_else(|| s.release.version(hash).map(|version| version.name.clone()));
    let name = name.unwrap_or_else(|| hash.to_string());
    let why = match known.and_then(|version| version.failure.as_ref()) {
        Some(failure) if !ready => format!("; pod {}: {}", failure.pod, failure.message),
        _ if !ready && seen >= needed => "; its Deployment is being brought up to date".to_owned(),
        _ => String::new(),
    };
    gate("readiness", ready, format!("{seen}/{needed} pods of {name} {hash}{why}"))
}

/// Whether every gateway has the committed weights.
pub(super) fn in_force(s: &Situation) -> Gate {
    let detail = match s.status.state.traffic.settled_at {
        Some(at) => format!("in force at every gateway since {at:.0}"),
        None => "on their way to the gateways".to_owned(),
    };
    gate("weights", s.settled(), detail)
}

fn refused(s: &Situation) -> Option<Gate> {
    let (reason, message) = s.release.refused.as_ref()?;
    Some(waiting("spec", format!("{}: {message}", reason.as_str())))
}

fn warming(s: &Situation) -> Vec<Gate> {
    let Some(hash) = candidate(s) else { return Vec::new() };
    let mut all = warm(s);
    all.push(readiness(s, &hash, s.need(s.next_percent())));
    if s.shadow_due().is_none() {
        all.extend(fallback(s));
    }
    all
}

/// What the live version has to have, so that there is something to go back to.
pub(super) fn fallback(s: &Situation) -> Option<Gate> {
    let stable = s.hash(Track::Stable)?;
    Some(Gate { name: "stable".to_owned(), ..readiness(s, &stable, 1) })
}

/// What makes a version warm: its own route, its warm-up requests, the least time since it was ready.
fn warm(s: &Situation) -> Vec<Gate> {
    let memory = s.candidate();
    let astray = memory.map(|memory| memory.unrouted.as_str()).filter(|_| !s.routed());
    let route = match (astray, s.settled()) {
        (_, false) => waiting("route", "on its way to the gateways".to_owned()),
        (Some(""), true) => {
            waiting("route", "the gateways are being asked whether they lead to it".to_owned())
        }
        (Some(astray), true) => waiting("route", format!("{astray} when it was asked for by its own route")),
        (None, true) => gate("route", true, "in force at the gateways".to_owned()),
    };
    let mut all = vec![route];
    if let Some(warmup) = s.warmup() {
        let good = memory.map_or(0, |memory| memory.warmed);
        let unreachable = memory.is_some_and(|memory| memory.warmup_unreachable);
        let detail = if unreachable {
            "its pods cannot be reached for it, so only rollout.warmup counts".to_owned()
        } else {
            format!("{good} of {} requests answered well", warmup.requests)
        };
        all.push(gate("warm-up", s.warmed_up(), detail));
    }
    let wait = SignedDuration::from_secs(s.settings.propagation_wait_seconds);
    let least = s.release.rollout.warmup.max(wait);
    all.push(match memory.and_then(|memory| memory.ready_at) {
        Some(at) => {
            let passed = s.elapsed(at);
            let left = least.saturating_sub(passed);
            let until = (passed < least).then(|| later(s.now, left));
            let detail = format!("{} of {}", span(passed.min(least)), span(least));
            Gate { until, ..gate("time since ready", passed >= least, detail) }
        }
        None => waiting("time since ready", "it was not ready yet".to_owned()),
    });
    all
}

fn bake(s: &Situation) -> Gate {
    let bake = s.release.rollout.bake;
    let over = s.bake_age() >= bake.saturating_mul(2);
    let watched = timed(s, "bake", s.baked(), bake);
    if over { Gate { state: GateState::Pass, until: None, ..watched } } else { watched }
}

fn leaving(s: &Situation) -> Vec<Gate> {
    let Some(version) = s.role(Track::Failed) else { return Vec::new() };
    let drain = s.release.rollout.drain;
    let gates = match (version.drained_at, version.zero_since) {
        (Some(_), _) => in_force(s),
        (None, Some(at)) => {
            let passed = s.elapsed(at);
            let until = (passed < drain).then(|| later(at, drain));
            let detail = format!("{} of {} without traffic", span(passed.min(drain)), span(drain));
            let open = passed >= drain || !version.exposed && s.settled();
            Gate { until, ..gate("drain", open, detail) }
        }
        (None, None) => {
            let open = !version.exposed && s.settled();
            gate("drain", open, format!("{} still has traffic at some gateway", version.version))
        }
    };
    vec![gates]
}

/// The version of the spec that is not tried again.
fn barred(s: &Situation) -> Option<Gate> {
    let stable = s.hash(Track::Stable)?;
    let wanted = s.stable_wanted();
    let wanted = s.canary_wanted().cloned().or_else(|| (wanted != stable).then_some(wanted));
    let entry =
        s.status.quarantine.iter().rev().find(|q| wanted.as_ref().is_some_and(|w| w.as_str() == q.hash))?;
    let detail = format!(
        "{} was rolled back ({}) at {:.0}; it is tried again once it changes, or by retry",
        entry.version,
        entry.reason.as_str(),
        entry.at
    );
    Some(waiting("quarantine", detail))
}

/// What a human says.
fn by_hand(s: &Situation) -> Gate {
    let name = "by hand";
    if s.suspended() {
        return waiting(name, "spec.suspend is set: nothing is touched".to_owned());
    }
    // What has begun to end, or to take over, is finished.
    let may_wait = matches!(
        s.phase(),
        Phase::Stable
            | Phase::RolledBack
            | Phase::Warming
            | Phase::Shadowing
            | Phase::Analyzing
            | Phase::Baking
    );
    if let Some((_, message)) = s.malformed() {
        return gate(name, !may_wait, message);
    }
    if s.paused() {
        let detail = if may_wait { "paused: resume it" } else { "paused; what has begun is finished first" };
        return gate(name, !may_wait, detail.to_owned());
    }
    let wanted = candidate(s).or_else(|| s.canary_wanted().cloned()).unwrap_or_else(|| s.stable_wanted());
    let judged = s.phase() != Phase::Baking;
    if judged && s.held(&wanted) {
        return gate(name, !may_wait, "the rollback annotation holds it: resume it".to_owned());
    }
    if s.promote_bound_to(&wanted) {
        return gate(name, true, "promote stands for the evidence that is missing".to_owned());
    }
    let detail = match &s.release.annotations.rollback {
        Rollback::Version(_) if !names_anything(s) => {
            unknown_version(s, "rollback", "could be rolled back now")
        }
        Rollback::Absent | Rollback::True | Rollback::Malformed | Rollback::Version(_) => "none".to_owned(),
    };
    gate(name, true, detail)
}

/// Whether the rollback annotation names a version that is there.
fn names_anything(s: &Situation) -> bool {
    s.status.versions.iter().any(|version| s.named_by_rollback(version))
}
