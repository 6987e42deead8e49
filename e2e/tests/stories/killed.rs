//! The leading operator dies, without a word, in the middle of a rollout: the other goes on where it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Baking, Promoting, RolledBack, RollingBack, Warming,
};
use serde_json::{Value, json};
use testbed::demo::install::{INSTALLATION, SYSTEM};
use testbed::demo::manifest::Manifest;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::common::{judged, operator_pods, signal};
use super::ways::way::{Way, promoted_soon};

/// How long until so many operators run.
const BACK: Duration = Duration::from_secs(60);
/// How long a dead leader's lease still runs, and another needs to take it: what the auditor adds to its limits of time.
pub const SLACK: Duration = Duration::from_secs(17);
/// How long nobody may lead, in seconds, on a machine that does nothing else, and on any.
const TAKEN_OVER: (f64, f64) = (17.0, 30.0);
/// How long until it is known who leads then.
const LEADS: Duration = Duration::from_secs(60);
/// From the word to leave to the last answer, if the leader is dead when it comes.
const WITHIN: f64 = 20.0;

/// Killed while it analyses, and while it promotes; then a rollback is asked for while it is dead.
pub async fn an_operator_that_is_killed_goes_on(stage: &Arc<Stage>) -> Result<()> {
    // The step is still on when another operator leads.
    let manifest = Manifest { steps: vec![(50, 40)], ..promoted_soon(stage, "killed") };
    let manifest = manifest.with("/spec/rollout/bake", json!("5m"));
    let mut way = Way::begin(stage, manifest).await?;
    let old = stage.made.worse.name.clone();
    operators(stage, 2).await?;
    way.try_version("survivor").await?;
    way.decided(Warming, Analyzing, "survivor").await?;
    let killed = kill(stage).await?;
    let first = taken_over(stage, &killed).await?;
    way.share("survivor", 50).await?;
    way.decided_for(Analyzing, Promoting, "survivor", Reason::GuardrailsPassed).await?;
    way.decided_for(Promoting, Baking, "survivor", Reason::Promoted).await?;
    way.alone("survivor").await?;
    let killed = kill(stage).await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("survivor")).await?;
    let second = taken_over(stage, &killed).await?;
    way.decided_for(Baking, RollingBack, "survivor", Reason::ManualRollback).await?;
    way.decided(RollingBack, RolledBack, "survivor").await?;
    let took = way.story.last_answer_of("survivor", "the word to leave", cause);
    way.story
        .outcome
        .must(took <= WITHIN, || format!("survivor still answered {took:.1} s after it had to leave"));
    way.alone(&old).await?;
    let slowest = first.max(second);
    way.story.outcome.must(slowest <= judged(TAKEN_OVER), || format!("nobody led for {slowest:.1} s"));
    println!(
        "a leading operator killed twice: another led after {first:.1} s and {second:.1} s; last answer {took:.2} s after a \
         rollback that came while it was dead"
    );
    let outcome = way.end().await?;
    operators(stage, 1).await?;
    if outcome.ended_well() { Ok(()) } else { Err(Error::other(format!("killed: {:?}", outcome.problems))) }
}

/// Who led, and when it was killed.
struct Killed {
    leader: String,
    at: Instant,
}

/// Who has the lease: an operator's process, by the name of its pod and a number of its own.
fn leader(stage: &Arc<Stage>) -> Result<String> {
    let lease = ["get", "lease", INSTALLATION, "-n", SYSTEM, "-o", "jsonpath={.spec.holderIdentity}"];
    stage.testbed.kubectl_output(&lease)
}

/// Ends the leading operator's process with SIGKILL.
async fn kill(stage: &Arc<Stage>) -> Result<Killed> {
    let leader = leader(stage)?;
    let pods = operator_pods(stage);
    let all = pods.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
    let name =
        |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let leads = all.iter().find(|pod| leader.contains(&name(pod)));
    let leads =
        leads.ok_or_else(|| Error::other(format!("no pod of the operator has the lease of {leader:?}")))?;
    let container = leads.pointer("/status/containerStatuses/0/containerID").and_then(Value::as_str);
    signal(&stage.testbed, container.unwrap_or_default(), "SIGKILL").await?;
    Ok(Killed { leader, at: Instant::now() })
}

/// Waits until another process leads; gives the seconds that nobody did.
async fn taken_over(stage: &Arc<Stage>, killed: &Killed) -> Result<f64> {
    let next = until("another operator leads", LEADS, || async {
        match leader(stage) {
            Ok(now) if now != killed.leader && !now.is_empty() => Seen::Yes(now),
            Ok(now) => Seen::NotYet(format!("{now} leads")),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    let took = killed.at.elapsed().as_secs_f64();
    println!("{} was killed; {next} leads after {took:.1} s", killed.leader);
    Ok(took)
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
