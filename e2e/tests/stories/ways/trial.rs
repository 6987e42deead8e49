//! Ways out of Starting, Warming and Analyzing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{
    Analyzing, Pending, RolledBack, RollingBack, Stable, Starting, Warming,
};
use model_release_core::api::status::Track;
use serde_json::{Value, json};
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::version;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::signal;
use super::foreign::kubectl;
use super::way::{Way, manifest};

/// Requests that a version with half the traffic gets in the 10 s that it may have without endpoints.
const LOST: u64 = 100;
/// How long a Pending release may take to say why, or a version that never served to go.
const SOON: Duration = Duration::from_secs(90);
/// An image that no node has, so that its pods never run.
const MISSING: &str = "localhost/model-release/none:1";

/// Pending with a first version that cannot run; mended in the spec, the other one serves and the first is gone.
pub async fn a_first_version_that_is_mended(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let good = manifest(&stage, name);
    let bad = good.clone().with("/spec/stable/image", json!("Localhost/NONE:1"));
    stage.releases.apply(&bad.render(&stage.made.images, &stage.gateway.name)).await?;
    until(&format!("{name} is Pending, and says why"), SOON, || async {
        let status = match stage.releases.get(name).await {
            Ok(release) => release.status.unwrap_or_default(),
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let pending = status.phase == Some(Pending) && status.stable_version.is_empty();
        let told = status.conditions.iter().any(|condition| condition.message.contains("InvalidImageName"));
        Seen::when(pending && told, || status.message)
    })
    .await?;
    let label = format!("modelrelease.dev/name={name}");
    let first = kubectl(&stage, &["get", "deployments", "-l", &label, "-o", "name"]).await?;
    let mut way = Way::begin(&stage, good).await?;
    until(&format!("{first} is gone"), SOON, || async {
        match kubectl(&stage, &["get", "deployments", "-l", &label, "-o", "name"]).await {
            Ok(now) => Seen::when(now.lines().count() == 1 && now != first, || now),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    way.grow(&stage.made.worse.name.clone(), 120).await?;
    way.end().await
}

/// Starting to `RolledBack` when its time is up; from there new content starts anew; taken out of the spec it is gone.
pub async fn a_canary_that_never_gets_ready(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with("/spec/rollout/progressDeadlineSeconds", json!(30));
    let mut way = Way::begin(&stage, manifest).await?;
    way.set("/spec/canary/image", json!(MISSING));
    way.try_version("never").await?;
    way.decided_for(Stable, Starting, "never", Reason::CanaryStarted).await?;
    way.decided_for(Starting, RollingBack, "never", Reason::CanaryImagePull).await?;
    way.decided(RollingBack, RolledBack, "never").await?;

    // The same version does not come again by itself; another one may.
    way.try_version("never-again").await?;
    way.decided_for(RolledBack, Starting, "never-again", Reason::CanaryStarted).await?;
    way.remove_canary().await?;
    way.decided_for(Starting, Stable, "never-again", Reason::CanaryRemoved).await?;
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    for version in ["never", "never-again"] {
        way.never_answered(version);
    }
    way.end().await
}

/// Warming to Stable when it is taken out of the spec; Warming to `RolledBack` by hand.
pub async fn a_canary_removed_while_it_warms_up(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with("/spec/rollout/warmup", json!("1m"));
    let mut way = Way::begin(&stage, manifest).await?;
    way.try_version("warm-1").await?;
    way.decided(Starting, Warming, "warm-1").await?;
    way.remove_canary().await?;
    way.decided_for(Warming, Stable, "warm-1", Reason::CanaryRemoved).await?;

    way.try_version("warm-2").await?;
    way.decided(Starting, Warming, "warm-2").await?;
    way.annotate("rollback", Some("warm-2")).await?;
    way.decided_for(Warming, RollingBack, "warm-2", Reason::ManualRollback).await?;
    way.decided(RollingBack, RolledBack, "warm-2").await?;
    way.annotate("rollback", None).await?;
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    for version in ["warm-1", "warm-2"] {
        way.never_answered(version);
    }
    way.end().await
}

/// Analyzing to `RollingBack` for a third version, which waits until the second is gone; then for none at all.
pub async fn a_third_version_while_one_is_analysed(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name);
    let mut way = Way::begin(&stage, manifest).await?;
    way.try_version("second").await?;
    way.share("second", 50).await?;
    let cause = Timestamp::now();
    way.try_version("third").await?;
    way.decided_for(Analyzing, RollingBack, "second", Reason::Superseded).await?;
    way.left("second", Stable, cause).await?;
    way.decided_for(Stable, Starting, "third", Reason::CanaryStarted).await?;
    way.share("third", 50).await?;
    let cause = Timestamp::now();
    way.remove_canary().await?;
    way.decided_for(Analyzing, RollingBack, "third", Reason::CanaryRemoved).await?;
    way.left("third", Stable, cause).await?;
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    let barred = way.seen().status.quarantine.clone();
    way.story.outcome.must(barred.is_empty(), || format!("a cancelled version was quarantined: {barred:?}"));
    way.end().await
}

/// Analyzing to `RollingBack` by a guardrail. Its own failures are the only ones that clients see.
pub async fn a_canary_that_fails(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let mut way = Way::begin(&stage, manifest(&stage, name)).await?;
    way.set("/spec/canary/env", json!([{"name": "FAIL_RATIO", "value": "0.5"}]));
    way.try_version("failing").await?;
    let entry = way.decided(Analyzing, RollingBack, "failing").await?;
    way.story.outcome.must(entry.reason == Reason::ErrorRateExceeded, || {
        format!("rolled back for {}: {}", entry.reason, entry.message)
    });
    way.story.outcome.must(!entry.numbers.is_empty(), || "the decision has no numbers".to_owned());
    way.left("failing", RolledBack, entry.at).await?;
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    let totals = way.seen().load.clone();
    let its_own = totals.versions.get("failing").map_or(0, |version| version.server_errors);
    let mut outcome = way.end().await?;
    // The book of the story allows no failure; these were asked for.
    outcome.problems.retain(|problem| !problem.contains("answered with a server error"));
    let all = outcome.clients.server_errors;
    outcome.must(its_own > 0 && all == its_own, || {
        format!("{all} failures, {its_own} of them the failing version's")
    });
    Ok(outcome)
}

/// Analyzing back to Starting when its pod goes out of service for longer than a moment, and on again once it is back.
/// Meanwhile its own share of the requests fails, and nobody else's.
pub async fn a_canary_that_loses_its_endpoints(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let manifest = manifest(&stage, name).with("/spec/analysis/maxRestarts", json!(10));
    let mut way = Way::begin(&stage, manifest.with("/spec/analysis/guardrails", json!([]))).await?;
    // Told to end, the server first says for so long that it is not ready.
    way.set("/spec/canary/env", json!([{"name": "DRAIN_SECONDS", "value": "12"}]));
    way.try_version("lost").await?;
    way.share("lost", 50).await?;
    let hash = way.until("its hash", |seen| Some(version(&seen.status, Track::Canary)?.hash.clone())).await?;
    let label = format!("modelrelease.dev/name={name},modelrelease.dev/version={hash}");
    let text = kubectl(&stage, &["get", "pods", "-l", &label, "-o", "json"]).await?;
    let pods: Value = serde_json::from_str(&text)
        .map_err(|error| Error::other(format!("kubectl wrote no JSON: {error}")))?;
    let container = pods.pointer("/items/0/status/containerStatuses/0/containerID").and_then(Value::as_str);
    signal(&stage.testbed, container.unwrap_or_default(), "SIGTERM").await?;
    way.decided_for(Analyzing, Starting, "lost", Reason::CanaryNotReady).await?;
    way.decided_for(Starting, Warming, "lost", Reason::CanaryReady).await?;
    way.share("lost", 50).await?;
    let totals = way.seen().load.clone();
    let its_own = totals.versions.get("lost").map_or(0, |version| version.server_errors);
    let mut outcome = way.end().await?;
    outcome.problems.retain(|problem| !problem.contains("answered with a server error"));
    let all = outcome.clients.server_errors;
    outcome.must(all == its_own, || {
        format!("{all} failures, {its_own} of them the version's without endpoints")
    });
    outcome.must(all <= LOST, || format!("{all} failures of a version that has to be at 0 within 10 s"));
    Ok(outcome)
}
