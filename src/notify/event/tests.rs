//! What each decision is called, and the JSON to the last field.

use std::collections::BTreeMap;

use super::super::tests::{decided, entry};
use super::*;
use model_release_core::api::status::Phase;

#[test]
fn every_act_is_one_kind_by_its_reason() {
    use Phase::{
        Analyzing, Baking, Pending, Promoting, Replacing, RollingBack, Shadowing, Stable, Starting, Warming,
    };

    use EventKind::{Advanced, Held, Promoted, RolledBack, Stalled, Started};
    let of = |act, reason, from, to| {
        // Whoever adds an act has to say here what it is.
        match act {
            Act::Hold
            | Act::Start
            | Act::Step
            | Act::Promote
            | Act::Rollback
            | Act::Replace
            | Act::Retire
            | Act::Delete => (),
        }
        kind(&HistoryEntry { verdict: act, reason, from, to, ..entry(1) })
    };
    for (act, reason, from, to, want) in [
        (Act::Start, Reason::StableReady, Pending, Stable, Started),
        (Act::Start, Reason::StableChanged, Pending, Pending, Started),
        (Act::Start, Reason::CanaryStarted, Stable, Starting, Started),
        (Act::Start, Reason::CanaryReady, Starting, Warming, Advanced),
        (Act::Start, Reason::WarmedUp, Warming, Shadowing, Advanced),
        (Act::Step, Reason::StepStarted, Warming, Analyzing, Advanced),
        (Act::Step, Reason::StepAdvanced, Analyzing, Analyzing, Advanced),
        (Act::Step, Reason::StepsChanged, Analyzing, Analyzing, Advanced),
        (Act::Step, Reason::CanaryNotReady, Analyzing, Starting, Held),
        (Act::Promote, Reason::QualityPassed, Analyzing, Promoting, Advanced),
        (Act::Promote, Reason::ManualPromotion, Analyzing, Promoting, Advanced),
        (Act::Promote, Reason::Promoted, Promoting, Baking, Promoted),
        (Act::Replace, Reason::StableChanged, Stable, Replacing, Started),
        (Act::Replace, Reason::StepAdvanced, Replacing, Replacing, Advanced),
        (Act::Replace, Reason::Replaced, Replacing, Baking, Promoted),
        (Act::Rollback, Reason::QualityRegression, Analyzing, RollingBack, RolledBack),
        (Act::Rollback, Reason::ManualRollback, Baking, RollingBack, RolledBack),
        (Act::Rollback, Reason::RollingBack, RollingBack, RollingBack, Held),
        (Act::Rollback, Reason::RolledBack, RollingBack, Phase::RolledBack, Held),
        (Act::Hold, Reason::AwaitingPromotion, Analyzing, Analyzing, Held),
        (Act::Hold, Reason::Baked, Baking, Stable, Held),
        (Act::Hold, Reason::Inconclusive, Analyzing, Analyzing, Stalled),
        (Act::Hold, Reason::Quarantined, Stable, Phase::RolledBack, Stalled),
        (Act::Retire, Reason::Retired, Stable, Stable, Held),
        (Act::Delete, Reason::Deleted, Stable, Stable, Held),
    ] {
        assert_eq!(of(act, reason, from, to), want, "{act:?} for {reason} from {from:?} to {to:?}");
    }
}

#[test]
fn a_cloud_event_has_the_attributes_of_1_0_and_the_history_entry_as_its_data() {
    let event = cloud_event(&decided("fraud", 14));
    let mut attributes: BTreeMap<String, Value> = serde_json::from_value(event).unwrap();
    let data = attributes.remove("data").unwrap();
    assert_eq!(
        json!(attributes),
        json!({
            "specversion": "1.0",
            "id": "uid-of-fraud/14",
            "source": "/apis/modelrelease.dev/v1alpha1/namespaces/models/modelreleases/fraud",
            "type": "dev.modelrelease.rolledback",
            "subject": "2026.08",
            "time": "2026-11-21T11:40:00Z",
            "datacontenttype": "application/json",
        })
    );
    assert_eq!(data["seq"], 14);
    assert_eq!(serde_json::from_value::<HistoryEntry>(data).unwrap(), entry(14));
}

#[test]
fn an_event_about_no_version_has_no_subject() {
    let mut decided = decided("fraud", 1);
    decided.decision.version.clear();
    assert_eq!(cloud_event(&decided).get("subject"), None, "an empty one is not allowed");
}

#[test]
fn a_webhook_is_told_which_release_what_happened_and_the_history_entry() {
    let mut body = plain(&decided("fraud", 14));
    let decision = body.as_object_mut().unwrap().remove("decision").unwrap();
    assert_eq!(serde_json::from_value::<HistoryEntry>(decision).unwrap(), entry(14));
    assert_eq!(
        body,
        json!({"id": "uid-of-fraud/14", "event": "rolledback", "namespace": "models", "name": "fraud", "uid": "uid-of-fraud"})
    );
}
