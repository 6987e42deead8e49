//! Rows 6 to 16: what the spec asks for.

use super::{Effect, Move};
use crate::api::reasons::Reason;
use crate::api::status::{Act, Phase, Track};
use crate::seeded::{Bug, on};
use crate::situation::{Fallback, Situation};
use crate::version::Hash;

fn name_of(s: &Situation, hash: &Hash) -> String {
    let in_status = s.status.versions.iter().find(|v| v.hash == hash.as_str()).map(|v| v.version.clone());
    in_status.or_else(|| s.release.version(hash).map(|v| v.name.clone())).unwrap_or_else(|| hash.to_string())
}

/// Row 6: the spec is refused: nothing new, until it is mended.
pub(super) fn refused(s: &Situation) -> bool {
    s.release.refused.is_some() && s.phase() != Phase::RollingBack
}

/// Row 7: the release's time is over.
pub(super) fn over(s: &Situation) -> bool {
    s.expired()
}

/// Row 7: everything is taken down; the object stays.
pub(super) fn expired(s: &Situation) -> Option<Move> {
    if s.status.state.expired_at.is_some() {
        return None;
    }
    let hash = s.hash(Track::Stable).unwrap_or_else(|| s.release.stable.hash.clone());
    let message = "the time of ttl is over: everything is taken down; a longer ttl starts it anew".to_owned();
    Some(Move::new(Act::Retire, hash, Phase::Pending, Reason::Expired, message, Effect::Expire))
}

/// Row 8: nothing serves yet, and the spec names another first version.
pub(super) fn first_changed(s: &Situation) -> Option<Move> {
    let awaited = &s.status.state.awaited;
    let hash = &s.release.stable.hash;
    let fits = s.phase() == Phase::Pending && !awaited.is_empty() && awaited != hash.as_str();
    let message = || format!("spec.stable names {}: it is made ready instead", s.release.stable.name);
    fits.then(|| {
        Move::new(Act::Start, hash.clone(), Phase::Pending, Reason::StableChanged, message(), Effect::Await)
    })
}

/// Row 9: the spec now names the candidate as stable. It goes on, no longer judged; weights stay.
pub(super) fn candidate_is_wanted_stable(s: &Situation) -> Option<Move> {
    let candidate = s.hash(Track::Canary).filter(|_| s.on_trial())?;
    let message =
        || format!("spec.stable names {}: it replaces stable without analysis", name_of(s, &candidate));
    (s.stable_wanted() == candidate || on(Bug::R32) && s.release.stable.hash == candidate).then(|| {
        Move::new(
            Act::Replace,
            candidate.clone(),
            Phase::Replacing,
            Reason::StableChanged,
            message(),
            Effect::Replace,
        )
    })
}

/// Row 10: the spec no longer names the candidate, or names another stable version. A candidate lives only while the
/// spec names it.
pub(super) fn candidate_not_wanted(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| s.on_trial())?;
    let hash = s.hash(Track::Canary)?;
    let stable_moved = s.hash(Track::Stable).is_some_and(|stable| stable != s.stable_wanted());
    let (reason, why) = match s.canary_wanted() {
        _ if stable_moved => (Reason::StableChanged, "spec.stable names another version".to_owned()),
        Some(wanted) if *wanted == hash => return None,
        Some(_) if on(Bug::R23) && s.phase() == Phase::Promoting => return None,
        Some(wanted) => (Reason::Superseded, format!("spec.canary names {}", name_of(s, wanted))),
        None if on(Bug::R24) => return None,
        None => (Reason::CanaryRemoved, "the spec no longer has it".to_owned()),
    };
    let message = format!("{} is cancelled: {why}", candidate.version);
    Some(cancelled(hash, candidate.exposed, reason, message))
}

/// Row 10b: the steps were edited. The present weight becomes the largest step that is not above it: a lowered weight
/// falls at once. If every step is above it, it stays, and the first one has to be earned.
pub(super) fn steps_changed(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary)?;
    let rung = s.status.step.as_ref()?;
    let judged = matches!(s.phase(), Phase::Starting | Phase::Warming | Phase::Shadowing | Phase::Analyzing);
    let steps = &s.release.rollout.steps;
    let at = |index: i32| usize::try_from(index).ok().and_then(|i| steps.get(i)).map(|step| step.percent);
    let earns_the_first = rung.index < 0 && steps.first().is_some_and(|first| first.percent > rung.weight);
    if !judged || at(rung.index) == Some(rung.target) || earns_the_first {
        return None;
    }
    // At weight 0 the target is what it had before it lost its endpoints, or the first step.
    let present = if rung.weight > 0 { rung.weight } else { rung.target };
    let below = steps.iter().rposition(|step| step.percent <= present);
    let index = below.and_then(|i| i32::try_from(i).ok());
    let first = steps.first()?.percent;
    let effect = match (index, index.and_then(at)) {
        (Some(index), Some(percent)) if rung.weight > 0 => {
            Effect::Step { index, weight: percent, target: percent }
        }
        (Some(index), Some(percent)) => Effect::Step { index, weight: 0, target: percent },
        _ if rung.weight > 0 => Effect::Step { index: -1, weight: rung.weight, target: rung.weight },
        // Without weight the first step is what any candidate begins with.
        _ => Effect::Step { index: 0, weight: 0, target: first },
    };
    let message =
        format!("the steps of spec.rollout were changed while {} was at {present} %", name_of(s, &hash));
    Some(Move::new(Act::Step, hash, s.phase(), Reason::StepsChanged, message, effect))
}

/// Row 11: a replacement that the spec no longer asks for. One that has all traffic is finished first.
pub(super) fn replacement_not_wanted(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| s.phase() == Phase::Replacing)?;
    let hash = s.hash(Track::Canary)?;
    // What was decided but never written is not in the way of going back: it may be waiting for pods that never come.
    let has_all_traffic = s.committed_percent() == 100 && s.weight(&hash) == 100;
    if s.stable_wanted() == hash || has_all_traffic {
        return None;
    }
    let message = format!("{} is cancelled: spec.stable names another version", candidate.version);
    Some(cancelled(hash, candidate.exposed, Reason::StableChanged, message))
}

fn cancelled(hash: Hash, exposed: bool, reason: Reason, message: String) -> Move {
    if exposed {
        let effect = Effect::Leave { who: Track::Canary, quarantine: false, fallback: None, handled: false };
        Move::new(Act::Rollback, hash, Phase::RollingBack, reason, message, effect)
    } else {
        Move::new(Act::Retire, hash, Phase::Stable, reason, message, Effect::Drop)
    }
}

/// Row 12: the spec asks for the previous version, and it is warm: one write.
pub(super) fn previous_wanted(s: &Situation) -> Option<Move> {
    let previous = s.hash(Track::Previous)?;
    let fits = matches!(s.phase(), Phase::Stable | Phase::Baking | Phase::RolledBack)
        && s.stable_wanted() == previous
        && s.ready(&previous, 1)
        && !s.held(&previous)
        && !s.quarantined(&previous);
    let reason = if s.release.canary.is_none() { Reason::CanaryRemoved } else { Reason::StableChanged };
    let message = || format!("spec.stable names {}, which is still warm", name_of(s, &previous));
    let fallback = Some(Fallback::Previous(previous.clone()));
    let effect = Effect::Leave { who: Track::Stable, quarantine: false, fallback, handled: false };
    let stable = s.hash(Track::Stable)?;
    fits.then(|| Move::new(Act::Rollback, stable, Phase::RollingBack, reason, message(), effect))
}

/// Row 13: the spec asks for a version that was rolled back and has not changed since.
pub(super) fn quarantined(s: &Situation) -> Option<Move> {
    if s.phase() != Phase::Stable {
        return None;
    }
    let wanted = s.stable_wanted();
    let stable = s.hash(Track::Stable)?;
    let barred = s
        .canary_wanted()
        .filter(|hash| s.quarantined(hash))
        .cloned()
        .or_else(|| (wanted != stable && s.quarantined(&wanted)).then_some(wanted))?;
    let message =
        format!("{} was rolled back before and has not changed; change it to try again", name_of(s, &barred));
    Some(Move::new(Act::Hold, barred, Phase::RolledBack, Reason::Quarantined, message, Effect::Phase))
}

/// Row 14: after a rollback the spec asks for nothing but what runs.
pub(super) fn nothing_on_trial(s: &Situation) -> Option<Move> {
    let stable = s.hash(Track::Stable)?;
    let fits = s.phase() == Phase::RolledBack && s.canary_wanted().is_none() && s.stable_wanted() == stable;
    let message = || "the spec names only what runs".to_owned();
    fits.then(|| {
        Move::new(
            Act::Retire,
            stable,
            Phase::Stable,
            Reason::CanaryRemoved,
            message(),
            Effect::Retire(Track::Failed),
        )
    })
}

/// Row 15: `spec.stable` names a version that does not run: make before break, without analysis.
pub(super) fn replace(s: &Situation) -> Option<Move> {
    let stable = s.hash(Track::Stable)?;
    let wanted = s.stable_wanted();
    let fits = matches!(s.phase(), Phase::Stable | Phase::RolledBack)
        && wanted != stable
        && !s.quarantined(&wanted)
        && s.free(&wanted);
    let message = || format!("spec.stable names {}: it is made ready, then takes over", name_of(s, &wanted));
    fits.then(|| {
        Move::new(
            Act::Replace,
            wanted.clone(),
            Phase::Replacing,
            Reason::StableChanged,
            message(),
            Effect::Choose,
        )
    })
}

/// Row 16: a canary that has not been tried.
pub(super) fn canary_started(s: &Situation) -> Option<Move> {
    let stable = s.hash(Track::Stable)?;
    let canary = s.canary_wanted()?;
    let fits = matches!(s.phase(), Phase::Stable | Phase::RolledBack)
        && s.stable_wanted() == stable
        && !s.quarantined(canary)
        && !(on(Bug::R22) && s.status.state.awaited == canary.as_str())
        && s.free(canary);
    let message = || format!("{} is made ready at weight 0", name_of(s, canary));
    fits.then(|| {
        Move::new(
            Act::Start,
            canary.clone(),
            Phase::Starting,
            Reason::CanaryStarted,
            message(),
            Effect::Choose,
        )
    })
}
