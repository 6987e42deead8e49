//! Messages, letter by letter.

use model_release_core::api::status::{Act, Phase};

use super::super::tests::{decided, entry};
use super::*;

#[test]
fn a_rollback_is_told_with_versions_reason_numbers_and_the_way_back() {
    assert_eq!(
        text(&decided("fraud", 14)),
        "*rolled back* models/fraud: 2026.08 (9ab1c2d3e4), 10 % → 0 %; stable is 2026.07\n\
         > QualityRegression: accuracy 0.8510 of 397 against 0.9010 of 3573; evidence 21.4 of 20 that 2026.08 is worse\n\
         • model_accuracy: 2026.08 0.8510 of 397, stable 0.9010 of 3573; evidence 21.4 of 20\n\
         To try it again: `kubectl modelrelease retry fraud -n models`, or the annotation `modelrelease.dev/retry` with a new value"
    );
    assert_eq!(message(&decided("fraud", 14)).as_object().unwrap().keys().collect::<Vec<_>>(), ["text"]);
}

#[test]
fn a_promotion_is_told_with_how_to_undo_it() {
    let decision = HistoryEntry {
        verdict: Act::Promote,
        reason: Reason::Promoted,
        from: Phase::Promoting,
        to: Phase::Baking,
        from_percent: 100,
        to_percent: 100,
        message: "v2 is promoted; R&D's <b> is \"safe\"\nas ever".into(),
        numbers: Vec::new(),
        version: "v2".into(),
        ..entry(9)
    };
    let told = text(&Notification { decision, stable: "v2".into(), ..decided("fraud", 9) });
    assert_eq!(
        told,
        "*promoted* models/fraud: v2 (9ab1c2d3e4)\n\
         > Promoted: v2 is promoted; R&amp;D's &lt;b&gt; is \"safe\" as ever\n\
         To undo: `kubectl modelrelease rollback fraud -n models`, or the annotation `modelrelease.dev/rollback: \"true\"`"
    );
}

#[test]
fn a_way_back_is_told_only_where_there_is_one() {
    let last = |verdict, reason, from| {
        let decision = HistoryEntry { verdict, reason, from, ..entry(9) };
        undo(&Notification { decision, ..decided("fraud", 9) }).unwrap_or_default()
    };
    let undo = "To undo: `kubectl modelrelease rollback ";
    let again = "To try it again: `kubectl modelrelease retry ";
    let decide =
        "To decide: `kubectl modelrelease promote fraud -n models`, or `kubectl modelrelease rollback ";
    for (verdict, reason, begins) in [
        (Act::Start, Reason::StableReady, ""),
        (Act::Start, Reason::CanaryStarted, undo),
        (Act::Step, Reason::StepAdvanced, undo),
        (Act::Step, Reason::CanaryNotReady, undo),
        (Act::Rollback, Reason::OOMKilled, again),
        (Act::Rollback, Reason::CanaryNotReady, again),
        (Act::Rollback, Reason::Superseded, ""),
        (Act::Rollback, Reason::RolledBack, ""),
        (Act::Hold, Reason::AwaitingPromotion, decide),
        (Act::Hold, Reason::Inconclusive, decide),
        (Act::Hold, Reason::Quarantined, again),
        (Act::Retire, Reason::Retired, ""),
        (Act::Delete, Reason::Deleted, ""),
    ] {
        // What carries a rollback out begins where the one that decided it led to.
        let from = if reason == Reason::RolledBack { Phase::RollingBack } else { Phase::Analyzing };
        let told = last(verdict, reason, from);
        assert!(told.starts_with(begins) && told.is_empty() == begins.is_empty(), "{reason}: {told}");
    }
}
