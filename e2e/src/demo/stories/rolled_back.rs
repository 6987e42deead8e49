//! Story B: stable was trained for 5 epochs, the canary for 2. It is rolled back, and nobody has to ask for it.

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase;

use crate::demo::outcome::Outcome;
use crate::demo::releases::rollback;
use crate::demo::story::{STEP, Story};
use crate::error::Result;

/// Tells it.
pub(super) async fn tell(mut story: Story) -> Result<Outcome> {
    let (good, bad) = (story.manifest.stable.name.clone(), story.stage.made.worse.name.clone());
    story.manifest = story.manifest.clone().with_canary(&story.stage.made.worse.clone());
    story.try_canary().await?;
    story
        .until("the canary answers clients", STEP, |seen| {
            seen.load.versions.get(&bad).filter(|totals| totals.answers > 0).map(drop)
        })
        .await?;
    let decision =
        story.until("2 epochs are proven worse", STEP, |seen| rollback(&seen.status, &bad).cloned()).await?;
    story.outcome.decided(&decision);
    story.outcome.must(decision.reason == Reason::QualityRegression, || {
        format!("rolled back for {} instead of QualityRegression: {}", decision.reason, decision.message)
    });
    story
        .until("it is drained", STEP, |seen| {
            (seen.phase() == Phase::RolledBack && seen.status.stable_version == good).then_some(())
        })
        .await?;
    let seen = story.observer.looks().borrow().clone();
    story.outcome.must(seen.wanted_percent() == Some(0), || {
        format!("after the rollback the canary has {:?} percent", seen.wanted_percent())
    });
    let took = story.last_answer_of(&bad, "rollback decided", decision.at);
    story
        .outcome
        .must(took <= 5.0, || format!("{bad} still answered {took:.1} s after its rollback was decided"));
    Ok(story.end().await)
}
