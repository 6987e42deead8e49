//! Deletion in several phases: the release goes at once, and leaves nothing; and a release whose time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use model_release_core::api::status::Phase;
use serde_json::{Value, json};
use testbed::Result;
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::condition;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};

use super::super::common::blocking;
use super::way::{Way, manifest, promoted_soon};

/// How long a release may still be there, and then what it owned.
const GONE: Duration = Duration::from_secs(60);

/// In Starting, Analyzing and Baking.
pub async fn a_release_deleted_in_mid_flight(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let phases = [Phase::Starting, Phase::Analyzing, Phase::Baking];
    let mut outcomes = try_join_all(phases.map(|phase| deleted(&stage, name, phase))).await?;
    let mut last = outcomes.pop().unwrap_or_default();
    for outcome in outcomes {
        last.problems.extend(outcome.problems);
        last.clients.requests += outcome.clients.requests;
        last.message = format!("{}, {}", outcome.message, last.message);
    }
    Ok(last)
}

/// `spec.ttl` is over: routes go first, then all that ran; the release stays, says so, and serves again when it may.
pub async fn a_release_whose_time_is_over(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let mut way = Way::begin(&stage, manifest(&stage, name).with("/spec/ttl", json!("90s"))).await?;
    way.grow(&stage.made.worse.name.clone(), 110).await?;
    // Clients go before the end that they know of.
    way.story.load.stop().await;
    way.until("it says that its time is over", |seen| {
        let (is, reason, _) = condition(&seen.status, "Stalled")?;
        (seen.phase() == Phase::Pending && is == "True" && reason == "Expired").then_some(())
    })
    .await?;
    until(&format!("what {name} owned is gone"), GONE, || async {
        let left = left(&stage, name).await;
        Seen::when(left.is_empty(), || left)
    })
    .await?;
    way.set("/spec/ttl", Value::Null);
    way.write().await?;
    way.in_phase(Phase::Stable).await?;
    way.end().await
}

async fn deleted(stage: &Arc<Stage>, name: &str, phase: Phase) -> Result<Outcome> {
    let name = format!("{name}-{}", phase.as_str().to_lowercase());
    let manifest = match phase {
        Phase::Baking => promoted_soon(stage, &name).with("/spec/rollout/bake", json!("5m")),
        _ => manifest(stage, &name),
    };
    let mut way = Way::begin(stage, manifest).await?;
    if phase == Phase::Starting {
        way.set("/spec/canary/image", json!("localhost/model-release/none:1"));
    }
    way.try_version("doomed").await?;
    way.in_phase(phase).await?;
    let serving = if phase == Phase::Baking { "doomed" } else { stage.made.worse.name.as_str() };
    way.grow(serving, 110).await?;
    // Clients go first, as anybody's would.
    let start = Instant::now();
    let mut outcome = way.end().await?;
    until(&format!("{name} is gone"), GONE, || async {
        match stage.releases.names().await {
            Ok(names) => Seen::when(!names.contains(&name), || "it is there".to_owned()),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    let took = start.elapsed().as_secs_f64();
    until(&format!("what {name} owned is gone"), GONE, || async {
        let left = left(stage, &name).await;
        Seen::when(left.is_empty(), || left)
    })
    .await?;
    outcome.message = format!("deleted in {} within {took:.1} s", phase.as_str());
    Ok(outcome)
}

/// Objects that bear the release's name, in its namespace and the gateway's.
async fn left(stage: &Arc<Stage>, name: &str) -> String {
    let (testbed, namespace) = (stage.testbed.clone(), stage.namespace.clone());
    let gateway = stage.gateway.namespace.clone();
    let label = format!("modelrelease.dev/name={name}");
    blocking(move || {
        let kinds = "deployments,services,controllerrevisions,virtualservices,envoyfilters";
        let list = |namespace: &str| {
            let arguments = ["get", kinds, "-n", namespace, "-l", &label, "-o", "name", "--ignore-not-found"];
            testbed.kubectl_output(&arguments).unwrap_or_else(|error| error.to_string())
        };
        format!("{}{}", list(&namespace), list(&gateway)).trim().to_owned()
    })
    .await
}
