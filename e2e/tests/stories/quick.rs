//! From the rollback annotation to the decision, and from that to the canary's last answer: twenty tries or more, on four
//! releases at a time.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use model_release_core::api::annotations::ROLLBACK;
use model_release_core::api::status::Phase;
use testbed::Result;
use testbed::demo::images::Model;
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::rollback;
use testbed::demo::story::{Board, Stage, Story, seconds};

use super::traffic::full;

const RELEASES: usize = 4;
/// Tries of each release: five; in `make traffic` so many that there are more than fifty in all.
fn tries_of_each() -> usize {
    if full() { 13 } else { 5 }
}
/// Predictions per second of each: enough to see the last answer to 50 ms, and the machine stays free for the rollback.
const RATE: u32 = 40;
/// Of the slowest, in seconds, on a machine that does nothing else, and on any: with so few tries that is p99.
pub const WITHIN: (f64, f64) = (1.0, 5.0);

/// What one rollback took, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// From the annotation, as it is stored, to the commit of the decision.
    decided: f64,
    /// From that to the canary's last answer.
    left: f64,
}

impl Took {
    /// Whether both are within so many seconds.
    pub fn within(self, seconds: f64) -> bool {
        self.decided <= seconds && self.left <= seconds
    }
}

/// All tries.
pub async fn rollbacks_by_hand(stage: &Arc<Stage>) -> Vec<Took> {
    let each = (0..RELEASES).map(|n| tries(stage, format!("quick-{n}")));
    let took: Vec<Took> = try_join_all(each).await.unwrap().into_iter().flatten().collect();
    assert_eq!(took.len(), RELEASES * tries_of_each());
    let (decided, left): (Vec<f64>, Vec<f64>) = took.iter().map(|took| (took.decided, took.left)).unzip();
    for (what, mut all) in
        [("rollback annotation to commit", decided), ("commit of a rollback to last canary answer", left)]
    {
        all.sort_by(f64::total_cmp);
        let (median, slowest) = (all[all.len() / 2], all[all.len() - 1]);
        println!("{what}: median {median:.3} s, slowest of {} {slowest:.3} s", all.len());
    }
    took
}

async fn tries(stage: &Arc<Stage>, name: String) -> Result<Vec<Took>> {
    // It must not be decided by evidence while it waits for the annotation.
    let manifest =
        Manifest { min_samples: 1_000_000, ..Manifest::new(&stage.namespace, &name, &stage.made.worse) };
    let mut story = Story::begin(stage, &Board::default(), ('Q', "rollback by hand"), manifest)
        .await?
        .with_clients_at(RATE)
        .await?;
    let mut took = Vec::new();
    for n in 0..tries_of_each() {
        let canary = Model { name: format!("try-{n}"), ..stage.made.better.clone() };
        story.manifest = story.manifest.clone().with_canary(&canary);
        story.try_canary().await?;
        story.until_canary_answers().await?;
        stage.releases.annotate(&name, ROLLBACK, Some("true")).await?;
        let annotated = Timestamp::now();
        let committed = story
            .until("it is rolled back and drained", Duration::from_secs(60), |seen| {
                let entry = rollback(&seen.status, &canary.name)?;
                (seen.phase() == Phase::RolledBack).then_some(entry.at)
            })
            .await?;
        let left = story.last_answer_of(&canary.name, "rollback committed", committed);
        took.push(Took { decided: seconds(annotated, committed), left });
        stage.releases.annotate(&name, ROLLBACK, None).await?;
    }
    let outcome = story.end().await;
    assert!(outcome.ended_well(), "{name}: {:?}", outcome.problems);
    stage.releases.delete(&name).await?;
    Ok(took)
}
