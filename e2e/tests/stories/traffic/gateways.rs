//! Gateways come, go and are two: a user stays where it was, and a total limit stays what it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model_release_core::api::annotations::PAUSE;
use serde_json::{Value, json};
use testbed::demo::manifest::Manifest;
use testbed::demo::story::{Board, STEP, Stage, Story};
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::blocking;
use super::ask::{Clients, Got, Line, each};
use super::full;

/// The release of this part.
const NAME: &str = "gateways";
/// Requests that all clients together have in ten minutes, so that next to nothing comes back while they are asked for.
const TOTAL: usize = 600;
/// Seconds in which one comes back.
const REFILL: f64 = 1.0;
/// Requests that are asked for at once by all.
const ASKED: usize = 2000;
/// By how much what passes may differ from the total.
const WITHIN: f64 = 0.1;
/// How long pods of the gateway may take to come and go.
const COME: Duration = Duration::from_secs(90);

/// Asks the same users before and after gateways change, then all of them for more than the total.
pub async fn come_and_go(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let lines = told(stage).await;
    // Whatever came of it, the others find one gateway.
    let one = gateways(stage, 1).await;
    let lines = lines?;
    one?;
    Ok(lines)
}

async fn told(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let count = if full() { 10_000 } else { 1500 };
    let manifest = Manifest {
        steps: vec![(25, 10)],
        min_samples: 1_000_000,
        ..Manifest::new(&stage.namespace, NAME, &stage.made.worse)
    }
    .with("/spec/traffic/sticky", json!(true))
    .with("/spec/traffic/rateLimit/perClient/requests", json!(1_000_000));
    let mut story = Story::begin(stage, &Board::default(), ('G', "gateways"), manifest).await?;
    story.manifest = story.manifest.clone().with_canary(&stage.made.better);
    story.try_canary().await?;
    story.until("the canary has a quarter", STEP, |seen| seen.in_force(25)).await?;
    stage.releases.annotate(NAME, PAUSE, Some("true")).await?;

    let host = story.manifest.host();
    let users: Vec<Option<String>> = (0..count).map(|n| Some(format!("user-{n}"))).collect();
    let before = each(&Clients::new(stage), &host, &users).await?;
    let mut lines = Vec::new();
    gateways(stage, 2).await?;
    lines.push(same(
        "users whose version changed as a second gateway came",
        &before,
        &each(&Clients::new(stage), &host, &users).await?,
    ));
    restart(stage).await?;
    lines.push(same(
        "users whose version changed by a restart of both gateways",
        &before,
        &each(&Clients::new(stage), &host, &users).await?,
    ));

    story.manifest = story
        .manifest
        .clone()
        .with("/spec/traffic/rateLimit", json!({"total": {"requests": TOTAL, "window": "600s"}}));
    story.try_canary().await?;
    let edited = Timestamp::now();
    story
        .until("the total is proven at both gateways", STEP, |seen| {
            seen.status.state.limits.proven_at.filter(|at| *at > edited).map(drop)
        })
        .await?;
    let begun = Instant::now();
    let asked: Vec<Option<String>> = (0..ASKED).map(|n| Some(format!("user-{n}"))).collect();
    let got = each(&Clients::new(stage), &host, &asked).await?;
    let back = begun.elapsed().as_secs_f64() / REFILL;
    let passed = got.iter().filter(|one| one.status == 200).count();
    let refused = got.iter().filter(|one| one.limited).count();
    let versions: BTreeSet<&str> =
        got.iter().filter(|one| one.status == 200).map(|one| one.version.as_str()).collect();
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    let (total, share) = (TOTAL as f64, passed as f64);
    lines.push(Line::new(
        format!(
            "of {ASKED} requests of as many clients at two gateways, with a total of {TOTAL} in ten minutes"
        ),
        format!(
            "{TOTAL} pass within {:.0} %, and {back:.0} that came back, on both versions; the rest gets 429",
            WITHIN * 100.0
        ),
        format!(
            "{passed} pass, on {}; {refused} get 429",
            versions.iter().copied().collect::<Vec<_>>().join(" and ")
        ),
        (total * (1.0 - WITHIN)..=total * (1.0 + WITHIN) + back).contains(&share)
            && passed + refused == ASKED
            && versions.len() == 2,
    ));
    stage.releases.delete(NAME).await?;
    Ok(lines)
}

/// How many of the same users were answered by another version.
fn same(what: &str, before: &[Got], after: &[Got]) -> Line {
    let served = before.iter().chain(after).all(|got| got.status == 200);
    let changed = before.iter().zip(after).filter(|(one, other)| one.version != other.version).count();
    Line::new(what, format!("0 of {}", before.len()), changed.to_string(), changed == 0 && served)
}

/// So many pods of the gateway, all of them asked by clients.
async fn gateways(stage: &Stage, count: usize) -> Result<()> {
    let replicas = format!("--replicas={count}");
    kubectl(stage, vec!["scale".into(), deployment(stage), replicas]).await?;
    ready(stage, count).await
}

/// Every pod of the gateway is replaced by another.
async fn restart(stage: &Stage) -> Result<()> {
    let count = pods(stage).await?.len();
    kubectl(stage, vec!["rollout".into(), "restart".into(), deployment(stage)]).await?;
    kubectl(stage, vec!["rollout".into(), "status".into(), deployment(stage), "--timeout=90s".into()])
        .await?;
    ready(stage, count).await
}

/// The Deployment that is named as its Service.
fn deployment(stage: &Stage) -> String {
    format!("deployment/{}", stage.gateway.service)
}

/// Waits until there are just so many, and all are ready.
async fn ready(stage: &Stage, count: usize) -> Result<()> {
    until(&format!("{count} gateways are ready"), COME, || async {
        match pods(stage).await {
            Ok(pods) => {
                let ready = pods.iter().filter(|ready| **ready).count();
                Seen::when(ready == count && pods.len() == count, || format!("{ready} of {}", pods.len()))
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
}

/// For each pod of the gateway, also those about to go, whether it is ready.
async fn pods(stage: &Stage) -> Result<Vec<bool>> {
    let labels = stage.gateway.selector.as_object().into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let listed =
        kubectl(stage, ["get", "pods", "-l", &labels.join(","), "-o", "json"].map(str::to_owned).to_vec())
            .await?;
    let listed: Value = serde_json::from_str(&listed)
        .map_err(|error| Error::other(format!("kubectl wrote no JSON of pods: {error}")))?;
    let ready = |pod: &Value| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        conditions.filter(|one| one["type"] == "Ready").any(|one| one["status"] == "True")
    };
    Ok(listed.pointer("/items").and_then(Value::as_array).into_iter().flatten().map(ready).collect())
}

async fn kubectl(stage: &Stage, mut arguments: Vec<String>) -> Result<String> {
    arguments.extend(["-n".to_owned(), stage.gateway.namespace.clone()]);
    let testbed = stage.testbed.clone();
    blocking(move || testbed.kubectl_output(&arguments.iter().map(String::as_str).collect::<Vec<_>>())).await
}
