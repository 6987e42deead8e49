//! What a human says: a canary that is held, let go and tried again; paused, promoted by a word, suspended.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Baking, Promoting, RolledBack, RollingBack, Stable, Starting, Warming,
};
use model_release_core::api::status::Verdict;
use serde_json::json;
use testbed::Result;
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::condition;
use testbed::demo::story::Stage;

use super::foreign::{reweigh, weights, weights_are};
use super::way::{Way, manifest, promoted_soon};

/// For how long what is held must not move: some looks of the operator.
const HOLDS: Duration = Duration::from_secs(12);

/// `rollback=true` in Analyzing: while it stays nothing new starts, also another version; gone, that version starts.
pub async fn a_canary_held_by_a_word(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let mut way = Way::begin(&stage, manifest(&stage, name)).await?;
    way.try_version("one").await?;
    way.share("one", 50).await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("true")).await?;
    way.decided_for(Analyzing, RollingBack, "one", Reason::ManualRollback).await?;
    way.left("one", RolledBack, cause).await?;
    way.try_version("two").await?;
    way.until("it says that it is held", |seen| {
        let (is, reason, _) = condition(&seen.status, "Held")?;
        (is == "True" && reason == "ManualRollback").then_some(())
    })
    .await?;
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    way.never_answered("two");
    way.annotate("rollback", None).await?;
    way.share("two", 50).await?;
    way.end().await
}

/// `pause` in Analyzing: the evidence comes in and moves nothing; let go, it is promoted.
pub async fn a_pause_holds_what_the_evidence_would_move(
    stage: Arc<Stage>,
    name: &'static str,
) -> Result<Outcome> {
    let manifest = promoted_soon(&stage, name)
        .with("/spec/rollout/bake", json!("10m"))
        // Time enough for the pause to come before the promotion, however slow this machine is.
        .with("/spec/rollout/steps", json!([{"trafficPercent": 50, "minDuration": "30s"}]));
    let mut way = Way::begin(&stage, manifest).await?;
    way.try_version("paused").await?;
    way.decided(Warming, Analyzing, "paused").await?;
    way.annotate("pause", Some("true")).await?;
    way.until("it says that it is paused", |seen| {
        let (is, reason, _) = condition(&seen.status, "Held")?;
        (is == "True" && reason == "Paused").then_some(())
    })
    .await?;
    way.share("paused", 50).await?;
    way.until("the evidence would do", |seen| {
        let analysis = seen.status.analysis.as_ref()?;
        (analysis.verdict == Verdict::Pass).then_some(())
    })
    .await?;
    way.stays(Analyzing, HOLDS).await?;
    way.annotate("pause", None).await?;
    way.decided_for(Analyzing, Promoting, "paused", Reason::GuardrailsPassed).await?;
    way.decided(Promoting, Baking, "paused").await?;
    way.annotate("pause", Some("true")).await?;
    way.set("/spec/rollout/bake", json!("5s"));
    way.write().await?;
    way.stays(Baking, HOLDS).await?;
    way.annotate("pause", None).await?;
    way.decided(Baking, Stable, "paused").await?;
    way.alone("paused").await?;
    way.end().await
}

/// `promote` in place of evidence; then a rollback, and a `retry` of what was rolled back.
pub async fn a_version_promoted_by_a_word_and_tried_again(
    stage: Arc<Stage>,
    name: &'static str,
) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with("/spec/rollout/bake", json!("5m"));
    let mut way = Way::begin(&stage, manifest).await?;
    let old = stage.made.worse.name.clone();
    way.try_version("ordered").await?;
    way.share("ordered", 50).await?;
    way.annotate("promote", Some("ordered")).await?;
    way.decided_for(Analyzing, Promoting, "ordered", Reason::ManualPromotion).await?;
    way.decided_for(Promoting, Baking, "ordered", Reason::Promoted).await?;
    way.alone("ordered").await?;
    way.annotate("promote", None).await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("ordered")).await?;
    way.decided_for(Baking, RollingBack, "ordered", Reason::ManualRollback).await?;
    way.left("ordered", RolledBack, cause).await?;
    way.alone(&old).await?;

    // Not consumed while it is held; then the same content starts once more.
    way.annotate("retry", Some("once-more")).await?;
    way.stays(RolledBack, HOLDS).await?;
    way.annotate("rollback", None).await?;
    way.decided_for(RolledBack, Starting, "ordered", Reason::CanaryStarted).await?;
    way.share("ordered", 50).await?;
    way.end().await
}

/// `spec.suspend` in Analyzing: hands off, what a hand changes stays; afterwards it is put right.
pub async fn a_suspended_release_is_left_alone(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let mut way = Way::begin(&stage, manifest(&stage, name)).await?;
    way.try_version("resting").await?;
    way.share("resting", 50).await?;
    way.set("/spec/suspend", json!(true));
    way.write().await?;
    way.until("it says that it is suspended", |seen| {
        let (is, reason, _) = condition(&seen.status, "Held")?;
        (is == "True" && reason == "Suspended").then_some(())
    })
    .await?;
    let before = weights(&stage, name).await?;
    reweigh(&stage, name, [90, 10]).await?;
    way.stays(Analyzing, HOLDS).await?;
    let now = weights(&stage, name).await?;
    way.story.outcome.must(now == [90, 10], || format!("a suspended release was written: weights {now:?}"));
    way.set("/spec/suspend", json!(false));
    way.write().await?;
    weights_are(&stage, name, before).await?;
    way.share("resting", 50).await?;
    way.end().await
}
