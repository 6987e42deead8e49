//! What a canary goes through before any answer of it reaches a client: warm-up, and copies of requests.

use std::sync::Arc;

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, RolledBack, RollingBack, Shadowing, Starting, Warming,
};
use model_release_core::api::status::Track;
use serde_json::{Value, json};
use std::time::Duration;
use testbed::demo::manifest::Manifest;
use testbed::demo::outcome::Outcome;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::hand::SOON;
use super::foreign::{kubectl, weights};
use super::way::{COUNTED, Way, manifest, promoted_soon};

/// Requests of a warm-up.
const REQUESTS: u64 = 15;
/// For how long a warm canary that is paused must not be asked more.
const HOLDS: Duration = Duration::from_secs(8);

/// Warm-up requests that are never answered well end in a rollback; those of the next version all reach it, before it has
/// any weight, and no others.
pub async fn a_canary_that_is_warmed_up(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let warmup = |path: &str, seconds: u32| {
        let body = r#"{"domain": "example.com"}"#;
        json!({"path": path, "body": body, "requests": REQUESTS, "timeoutSeconds": seconds})
    };
    let mut way = Way::begin(&stage, manifest(&stage, name)).await?;
    way.set("/spec/canary/warmup", warmup("/nothing-here", 10));
    way.try_version("cold").await?;
    way.decided(Starting, Warming, "cold").await?;
    way.decided_for(Warming, RollingBack, "cold", Reason::WarmupFailed).await?;
    way.decided(RollingBack, RolledBack, "cold").await?;
    way.never_answered("cold");

    way.set("/spec/canary/warmup", warmup("/predict", 120));
    way.try_version("warm").await?;
    way.decided(RolledBack, Starting, "warm").await?;
    // It stays at weight 0, so that what has asked it by then is the warm-up alone.
    way.annotate("pause", Some("true")).await?;
    way.decided(Starting, Warming, "warm").await?;
    let hash = way.hash(Track::Canary).await?;
    way.until("the operator has seen it warm", |seen| {
        seen.status.state.candidate.as_ref().and_then(|candidate| candidate.warmed_at).map(drop)
    })
    .await?;
    way.stays(Warming, HOLDS).await?;
    let answered = predictions(&stage, name, &hash).await?;
    way.story.outcome.must(answered == REQUESTS, || format!("it was asked {answered} times, not {REQUESTS}"));
    let now = weights(&stage, name).await?;
    way.story.outcome.must(now == [100, 0], || format!("it had weight while it was warmed up: {now:?}"));
    way.never_answered("warm");
    way.annotate("pause", None).await?;
    way.decided_for(Warming, Analyzing, "warm", Reason::StepStarted).await?;
    way.share("warm", 50).await?;
    way.end().await
}

/// Predictions that the one pod of a version has answered since it began, by its own count.
async fn predictions(stage: &Arc<Stage>, name: &str, hash: &str) -> Result<u64> {
    let label = format!("modelrelease.dev/name={name},modelrelease.dev/version={hash}");
    let text = kubectl(stage, &["get", "pods", "-l", &label, "-o", "json"]).await?;
    let pods: Value = serde_json::from_str(&text)
        .map_err(|error| Error::other(format!("kubectl wrote no JSON: {error}")))?;
    let address = pods.pointer("/items/0/status/podIP").and_then(Value::as_str).unwrap_or_default();
    let url = format!("http://{address}:9090/metrics");
    let page = until("the pod tells its counts", SOON, || async { Seen::from(stage.http.get(&url).await) });
    let page = page.await?.body;
    let counted = page.lines().find_map(|line| line.strip_prefix("model_predictions_total ")?.parse().ok());
    counted.ok_or_else(|| Error::other(format!("the pod at {address} does not count its predictions")))
}

/// Half of all requests are copied to the canary; clients get stable's answers only. Borne for its time, it gets weight.
pub async fn a_canary_that_gets_copies_first(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let shadow = json!({"mirrorPercent": 50, "minDuration": "1m"});
    // The step is long enough to see its share.
    let manifest = Manifest { steps: vec![(50, 60)], ..promoted_soon(&stage, name) };
    let mut way = Way::begin(&stage, manifest.with("/spec/rollout/shadow", shadow)).await?;
    way.try_version("shadow").await?;
    way.decided_for(Warming, Shadowing, "shadow", Reason::WarmedUp).await?;
    way.settled().await?;
    let hash = way.hash(Track::Canary).await?;
    let before = (way.seen().load.requests, predictions(&stage, name, &hash).await?);
    way.until("clients ask while it gets copies", |seen| {
        (seen.load.requests >= before.0 + COUNTED).then_some(())
    })
    .await?;
    let now = (way.seen().load.requests, predictions(&stage, name, &hash).await?);
    way.near("copies", "shadow", (now.1 - before.1, now.0 - before.0), 50);
    way.stays(Shadowing, HOLDS).await?;
    way.never_answered("shadow");
    let now = weights(&stage, name).await?;
    way.story.outcome.must(now == [100, 0], || format!("it had weight while it got copies: {now:?}"));
    way.decided_for(Shadowing, Analyzing, "shadow", Reason::StepStarted).await?;
    way.share("shadow", 50).await?;
    way.end().await
}

/// A canary that answers half of the copies with errors is rolled back, and no client ever sees one of them.
pub async fn a_canary_whose_copies_fail(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let shadow = json!({"mirrorPercent": 100, "minDuration": "1h"});
    let mut way = Way::begin(&stage, manifest(&stage, name).with("/spec/rollout/shadow", shadow)).await?;
    way.set("/spec/canary/env", json!([{"name": "FAIL_RATIO", "value": "0.5"}]));
    way.try_version("failing").await?;
    way.decided_for(Warming, Shadowing, "failing", Reason::WarmedUp).await?;
    way.decided_for(Shadowing, RollingBack, "failing", Reason::ErrorRateExceeded).await?;
    way.decided(RollingBack, RolledBack, "failing").await?;
    way.never_answered("failing");
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    way.end().await
}
