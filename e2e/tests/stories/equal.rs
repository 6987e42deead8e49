//! A canary that is as good as stable: the same model under another name, again and again. It is promoted, and never
//! rolled back.

use std::sync::Arc;

use futures::future::try_join_all;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{HistoryEntry, Phase};
use serde_json::json;
use testbed::Result;
use testbed::demo::images::Model;
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::promotion;
use testbed::demo::story::{Board, Stage, Story, seconds};

use crate::common;

/// Releases that are tried at the same time.
const RELEASES: usize = 4;
/// Trials of each: one, and at night as many as make twenty.
const TRIALS: (usize, usize) = (5, 1);
/// Predictions per second of each release.
const RATE: u32 = 90;

/// All trials. What failed is told; the promise is of the whole way, from counters of real servers to the decision.
pub async fn models_are_promoted_and_never_rolled_back(stage: &Arc<Stage>) -> Result<()> {
    let trials = common::judged(TRIALS);
    let each = (0..RELEASES).map(|n| tried(stage, format!("equal-{n}"), trials));
    let mut took: Vec<f64> = try_join_all(each).await?.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "equal models: {} trials, all promoted, none rolled back; from weight to verdict median {median:.0} s, slowest \
         {slowest:.0} s",
        took.len()
    );
    Ok(())
}

async fn tried(stage: &Arc<Stage>, name: String, trials: usize) -> Result<Vec<f64>> {
    let manifest = Manifest::new(&stage.namespace, &name, &stage.made.better)
        .with("/spec/analysis/quality/maxDrop", json!("0.05"));
    let mut story = Story::begin(stage, &Board::default(), ('E', "equal models"), manifest)
        .await?
        .with_clients_at(RATE)
        .await?;
    let mut took = Vec::new();
    for n in 0..trials {
        let canary = Model { name: format!("same-{n}"), ..stage.made.better.clone() };
        story.manifest = story.manifest.clone().with_canary(&canary);
        story.try_canary().await?;
        story.until_canary_answers().await?;
        let proven = story
            .until_while_good("the same model is proven and promoted", |seen| {
                let rests = seen.phase() == Phase::Stable && seen.status.stable_version == canary.name;
                promotion(&seen.status, &canary.name).filter(|_| rests).cloned()
            })
            .await?;
        assert_eq!(proven.reason, Reason::QualityPassed, "{}", proven.message);
        let status = story.observer.looks().borrow().status.clone();
        let weighted =
            |entry: &&HistoryEntry| entry.version == canary.name && entry.reason == Reason::StepStarted;
        took.extend(status.history.iter().find(weighted).map(|began| seconds(began.at, proven.at)));
        story.manifest = Manifest { stable: canary, canary: None, ..story.manifest.clone() };
        story.try_canary().await?;
    }
    let outcome = story.end().await;
    assert!(outcome.problems.is_empty(), "{name}: {:?}", outcome.problems);
    Ok(took)
}
