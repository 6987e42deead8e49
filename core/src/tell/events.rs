//! Events: one per decision, and one for whatever begins.

use crate::api::annotations::Retry;
use crate::api::conditions::Type;
use crate::api::reasons::Reason;
use crate::api::status::{Act, HistoryEntry, ModelReleaseStatus, Phase};
use crate::moves::Move;
use crate::moves::human::promote_in_vain;
use crate::plan::{Event, Key};
use crate::share;
use crate::situation::Situation;

/// The events of a look: its decision, and what has begun.
pub fn events(
    s: &Situation,
    old: &ModelReleaseStatus,
    found: Option<&Move>,
    decided: Option<&HistoryEntry>,
    drifted: &[Key],
) -> Vec<Event> {
    let new = s.status;
    let mut all = Vec::new();
    if let Some(entry) = decided {
        all.push(Event {
            warning: is_warning(entry),
            reason: entry.reason,
            action: entry.verdict.as_str(),
            message: entry.message.clone(),
        });
    } else if let Some(noted) = found {
        let malformed = noted.reason == Reason::MalformedAnnotation;
        let reason = if malformed { Reason::AnnotationMalformed } else { Reason::AnnotationIgnored };
        all.push(warn(reason, noted.act, noted.message.clone()));
    }
    all.extend(asked_in_vain(s, old));
    for (kind, reason) in
        [(Type::Accepted, Reason::NotAccepted), (Type::AnalysisAvailable, Reason::AnalysisUnavailable)]
    {
        let state = |status: &ModelReleaseStatus| {
            status.conditions.iter().find(|c| c.type_ == kind.as_str() && c.status == "False").cloned()
        };
        if let Some(condition) = state(new)
            && state(old).is_none_or(|before| before.reason != condition.reason)
        {
            all.push(warn(reason, Act::Hold, format!("{}: {}", condition.reason, condition.message)));
        }
    }
    for doubt in doubts(new).filter(|doubt| !doubts(old).any(|before| before == *doubt)) {
        all.push(warn(Reason::AnalysisWarning, Act::Hold, doubt.clone()));
    }
    let known = |status: &ModelReleaseStatus| status.state.share.as_ref().is_some_and(|s| s.skewed.is_some());
    if !known(old)
        && let Some(message) = share::sentence(s)
    {
        all.push(warn(Reason::SplitSkewed, Act::Hold, message));
    }
    for key in drifted {
        let message = format!("{key} was changed by somebody else and is put right");
        all.push(warn(Reason::DriftCorrected, Act::Hold, message));
    }
    all
}

/// What is doubtful about the evidence.
fn doubts(status: &ModelReleaseStatus) -> impl Iterator<Item = &String> {
    let quality = status.analysis.iter().filter_map(|analysis| analysis.quality.as_ref());
    quality.flat_map(|quality| &quality.doubts)
}

fn warn(reason: Reason, act: Act, message: String) -> Event {
    Event { warning: true, reason, action: act.as_str(), message }
}

/// Whether a decision is bad news: a version begins to leave, has left, or could not be judged.
fn is_warning(entry: &HistoryEntry) -> bool {
    let leaves = entry.verdict == Act::Rollback && entry.to == Phase::RollingBack && entry.from != entry.to;
    leaves
        || matches!(
            entry.reason,
            Reason::CanaryNotReady
                | Reason::Quarantined
                | Reason::Inconclusive
                | Reason::BakeUnverified
                | Reason::RolledBack
        )
}

/// Annotations that are new and come to nothing, each told once a value.
fn asked_in_vain(s: &Situation, old: &ModelReleaseStatus) -> Vec<Event> {
    let (before, now) = (&old.state.handled, &s.status.state.handled);
    let annotations = &s.release.annotations;
    let mut all = Vec::new();
    let unbound = now.promote.as_ref().is_some_and(|bound| bound.hash.is_empty());
    if before.promote != now.promote && unbound {
        all.extend(promote_in_vain(s).map(|(reason, message)| warn(reason, Act::Hold, message)));
    }
    if before.retry != now.retry && annotations.retry == Retry::Malformed {
        let message = "retry is no token of at most 64 printable characters; it is ignored".to_owned();
        all.push(warn(Reason::AnnotationMalformed, Act::Hold, message));
    }
    if before.unknown != now.unknown && now.unknown.is_some() {
        let message = format!(
            "{} means nothing (known are rollback, pause, promote and retry); it is ignored",
            annotations.unknown.join(", ")
        );
        all.push(warn(Reason::AnnotationUnknown, Act::Hold, message));
    }
    all
}
