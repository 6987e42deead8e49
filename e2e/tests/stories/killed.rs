//! The leading operator dies, without a word, in the middle of a rollout: the other goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Baking, Promoting, RolledBack, RollingBack, Warming,
};
use serde_json::{Value, json};
use testbed::demo::install::{INSTALLATION, SYSTEM};
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::common::{operator_pods, signal};
use super::ways::way::{Way, promoted_soon};

/// How long until so many operators run.
const BACK: Duration = Duration::from_secs(60);
/// How long a dead leader's lease still runs, and another needs to take it: what the auditor adds to its limits of time.
pub const SLACK: Duration = Duration::from_secs(17);
/// From the word to leave to the last answer, if the leader is dead when it comes.
const WITHIN: f64 = 20.0;

/// Killed while it analyses, and while it promotes; then a rollback is asked for while it is dead.
pub async fn an_operator_that_is_killed_goes_on(stage: &Arc<Stage>) -> Result<()> {
    let manifest = promoted_soon(stage, "killed").with("/spec/rollout/bake", json!("5m"));
    let mut way = Way::begin(stage, manifest).await?;
    let old = stage.made.worse.name.clone();
    operators(stage, 2).await?;
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
        "a leading operator killed twice: last answer {took:.2} s after a rollback that came while it was dead"
    );
    let outcome = way.end().await?;
    operators(stage, 1).await?;
    if outcome.ended_well() { Ok(()) } else { Err(Error::other(format!("killed: {:?}", outcome.problems))) }
}

/// Ends the leading operator's process with SIGKILL, and waits until that was seen.
async fn kill(stage: &Arc<Stage>) -> Result<()> {
    let lease = ["get", "lease", INSTALLATION, "-n", SYSTEM, "-o", "jsonpath={.spec.holderIdentity}"];
    let leader = stage.testbed.kubectl_output(&lease)?;
    let pods = operator_pods(stage);
    let all = pods.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
    let name =
        |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let leads = all.iter().find(|pod| leader.contains(&name(pod)));
    let leads =
        leads.ok_or_else(|| Error::other(format!("no pod of the operator has the lease of {leader:?}")))?;
    let container = leads.pointer("/status/containerStatuses/0/containerID").and_then(Value::as_str);
    signal(&stage.testbed, container.unwrap_or_default(), "SIGKILL").await?;
    println!("{} is killed", name(leads));
    Ok(())
}

/// Two operators, of which one leads; or one again.
async fn operators(stage: &Arc<Stage>, count: usize) -> Result<()> {
    let deployment = format!("deployment/{INSTALLATION}");
    let replicas = format!("--replicas={count}");
    stage.testbed.kubectl_output(&["scale", &deployment, "-n", SYSTEM, &replicas])?;
    until(&format!("{count} operators are there"), BACK, || async {
        let pods = operator_pods(stage);
        let all = pods.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
        let started =
            |pod: &&Value| pod.pointer("/status/containerStatuses/0/started") == Some(&Value::Bool(true));
        let now = all.iter().filter(started).count();
        Seen::when(now == count && all.len() == count, || format!("{now} of {}", all.len()))
    })
    .await
}
