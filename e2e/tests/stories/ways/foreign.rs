//! Other hands: weights changed in several phases, and an object of somebody else that has a name that we need.

use std::sync::Arc;
use std::time::Instant;

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Baking, Promoting, RollingBack, Stable, Starting, Warming,
};
use model_release_core::api::status::Track;
use serde_json::{Value, json};
use testbed::demo::manifest::Manifest;
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::version;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::blocking;
use super::super::repair::SOON;
use super::way::{Way, manifest, promoted_soon};

/// How soon what a hand changed is as it was; on a machine with other work in tests, one second where nothing else runs.
fn within() -> f64 {
    if std::env::var_os("JUDGE_TIMES").is_some() { 1.0 } else { 5.0 }
}

/// A hand gives all traffic to the second backend, in Stable, Analyzing and Baking: it is put right at once.
pub async fn weights_changed_by_hand(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = Manifest { steps: vec![(30, 10)], ..promoted_soon(&stage, name) };
    let mut way = Way::begin(&stage, manifest.with("/spec/rollout/bake", json!("10s"))).await?;
    let mut slowest: f64 = 0.0;
    way.settled().await?;
    slowest = slowest.max(swapped(&stage, name).await?);
    way.try_version("pushed").await?;
    way.decided(Warming, Analyzing, "pushed").await?;
    // It must not be promoted while the hand is at it.
    way.annotate("pause", Some("true")).await?;
    way.share("pushed", 30).await?;
    slowest = slowest.max(swapped(&stage, name).await?);
    way.annotate("pause", None).await?;
    way.decided(Analyzing, Promoting, "pushed").await?;
    way.decided(Promoting, Baking, "pushed").await?;
    way.settled().await?;
    slowest = slowest.max(swapped(&stage, name).await?);
    way.decided(Baking, Stable, "pushed").await?;
    let counted = way.seen().status.state.drift.total;
    way.story.outcome.must(counted >= 3, || format!("{counted} of three repairs were counted"));
    way.story.outcome.must(slowest <= within(), || format!("a repair took {slowest:.2} s"));
    println!("{name}: weights changed by hand were put right after at most {slowest:.2} s");
    way.end().await
}

/// Swaps the weights of the split by hand; gives the seconds until they are as they were.
async fn swapped(stage: &Arc<Stage>, name: &str) -> Result<f64> {
    let before = weights(stage, name).await?;
    reweigh(stage, name, [before[1], before[0]]).await?;
    let start = Instant::now();
    weights_are(stage, name, before).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// The weights of the two backends of the split.
pub async fn weights(stage: &Arc<Stage>, name: &str) -> Result<[i64; 2]> {
    let (_, split) = split(stage, name).await?;
    let weight =
        |n: usize| split.pointer(&format!("/route/{n}/weight")).and_then(Value::as_i64).unwrap_or(-1);
    Ok([weight(0), weight(1)])
}

/// Gives them others by hand.
pub async fn reweigh(stage: &Arc<Stage>, name: &str, weights: [i64; 2]) -> Result<()> {
    let (place, _) = split(stage, name).await?;
    let path = |n: usize| format!("/spec/http/{place}/route/{n}/weight");
    let edit = json!([
        {"op": "replace", "path": path(0), "value": weights[0]},
        {"op": "replace", "path": path(1), "value": weights[1]},
    ]);
    kubectl(stage, &["patch", "virtualservice", name, "--type=json", "-p", &edit.to_string()]).await.map(drop)
}

/// Waits until they are as given.
pub async fn weights_are(stage: &Arc<Stage>, name: &str, wanted: [i64; 2]) -> Result<()> {
    until(&format!("virtualservice {name} has the weights {wanted:?}"), SOON, || async {
        match weights(stage, name).await {
            Ok(now) => Seen::when(now == wanted, || format!("{now:?}")),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
}

/// The split route, and its place among the routes: the last.
async fn split(stage: &Arc<Stage>, name: &str) -> Result<(usize, Value)> {
    let body = whole(stage, "virtualservice", name).await?;
    let routes = body.pointer("/spec/http").and_then(Value::as_array).cloned().unwrap_or_default();
    let last = routes.len().checked_sub(1).zip(routes.last().cloned());
    last.ok_or_else(|| Error::other(format!("virtualservice {name} has no routes")))
}

/// A Deployment that is not ours has the name of the canary's: it is not touched, and the canary runs out of time.
pub async fn somebody_elses_object_with_our_name(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with("/spec/rollout/progressDeadlineSeconds", json!(30));
    let mut way = Way::begin(&stage, manifest).await?;
    // Its hash, and so its name, is known once it was tried.
    way.try_version("taken").await?;
    way.decided(Stable, Starting, "taken").await?;
    let hash = way.until("its hash", |seen| Some(version(&seen.status, Track::Canary)?.hash.clone())).await?;
    let object = format!("{name}-{hash}");
    way.remove_canary().await?;
    way.until("it is given up", |seen| (seen.phase() == Stable).then_some(())).await?;
    let there = |kind: &'static str| {
        let (stage, object) = (Arc::clone(&stage), object.clone());
        async move { kubectl(&stage, &["get", kind, &object, "-o", "name"]).await }
    };
    for kind in ["deployment", "service", "controllerrevision"] {
        until(&format!("{kind} {object} is gone"), SOON * 6, || async {
            Seen::when(there(kind).await.is_err(), || "it is there".to_owned())
        })
        .await?;
    }
    // As somebody else would make it; none of its pods ever runs.
    let labels = json!({"app": "mine"});
    let foreign = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": object, "namespace": stage.namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "mine", "image": "mine:1"}]}},
        },
    });
    let testbed = stage.testbed.clone();
    blocking(move || testbed.apply(&foreign.to_string())).await?;
    let before = whole(&stage, "deployment", &object).await?;

    way.try_version("taken").await?;
    way.decided_for(Starting, RollingBack, "taken", Reason::OwnershipConflict).await?;
    let after = whole(&stage, "deployment", &object).await?;
    let generation = |body: &Value| body.pointer("/metadata/generation").cloned();
    let managers =
        |body: &Value| body.pointer("/metadata/managedFields").map(Value::to_string).unwrap_or_default();
    way.story.outcome.must(
        generation(&before) == generation(&after) && !managers(&after).contains("model-release-operator"),
        || format!("somebody else's deployment {object} was written: {after}"),
    );
    kubectl(&stage, &["delete", "deployment", &object]).await?;
    way.never_answered("taken");
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    way.end().await
}

/// What kubectl writes, in the stories' namespace.
pub async fn kubectl(stage: &Arc<Stage>, arguments: &[&str]) -> Result<String> {
    let testbed = stage.testbed.clone();
    let mut all: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    all.extend(["-n".to_owned(), stage.namespace.clone()]);
    blocking(move || testbed.kubectl_output(&all.iter().map(String::as_str).collect::<Vec<_>>())).await
}

async fn whole(stage: &Arc<Stage>, kind: &str, name: &str) -> Result<Value> {
    let text = kubectl(stage, &["get", kind, name, "-o", "json", "--show-managed-fields"]).await?;
    serde_json::from_str(&text).map_err(|error| Error::other(format!("kubectl wrote no JSON: {error}")))
}
