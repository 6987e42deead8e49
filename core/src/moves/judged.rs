//! Rows 26, 27, 31 and 38: what the evidence says.

use super::{Effect, Move};
use crate::analysis::Outcome;
use crate::api::reasons::Reason;
use crate::api::spec::OnInconclusive;
use crate::api::status::{Act, Numbers, Phase, Track};
use crate::situation::Situation;

/// Row 26: a guardrail failed.
pub(super) fn guardrail_failed(s: &Situation) -> Option<Move> {
    let (reason, message, numbers) = failed(s)?;
    let fits = reason != Reason::QualityRegression
        && matches!(s.phase(), Phase::Analyzing | Phase::Promoting | Phase::Baking);
    fits.then(|| leaves(s, reason, message, numbers))?
}

/// Row 31: quality failed.
pub(super) fn quality_failed(s: &Situation) -> Option<Move> {
    let (reason, message, numbers) = failed(s)?;
    let fits = reason == Reason::QualityRegression && matches!(s.phase(), Phase::Analyzing | Phase::Baking);
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
    let candidate = s.role(Track::Canary).filter(|_| s.phase() == Phase::Analyzing)?;
    let undecided = matches!(s.look?.outcome, Outcome::Undecided { .. });
    let rollback = s.release.rollout.on_inconclusive == OnInconclusive::Rollback;
    let allowed = s.release.rollout.max_duration;
    if !undecided || !rollback || s.elapsed(s.candidate().exposed_at?) < allowed {
        return None;
    }
    let message = format!(
        "{} is undecided after {} s; onInconclusive is Rollback",
        candidate.version,
        allowed.as_secs()
    );
    let found = Move::rolls_back(s, Reason::Inconclusive, message)?;
    Some(Move { numbers: s.look.map(|l| l.numbers.clone()).unwrap_or_default(), ..found })
}

/// Row 38: at the last rung quality and guardrails pass at this look, and the least time is over.
pub(super) fn passed(s: &Situation) -> Option<Move> {
    let candidate = s.hash(Track::Canary).filter(|_| s.phase() == Phase::Analyzing)?;
    let rung = s.status.step.as_ref()?;
    let steps = &s.release.rollout.steps;
    let index = usize::try_from(rung.index).ok()?;
    let at_the_last = index.saturating_add(1) >= steps.len();
    let least = steps.get(index).or(steps.last())?.min_duration;
    let long_enough = rung.weight == rung.target && s.elapsed(rung.settled_at?) >= least;
    if !at_the_last || !long_enough || s.blind() || s.held(&candidate) {
        return None;
    }
    match &s.look?.outcome {
        Outcome::Pass { reason, message, numbers } => {
            let found = Move::new(
                Act::Promote,
                candidate,
                Phase::Promoting,
                *reason,
                message.clone(),
                Effect::Promote,
            );
            Some(Move { numbers: numbers.clone(), ..found })
        }
        Outcome::Fail { .. } | Outcome::Undecided { .. } => None,
    }
}
