//! Story C: somebody annotates the release in mid-canary. Within a second no client gets the canary's answers.

use jiff::Timestamp;
use model_release_core::api::annotations::ROLLBACK;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase;

use crate::demo::outcome::Outcome;
use crate::demo::releases::rollback;
use crate::demo::sticky;
use crate::demo::story::{STEP, Story};
use crate::error::Result;

/// From the annotation to the canary's last answer, in seconds.
const WITHIN: f64 = 1.0;

/// Tells it.
pub(super) async fn tell(mut story: Story) -> Result<Outcome> {
    let canary = story.stage.made.better.name.clone();
    story.manifest = story.manifest.clone().with_canary(&story.stage.made.better.clone());
    story.try_canary().await?;
    story.until_canary_answers().await?;
    story.until_while_good("some evidence is there", |seen| (seen.canary_events() > 0).then_some(())).await?;

    story.note("clients come again and again");
    let sticky = sticky::check(&story.stage, &story.manifest.host()).await?;
    story.outcome.tried.push(sticky.to_string());
    story.outcome.must(sticky.holds(), || format!("clients are not kept to a version: {sticky}"));

    story.note("annotation rollback=true is set");
    let annotated = Timestamp::now();
    story.stage.releases.annotate(&story.manifest.name, ROLLBACK, Some("true")).await?;
    let decision = story
        .until("it is rolled back and drained", STEP, |seen| {
            let entry = rollback(&seen.status, &canary)?.clone();
            (seen.phase() == Phase::RolledBack).then_some(entry)
        })
        .await?;
    story.outcome.decided(&decision);
    story.outcome.must(decision.reason == Reason::ManualRollback, || {
        format!("rolled back for {} instead of ManualRollback: {}", decision.reason, decision.message)
    });
    let took = story.last_answer_of(&canary, "annotation set", annotated);
    story
        .outcome
        .must(took <= WITHIN, || format!("{canary} still answered {took:.2} s after the annotation"));
    let seen = story.observer.looks().borrow().clone();
    story.outcome.must(seen.envoy_percent.is_some_and(|percent| percent == 0.0), || {
        format!("after the drain Envoy still sends the canary {:?} percent", seen.envoy_percent)
    });
    Ok(story.end().await)
}
