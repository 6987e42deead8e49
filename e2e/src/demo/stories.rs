//! The four stories, and how they are told side by side.

mod blind;
mod by_hand;
mod promoted;
mod rolled_back;

use std::sync::Arc;

use serde_json::json;

use super::images::Model;
use super::manifest::Manifest;
use super::outcome::Outcome;
use super::story::{Board, Stage, Story};
use crate::error::Result;

/// Names of the stories' releases, in their order.
pub const RELEASES: [&str; 4] = ["better", "worse", "undone", "blind"];

/// A story's letter, and what it is about.
type Title = (char, &'static str);

const PROMOTED: Title = ('A', "a better model is promoted");
const ROLLED_BACK: Title = ('B', "a worse model is rolled back by itself");
const BY_HAND: Title = ('C', "a model is rolled back by hand");
const BLIND: Title = ('D', "Prometheus is gone in mid-canary");

/// Tells A, B and C side by side, and D after them, for it takes the evidence away from all. What fails is in the
/// outcome of its story; the others go on.
pub async fn tell(stage: &Arc<Stage>, board: &Board) -> Vec<Outcome> {
    // D must last into the outage.
    let blind = Manifest { min_samples: 800, ..manifest(stage, RELEASES[3], &stage.made.worse) };
    let (mut told, d) = tokio::join!(Box::pin(tell_with_evidence(stage, board)), async {
        let story = Story::begin(stage, board, BLIND, blind).await?;
        story.note("waits for the other three, who need Prometheus");
        Ok(story)
    });
    let d = match d {
        Ok(story) => async { blind::tell(story.with_clients().await?).await }.await,
        Err(error) => Err(error),
    };
    told.push(ended(BLIND, RELEASES[3], d));
    told
}

/// Tells A, B and C side by side, while Prometheus is there all the time.
pub async fn tell_with_evidence(stage: &Arc<Stage>, board: &Board) -> Vec<Outcome> {
    let (worse, better) = (&stage.made.worse, &stage.made.better);
    let begin = |title: Title, manifest: Manifest| Story::begin(stage, board, title, manifest);
    // A climbs two rungs; C must not be decided before somebody decides it, and keeps clients to a version.
    let promoted = Manifest { steps: vec![(20, 10), (50, 10)], ..manifest(stage, RELEASES[0], worse) };
    let rolled_back = manifest(stage, RELEASES[1], better);
    let by_hand = Manifest { min_samples: 1_000_000, ..manifest(stage, RELEASES[2], worse) }
        .with("/spec/traffic/sticky", json!(true));
    let (a, b, c) = tokio::join!(
        async { promoted::tell(begin(PROMOTED, promoted).await?.with_clients().await?).await },
        async { rolled_back::tell(begin(ROLLED_BACK, rolled_back).await?.with_clients().await?).await },
        async { by_hand::tell(begin(BY_HAND, by_hand).await?.with_clients().await?).await },
    );
    let told = [(PROMOTED, a), (ROLLED_BACK, b), (BY_HAND, c)];
    told.into_iter().zip(RELEASES).map(|((title, told), release)| ended(title, release, told)).collect()
}

fn manifest(stage: &Stage, name: &str, stable: &Model) -> Manifest {
    Manifest::new(&stage.namespace, name, stable)
}

/// The outcome of a story, also of one that broke off.
fn ended((letter, title): Title, release: &str, told: Result<Outcome>) -> Outcome {
    told.unwrap_or_else(|error| Outcome {
        story: letter.into(),
        title: title.to_owned(),
        release: release.to_owned(),
        problems: vec![error.to_string()],
        ..Outcome::default()
    })
}
