//! istiod goes away in mid-canary: what gateways have stays in force, the release says what they lack, and goes on by itself
//! when it is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model_release_core::api::annotations::PAUSE;
use serde_json::json;
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::condition;
use testbed::demo::story::{Board, STEP, Stage, Story};
use testbed::{Error, Result};

use super::super::common::{blocking, operator_restarts};
use super::ask::{Clients, Line, each};
use super::shares::share;

const NAME: &str = "unrouted";
/// The part that stops.
const PART: &str = "istiod";
/// Requests whose version is looked at while it is away.
const ASKED: usize = 500;
/// Seconds in which the condition must tell what gateways do not follow.
const TOLD: f64 = 30.0;
/// Seconds in which they must have followed once it is back: Envoy tries again at least each 30 s.
const BACK: f64 = 60.0;

/// Takes the next step while nobody tells gateways of it.
pub async fn goes_away(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let manifest = Manifest {
        steps: vec![(10, 10), (50, 10)],
        ..Manifest::new(&stage.namespace, NAME, &stage.made.worse)
    }
    .with("/spec/traffic/rateLimit/perClient/requests", json!(1_000_000))
    .with("/spec/rollout/promotion", json!("Manual"))
    .with("/spec/analysis/quality", json!({"mode": "Disabled"}))
    .with(
        "/spec/analysis/guardrails",
        json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "minRequests": 1}]),
    );
    let story = Story::begin(stage, &Board::default(), ('U', "istiod"), manifest).await?;
    let mut story = story.with_clients().await?;
    story.manifest = story.manifest.clone().with_canary(&stage.made.better);
    story.try_canary().await?;
    story.until("the canary has 10 %", STEP, |seen| seen.in_force(10)).await?;
    stage.releases.annotate(NAME, PAUSE, Some("true")).await?;
    let restarts = operator_restarts(stage);

    part(stage, "stop").await?;
    let away = while_away(stage, &mut story).await;
    // Whatever came of it: the cluster gets its istiod back.
    part(stage, "start").await?;
    let returned = Instant::now();
    let mut lines = away?;
    story.until("the canary has 50 %", Duration::from_secs(120), |seen| seen.in_force(50)).await?;
    let took = returned.elapsed().as_secs_f64();
    let same = operator_restarts(stage) == restarts;
    lines.push(Line::new(
        "gateways follow once istiod is back, and no operator was restarted",
        format!("within {BACK} s"),
        format!("{took:.1} s{}", if same { "" } else { ", and an operator was restarted" }),
        took <= BACK && same,
    ));
    let outcome = story.end().await;
    let clients = &outcome.clients;
    let failed = clients.server_errors + clients.broken + clients.limited;
    lines.push(Line::new(
        "requests over all of it",
        "none fails",
        format!("{failed} of {}", clients.requests),
        failed == 0,
    ));
    stage.releases.delete(NAME).await?;
    Ok(lines)
}

/// The next step is decided on; nobody follows.
async fn while_away(stage: &Arc<Stage>, story: &mut Story) -> Result<Vec<Line>> {
    stage.releases.annotate(NAME, PAUSE, None).await?;
    let decided = Instant::now();
    let message = story
        .until("it says that gateways do not follow", STEP, |seen| {
            let (is, reason, message) = condition(&seen.status, "TrafficApplied")?;
            (is == "False" && reason == "NotApplied").then(|| message.to_owned())
        })
        .await?;
    let took = decided.elapsed().as_secs_f64();
    let got = each(&Clients::new(stage), &story.manifest.host(), &vec![None; ASKED]).await?;
    let mut held = share(10, "while istiod is away and 50 % are written", &got, &stage.made.better.name)?;
    let seen = story.observer.looks().borrow().clone();
    if seen.in_force(50).is_some() {
        held.holds = false;
        held.was = format!("{}, and the release says that 50 % are in force", held.was);
    }
    Ok(vec![
        Line::new(
            "condition of weights that no gateway is told of",
            format!("NotApplied within {TOLD} s"),
            format!("{took:.1} s: {message}"),
            took <= TOLD,
        ),
        held,
    ])
}

async fn part(stage: &Stage, action: &'static str) -> Result<()> {
    let testbed = stage.testbed.clone();
    blocking(move || if action == "stop" { testbed.stop_part(PART) } else { testbed.start_part(PART) })
        .await
        .map_err(|error| Error::other(format!("could not {action} {PART}: {error}")))
}
