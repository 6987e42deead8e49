//! One run: stories on a real cluster, what terminals and dashboards show of them, and where that is put.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::status::{ModelReleaseStatus, Phase};
use serde::{Deserialize, Serialize};

use super::ask::{Prometheus, Range};
use super::record::{self, Row};
use super::screen::Screen;
use super::shots::{self, Desk, SHOTS, Shot, When};
use super::{board, page};
use crate::command::output;
use crate::demo::releases::{promotion, rollback};
use crate::demo::stories::RELEASES;
use crate::demo::story::{STEP, Stage};
use crate::demo::{self, Ground, images, manifest};
use crate::error::{Error, Result};
use crate::say::say;
use crate::wait::{Seen, until};
use crate::{Testbed, checkout, terminal};

/// Labelled answers of the canary after which there is something to be seen of its trial.
const ENOUGH: i64 = 150;
/// Seconds that are shown after a story.
const AFTER: i64 = 15;

/// Rows of the grid that the picture of the first page shows: those down to evidence and verdicts.
const FIRST_ROWS: i32 = 28;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the testbed.
    pub testbed: String,
    /// Predictions per second that each story's clients ask for.
    pub rate: u32,
    /// Draws the stories of the last run again.
    pub again: bool,
}

/// When stories were told, in Unix seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Told {
    from: i64,
    /// The better model was on trial.
    on_trial: i64,
    /// It was promoted for good.
    promoted: i64,
    /// The worse model was rolled back.
    rolled_back: i64,
    to: i64,
}

/// Where pictures stand.
fn folder() -> Result<PathBuf> {
    Ok(checkout::root()?.join("docs/pictures"))
}

/// Tells the stories and writes pictures and blocks of the docs; gives back what each panel showed.
///
/// # Errors
/// If cluster, stories or pictures do not come about; the text says what to look at.
pub async fn run(options: &Options) -> Result<Vec<Row>> {
    let note = checkout::root()?.join("target/pictures.json");
    let (name, again) = (options.testbed.clone(), options.again);
    let testbed =
        blocking(
            move || {
                if again { Testbed::load(&checkout::root()?, &name) } else { demo::raise(&name, false) }
            },
        )
        .await?;
    let told = if options.again {
        let text = std::fs::read(&note).map_err(Error::io("read", &note))?;
        serde_json::from_slice(&text).map_err(|error| Error::other(format!("{}: {error}", note.display())))?
    } else {
        let told = tell(&testbed, options.rate).await?;
        let text = serde_json::to_vec(&told).map_err(|error| Error::other(error.to_string()))?;
        std::fs::write(&note, text).map_err(Error::io("write", &note))?;
        told
    };
    let prometheus = Prometheus { url: testbed.need("PROMETHEUS_URL")?.to_owned() };
    blocking(move || draw(&prometheus, told)).await
}

/// Tells the stories, and what the plugin shows meanwhile and after.
async fn tell(testbed: &Testbed, rate: u32) -> Result<Told> {
    let made = {
        let testbed = testbed.clone();
        blocking(move || images::provide(&testbed, &mut |what| say(what))).await?
    };
    say("the plugin");
    let neighbour = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    let program = blocking(move || terminal::plugin(&neighbour)).await?;
    let stage = Arc::new(demo::set(testbed.clone(), made, Ground::new(manifest::NAMESPACE, rate)).await?);
    let room = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let mut desk = desk(&stage, program, room.path())?;

    let from = Timestamp::now().as_second();
    let stories = async { Ok(demo::tell_with_evidence(&stage).await) };
    let (outcomes, (mut screens, on_trial)) = tokio::try_join!(stories, on_trial(&stage, &desk))?;
    for problem in outcomes.iter().flat_map(|outcome| &outcome.problems) {
        say(format!("note: {problem}"));
    }
    let [better, worse, ..] = RELEASES;
    let status =
        async |name: &str| stage.releases.get(name).await.map(|found| found.status.unwrap_or_default());
    let (promoted, failed) = (status(better).await?, status(worse).await?);
    if promotion(&promoted, &stage.made.better.name).is_none() {
        return Err(Error::other(format!("{better} was not promoted: {}", promoted.message)));
    }
    let leaves = rollback(&failed, &stage.made.worse.name).map(|entry| entry.seq);
    desk.rollback = Some(leaves.ok_or_else(|| Error::other(format!("{worse} was not rolled back")))?);
    say("what the plugin shows of what was decided");
    screens.extend(take(&desk, When::After).await?);
    // The operator's and the clients' last seconds are to be seen as well.
    tokio::time::sleep(Duration::from_secs(AFTER.unsigned_abs())).await;
    let to = Timestamp::now().as_second();
    publish(&screens)?;
    // Since when each is where its story ends.
    let since = |status: &ModelReleaseStatus| status.phase_started_at.map_or(to, Timestamp::as_second);
    Ok(Told { from, on_trial, promoted: since(&promoted), rolled_back: since(&failed), to })
}

/// A folder to give commands from.
fn desk(stage: &Stage, program: PathBuf, room: &Path) -> Result<Desk> {
    shots::manifests(room)?;
    let kubeconfig = room.join("kubeconfig");
    let from = stage.testbed.need("KUBECONFIG")?;
    std::fs::copy(from, &kubeconfig).map_err(Error::io("copy", from))?;
    // As one who works with these releases would have it.
    let mut context = stage.testbed.program("kubectl");
    context.args(["config", "set-context", "--current", "--namespace", &stage.namespace]);
    output(context.env("KUBECONFIG", &kubeconfig))?;
    let prometheus = stage.testbed.need("PROMETHEUS_URL")?.to_owned();
    Ok(Desk { program, kubeconfig, folder: room.to_owned(), prometheus, rollback: None })
}

/// Waits until the better model is well on trial, gives the commands for then, and tells when that was.
async fn on_trial(stage: &Stage, desk: &Desk) -> Result<(Vec<(Shot, Screen)>, i64)> {
    let better = RELEASES[0];
    until("the better model is well on trial", STEP, || async {
        let seen = match stage.releases.get(better).await {
            Ok(release) => release.status.unwrap_or_default(),
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let quality = seen.analysis.as_ref().and_then(|analysis| analysis.quality.as_ref());
        let events = quality.and_then(|quality| quality.canary.as_ref()).map_or(0, |share| share.events);
        Seen::when(seen.phase == Some(Phase::Analyzing) && events >= ENOUGH, || seen.message.clone())
    })
    .await?;
    let screens = take(desk, When::OnTrial).await?;
    let at = Timestamp::now().as_second();
    let phase = stage.releases.get(better).await?.status.unwrap_or_default().phase;
    if phase != Some(Phase::Analyzing) {
        return Err(Error::other(format!(
            "{better} was {phase:?} before all commands were given; this machine is too busy for these pictures"
        )));
    }
    Ok((screens, at))
}

/// Gives the commands of a time, one after the other.
async fn take(desk: &Desk, when: When) -> Result<Vec<(Shot, Screen)>> {
    let desk = desk.clone();
    blocking(move || {
        let now = SHOTS.into_iter().filter(|shot| shot.when == when);
        now.map(|shot| Ok((shot, desk.take(shot)?))).collect()
    })
    .await
}

/// Puts what terminals showed into pictures and into the page of the plugin.
fn publish(screens: &[(Shot, Screen)]) -> Result<()> {
    for (shot, screen) in screens.iter().filter(|(shot, _)| shot.pictured) {
        write(&format!("{}.svg", shot.name), &screen.svg())?;
    }
    let file = checkout::root()?.join("docs/plugin.md");
    let text = std::fs::read_to_string(&file).map_err(Error::io("read", &file))?;
    let inside = screens.iter().filter(|(shot, _)| shot.in_page());
    let texts: BTreeMap<&str, String> =
        inside.map(|(shot, screen)| (shot.name, screen.text.clone())).collect();
    std::fs::write(&file, page::rewritten(&text, &texts)?).map_err(Error::io("write", &file))
}

/// Draws all dashboards of a range, and gives back what each panel showed over the whole of it.
fn draw(prometheus: &Prometheus, told: Told) -> Result<Vec<Row>> {
    let range = |to: i64| Range { from: told.from, to, step: ((to - told.from) / 200).max(1) };
    let [better, worse, ..] = RELEASES;
    let end = |at: i64| (at + AFTER).min(told.to);
    let of = |name: &'static str| vec![("namespace", manifest::NAMESPACE), ("name", name)];
    let all = [
        ("release-on-trial", "release", of(better), told.on_trial),
        ("release-promoted", "release", of(better), end(told.promoted)),
        ("release-rolled-back", "release", of(worse), end(told.rolled_back)),
        ("fleet", "fleet", Vec::new(), told.to),
        ("operator", "operator", Vec::new(), told.to),
    ];
    let mut rows = Vec::new();
    for (file, name, chosen, to) in all {
        say(format!("docs/pictures/{file}.svg"));
        let board = board::read(name)?;
        let mut picture = record::picture(prometheus, board, &chosen, range(to))?;
        write(&format!("{file}.svg"), &picture.svg()?)?;
        if file == "release-promoted" {
            picture.panels.retain(|filled| filled.panel.grid_pos.y < FIRST_ROWS);
            write("release-first-rows.svg", &picture.svg()?)?;
        }
        // One release whose story is over is what the table tells of.
        if ["release-promoted", "fleet", "operator"].contains(&file) {
            rows.extend(record::rows(prometheus, &chosen, name, range(to))?);
        }
    }
    let head = "# What each panel returned\n\nSeries of all its queries in the run that the pictures are of; release: `better`, promoted.\n\n";
    write("panels.md", &format!("{head}{}", record::table(&rows)))?;
    Ok(rows)
}

fn write(name: &str, text: &str) -> Result<()> {
    let folder = folder()?;
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let file = folder.join(name);
    std::fs::write(&file, format!("{}\n", text.trim_end())).map_err(Error::io("write", &file))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::other(format!("a step of the pictures broke off: {error}")))?
}
