//! What a look notes of a human's words: which are new, which are gone, and the clocks that stand still for them.

use jiff::{SignedDuration, Timestamp};

use super::milliseconds;
use crate::api::annotations::{Pause, Promote, Retry, Rollback};
use crate::api::status::{Bound, ModelReleaseStatus, Phase, Track};
use crate::situation::{Situation, elapsed, later};

/// A word that is gone is forgotten, so that it means something when it comes again; `promote` is bound to a version,
/// a `retry` with nothing to lift is used up.
pub(super) fn annotations(status: &mut ModelReleaseStatus, s: &Situation) {
    let annotations = &s.release.annotations;
    let handled = &mut status.state.handled;
    if annotations.rollback == Rollback::Absent {
        handled.rollback = None;
    }
    if annotations.pause != Pause::Malformed {
        handled.pause = None;
    }
    match &annotations.promote {
        Promote::Absent => handled.promote = None,
        _ if handled.promote.as_ref().is_some_and(|bound| bound.digest == annotations.promote_digest) => {}
        Promote::Version(name) => {
            handled.promote =
                Some(Bound { digest: annotations.promote_digest.clone(), hash: bearer(s, name) });
        }
        Promote::Malformed => {
            handled.promote = Some(Bound { digest: annotations.promote_digest.clone(), hash: String::new() });
        }
    }
    let in_vain = s.retry_is_new() && s.retry_lifts().is_empty();
    if in_vain || annotations.retry == Retry::Malformed {
        handled.retry = Some(annotations.retry_digest.clone());
    }
    handled.unknown = annotations.unknown_digest();
}

/// The version that bears a name now: the one on trial, else the canary of the spec. A quarantined one is not promoted.
fn bearer(s: &Situation, name: &str) -> String {
    let on_trial = s.role(Track::Canary).map(|v| (&v.version, v.hash.clone()));
    let of_spec = s.release.canary.as_ref().map(|v| (&v.name, v.hash.to_string()));
    let named = |found: &(&String, String)| found.0 == name || found.1 == name;
    let found = on_trial.filter(named).or(of_spec.filter(named)).map(|(_, hash)| hash).unwrap_or_default();
    if s.status.quarantine.iter().any(|q| q.hash == found) { String::new() } else { found }
}

/// Clocks that stand still while a human wants it so, and the end of the release's time.
pub(super) fn time(status: &mut ModelReleaseStatus, s: &Situation) {
    let now = s.now;
    if s.suspended() {
        status.state.clocks.suspended_since.get_or_insert(now);
    } else if let Some(since) = status.state.clocks.suspended_since.take() {
        let by = elapsed(now, since);
        let clocks = &mut status.state.clocks;
        clocks.suspended_milliseconds = clocks.suspended_milliseconds.saturating_add(milliseconds(by));
        shift(status, by, now);
    }
    let clocks = &mut status.state.clocks;
    if s.paused() && !s.suspended() {
        clocks.paused_since.get_or_insert(now);
    } else if let Some(since) = clocks.paused_since.take() {
        let began = if s.phase() == Phase::Baking {
            s.status.phase_started_at
        } else {
            s.candidate().and_then(|c| c.exposed_at)
        };
        clocks.paused_milliseconds =
            clocks.paused_milliseconds.saturating_add(paused_since(since, now, began));
        let settled = s.status.step.as_ref().and_then(|rung| rung.settled_at);
        clocks.paused_step_milliseconds =
            clocks.paused_step_milliseconds.saturating_add(paused_since(since, now, settled));
    }
    if !s.expired() {
        status.state.expired_at = None;
    }
    status.expires_at = s.expires_at();
}

/// Milliseconds of a pause that fell after the beginning of what it kept waiting.
fn paused_since(pause: Timestamp, now: Timestamp, began: Option<Timestamp>) -> i64 {
    began.map_or(0, |began| milliseconds(elapsed(now, pause.max(began))))
}

/// After a suspension every clock goes on from where it stood: what had begun begins so much later, though never after
/// now, and what is due is due so much later.
fn shift(status: &mut ModelReleaseStatus, by: SignedDuration, now: Timestamp) {
    let begun = |time: &mut Option<Timestamp>| {
        if let Some(at) = time {
            *at = later(*at, by).min(now);
        }
    };
    let due = |time: &mut Option<Timestamp>| {
        if let Some(at) = time {
            *at = later(*at, by);
        }
    };
    begun(&mut status.phase_started_at);
    for version in &mut status.versions {
        begun(&mut version.zero_since);
        begun(&mut version.drained_at);
        due(&mut version.retire_at);
        due(&mut version.delete_at);
    }
    if let Some(rung) = &mut status.step {
        begun(&mut rung.settled_at);
    }
    let traffic = &mut status.state.traffic;
    for time in [&mut traffic.changed_at, &mut traffic.read_at, &mut traffic.settled_at] {
        begun(time);
    }
    if let Some(memory) = &mut status.state.candidate {
        for time in
            [&mut memory.ready_at, &mut memory.routed_at, &mut memory.exposed_at, &mut memory.unready_since]
        {
            begun(time);
        }
        due(&mut memory.evidence_from);
    }
    let clocks = &mut status.state.clocks;
    for time in [
        &mut clocks.blind_since,
        &mut clocks.bake_counted_at,
        &mut clocks.paused_since,
        &mut clocks.stable_empty_since,
        &mut clocks.candidate_empty_since,
    ] {
        begun(time);
    }
}
