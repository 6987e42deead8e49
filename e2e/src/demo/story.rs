//! One story being told: its release, its clients, and what is seen of both.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model_release_core::api::status::{Phase, Track};
use model_server::data::Example;
use tokio::sync::watch;

use super::http::Client;
use super::images::Made;
use super::install::Gateway;
use super::load::Load;
use super::manifest::Manifest;
use super::observe::{Gauge, Observer, Seen};
use super::outcome::{Effect, Outcome};
use super::releases::{Releases, version};
use crate::Testbed;
use crate::audit::witness::Witness;
use crate::error::{Error, Result};

/// How long a release may take from creation to serving.
const SERVING: Duration = Duration::from_secs(120);
/// How long a step of a story may take; the slowest waits for some thousand labelled answers.
pub const STEP: Duration = Duration::from_secs(150);
/// Answers that show that clients reach a version.
const REACHED: u64 = 20;

/// What all stories share.
#[derive(Debug)]
pub struct Stage {
    /// The cluster.
    pub testbed: Testbed,
    /// Programs, models, data.
    pub made: Made,
    /// Where requests come in.
    pub gateway: Gateway,
    /// Base address of the gateway's HTTP port.
    pub gateway_url: String,
    /// The releases of the stories' namespace.
    pub releases: Releases,
    /// Namespace of the stories.
    pub namespace: String,
    /// For requests of the demo's own.
    pub http: Client,
    /// Envoy's counters.
    pub gauge: Gauge,
    /// Predictions per second that each story's clients ask for.
    pub rate: u32,
    /// What they ask.
    pub questions: Vec<Example>,
    /// Who watches that no rule is broken, until it is asked what it saw.
    pub(super) auditor: Mutex<Option<Witness>>,
}

/// A story on the stage.
#[derive(Debug)]
pub struct Story {
    /// What all stories share.
    pub stage: Arc<Stage>,
    /// What is released.
    pub manifest: Manifest,
    /// Its clients.
    pub load: Load,
    /// What is seen.
    pub observer: Observer,
    /// How it went so far.
    pub outcome: Outcome,
    note: watch::Sender<String>,
    start: Instant,
}

/// What the screen shows of a story.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its letter.
    pub letter: char,
    /// What it is about.
    pub title: &'static str,
    /// The release's name.
    pub release: String,
    /// What the story does now.
    pub note: watch::Receiver<String>,
    /// What is seen; none before its release serves.
    pub seen: Option<watch::Receiver<Arc<Seen>>>,
}

/// The lines of the screen, in the order of the stories.
pub type Board = Arc<Mutex<Vec<Line>>>;

impl Story {
    /// Writes a release without a canary, and waits until it serves.
    ///
    /// # Errors
    /// If it does not come to serve.
    pub async fn begin(
        stage: &Arc<Stage>,
        board: &Board,
        who: (char, &'static str),
        manifest: Manifest,
    ) -> Result<Self> {
        let mut story = Self::prepare(stage, board, who, manifest);
        story.create().await?;
        Ok(story)
    }

    /// As [`Self::begin`], with clients who ask for so many predictions a second from before there is a release.
    ///
    /// # Errors
    /// If it does not come to serve them.
    pub async fn begin_under_load(
        stage: &Arc<Stage>,
        board: &Board,
        who: (char, &'static str),
        manifest: Manifest,
        rate: u32,
    ) -> Result<Self> {
        let mut story = Self::prepare(stage, board, who, manifest);
        story.load.begin(rate)?;
        story.create().await?;
        story.until_stable_answers().await?;
        Ok(story)
    }

    /// A story of which nothing has happened yet.
    fn prepare(
        stage: &Arc<Stage>,
        board: &Board,
        (letter, title): (char, &'static str),
        manifest: Manifest,
    ) -> Self {
        let start = Instant::now();
        let (note, told) = watch::channel("its stable version is started".to_owned());
        let release = manifest.name.clone();
        let load = Load::idle(stage, &manifest);
        let observer =
            Observer::start(stage.releases.clone(), release.clone(), load.clone(), stage.gauge.readings());
        let seen = Some(observer.looks());
        show(board, Line { letter, title, release: release.clone(), note: told, seen });
        let outcome =
            Outcome { story: letter.into(), title: title.to_owned(), release, ..Outcome::default() };
        Self { stage: Arc::clone(stage), manifest, load, observer, outcome, note, start }
    }

    /// Writes the release, and waits until it serves.
    async fn create(&mut self) -> Result<()> {
        self.try_canary().await?;
        // What is written is in force only once gateways say so: before that, clients would find nothing there.
        let serves = |seen: &Seen| {
            let routed = !seen.status.traffic.is_empty() && seen.status.state.traffic.settled_at.is_some();
            (routed && seen.phase() == Phase::Stable).then_some(())
        };
        self.until("its stable version serves", SERVING, serves).await
    }

    /// Lets the clients come, and waits until they get answers.
    ///
    /// # Errors
    /// If they do not.
    pub async fn with_clients(self) -> Result<Self> {
        let rate = self.stage.rate;
        self.with_clients_at(rate).await
    }

    /// As [`Self::with_clients`], who ask for so many predictions a second.
    ///
    /// # Errors
    /// If they get no answers.
    pub async fn with_clients_at(mut self, rate: u32) -> Result<Self> {
        self.load.begin(rate)?;
        self.until_stable_answers().await?;
        Ok(self)
    }

    async fn until_stable_answers(&mut self) -> Result<()> {
        let stable = self.manifest.stable.name.clone();
        self.until("clients get answers of stable", STEP, move |seen| answers(seen, &stable)).await
    }

    /// Says what the story does now.
    pub fn note(&self, text: &str) {
        self.note.send_replace(text.to_owned());
    }

    /// Waits for a look that gives a value, and says so on the screen meanwhile.
    ///
    /// # Errors
    /// As [`Observer::until`].
    pub async fn until<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        find: impl FnMut(&Seen) -> Option<T>,
    ) -> Result<T> {
        self.note(&format!("until {what}"));
        self.observer.until(&self.what(what), deadline, find).await
    }

    /// As [`Self::until`], while the canary must not be rolled back.
    ///
    /// # Errors
    /// The operator's words if it is; or as [`Observer::until`].
    pub async fn until_while_good<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Seen) -> Option<T>,
    ) -> Result<T> {
        self.note(&format!("until {what}"));
        let full = self.what(what);
        let canary = self.manifest.canary.as_ref().map(|model| model.name.clone());
        let find = |seen: &Seen| {
            // One that was rolled back before it may still be on record.
            let failed = version(&seen.status, Track::Failed).map(|version| &version.version);
            let gone = failed.is_some() && failed == canary.as_ref();
            let why = seen.status.history.first().map_or("", |entry| entry.message.as_str());
            let error = || Error::other(format!("{full}: the canary was rolled back instead: {why}"));
            find(seen).map(Ok).or_else(|| gone.then(|| Err(error())))
        };
        self.observer.until_or(&full, STEP, find).await
    }

    fn what(&self, what: &str) -> String {
        format!("story {}, release {}: {what}", self.outcome.story, self.manifest.name)
    }

    /// Puts a model on trial.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn try_canary(&mut self) -> Result<()> {
        let manifest = self.manifest.render(&self.stage.made.images, &self.stage.gateway.name);
        self.stage.releases.apply(&manifest).await.map(drop)
    }

    /// Waits until clients get answers of the canary, while it is analysed.
    ///
    /// # Errors
    /// If they do not, or it is rolled back.
    pub async fn until_canary_answers(&mut self) -> Result<()> {
        let name = self.manifest.canary.as_ref().map(|model| model.name.clone()).unwrap_or_default();
        self.until_while_good("the canary answers clients", move |seen| {
            (seen.phase() == Phase::Analyzing).then_some(())?;
            answers(seen, &name)
        })
        .await
    }

    /// Notes how long it took from `cause` to the last answer of a version that clients saw.
    pub fn last_answer_of(&mut self, version: &str, from: &str, cause: Timestamp) -> f64 {
        let last = self.load.totals().versions.get(version).and_then(|totals| totals.last);
        let seconds = last.map_or(f64::NAN, |last| seconds(cause, last));
        self.outcome.effects.push(Effect {
            from: from.to_owned(),
            to: format!("last answer of {version}"),
            seconds,
        });
        seconds
    }

    /// Stops the clients and closes the books.
    pub async fn end(mut self) -> Outcome {
        self.load.stop().await;
        let totals = self.load.totals();
        let clients = totals.clients();
        self.outcome.clients = clients.clone();
        self.outcome
            .must(clients.requests > 100, || format!("clients sent only {} requests", clients.requests));
        self.outcome.must(clients.server_errors == 0, || {
            format!(
                "{} of {} requests were answered with a server error",
                clients.server_errors, clients.requests
            )
        });
        let why = totals.trouble.as_deref().unwrap_or("no word why");
        self.outcome.must(clients.client_errors == 0, || {
            format!("{} of {} requests were answered 4xx: {why}", clients.client_errors, clients.requests)
        });
        self.outcome.must(clients.mismatched == 0 && clients.pairs > 0, || {
            format!(
                "{} of {} answers came from another version than the one chosen: {}",
                clients.mismatched,
                clients.pairs,
                totals.mismatch.as_deref().unwrap_or("none told which")
            )
        });
        self.outcome.must(clients.broken == 0, || {
            format!("{} of {} requests were not answered: {why}", clients.broken, clients.requests)
        });
        self.outcome.must(clients.limited == 0, || {
            format!("{} requests of clients below their limit were refused", clients.limited)
        });
        self.outcome.seconds = self.start.elapsed().as_secs_f64();
        let end = if self.outcome.ended_well() { "ended as it must" } else { "DID NOT END AS IT MUST" };
        self.note(end);
        self.outcome
    }
}

/// Puts a line on the screen, at its letter's place.
fn show(board: &Board, line: Line) {
    if let Ok(mut lines) = board.lock() {
        lines.retain(|other| other.letter != line.letter);
        lines.push(line);
        lines.sort_by_key(|line| line.letter);
    }
}

/// Whether clients got some answers of a version.
fn answers(seen: &Seen, version: &str) -> Option<()> {
    let totals = seen.load.versions.get(version)?;
    (totals.answers >= REACHED).then_some(())
}

/// Seconds from one time to another.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of minutes")]
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()) as f64 / 1000.0
}
