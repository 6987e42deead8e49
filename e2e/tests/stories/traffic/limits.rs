//! A client's limit is one over both versions, refills as it is told, and is not refilled by a rollback.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model_release_core::api::annotations::ROLLBACK;
use model_release_core::api::status::Phase;
use testbed::Result;
use testbed::demo::manifest::{CLIENT_LIMIT, Manifest};
use testbed::demo::story::{Board, STEP, Stage, Story};

use super::ask::{Clients, Got, Line, each, one};
use super::by::By;

/// Requests of the greedy client at once.
const GREEDY: usize = 40;
/// Clients beside it.
const OTHERS: usize = 50;
/// Seconds in which a bucket gets one request back: the limit's window over its requests.
const REFILL: f64 = 3.0;

/// Spends a bucket over both versions at half and half, and looks what is left to whom.
pub async fn know_no_version(stage: &Arc<Stage>, by: By) -> Result<Vec<Line>> {
    let name = by.release("limits");
    let manifest =
        Manifest { min_samples: 1_000_000, ..Manifest::new(&stage.namespace, &name, &stage.made.worse) };
    let manifest = by.routed(manifest);
    let mut story = Story::begin(stage, &Board::default(), ('L', "limits"), manifest).await?;
    story.manifest = story.manifest.clone().with_canary(&stage.made.better);
    story.try_canary().await?;
    story
        .until("the canary has half", STEP, |seen| {
            let rung = seen.status.step.as_ref()?;
            (rung.weight == 50 && rung.settled_at.is_some()).then_some(())
        })
        .await?;
    let host = story.manifest.host();
    let clients = Clients::new(stage);
    // New names each time: a client's bucket outlives a run.
    let stamp = Timestamp::now().as_millisecond();
    let greedy = format!("greedy-{stamp}");
    let limit = usize::try_from(CLIENT_LIMIT).unwrap_or_default();

    let begun = Instant::now();
    let all = each(&clients, &host, &vec![Some(greedy.clone()); GREEDY]).await?;
    let within = refilled(begun.elapsed());
    let versions: BTreeSet<&str> = served(&all).map(|got| got.version.as_str()).collect();
    let (passed, refused) = (served(&all).count(), all.iter().filter(|got| got.limited).count());
    let fair =
        (limit..=limit + within).contains(&passed) && passed + refused == GREEDY && versions.len() == 2;
    let mut lines = vec![Line::new(
        format!("{GREEDY} requests at once of one client with a limit of {limit}"),
        format!("{limit} pass, on both versions; the rest gets 429"),
        format!(
            "{passed} pass, on {}; {refused} get 429",
            versions.into_iter().collect::<Vec<_>>().join(" and ")
        ),
        fair,
    )];

    let others: Vec<Option<String>> = (0..OTHERS).map(|n| Some(format!("other-{n}-{stamp}"))).collect();
    let unharmed = served(&each(&clients, &host, &others).await?).count();
    lines.push(Line::new(
        "other clients meanwhile",
        "all served",
        format!("{unharmed} of {OTHERS}"),
        unharmed == OTHERS,
    ));

    // Whoever waits as long as four refills gets four.
    drain(&clients, &host, &greedy).await?;
    let waited = Duration::from_secs_f64(REFILL * 4.0 + 0.5);
    tokio::time::sleep(waited).await;
    let back = served(&each(&clients, &host, &vec![Some(greedy.clone()); 10]).await?).count();
    lines.push(Line::new(
        format!("requests that a spent bucket gets back in {:.1} s", waited.as_secs_f64()),
        "4 or 5",
        back.to_string(),
        (4..=5).contains(&back),
    ));

    drain(&clients, &host, &greedy).await?;
    let begun = Instant::now();
    stage.releases.annotate(&name, ROLLBACK, Some("true")).await?;
    story.until("it is rolled back", STEP, |seen| (seen.phase() == Phase::RolledBack).then_some(())).await?;
    let after = served(&each(&clients, &host, &vec![Some(greedy.clone()); GREEDY]).await?).count();
    let most = refilled(begun.elapsed());
    lines.push(Line::new(
        format!(
            "requests of a client with a spent bucket after a rollback, {:.1} s later",
            begun.elapsed().as_secs_f64()
        ),
        format!("at most {most}, by the refill alone"),
        after.to_string(),
        after <= most,
    ));
    stage.releases.delete(&name).await?;
    Ok(by.said(lines))
}

/// Requests that come back in a time, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
fn refilled(time: Duration) -> usize {
    (time.as_secs_f64() / REFILL).ceil() as usize
}

fn served(all: &[Got]) -> impl Iterator<Item = &Got> {
    all.iter().filter(|got| got.status == 200)
}

/// Asks until nothing is left of a client's bucket.
async fn drain(clients: &Clients, host: &str, client: &str) -> Result<()> {
    for _ in 0..GREEDY {
        if one(clients, (host, ""), Some(client)).await?.limited {
            return Ok(());
        }
    }
    Err(testbed::Error::other(format!("{client} was never refused")))
}
