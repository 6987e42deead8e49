//! Story D: Prometheus stops in mid-canary. Weights hold, nothing is decided; when it returns, the release goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model_release_core::api::status::Phase;

use crate::demo::manifest::INTERVAL_SECONDS;
use crate::demo::observe::Seen;
use crate::demo::outcome::{Effect, Outcome};
use crate::demo::releases::{condition, promotion};
use crate::demo::story::{STEP, Story};
use crate::error::{Error, Result};

/// The part that stops.
const PART: &str = "prometheus";
/// How long it stays away once the operator has noticed.
const AWAY: Duration = Duration::from_secs(3 * INTERVAL_SECONDS);
/// How far Envoy's share of a few hundred requests may be from the weight by chance, in percent.
const CHANCE: f64 = 15.0;

/// Tells it.
pub(super) async fn tell(mut story: Story) -> Result<Outcome> {
    let canary = story.stage.made.better.name.clone();
    story.manifest = story.manifest.clone().with_canary(&story.stage.made.better.clone());
    story.try_canary().await?;
    story.until_canary_answers().await?;
    let before = story
        .until_while_good("some evidence is there", |seen| {
            (seen.phase() == Phase::Analyzing && seen.canary_events() > 50).then(|| seen.clone())
        })
        .await?;

    story.note("Prometheus stops");
    let stopped = Instant::now();
    part(&story, "stop").await?;
    let away = outage(&mut story, stopped).await;
    // Whatever came of it: the cluster gets its Prometheus back.
    story.note("Prometheus returns");
    part(&story, "start").await?;
    let returned = Instant::now();
    let during = away?;
    for (what, was, is) in [
        ("decision", seq(&before), seq(&during)),
        ("weight", before.wanted_percent().map(i64::from), during.wanted_percent().map(i64::from)),
    ] {
        story
            .outcome
            .must(was == is, || format!("the {what} went from {was:?} to {is:?} while Prometheus was away"));
    }

    let counted = during.canary_events();
    story
        .until_while_good("evidence comes in again", |seen| {
            let available = condition(&seen.status, "AnalysisAvailable").is_some_and(|(is, ..)| is == "True");
            // What waited in the counters may come in at one look, and be enough for a promotion that follows at once.
            let decided = promotion(&seen.status, &canary).is_some();
            ((available || decided) && seen.canary_events() > counted).then_some(())
        })
        .await?;
    effect(&mut story, "Prometheus back", "evidence grows", returned);
    let promoted = story
        .until_while_good("5 epochs are proven and promoted", |seen| {
            let entry = promotion(&seen.status, &canary)?;
            matches!(seen.phase(), Phase::Baking | Phase::Stable).then(|| entry.clone())
        })
        .await?;
    story.outcome.decided(&promoted);
    Ok(story.end().await)
}

/// Watches the release while Prometheus is away; gives back the last look.
async fn outage(story: &mut Story, stopped: Instant) -> Result<Arc<Seen>> {
    let (is, reason) = story
        .until("the operator says that it is blind", STEP, |seen| {
            let (is, reason, _) = condition(&seen.status, "AnalysisAvailable")?;
            (is == "False").then(|| (is.to_owned(), reason.to_owned()))
        })
        .await?;
    effect(story, "Prometheus stopped", &format!("AnalysisAvailable={is}/{reason}"), stopped);
    story.note("Prometheus is away; nothing may be decided");
    let mut looks = story.observer.looks();
    let first = looks.borrow().clone();
    let (mut lowest, mut highest) = (f64::MAX, f64::MIN);
    let end = tokio::time::sleep(AWAY);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            changed = looks.changed() => if changed.is_err() { break },
        }
        let seen = looks.borrow_and_update().clone();
        if seq(&seen) != seq(&first) || seen.phase() != Phase::Analyzing {
            let entry = seen.status.history.first().map_or_else(String::new, |entry| entry.message.clone());
            return Err(Error::other(format!("decided while Prometheus was away: {entry}")));
        }
        if let Some(percent) = seen.envoy_percent {
            lowest = lowest.min(percent);
            highest = highest.max(percent);
        }
    }
    let last = looks.borrow().clone();
    let weight = f64::from(last.wanted_percent().unwrap_or_default());
    let near = lowest >= weight - CHANCE && highest <= weight + CHANCE;
    story.outcome.must(near, || {
        format!("Envoy sent the canary {lowest:.0} to {highest:.0} percent while its weight was {weight:.0}")
    });
    Ok(last)
}

fn seq(seen: &Seen) -> Option<i64> {
    seen.status.decision.as_ref().map(|decision| decision.seq)
}

fn effect(story: &mut Story, from: &str, to: &str, since: Instant) {
    let effect = Effect { from: from.to_owned(), to: to.to_owned(), seconds: since.elapsed().as_secs_f64() };
    story.outcome.effects.push(effect);
}

/// Stops or starts Prometheus; its command may take seconds, meanwhile the others are looked at.
async fn part(story: &Story, action: &'static str) -> Result<()> {
    let testbed = story.stage.testbed.clone();
    let done = tokio::task::spawn_blocking(move || match action {
        "stop" => testbed.stop_part(PART),
        _ => testbed.start_part(PART),
    });
    done.await.map_err(|error| Error::other(format!("could not {action} {PART}: {error}")))?
}
