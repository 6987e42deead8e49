//! Versions of more than one fixed Deployment: sized by an autoscaler, or an app with its model.

use std::sync::Arc;
use std::time::Duration;

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{Analyzing, Baking, Promoting, Stable};
use model_release_core::api::status::Track;
use model_release_core::plan::Kind::{Deployment, HorizontalPodAutoscaler};
use serde_json::{Value, json};
use testbed::demo::manifest::{CLIENT_HEADER, VERSION_HEADER};
use testbed::demo::outcome::Outcome;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::judged;
use super::super::hand::{Hand, WITHIN};
use super::foreign::kubectl;
use super::way::{Way, manifest, promoted_soon};

/// How long an autoscaler may take to follow its floor: it looks each 15 s.
const FOLLOWS: Duration = Duration::from_secs(60);
/// For how long what somebody else decides must stay.
const HOLDS: Duration = Duration::from_secs(8);
/// Requests whose way is looked at.
const ASKED: usize = 60;

/// `maxReplicas`: an autoscaler for each version. Its floor follows the promotion up and comes down afterwards; how many
/// pods there are above it is not the operator's business.
pub async fn versions_that_an_autoscaler_sizes(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = promoted_soon(&stage, name).with("/spec/runtime/maxReplicas", json!(4));
    let mut way = Way::begin(&stage, manifest.with("/spec/rollout/bake", json!("10m"))).await?;
    let client = stage.testbed.client().await?;
    let of = |kind, hash: &str| Hand::on(&client, kind, &stage.namespace, &format!("{name}-{hash}"));
    let first = way.hash(Track::Stable).await?;
    bounds(&of(HorizontalPodAutoscaler, &first), [1, 4]).await?;

    // As an autoscaler does under load.
    scale(&stage, name, &first, 2).await?;
    way.stays(Stable, HOLDS).await?;
    size(&of(Deployment, &first), 2).await?;
    let took = of(HorizontalPodAutoscaler, &first).edits(json!({"spec": {"maxReplicas": 9}})).await?;
    way.story
        .outcome
        .must(took <= judged(WITHIN), || format!("its autoscaler was put right after {took:.2} s"));

    way.try_version("scaled").await?;
    let second = way.hash(Track::Canary).await?;
    way.decided_for(Analyzing, Promoting, "scaled", Reason::GuardrailsPassed).await?;
    way.decided(Promoting, Baking, "scaled").await?;
    // As many as stable had when it was chosen; neither may be taken below that while one can go back.
    for version in [&first, &second] {
        bounds(&of(HorizontalPodAutoscaler, version), [2, 4]).await?;
        size(&of(Deployment, version), 2).await?;
    }
    way.set("/spec/rollout/bake", json!("5s"));
    way.write().await?;
    way.decided_for(Baking, Stable, "scaled", Reason::Baked).await?;
    bounds(&of(HorizontalPodAutoscaler, &second), [1, 4]).await?;
    scale(&stage, name, &second, 3).await?;
    way.stays(Stable, HOLDS).await?;
    size(&of(Deployment, &second), 3).await?;
    way.alone("scaled").await?;
    way.end().await
}

async fn scale(stage: &Arc<Stage>, name: &str, hash: &str, pods: u32) -> Result<()> {
    let deployment = format!("deployment/{name}-{hash}");
    kubectl(stage, &["scale", &deployment, &format!("--replicas={pods}")]).await.map(drop)
}

/// Waits until an autoscaler has these bounds.
async fn bounds(autoscaler: &Hand, wanted: [i64; 2]) -> Result<()> {
    let number = |body: &Value, field: &str| body.pointer(field).and_then(Value::as_i64).unwrap_or_default();
    until(&format!("an autoscaler has the bounds {wanted:?}"), FOLLOWS, || async {
        match autoscaler.look().await {
            Ok(body) => {
                let now = [number(&body, "/spec/minReplicas"), number(&body, "/spec/maxReplicas")];
                Seen::when(now == wanted, || format!("{now:?}"))
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
}

/// Waits until a Deployment asks for so many pods, and all of them are there.
async fn size(deployment: &Hand, wanted: i64) -> Result<()> {
    until(&format!("a Deployment has {wanted} pods"), FOLLOWS, || async {
        match deployment.look().await {
            Ok(body) => {
                let number = |field: &str| body.pointer(field).and_then(Value::as_i64).unwrap_or_default();
                let now = [number("/spec/replicas"), number("/status/readyReplicas")];
                Seen::when(now == [wanted; 2], || format!("{now:?} asked for and ready"))
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
}

/// Every request that an app answers was answered by the model of the same version, while two versions share the traffic
/// and after one of them is promoted.
pub async fn an_app_and_its_model_released_as_one(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with_app().with_grpc();
    let mut way = Way::begin(&stage, manifest.with("/spec/rollout/bake", json!("5s"))).await?;
    let old = stage.made.worse.name.clone();
    let ours = |version: &str| [version.to_owned(), version.to_owned(), version.to_owned()];
    way.try_version("both").await?;
    way.share("both", 50).await?;
    let seen = ask(&stage, &way).await?;
    let mixed: Vec<_> =
        seen.iter().filter(|&answer| *answer != ours(&old) && *answer != ours("both")).collect();
    way.story
        .outcome
        .must(mixed.is_empty(), || format!("gateway, app and model were of different versions: {mixed:?}"));
    for version in [old.as_str(), "both"] {
        way.story.outcome.must(seen.contains(&ours(version)), || format!("nobody was answered by {version}"));
    }
    way.annotate("promote", Some("both")).await?;
    way.decided_for(Analyzing, Promoting, "both", Reason::ManualPromotion).await?;
    way.decided(Promoting, Baking, "both").await?;
    way.alone("both").await?;
    way.decided_for(Baking, Stable, "both", Reason::Baked).await?;
    let seen = ask(&stage, &way).await?;
    way.story.outcome.must(seen.iter().all(|answer| *answer == ours("both")), || format!("{seen:?}"));
    way.end().await
}

/// Asks some times; gives for each answer the version that the gateway chose, the app's and the model's.
async fn ask(stage: &Arc<Stage>, way: &Way) -> Result<Vec<[String; 3]>> {
    let (url, host) = (format!("{}/predict", stage.gateway_url), way.story.manifest.host());
    let mut answers = Vec::new();
    for n in 0..3 * ASKED {
        if answers.len() == ASKED {
            return Ok(answers);
        }
        // Another client each time, so that none comes to its limit.
        let client = format!("looks-{n}-{}", jiff::Timestamp::now().as_millisecond());
        let headers =
            [("host", host.as_str()), (CLIENT_HEADER, &client), ("content-type", "application/json")];
        let answer = stage.http.post(&url, &headers, r#"{"domain": "example.com"}"#.to_owned()).await;
        // On a machine with much other work an answer may be late; the story's clients count those that never come.
        let Ok(answer) = answer else { continue };
        let body: Value = serde_json::from_str(&answer.body).map_err(|error| {
            Error::other(format!("POST {url} was answered {} without JSON: {error}", answer.status))
        })?;
        let header = |name: &str| {
            answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let model = body.pointer("/version").and_then(Value::as_str).unwrap_or_default().to_owned();
        answers.push([header(VERSION_HEADER), header("x-app-version"), model]);
    }
    Err(Error::other(format!("POST {url}: only {} of {} requests were answered", answers.len(), 3 * ASKED)))
}
