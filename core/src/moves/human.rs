//! Rows 2 to 4: the rollback annotation comes before everything that a machine found out.

use super::{Effect, Move};
use crate::api::annotations::Rollback;
use crate::api::reasons::Reason;
use crate::api::status::{Act, Phase, Track};
use crate::situation::Situation;

/// Row 2: the version on trial leaves, whatever its state. If stable itself is named, the candidate makes way first.
pub(super) fn candidate_held(s: &Situation) -> Option<Move> {
    if !s.on_trial() && s.phase() != Phase::Replacing {
        return None;
    }
    let candidate = s.role(Track::Canary)?;
    let hash = s.hash(Track::Canary)?;
    let leave =
        |quarantine, handled| Effect::Leave { who: Track::Canary, quarantine, fallback: None, handled };
    let to = Phase::RollingBack;
    if s.release.rollback == Rollback::True || s.named_by_rollback(candidate) {
        let message = format!("{} is rolled back by hand", candidate.version);
        return Some(Move::new(Act::Rollback, hash, to, Reason::ManualRollback, message, leave(true, true)));
    }
    let stable = s.role(Track::Stable)?;
    let stable_leaves =
        s.on_trial() && s.named_by_rollback(stable) && !s.rollback_handled() && s.fallback().is_some();
    let message =
        || format!("{} makes way: {} is to be rolled back by hand", candidate.version, stable.version);
    stable_leaves
        .then(|| Move::new(Act::Rollback, hash, to, Reason::Superseded, message(), leave(false, false)))
}

/// Row 3: the live version leaves, once per appearance of the annotation, if there is anything to go back to.
pub(super) fn stable_held(s: &Situation) -> Option<Move> {
    let stable = s.role(Track::Stable)?;
    let named = s.named_by_rollback(stable);
    // A `true` is first of all about a canary that is in the spec and may yet start.
    let canary_may_start = s.canary_wanted().is_some_and(|hash| !s.quarantined(hash));
    let meant = match s.phase() {
        Phase::Stable | Phase::Baking => named || (s.release.rollback == Rollback::True && !canary_may_start),
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
    let looked_at = match s.phase() {
        Phase::Replacing => false,
        Phase::RollingBack => s.release.rollback == Rollback::True,
        _ => true,
    };
    let (reason, message) = match &s.release.rollback {
        Rollback::Absent => return None,
        // Row 4b: a word that cannot be read holds everything, for it may have meant that.
        Rollback::Malformed => (
            Reason::MalformedAnnotation,
            "rollback is neither true nor a version name; nothing moves forward until it is corrected or removed".into(),
        ),
        Rollback::True => (Reason::NothingToRollBack, "nothing is on trial and there is nothing to go back to".into()),
        Rollback::Version(_) => (Reason::NothingToRollBack, unknown_version(s)),
    };
    if !looked_at || s.rollback_handled() {
        return None;
    }
    let hash = s.hash(Track::Stable).unwrap_or_else(|| s.release.stable.hash.clone());
    Some(Move::new(Act::Hold, hash, s.phase(), reason, message, Effect::Note))
}

/// Which versions the annotation could have named.
fn unknown_version(s: &Situation) -> String {
    let name = |track: Track| s.role(track).map(|v| format!("{} {}", track.as_str(), v.version));
    let known: Vec<String> =
        [Track::Stable, Track::Canary, Track::Previous, Track::Failed].into_iter().filter_map(name).collect();
    let spec = s.release.canary.as_ref().map(|c| format!("canary in spec {}", c.name));
    let all: Vec<String> = known.into_iter().chain(spec).collect();
    format!("rollback names no version that could be rolled back now ({})", all.join(", "))
}
