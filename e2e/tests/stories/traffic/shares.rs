//! The share of each weight, and who gets which version as it rises.

use std::collections::BTreeSet;
use std::sync::Arc;

use model_release_core::api::annotations::PAUSE;
use model_release_core::api::status::Phase;
use serde_json::json;
use testbed::demo::manifest::Manifest;
use testbed::demo::story::{Board, STEP, Stage, Story};
use testbed::{Error, Result};

use super::ask::{Clients, Got, Line, by_version, each};
use super::by::By;
use super::full;
use super::valid::Written;

/// Weights that are held, each for as long as it is asked about.
const WEIGHTS: [i32; 6] = [1, 10, 25, 50, 90, 99];
/// Users of the long form.
const MANY: usize = 10_000;
/// Two-sided quantiles of the normal distribution: 99.9 % where the figures are what is wanted, and 99.999 % where each change
/// asks two dozen times and one in fifty would fail by chance.
const SIGMAS: (f64, f64) = (3.29, 4.42);

/// Holds a canary at each weight by a pause, and asks as thousands of clients with a name and without.
pub async fn and_who_gets_which(stage: &Arc<Stage>, by: By, written: &mut Written) -> Result<Vec<Line>> {
    let name = by.release("sticky");
    let count = if full() && by == By::Istio { MANY } else { 1500 };
    let manifest = Manifest {
        steps: WEIGHTS.map(|percent| (percent, 10)).to_vec(),
        ..Manifest::new(&stage.namespace, &name, &stage.made.worse)
    };
    let manifest = by
        .routed(manifest)
        .with("/spec/traffic/sticky", json!(true))
        .with("/spec/traffic/rateLimit/perClient/requests", json!(1_000_000))
        .with("/spec/analysis/quality", json!({"mode": "Disabled"}))
        .with(
            "/spec/analysis/guardrails",
            json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "minRequests": 1}]),
        )
        .with_canary(&stage.made.better);
    let stable = Manifest { canary: None, ..manifest.clone() };
    let story = Story::begin(stage, &Board::default(), ('S', "shares"), stable).await?;
    // Somebody else asks all the time, so that there is evidence after each weight has settled.
    let mut story = story.with_clients().await?;
    story.manifest = manifest;
    let canary = stage.made.better.name.clone();
    let users: Vec<Option<String>> = (0..count).map(|n| Some(format!("user-{n}"))).collect();
    let nobody = vec![None; count];
    let asking = Clients::new(stage);
    let mut lines = Vec::new();
    let mut before: Option<(i32, BTreeSet<usize>)> = None;
    story.try_canary().await?;
    for weight in WEIGHTS {
        story.until(&format!("the canary has {weight} %"), STEP, |seen| seen.in_force(weight)).await?;
        stage.releases.annotate(&name, PAUSE, Some("true")).await?;
        written.look(&stage.testbed)?;
        lines.push(share(
            weight,
            "without a name",
            &each(&asking, &story.manifest.host(), &nobody).await?,
            &canary,
        )?);
        let named = each(&asking, &story.manifest.host(), &users).await?;
        lines.push(share(weight, "with a name", &named, &canary)?);
        let again = each(&asking, &story.manifest.host(), &users).await?;
        let changed = named.iter().zip(&again).filter(|(one, other)| one.version != other.version).count();
        lines.push(Line::new(
            format!("users whose version changed between two requests at {weight} %"),
            "0",
            changed.to_string(),
            changed == 0,
        ));
        let on: BTreeSet<usize> =
            named.iter().enumerate().filter(|(_, got)| got.version == canary).map(|(n, _)| n).collect();
        if let Some((from, then)) = &before {
            let back = then.difference(&on).count();
            let moved = on.difference(then).count();
            let needed = count * usize::try_from(weight - from).unwrap_or_default() / 100;
            // Fewer users are too few to tell one in a hundred from chance.
            let most = if count >= MANY { needed + count / 100 } else { count };
            lines.push(Line::new(
                format!("users moved from {from} to {weight} %"),
                format!("none back, and at most {most} to the canary"),
                format!("{moved} of {count} to the canary, {back} back"),
                back == 0 && moved <= most,
            ));
        }
        before = Some((weight, on));
        stage.releases.annotate(&name, PAUSE, None).await?;
    }
    story.until("it is promoted", STEP, |seen| (seen.phase() == Phase::Baking).then_some(())).await?;
    let after = each(&asking, &story.manifest.host(), &users).await?;
    let counts = by_version(&after)?;
    let all = counts.get(canary.as_str()) == Some(&count);
    lines.push(Line::new(
        "users after the promotion",
        "all on what was the canary",
        format!("{counts:?}"),
        all,
    ));
    let outcome = story.end().await;
    let clients = &outcome.clients;
    let failed = clients.server_errors + clients.broken + clients.limited;
    lines.push(Line::new(
        "requests of others from the first weight to the promotion",
        "none fails",
        format!("{failed} of {}", clients.requests),
        failed == 0,
    ));
    stage.releases.delete(&name).await?;
    Ok(by.said(lines))
}

/// Whether the canary's share lies inside the binomial interval of its weight.
#[expect(clippy::cast_precision_loss, reason = "thousands of answers")]
pub fn share(weight: i32, who: &str, all: &[Got], canary: &str) -> Result<Line> {
    let counts = by_version(all)?;
    let hits = counts.get(canary).copied().unwrap_or_default() as f64;
    let (n, p) = (all.len() as f64, f64::from(weight) / 100.0);
    if all.is_empty() {
        return Err(Error::other("nobody asked"));
    }
    let sigmas = if full() { SIGMAS.0 } else { SIGMAS.1 };
    let (middle, wide) = (n * p, sigmas * (n * p * (1.0 - p)).sqrt() + 1.0);
    // None at all is never by chance.
    let (least, most) = ((middle - wide).max(1.0), middle + wide);
    Ok(Line::new(
        format!("answers of the canary at {weight} % to clients {who}"),
        format!("{least:.0} to {most:.0} of {n}"),
        format!("{hits}"),
        (least..=most).contains(&hits),
    ))
}
