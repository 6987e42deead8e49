//! The operator dies, without a word, in the middle of a rollout: another run of it goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Baking, Promoting, RolledBack, RollingBack, Warming,
};
use serde_json::json;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::common::{operator_pods, operator_restarts, signal};
use super::ways::way::{Way, promoted_soon};

/// How long until it runs again: the kubelet waits longer each time.
const BACK: Duration = Duration::from_secs(60);
/// What the auditor adds to its limits of time meanwhile.
pub const SLACK: Duration = Duration::from_secs(30);
/// From the word to leave to the last answer, if the operator is dead when it comes.
const WITHIN: f64 = 30.0;

/// Killed while it analyses, and while it promotes; then a rollback is asked for while it is dead.
pub async fn an_operator_that_is_killed_goes_on(stage: &Arc<Stage>) -> Result<()> {
    let manifest = promoted_soon(stage, "killed").with("/spec/rollout/bake", json!("5m"));
    let mut way = Way::begin(stage, manifest).await?;
    let old = stage.made.worse.name.clone();
    way.try_version("survivor").await?;
    way.decided(Warming, Analyzing, "survivor").await?;
    kill(stage).await?;
    way.share("survivor", 50).await?;
    way.decided_for(Analyzing, Promoting, "survivor", Reason::GuardrailsPassed).await?;
    way.decided_for(Promoting, Baking, "survivor", Reason::Promoted).await?;
    way.alone("survivor").await?;
    kill(stage).await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("survivor")).await?;
    way.decided_for(Baking, RollingBack, "survivor", Reason::ManualRollback).await?;
    way.decided(RollingBack, RolledBack, "survivor").await?;
    let took = way.story.last_answer_of("survivor", "the word to leave", cause);
    way.story
        .outcome
        .must(took <= WITHIN, || format!("survivor still answered {took:.1} s after it had to leave"));
    way.alone(&old).await?;
    println!(
        "an operator killed twice: last answer {took:.2} s after a rollback that came while it was dead"
    );
    let outcome = way.end().await?;
    if outcome.ended_well() { Ok(()) } else { Err(Error::other(format!("killed: {:?}", outcome.problems))) }
}

/// Ends the operator's process with SIGKILL. It is started again by the kubelet, later.
async fn kill(stage: &Arc<Stage>) -> Result<()> {
    let before: i64 = operator_restarts(stage).iter().map(|(_, restarts)| restarts).sum();
    let pods = operator_pods(stage);
    let id = pods.pointer("/items/0/status/containerStatuses/0/containerID").and_then(|id| id.as_str());
    signal(&stage.testbed, id.unwrap_or_default(), "SIGKILL").await?;
    until("the operator was seen to be dead", BACK, || async {
        let now: i64 = operator_restarts(stage).iter().map(|(_, restarts)| restarts).sum();
        let pods = operator_pods(stage);
        let runs = pods.pointer("/items/0/status/containerStatuses/0/state/running").is_some();
        Seen::when(now > before || !runs, || "it runs".to_owned())
    })
    .await
}
