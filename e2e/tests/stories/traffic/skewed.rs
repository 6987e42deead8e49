//! Another route leads to the canary's Service, past its weight: the release says so, takes no step meanwhile, and goes on by
//! itself once that route is gone.

use std::sync::Arc;
use std::time::Instant;

use model_release_core::api::annotations::PAUSE;
use model_release_core::api::status::Track;
use serde_json::{Value, json};
use testbed::demo::manifest::Manifest;
use testbed::demo::observe::Seen;
use testbed::demo::releases::{condition, version};
use testbed::demo::story::{Board, STEP, Stage, Story};
use testbed::{Error, Result};

use super::super::common::blocking;
use super::super::ways::foreign::kubectl;
use super::ask::{Clients, Line, each};

const NAME: &str = "skewed";
/// The other route's host and name.
const ELSEWHERE: &str = "elsewhere.stories.example";
const OTHER: &str = "elsewhere";
/// Its requests in a row.
const ASKED: usize = 50;
/// Seconds from its first answer in which the condition must tell: requests that began before are let end, and a few
/// blocks have to be counted.
const TOLD: f64 = 60.0;
/// Seconds that the first step has to last by the spec, and those for which it must stay once nothing else holds it.
const LASTS: u32 = 10;
const HELD: f64 = 25.0;

/// Leads half of the requests that the canary gets past its weight of 10 %.
pub async fn steps_wait(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let manifest = Manifest {
        steps: vec![(10, LASTS), (50, LASTS)],
        ..Manifest::new(&stage.namespace, NAME, &stage.made.worse)
    }
    .with("/spec/traffic/rateLimit/perClient/requests", json!(1_000_000))
    .with("/spec/rollout/promotion", json!("Manual"))
    .with("/spec/analysis/quality", json!({"mode": "Disabled"}))
    .with(
        "/spec/analysis/guardrails",
        json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "minRequests": 1}]),
    );
    let story = Story::begin(stage, &Board::default(), ('K', "another route"), manifest).await?;
    let mut story = story.with_clients().await?;
    story.manifest = story.manifest.clone().with_canary(&stage.made.better);
    story.try_canary().await?;
    story.until("the canary has 10 %", STEP, |seen| seen.in_force(10)).await?;
    stage.releases.annotate(NAME, PAUSE, Some("true")).await?;
    let hash =
        story.until("its hash", STEP, |s| Some(version(&s.status, Track::Canary)?.hash.clone())).await?;

    lead(stage, &hash).await?;
    let clients = Clients::new(stage);
    let told = told(&mut story, &clients).await?;
    stage.releases.annotate(NAME, PAUSE, None).await?;
    let held = held(&mut story, &clients).await?;
    kubectl(stage, &["delete", "virtualservice", OTHER]).await?;
    let gone = Instant::now();
    story.until("the canary has 50 %", STEP, |seen| seen.in_force(50)).await?;
    let went_on = gone.elapsed().as_secs_f64();
    let quiet = condition_is(&story.observer.looks().borrow().clone(), "WeightsInForce");
    let outcome = story.end().await;
    stage.releases.delete(NAME).await?;
    let problems = outcome.problems.join("; ");
    Ok(vec![
        told,
        held,
        Line::new(
            "the next step once that route is gone",
            "by itself, and nothing is said any more",
            format!("{went_on:.1} s{}", if quiet { "" } else { ", and it is still told" }),
            quiet,
        ),
        Line::new(
            "requests of the release's own clients over all of it",
            "none fails",
            if problems.is_empty() { format!("0 of {}", outcome.clients.requests) } else { problems.clone() },
            problems.is_empty(),
        ),
    ])
}

/// A route of somebody else, under a host of its own, to the canary's Service, as the release's own route names it.
async fn lead(stage: &Arc<Stage>, hash: &str) -> Result<()> {
    let own = kubectl(stage, &["get", "virtualservice", NAME, "-o", "json"]).await?;
    let own: Value = serde_json::from_str(&own)
        .map_err(|error| Error::other(format!("kubectl wrote no JSON of virtualservice {NAME}: {error}")))?;
    let routes = own.pointer("/spec/http").and_then(Value::as_array).into_iter().flatten();
    let destinations = routes
        .filter_map(|route| route.get("route")?.as_array())
        .flatten()
        .filter_map(|backend| backend.get("destination"));
    let canary = |to: &&Value| to["host"].as_str().is_some_and(|host| host.contains(hash));
    let to = destinations.clone().find(canary).cloned();
    let to = to.ok_or_else(|| Error::other(format!("virtualservice {NAME} leads nowhere with {hash}")))?;
    let route = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": OTHER, "namespace": stage.namespace},
        "spec": {
            "hosts": [ELSEWHERE],
            "gateways": [stage.gateway.name],
            "http": [{"route": [{"destination": to}]}],
        },
    });
    let testbed = stage.testbed.clone();
    blocking(move || testbed.apply(&route.to_string())).await
}

/// Asks by the other route until the release says so.
async fn told(story: &mut Story, clients: &Clients) -> Result<Line> {
    let mut first = None;
    let mut looks = story.observer.looks();
    let tells = story.until("it says that its share is not its weight", STEP, |seen| {
        condition_is(seen, "SplitSkewed")
            .then(|| condition(&seen.status, "TrafficApplied").map(|(_, _, message)| message.to_owned()))?
    });
    let asks = async {
        loop {
            let got = each(clients, ELSEWHERE, &vec![None; ASKED]).await?;
            if got.iter().any(|one| one.status == 200) {
                first.get_or_insert_with(Instant::now);
            }
            looks.changed().await.map_err(|_| Error::other("nobody looks any more"))?;
        }
    };
    let message = tokio::select! {
        told = tells => told?,
        error = asks => return error,
    };
    let took = first.map_or(f64::NAN, |at| at.elapsed().as_secs_f64());
    Ok(Line::new(
        "condition of a share that another route makes",
        format!("SplitSkewed within {TOLD} s"),
        format!("{took:.1} s: {message}"),
        took <= TOLD,
    ))
}

/// Goes on asking for longer than the step lasts by the spec, now that no pause holds it.
async fn held(story: &mut Story, clients: &Clients) -> Result<Line> {
    let mut looks = story.observer.looks();
    let begin = Instant::now();
    loop {
        each(clients, ELSEWHERE, &vec![None; ASKED]).await?;
        looks.changed().await.map_err(|_| Error::other("nobody looks any more"))?;
        let seen = looks.borrow_and_update().clone();
        if seen.in_force(10).is_none() {
            return Ok(line(false, format!("it went on to {:?}", seen.wanted_percent())));
        }
        let lasted = begin.elapsed().as_secs_f64();
        if lasted >= HELD {
            let told = condition_is(&seen, "SplitSkewed");
            return Ok(line(
                told,
                format!("{lasted:.0} s at 10 %{}", if told { "" } else { ", and not told" }),
            ));
        }
    }
}

fn line(holds: bool, was: String) -> Line {
    let must = format!("none in {HELD} s, where one lasts {LASTS} s; told all the time");
    Line::new("steps while another route leads to the canary", must, was, holds)
}

fn condition_is(seen: &Seen, reason: &str) -> bool {
    condition(&seen.status, "TrafficApplied").is_some_and(|(_, other, _)| other == reason)
}
