//! Ways out of Promoting, Baking, Stable and Replacing: what was promoted goes back, by hand or by the spec.

use std::sync::Arc;

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Baking, Promoting, Replacing, RolledBack, RollingBack, Stable, Starting,
};
use serde_json::json;
use testbed::Result;
use testbed::demo::images::Model;
use testbed::demo::outcome::Outcome;
use testbed::demo::story::Stage;

use super::way::{Way, manifest, promoted_soon};

/// Baking to `RolledBack` by hand: the version before is warm and has everything within a second.
pub async fn a_promoted_version_rolled_back_by_hand(
    stage: Arc<Stage>,
    name: &'static str,
) -> Result<Outcome> {
    let manifest = promoted_soon(&stage, name).with("/spec/rollout/bake", json!("5m"));
    let mut way = Way::begin(&stage, manifest).await?;
    let old = stage.made.worse.name.clone();
    way.try_version("baked").await?;
    way.decided_for(Analyzing, Promoting, "baked", Reason::GuardrailsPassed).await?;
    way.decided_for(Promoting, Baking, "baked", Reason::Promoted).await?;
    way.alone("baked").await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("baked")).await?;
    way.decided_for(Baking, RollingBack, "baked", Reason::ManualRollback).await?;
    way.left("baked", RolledBack, cause).await?;
    way.alone(&old).await?;
    way.annotate("rollback", None).await?;
    way.end().await
}

/// Baking, then Stable, back to the version before by a revert of the spec: no quarantine, so it may come again.
pub async fn a_promotion_that_is_reverted_in_the_spec(
    stage: Arc<Stage>,
    name: &'static str,
) -> Result<Outcome> {
    let manifest = promoted_soon(&stage, name).with("/spec/rollout/bake", json!("1m"));
    let mut way = Way::begin(&stage, manifest).await?;
    let old = stage.made.worse.name.clone();
    way.try_version("tried").await?;
    way.decided(Promoting, Baking, "tried").await?;
    let cause = Timestamp::now();
    way.remove_canary().await?;
    way.decided_for(Baking, RollingBack, "tried", Reason::CanaryRemoved).await?;
    way.left("tried", Stable, cause).await?;
    way.alone(&old).await?;

    way.set("/spec/rollout/bake", json!("5s"));
    way.try_version("tried").await?;
    way.decided(Stable, Starting, "tried").await?;
    way.decided(Promoting, Baking, "tried").await?;
    way.decided_for(Baking, Stable, "tried", Reason::Baked).await?;
    let cause = Timestamp::now();
    way.remove_canary().await?;
    way.decided_for(Stable, RollingBack, "tried", Reason::CanaryRemoved).await?;
    way.left("tried", Stable, cause).await?;
    way.alone(&old).await?;
    way.end().await
}

/// Stable to Replacing to Baking to Stable, made before broken; and a canary on trial that the spec makes stable.
pub async fn stable_changed_in_the_spec(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with("/spec/rollout/bake", json!("5s"));
    let mut way = Way::begin(&stage, manifest).await?;
    way.story.manifest.stable = Model { name: "next".into(), ..stage.made.better.clone() };
    way.write().await?;
    way.decided_for(Stable, Replacing, "next", Reason::StableChanged).await?;
    way.decided_for(Replacing, Baking, "next", Reason::Replaced).await?;
    way.alone("next").await?;
    way.decided(Baking, Stable, "next").await?;

    // A canary on trial becomes what the spec calls stable: no analysis any more.
    way.try_version("chosen").await?;
    way.share("chosen", 50).await?;
    way.story.manifest.stable = Model { name: "chosen".into(), ..stage.made.better.clone() };
    way.remove_canary().await?;
    way.decided_for(Analyzing, Replacing, "chosen", Reason::StableChanged).await?;
    way.decided_for(Replacing, Baking, "chosen", Reason::Replaced).await?;
    way.alone("chosen").await?;
    way.decided(Baking, Stable, "chosen").await?;
    way.end().await
}

/// Promoting to `RolledBack` by hand, whatever weight it has got by then.
pub async fn a_rollback_while_a_version_is_promoted(
    stage: Arc<Stage>,
    name: &'static str,
) -> Result<Outcome> {
    let manifest = promoted_soon(&stage, name).with("/spec/runtime/minReplicas", json!(3));
    let mut way = Way::begin(&stage, manifest.with("/spec/rollout/bake", json!("5m"))).await?;
    let old = stage.made.worse.name.clone();
    way.try_version("growing").await?;
    way.decided_for(Analyzing, Promoting, "growing", Reason::GuardrailsPassed).await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("true")).await?;
    let entry = way
        .until("growing leaves", |seen| {
            seen.status.history.iter().find(|entry| entry.reason == Reason::ManualRollback).cloned()
        })
        .await?;
    way.story
        .outcome
        .must([Promoting, Baking].contains(&entry.from), || format!("it left {}", entry.from.as_str()));
    way.left("growing", RolledBack, cause).await?;
    way.alone(&old).await?;
    way.annotate("rollback", None).await?;
    way.end().await
}
