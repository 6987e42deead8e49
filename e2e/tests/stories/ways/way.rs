//! One release under way, with clients: what a user does to it, and what is to follow.

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{HistoryEntry, Phase, Track};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::demo::images::Model;
use testbed::demo::manifest::Manifest;
use testbed::demo::observe::Seen;
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::{rollback, version};
use testbed::demo::story::{Board, STEP, Stage, Story, seconds};
use testbed::{Error, Result};

use super::super::common::judged;

/// Predictions per second of each release's clients: enough to see a share, and many releases fit on one machine.
const RATE: u32 = 10;
/// From the word to leave to the decision, in seconds, on a machine that does nothing else, and on any: there the saying of
/// it takes long already. The auditor is strict everywhere, from when the word is stored to weight 0.
const DECIDED: (f64, f64) = (1.0, 15.0);
/// From that to the last request that the version answers.
const LEFT: f64 = 5.0;
/// Answers from which a share is read.
pub const COUNTED: u64 = 100;
/// 99.9 % of all counts of so many coin tosses lie within so many standard deviations.
const DEVIATIONS: f64 = 3.29;

/// A release under way.
pub struct Way {
    pub story: Story,
    /// The number of the last decision that was waited for.
    seq: i64,
    /// What happened, for people.
    told: Vec<String>,
}

/// What a release of a story is like: nothing is decided by evidence, and times are short.
pub fn manifest(stage: &Stage, name: &str) -> Manifest {
    Manifest { min_samples: 1_000_000, ..Manifest::new(&stage.namespace, name, &stage.made.worse) }
}

/// The same, promoted as soon as some requests of the canary have not failed.
pub fn promoted_soon(stage: &Stage, name: &str) -> Manifest {
    manifest(stage, name).with("/spec/analysis/quality", json!({"mode": "Disabled"})).with(
        "/spec/analysis/guardrails",
        json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "minRequests": 20}]),
    )
}

impl Way {
    /// A release whose stable version serves clients.
    pub async fn begin(stage: &Arc<Stage>, manifest: Manifest) -> Result<Self> {
        let story = Story::begin(stage, &Board::default(), ('W', "a way out"), manifest).await?;
        Ok(Self::of(story.with_clients_at(RATE).await?))
    }

    /// A story as it stands.
    pub fn of(story: Story) -> Self {
        Self { story, seq: 0, told: Vec::new() }
    }

    /// Changes a field of the spec, or removes it with null; it is written with the next [`Self::write`].
    pub fn set(&mut self, pointer: &str, value: Value) {
        self.story.manifest = self.story.manifest.clone().with(pointer, value);
    }

    /// Writes the spec as it stands.
    pub async fn write(&mut self) -> Result<()> {
        self.story.try_canary().await
    }

    /// Names a new version as canary.
    pub async fn try_version(&mut self, version: &str) -> Result<()> {
        let model = Model { name: version.to_owned(), ..self.story.stage.made.better.clone() };
        self.story.manifest = self.story.manifest.clone().with_canary(&model);
        self.write().await
    }

    /// Removes the canary from the spec.
    pub async fn remove_canary(&mut self) -> Result<()> {
        self.story.manifest.canary = None;
        self.story.manifest.edits.retain(|(pointer, _)| !pointer.starts_with("/spec/canary"));
        self.write().await
    }

    pub async fn annotate(&self, key: &str, value: Option<&str>) -> Result<()> {
        let name = &self.story.manifest.name;
        self.story.stage.releases.annotate(name, &format!("modelrelease.dev/{key}"), value).await
    }

    /// Waits for a decision about a version from one phase to another, after those that were waited for.
    pub async fn decided(&mut self, from: Phase, to: Phase, version: &str) -> Result<HistoryEntry> {
        let seq = self.seq;
        let what = format!("{version} goes from {} to {}", from.as_str(), to.as_str());
        let entry = self
            .until(&what, |seen| {
                let fits = |entry: &&HistoryEntry| {
                    entry.seq > seq && entry.from == from && entry.to == to && entry.version == version
                };
                seen.status.history.iter().rev().find(fits).cloned()
            })
            .await?;
        self.seq = entry.seq;
        self.told.push(format!("{} ({})", to.as_str(), entry.reason));
        Ok(entry)
    }

    /// The same, for this reason.
    pub async fn decided_for(&mut self, from: Phase, to: Phase, version: &str, reason: Reason) -> Result<()> {
        let entry = self.decided(from, to, version).await?;
        self.story.outcome.must(entry.reason == reason, || {
            format!(
                "{version} went to {} for {} instead of {reason}: {}",
                to.as_str(),
                entry.reason,
                entry.message
            )
        });
        Ok(())
    }

    pub async fn until<T>(&mut self, what: &str, find: impl FnMut(&Seen) -> Option<T>) -> Result<T> {
        self.story.until(what, STEP, find).await
    }

    pub async fn in_phase(&mut self, phase: Phase) -> Result<()> {
        self.until(phase.as_str(), |seen| (seen.phase() == phase).then_some(())).await
    }

    /// Waits until every gateway does what was committed last.
    pub async fn settled(&mut self) -> Result<()> {
        self.until("the weights are in force", |seen| seen.status.state.traffic.settled_at.map(drop)).await
    }

    /// Waits until every gateway gives the canary this share.
    pub async fn in_force(&mut self, version: &str, percent: i32) -> Result<()> {
        self.until(&format!("{version} has {percent} % in force"), |seen| {
            let step = seen.status.step.as_ref().filter(|step| step.weight == percent)?;
            let on_trial =
                seen.status.versions.iter().any(|one| one.track == Track::Canary && one.version == version);
            (seen.phase() == Phase::Analyzing && on_trial && step.settled_at.is_some()).then_some(())
        })
        .await
    }

    /// Waits until every gateway gives the canary this share, and clients got it, too.
    pub async fn share(&mut self, version: &str, percent: i32) -> Result<()> {
        self.in_force(version, percent).await?;
        let count = |seen: &Seen| {
            let all: u64 = seen.load.versions.values().map(|one| one.answers).sum();
            (all, answers(seen, version))
        };
        let (all, its) = count(&self.seen());
        let (counted, got) = self
            .until("clients get their share", |seen| {
                let (now, its_now) = count(seen);
                (now >= all + COUNTED).then(|| (now - all, its_now.saturating_sub(its)))
            })
            .await?;
        self.near("answers", version, (got, counted), percent);
        Ok(())
    }

    /// Demands that so many of so many could be by chance this share.
    pub fn near(&mut self, what: &str, version: &str, (got, counted): (u64, u64), percent: i32) {
        #[expect(clippy::cast_precision_loss, reason = "some hundred answers")]
        let (n, k) = (counted as f64, got as f64);
        let share = f64::from(percent) / 100.0;
        let near = (k - n * share).abs() <= DEVIATIONS * (n * share * (1.0 - share)).sqrt() + 1.0;
        self.story.outcome.must(near, || format!("{version} had {k} of {n} {what} at {percent} %"));
        self.told.push(format!("{got} of {counted} {what} at {percent} %"));
    }

    /// The hash of the version with a role.
    pub async fn hash(&mut self, track: Track) -> Result<String> {
        self.until("its hash", |seen| Some(version(&seen.status, track)?.hash.clone())).await
    }

    /// Waits until the version has left. Demands that its leaving was decided soon after `cause`, and that it answered
    /// nothing that was asked later than some seconds after that.
    pub async fn left(&mut self, version: &str, to: Phase, cause: Timestamp) -> Result<()> {
        self.decided(Phase::RollingBack, to, version).await?;
        let status = &self.seen().status;
        let decided = rollback(status, version).map(|entry| entry.at);
        let decided = decided.ok_or_else(|| Error::other(format!("no decision made {version} leave")))?;
        let word = seconds(cause, decided);
        let asked = self.story.load.totals().versions.get(version).and_then(|totals| totals.last_asked);
        // One that never answered has no last answer.
        let last = asked.map_or(0.0, |asked| seconds(decided, asked));
        println!(
            "{}: {version} has to leave: decided after {word:.2} s, last asked {last:.2} s later",
            self.story.manifest.name
        );
        let outcome = &mut self.story.outcome;
        outcome
            .must(word <= judged(DECIDED), || format!("that {version} leaves was decided after {word:.2} s"));
        outcome.must(last <= LEFT, || format!("{version} was still asked {last:.2} s after it had weight 0"));
        Ok(())
    }

    /// Demands that no client ever got an answer of the version.
    pub fn never_answered(&mut self, version: &str) {
        let got = answers(&self.seen(), version);
        self.story
            .outcome
            .must(got == 0, || format!("{got} clients got answers of {version}, which had no weight"));
    }

    /// Demands that every answer from now on is this version's, for some answers.
    pub async fn alone(&mut self, version: &str) -> Result<()> {
        let name = version.to_owned();
        self.until(&format!("{version} has all traffic"), |seen| {
            let mut known = seen.status.traffic.iter().filter(|entry| entry.percent == 100);
            known.any(|entry| entry.version == name).then_some(())
        })
        .await?;
        // What was under way may still end; then nobody else answers.
        self.grow(version, 20).await?;
        let others = |seen: &Seen| {
            let all: u64 = seen.load.versions.values().map(|one| one.answers).sum();
            all - answers(seen, &name)
        };
        let before = others(&self.seen());
        self.grow(version, 20).await?;
        let after = others(&self.seen());
        self.story.outcome.must(before == after, || format!("{} answers beside {version}", after - before));
        Ok(())
    }

    /// Waits for more answers of a version.
    pub async fn grow(&mut self, version: &str, more: u64) -> Result<()> {
        let before = answers(&self.seen(), version);
        self.until(&format!("{version} answers"), |seen| {
            (answers(seen, version) >= before + more).then_some(())
        })
        .await
    }

    /// The last look.
    pub fn seen(&self) -> Arc<Seen> {
        self.story.observer.looks().borrow().clone()
    }

    /// Demands that a phase stays as it is for so long.
    pub async fn stays(&mut self, phase: Phase, time: Duration) -> Result<()> {
        let start = Instant::now();
        self.until(&format!("{} s have passed in {}", time.as_secs(), phase.as_str()), |seen| {
            (seen.phase() != phase || start.elapsed() >= time).then_some(())
        })
        .await?;
        let now = self.seen().phase();
        if now == phase {
            Ok(())
        } else {
            Err(Error::other(format!("went from {} to {}", phase.as_str(), now.as_str())))
        }
    }

    /// Closes the books and deletes the release.
    pub async fn end(mut self) -> Result<Outcome> {
        self.story.outcome.message = self.told.join(", ");
        let (stage, name) = (Arc::clone(&self.story.stage), self.story.manifest.name.clone());
        let outcome = self.story.end().await;
        stage.releases.delete(&name).await?;
        Ok(outcome)
    }
}

fn answers(seen: &Seen, version: &str) -> u64 {
    seen.load.versions.get(version).map_or(0, |one| one.answers)
}
