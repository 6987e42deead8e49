//! Other hands: weights changed by one, and an object of somebody else that has a name that we need.

use std::sync::Arc;

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{RollingBack, Stable, Starting};
use model_release_core::api::status::Track;
use model_release_core::plan::Kind;
use serde_json::{Value, json};
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::version;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::blocking;
use super::super::hand::{Hand, SOON};
use super::way::{Way, manifest};

/// Swaps the weights of the split by hand; gives the seconds until they are as they were.
pub async fn swapped(stage: &Arc<Stage>, name: &str) -> Result<f64> {
    let client = stage.testbed.client().await?;
    let hand = Hand::on(&client, Kind::VirtualService, &stage.namespace, name);
    let mut http = hand.look().await?.pointer("/spec/http").cloned().unwrap_or_default();
    let last = http.as_array_mut().and_then(|routes| routes.last_mut());
    let Some([one, other]) =
        last.and_then(|split| split.get_mut("route")?.as_array_mut()).map(Vec::as_mut_slice)
    else {
        return Err(Error::other(format!("virtualservice {name} has no split of two")));
    };
    std::mem::swap(&mut one["weight"], &mut other["weight"]);
    hand.edits(json!({"spec": {"http": http}})).await
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
    let manifest = manifest(&stage, name)
        .with("/spec/rollout/progressDeadlineSeconds", json!(30))
        // Its first try is taken back before it could get weight, however slow this machine is.
        .with("/spec/rollout/warmup", json!("5m"));
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
        until(&format!("{kind} {object} is gone"), SOON * 2, || async {
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
