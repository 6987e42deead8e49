//! Rows 30 to 43b: the ordinary course, one rung after another.

use jiff::SignedDuration;

use super::{Effect, Move};
use crate::api::reasons::Reason;
use crate::api::status::{Act, Phase, Track};
use crate::seeded::{Bug, on};
use crate::situation::Situation;

fn name(s: &Situation, track: Track) -> String {
    s.role(track).map(|v| v.version.clone()).unwrap_or_default()
}

/// Row 30: the previous version has been kept long enough, or the objects of a rolled-back one.
pub(super) fn retire(s: &Situation) -> Option<Move> {
    if !matches!(s.phase(), Phase::Stable | Phase::RolledBack) {
        return None;
    }
    let due = |track: Track| {
        let version = s.role(track)?;
        let at = if track == Track::Previous { version.retire_at } else { version.delete_at }?;
        // What is paused keeps its way back.
        let kept = track == Track::Previous && s.paused();
        (s.now >= at && !kept).then(|| (track, version.version.clone()))
    };
    let (track, version) = due(Track::Previous).or_else(|| due(Track::Failed))?;
    let message = format!("{version} is no longer kept");
    Some(Move::new(Act::Retire, s.hash(track)?, s.phase(), Reason::Retired, message, Effect::Retire(track)))
}

/// Row 33: the first version serves.
pub(super) fn stable_ready(s: &Situation) -> Option<Move> {
    let stable = &s.release.stable;
    let fits = s.phase() == Phase::Pending && s.ready(&stable.hash, stable.min_replicas());
    let message = || format!("{} is ready and gets all traffic", stable.name);
    fits.then(|| {
        Move::new(
            Act::Start,
            stable.hash.clone(),
            Phase::Stable,
            Reason::StableReady,
            message(),
            Effect::Serve,
        )
    })
}

/// Row 34: the candidate is ready; its own route is to be proven.
pub(super) fn candidate_ready(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Starting)?;
    let message = || format!("{} is ready; its route is being proven at weight 0", name(s, Track::Canary));
    s.ready(&hash, s.need(s.next_percent())).then(|| {
        Move::new(Act::Start, hash.clone(), Phase::Warming, Reason::CanaryReady, message(), Effect::Warm)
    })
}

/// Row 35: warm, and it is to get copies of requests before anybody's answer depends on it.
pub(super) fn copies(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Warming)?;
    let shadow = s.shadow_due()?;
    let percent = shadow.mirror_percent;
    let fits = s.warm() && s.ready(&hash, s.need(percent)) && s.free(&hash);
    let message = || format!("{} gets copies of {percent} % of the requests", name(s, Track::Canary));
    fits.then(|| Move::new(Act::Start, hash, Phase::Shadowing, Reason::WarmedUp, message(), Effect::Shadow))
}

/// Row 36: warm, its route in force, copies borne, and stable there to go back to: the first weight, or the one it had.
pub(super) fn first_weight(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary)?;
    let borne = match s.phase() {
        Phase::Warming => s.shadow_due().is_none() && s.warm(),
        Phase::Shadowing => match &s.release.rollout.shadow {
            Some(shadow) => {
                let gate = s.look.is_some_and(|look| look.step_gate) && !s.unsure();
                gate && s.dwelt()? >= shadow.min_duration
            }
            // Nobody wants copies of it any more.
            None => true,
        },
        _ => return None,
    };
    let index = s.status.step.as_ref().map_or(0, |rung| rung.index).max(0);
    let steps = &s.release.rollout.steps;
    let percent = usize::try_from(index).ok().and_then(|i| steps.get(i)).or(steps.last())?.percent;
    let fits =
        borne && s.ready(&hash, s.need(percent)) && s.ready(&s.hash(Track::Stable)?, 1) && s.free(&hash);
    let message = || format!("{} gets {percent} %", name(s, Track::Canary));
    let effect = Effect::Step { index, weight: percent, target: percent };
    fits.then(|| Move::new(Act::Step, hash, Phase::Analyzing, Reason::StepStarted, message(), effect))
}

/// Row 37: a rung that is not the last has shown enough: first the size for the next one, then its weight.
pub(super) fn next_step(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Analyzing)?;
    let rung = s.status.step.as_ref()?;
    if !s.free(&hash) {
        return None;
    }
    let step = |index, weight, target, message: String| {
        let effect = Effect::Step { index, weight, target };
        Some(Move::new(Act::Step, hash.clone(), Phase::Analyzing, Reason::StepAdvanced, message, effect))
    };
    // The first weight needs no evidence; there is none before it.
    if rung.target > rung.weight && (rung.weight == 0 || !s.unsure()) {
        let enough = s.ready(&hash, s.need(rung.target));
        let message = format!("{} gets {} %", name(s, Track::Canary), rung.target);
        return enough.then(|| step(rung.index, rung.target, rung.target, message))?;
    }
    let steps = &s.release.rollout.steps;
    let next = usize::try_from(rung.index.saturating_add(1)).ok()?;
    let present = usize::try_from(rung.index).ok().and_then(|i| steps.get(i)).or(steps.first())?;
    let least = present.min_duration;
    let next = steps.get(next)?;
    let gate = s.look.is_some_and(|look| look.step_gate) && !s.unsure() && s.dwelt()? >= least;
    let message = format!("{} may have {} %; it grows for it", name(s, Track::Canary), next.percent);
    gate.then(|| step(rung.index.saturating_add(1), rung.weight, next.percent, message))?
}

/// Row 39: full size is ready: all traffic. Of a replacement also: warm.
pub(super) fn all_traffic(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary)?;
    let warm = match s.phase() {
        // A human's word stands also for what cannot be seen, or is seen and doubted.
        Phase::Promoting => !s.unsure() || s.candidate().is_some_and(|c| c.by_hand),
        Phase::Replacing => s.warm(),
        _ => return None,
    };
    let fits = warm && s.committed_percent() < 100 && s.ready(&hash, s.full_size(&hash));
    let reason = if s.phase() == Phase::Promoting { Reason::Promoting } else { Reason::Replacing };
    let act = if s.phase() == Phase::Promoting { Act::Promote } else { Act::Replace };
    let index = s.status.step.as_ref().map_or(0, |rung| rung.index);
    let effect = Effect::Step { index, weight: 100, target: 100 };
    let message = || format!("{} is at full size and gets all traffic", name(s, Track::Canary));
    fits.then(|| Move::new(act, hash.clone(), s.phase(), reason, message(), effect))
}

/// Row 40: every gateway gives it all traffic: it is the live version now.
pub(super) fn promoted(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Promoting)?;
    let message =
        || format!("{} has all traffic; {} is kept warm", name(s, Track::Canary), name(s, Track::Stable));
    (s.committed_percent() == 100 && s.settled()).then(|| {
        let effect = Effect::TakeOver { promoted: true };
        Move::new(Act::Promote, hash, Phase::Baking, Reason::Promoted, message(), effect)
    })
}

/// Row 41: the same of a replacement.
pub(super) fn replaced(s: &Situation) -> Option<Move> {
    let hash = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Replacing)?;
    let message =
        || format!("{} has all traffic; {} is kept warm", name(s, Track::Canary), name(s, Track::Stable));
    (s.committed_percent() == 100 && s.settled()).then(|| {
        let effect = Effect::TakeOver { promoted: false };
        Move::new(Act::Replace, hash, Phase::Baking, Reason::Replaced, message(), effect)
    })
}

/// Row 42: the bake is over. The previous version stays warm; only the date of its retirement is set.
pub(super) fn baked(s: &Situation) -> Option<Move> {
    let stable = s.hash(Track::Stable).filter(|_| s.phase() == Phase::Baking)?;
    let bake = s.release.rollout.bake;
    let clean = s.baked() >= bake;
    if s.paused() || !clean && s.bake_age() < bake.saturating_mul(2) {
        return None;
    }
    let (reason, message) = if clean {
        (Reason::Baked, format!("{} served for {} s under guard", name(s, Track::Stable), bake.as_secs()))
    } else {
        (
            Reason::BakeUnverified,
            format!("{} could not be watched for all of its bake", name(s, Track::Stable)),
        )
    };
    Some(Move::new(Act::Hold, stable, Phase::Stable, reason, message, Effect::Bake))
}

/// Row 43: the leaving version has had no traffic for as long as requests may last: its own route goes.
pub(super) fn drained(s: &Situation) -> Option<Move> {
    let leaving =
        s.role(Track::Failed).filter(|v| s.phase() == Phase::RollingBack && v.drained_at.is_none())?;
    let hash = s.hash(Track::Failed)?;
    let drain = if on(Bug::R3) { SignedDuration::ZERO } else { s.release.rollout.drain };
    let over = leaving.zero_since.is_some_and(|at| s.elapsed(at) >= drain);
    let never_seen = !leaving.exposed && s.settled();
    let message = || format!("{} is drained", leaving.version);
    (over || never_seen).then(|| {
        Move::new(Act::Rollback, hash, Phase::RollingBack, Reason::RollingBack, message(), Effect::Drain)
    })
}

/// Row 43b: no gateway knows it any more: it ends.
pub(super) fn left(s: &Situation) -> Option<Move> {
    let leaving =
        s.role(Track::Failed).filter(|v| s.phase() == Phase::RollingBack && v.drained_at.is_some())?;
    let hash = s.hash(Track::Failed)?;
    let to = if leaving.rolled_back { Phase::RolledBack } else { Phase::Stable };
    let message = || format!("{} has no traffic and no route; its pods end", leaving.version);
    s.settled().then(|| Move::new(Act::Rollback, hash, to, Reason::RolledBack, message(), Effect::Left))
}
