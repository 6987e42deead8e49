//! Rows 26, 27, 28, 31 and 38: what the evidence says.

use super::{Effect, Move};
use crate::analysis::Outcome;
use crate::api::reasons::Reason;
use crate::api::spec::{OnInconclusive, Promotion};
use crate::api::status::{Act, Numbers, Phase, Track};
use crate::situation::Situation;

/// Row 26: a guardrail failed.
pub(super) fn guardrail_failed(s: &Situation) -> Option<Move> {
    let (reason, message, numbers) = failed(s)?;
    let fits = reason != Reason::QualityRegression
        && matches!(s.phase(), Phase::Shadowing | Phase::Analyzing | Phase::Promoting | Phase::Baking);
    fits.then(|| leaves(s, reason, message, numbers))?
}

/// Row 31: quality failed.
pub(super) fn quality_failed(s: &Situation) -> Option<Move> {
    let (reason, message, numbers) = failed(s)?;
    let fits = reason == Reason::QualityRegression
        && matches!(s.phase(), Phase::Shadowing | Phase::Analyzing | Phase::Baking);
    fits.then(|| leaves(s, reason, message, numbers))?
}

fn failed(s: &Situation) -> Option<(Reason, String, Vec<Numbers>)> {
    match &s.look?.outcome {
        Outcome::Fail { reason, message, numbers } => Some((*reason, message.clone(), numbers.clone())),
        Outcome::Pass { .. } | Outcome::Undecided { .. } => None,
    }
}

/// The version that is judged leaves: the candidate, or after promotion the live one if there is a fallback.
fn leaves(s: &Situation, reason: Reason, message: String, numbers: Vec<Numbers>) -> Option<Move> {
    let (who, fallback) = match s.phase() {
        Phase::Baking => (Track::Stable, Some(s.fallback()?)),
        _ => (Track::Canary, None),
    };
    let effect = Effect::Leave { who, quarantine: true, fallback, handled: false };
    let found = Move::new(Act::Rollback, s.hash(who)?, Phase::RollingBack, reason, message, effect);
    Some(Move { numbers, ..found })
}

/// Row 27: undecided for too long, and the user wants that to be a rollback.
pub(super) fn undecided_for_too_long(s: &Situation) -> Option<Move> {
    let message = overdue(s, OnInconclusive::Rollback)?;
    let found = Move::rolls_back(s, Reason::Inconclusive, message)?;
    Some(Move { numbers: s.look.map(|l| l.numbers.clone()).unwrap_or_default(), ..found })
}

/// Row 28: the same, and the user wants it held: told once; the analysis goes on.
pub(super) fn undecided_and_held(s: &Situation) -> Option<Move> {
    let message =
        overdue(s, OnInconclusive::Hold).filter(|_| s.candidate().is_none_or(|c| c.overdue_at.is_none()))?;
    let hash = s.hash(Track::Canary)?;
    let found = Move::new(Act::Hold, hash, s.phase(), Reason::Inconclusive, message, Effect::Overdue);
    Some(Move { numbers: s.look.map(|l| l.numbers.clone()).unwrap_or_default(), ..found })
}

/// Whether the candidate is undecided for too long, in a sentence. One that passes and is held back by its share of the
/// requests is undecided too. One that waits for a human's word is not, nor is one that gets no traffic.
fn overdue(s: &Situation, wish: OnInconclusive) -> Option<String> {
    let judged = matches!(s.phase(), Phase::Shadowing | Phase::Analyzing);
    let candidate = s.role(Track::Canary).filter(|_| judged && s.release.rollout.on_inconclusive == wish)?;
    let undecided = matches!(s.look?.outcome, Outcome::Undecided { .. }) || s.skewed();
    let waits = s.candidate().is_some_and(|c| c.passed_at.is_some()) || s.release.rollout.dark();
    let allowed = s.release.rollout.max_duration;
    let over = undecided && !waits && s.analysed()? >= allowed;
    let then = match wish {
        OnInconclusive::Rollback => "onInconclusive is Rollback",
        OnInconclusive::Hold => "it keeps its weight; onInconclusive is Hold",
    };
    over.then(|| format!("{} is undecided after {} s; {then}", candidate.version, allowed.as_secs()))
}

/// Row 38: at the last rung quality and guardrails pass at this look, and the least time is over. If the user wants to
/// say the last word, that is awaited.
pub(super) fn passed(s: &Situation) -> Option<Move> {
    let candidate = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Analyzing)?;
    let rung = s.status.step.as_ref()?;
    let steps = &s.release.rollout.steps;
    let at_the_last =
        i64::from(rung.index).saturating_add(1) >= i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let least = usize::try_from(rung.index).ok().and_then(|i| steps.get(i)).or(steps.last())?.min_duration;
    let long_enough = rung.weight == rung.target && s.dwelt()? >= least;
    if !at_the_last || !long_enough || s.release.rollout.dark() || s.unsure() || !s.free(&candidate) {
        return None;
    }
    let Outcome::Pass { reason, message, numbers } = &s.look?.outcome else { return None };
    let found = if s.release.rollout.promotion == Promotion::Automatic {
        let effect = Effect::Promote { by_hand: false };
        Move::new(Act::Promote, candidate, Phase::Promoting, *reason, message.clone(), effect)
    } else if s.candidate().is_none_or(|c| c.passed_at.is_none()) {
        let message = format!("{message}; promotion is Manual: it waits for the annotation promote");
        Move::new(Act::Hold, candidate, s.phase(), Reason::AwaitingPromotion, message, Effect::Passed)
    } else {
        return None;
    };
    Some(Move { numbers: numbers.clone(), ..found })
}
