//! A client's limit is one over both versions, refills as it is told, and is not refilled by a rollback.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model_release_core::api::annotations::ROLLBACK;
use model_release_core::api::status::Phase;
use serde_json::json;
use testbed::Result;
use testbed::demo::manifest::{CLIENT_LIMIT, Manifest, VERSION_HEADER};
use testbed::demo::story::{Board, STEP, Stage, Story};

use super::ask::{Clients, Got, Line, each, one, with};
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
    story.until("the canary has half", STEP, |seen| seen.in_force(50)).await?;
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

    // Asked for by name, at the host in capitals or with its port, it is the same limit.
    drain(&clients, &host, &greedy).await?;
    let begun = Instant::now();
    let (loud, ported) = (host.to_uppercase(), format!("{host}:80"));
    let mut passed = Vec::new();
    for (what, host, word) in [
        ("of stable", host.as_str(), Some("stable")),
        ("of the canary", &host, Some("canary")),
        ("at the host in capitals", &loud, None),
        ("at the host with its port", &ported, None),
    ] {
        let more: Vec<(&str, &str)> = word.map(|word| (VERSION_HEADER, word)).into_iter().collect();
        if !with(&clients, (host, ""), Some(&greedy), &more).await?.limited {
            passed.push(what);
        }
    }
    let most = refilled(begun.elapsed());
    lines.push(Line::new(
        "requests of a client with a spent bucket: of stable, of the canary, at the host in capitals and with its port",
        format!("4 get 429, but for {most} by the refill"),
        if passed.is_empty() { "4 get 429".to_owned() } else { format!("served: {}", passed.join(", ")) },
        passed.len() <= most,
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

    let watched = story.manifest.clone().with("/spec/traffic/rateLimit/mode", json!("Observe"));
    stage.releases.apply(&watched.render(&stage.made.images, &stage.gateway.name)).await?;
    lines.push(observed(stage, &host).await?);
    stage.releases.delete(&name).await?;
    Ok(by.said(lines))
}

/// A limit that only counts refuses nobody, once gateways know.
async fn observed(stage: &Arc<Stage>, host: &str) -> Result<Line> {
    let begun = Instant::now();
    let mut last = 0;
    while begun.elapsed() < STEP {
        // Another client each time, for the bucket of the one before may be spent; over new connections, for what is open
        // keeps the limit that it began with.
        let client = format!("watched-{}", Timestamp::now().as_millisecond());
        last = served(&each(&Clients::new(stage), host, &vec![Some(client); GREEDY]).await?).count();
        if last == GREEDY {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Line::new(
        format!("{GREEDY} requests at once of one client with mode Observe"),
        "all served",
        format!("{last} of {GREEDY}, {:.1} s after the edit", begun.elapsed().as_secs_f64()),
        last == GREEDY,
    ))
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
