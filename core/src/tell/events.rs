//! Events: one per decision, and one for whatever begins.

use crate::api::conditions::Type;
use crate::api::reasons::Reason;
use crate::api::status::{Act, HistoryEntry, ModelReleaseStatus, Phase};
use crate::plan::{Event, Key};

/// The events of a look: its decision, and what has begun.
pub fn events(
    old: &ModelReleaseStatus,
    new: &ModelReleaseStatus,
    decided: Option<&HistoryEntry>,
    drifted: &[Key],
) -> Vec<Event> {
    let mut all = Vec::new();
    let noted = new.decision.as_ref().filter(|d| decided.is_none() && old.decision.as_ref() != Some(d));
    if let Some(entry) = decided {
        let warning = (entry.verdict == Act::Rollback
            && entry.to == Phase::RollingBack
            && entry.from != entry.to)
            || matches!(
                entry.reason,
                Reason::CanaryNotReady | Reason::Quarantined | Reason::BakeUnverified | Reason::RolledBack
            );
        all.push(Event {
            warning,
            reason: entry.reason,
            action: entry.verdict.as_str(),
            message: entry.message.clone(),
        });
    } else if let Some(decision) = noted {
        let malformed = decision.reason == Reason::MalformedAnnotation;
        let reason = if malformed { Reason::AnnotationMalformed } else { Reason::AnnotationIgnored };
        all.push(Event {
            warning: true,
            reason,
            action: decision.verdict.as_str(),
            message: new.message.clone(),
        });
    }
    for (kind, reason) in
        [(Type::Accepted, Reason::NotAccepted), (Type::AnalysisAvailable, Reason::AnalysisUnavailable)]
    {
        let state = |status: &ModelReleaseStatus| {
            status.conditions.iter().find(|c| c.type_ == kind.as_str() && c.status == "False").cloned()
        };
        if let Some(condition) = state(new)
            && state(old).is_none_or(|before| before.reason != condition.reason)
        {
            let message = format!("{}: {}", condition.reason, condition.message);
            all.push(Event { warning: true, reason, action: "Hold", message });
        }
    }
    for key in drifted {
        let message = format!("{key} was changed by somebody else and is put right");
        all.push(Event { warning: true, reason: Reason::DriftCorrected, action: "Hold", message });
    }
    all
}
