//! Rows 1 to 6b and 32: what a human says comes before everything that a machine found out.

use super::{Effect, Move};
use crate::api::annotations::{Promote, Rollback};
use crate::api::reasons::Reason;
use crate::api::status::{Act, Phase, Track};
use crate::seeded::{Bug, on};
use crate::situation::Situation;
use crate::version::Hash;

/// Row 1: the release is deleted.
pub(super) fn deleting(s: &Situation) -> bool {
    s.release.deleted_at.is_some()
}

/// Row 1: one last decision.
pub(super) fn deleted(s: &Situation) -> Option<Move> {
    if s.status.decision.as_ref().is_some_and(|d| d.verdict == Act::Delete) {
        return None;
    }
    let hash =
        s.hash(Track::Canary).or(s.hash(Track::Stable)).unwrap_or_else(|| s.release.stable.hash.clone());
    let message = match s.role(Track::Stable) {
        Some(stable) if s.stable_reached() => {
            format!("the release is deleted; {} has all traffic to the end", stable.version)
        }
        Some(_) => "the release is deleted; traffic stays where endpoints are to the end".to_owned(),
        None => "the release is deleted".to_owned(),
    };
    Some(Move::new(Act::Delete, hash, s.phase(), Reason::Deleted, message, Effect::Delete))
}

/// Row 2: the version on trial leaves, whatever its state. If stable itself is named, the candidate makes way first.
pub(super) fn candidate_held(s: &Situation) -> Option<Move> {
    if !s.on_the_way() {
        return None;
    }
    let candidate = s.role(Track::Canary)?;
    let hash = s.hash(Track::Canary)?;
    let leave =
        |quarantine, handled| Effect::Leave { who: Track::Canary, quarantine, fallback: None, handled };
    let to = Phase::RollingBack;
    if s.release.annotations.rollback == Rollback::True || s.named_by_rollback(candidate) {
        let message = format!("{} is rolled back by hand", candidate.version);
        return Some(Move::new(Act::Rollback, hash, to, Reason::ManualRollback, message, leave(true, true)));
    }
    let stable = s.role(Track::Stable)?;
    let stable_leaves = s.on_trial()
        && s.named_by_rollback(stable)
        && (!s.rollback_handled() || on(Bug::R34))
        && s.fallback().is_some();
    let message =
        || format!("{} makes way: {} is to be rolled back by hand", candidate.version, stable.version);
    stable_leaves
        .then(|| Move::new(Act::Rollback, hash, to, Reason::Superseded, message(), leave(false, false)))
}

/// Row 3: the live version leaves, once per appearance of the annotation, if there is anything to go back to.
pub(super) fn stable_held(s: &Situation) -> Option<Move> {
    let stable = s.role(Track::Stable)?;
    let named = s.named_by_rollback(stable);
    let canary_may_start = s.canary_wanted().is_some_and(|hash| !s.quarantined(hash));
    let meant = match s.phase() {
        Phase::Stable | Phase::Baking => {
            named || (s.release.annotations.rollback == Rollback::True && !canary_may_start)
        }
        Phase::RolledBack => named,
        _ => false,
    };
    if !meant || s.rollback_handled() {
        return None;
    }
    let fallback = s.fallback()?;
    let message = format!("{} is rolled back by hand", stable.version);
    let effect =
        Effect::Leave { who: Track::Stable, quarantine: true, fallback: Some(fallback), handled: true };
    Some(Move::new(
        Act::Rollback,
        s.hash(Track::Stable)?,
        Phase::RollingBack,
        Reason::ManualRollback,
        message,
        effect,
    ))
}

/// Row 4: there is nothing to roll back; noted once, without another effect.
pub(super) fn nothing_to_roll_back(s: &Situation) -> Option<Move> {
    let message = match &s.release.annotations.rollback {
        Rollback::Absent | Rollback::Malformed => return None,
        Rollback::True => "nothing is on trial and there is nothing to go back to".into(),
        Rollback::Version(_) => unknown_version(s, "rollback", "could be rolled back now"),
    };
    let looked_at = match s.phase() {
        Phase::Replacing => false,
        Phase::RollingBack => s.release.annotations.rollback == Rollback::True,
        _ => true,
    };
    if !looked_at || s.rollback_handled() {
        return None;
    }
    Some(Move::new(Act::Hold, live(s), s.phase(), Reason::NothingToRollBack, message, Effect::Note))
}

/// Row 4b: a word that cannot be read pauses everything, for it may have meant that; told once.
pub(super) fn malformed(s: &Situation) -> Option<Move> {
    let (key, _) = s.malformed()?;
    let told = match key {
        "rollback" => s.rollback_handled(),
        _ => s.status.state.handled.pause.as_deref() == Some(s.release.annotations.pause_digest.as_str()),
    };
    if told || s.phase() == Phase::RollingBack {
        return None;
    }
    let message = s.malformed()?.1;
    Some(Move::new(Act::Hold, live(s), s.phase(), Reason::MalformedAnnotation, message, Effect::Note))
}

/// Row 5: hands off.
pub(super) fn suspended(s: &Situation) -> bool {
    s.suspended()
}

/// Row 6b: the user asks for another try of what was rolled back.
pub(super) fn retried(s: &Situation) -> Option<Move> {
    let barred = s.retry_lifts();
    let first = barred.first()?.clone();
    let names: Vec<&str> = s
        .status
        .quarantine
        .iter()
        .filter(|q| barred.iter().any(|hash| hash.as_str() == q.hash))
        .map(|q| q.version.as_str())
        .collect();
    let message = format!("{} may be tried again, by retry", names.join(" and "));
    Some(Move::new(Act::Hold, first, s.phase(), Reason::RetryAccepted, message, Effect::Retry))
}

/// Row 32: a human stands for the evidence that is missing. Readiness, capacity and failed checks stay as they are.
pub(super) fn promoted(s: &Situation) -> Option<Move> {
    let canary = s.role(Track::Canary)?;
    let hash = s.hash(Track::Canary)?;
    let fits = matches!(s.phase(), Phase::Shadowing | Phase::Analyzing)
        && s.promote_bound_to(&hash)
        && s.free(&hash);
    let message = || format!("{} is promoted by hand", canary.version);
    let effect = Effect::Promote { by_hand: true };
    fits.then(|| Move::new(Act::Promote, hash, Phase::Promoting, Reason::ManualPromotion, message(), effect))
}

fn live(s: &Situation) -> Hash {
    s.hash(Track::Stable).unwrap_or_else(|| s.release.stable.hash.clone())
}

/// Which versions an annotation could have named.
pub(crate) fn unknown_version(s: &Situation, key: &str, could: &str) -> String {
    let name = |track: Track| s.role(track).map(|v| format!("{} {}", track.as_str(), v.version));
    let known: Vec<String> =
        [Track::Stable, Track::Canary, Track::Previous, Track::Failed].into_iter().filter_map(name).collect();
    let spec = s.release.canary.as_ref().map(|c| format!("canary in spec {}", c.name));
    let all: Vec<String> = known.into_iter().chain(spec).collect();
    format!("{key} names no version that {could} ({})", all.join(", "))
}

/// What to say of a promote annotation that has no effect, if it has none.
pub(crate) fn promote_in_vain(s: &Situation) -> Option<(Reason, String)> {
    match &s.release.annotations.promote {
        Promote::Absent => None,
        Promote::Malformed => {
            let canary = s.role(Track::Canary).map(|v| v.version.clone());
            let name = canary.or_else(|| s.release.canary.as_ref().map(|c| c.name.clone()));
            let name = name.unwrap_or_else(|| "2026.08".to_owned());
            Some((
                Reason::AnnotationMalformed,
                format!("promote must name the version, as in promote={name}"),
            ))
        }
        Promote::Version(_) => {
            Some((Reason::AnnotationIgnored, unknown_version(s, "promote", "could be promoted")))
        }
    }
}
