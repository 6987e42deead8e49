//! What is shown while the stories are told: a block that is redrawn on a terminal, else some lines each few seconds.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kubectl_modelrelease::render::list;
use kubectl_modelrelease::render::tree::{self as plugin, Beside};
use kubectl_modelrelease::screen::Style;
use model_release_core::api::status::{CheckStatus, Phase, Share};
use tokio::sync::oneshot;

use super::observe::Seen;
use super::releases::Releases;
use super::story::{Board, Line};

/// Redrawing on a terminal.
const REDRAW: Duration = Duration::from_millis(500);
/// A block of lines elsewhere.
const LINES: Duration = Duration::from_secs(5);
/// Between two lists of what belongs to the release that is shown as a tree.
const BESIDE: Duration = Duration::from_secs(2);

/// Shows the board until `done`; the last state stays. On a terminal it is the plugin's own: the table of all releases and
/// the tree of one; above it what only the demo knows.
pub async fn show(board: Board, releases: Releases, mut done: oneshot::Receiver<()>) {
    let style = Style::of_stdout(false);
    let every = if style.redraws() { REDRAW } else { LINES };
    let start = Instant::now();
    let mut focus = Focus::default();
    let mut drawn = 0;
    loop {
        let last = tokio::time::timeout(every, &mut done).await.is_ok();
        let lines = board.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let style = style.measured();
        let block = if style.redraws() {
            focus.follow(&lines, &releases).await;
            block(&lines, &focus, start.elapsed(), style)
        } else {
            plain(&lines, start.elapsed())
        };
        let mut text = String::new();
        if style.redraws() && drawn > 0 {
            let _ = write!(text, "\x1b[{drawn}A\x1b[J");
        }
        for line in &block {
            let _ = writeln!(text, "{line}");
        }
        // Lines that were wrapped are several.
        drawn = text.matches('\n').count();
        // Who closed the output does not want to see it; the stories go on.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if last {
            return;
        }
    }
}

/// The release that is shown as a tree, and what was last seen to belong to it.
#[derive(Default)]
struct Focus {
    release: String,
    beside: Beside,
    seen: Option<Instant>,
}

impl Focus {
    /// Looks at the first story in which something is going on, else where it looked before.
    async fn follow(&mut self, lines: &[Line], releases: &Releases) {
        let busy =
            |line: &&Line| !matches!(look(line).phase(), Phase::Pending | Phase::Stable | Phase::RolledBack);
        let Some(line) = lines.iter().find(busy).or_else(|| lines.iter().find(|l| l.release == self.release))
        else {
            return;
        };
        if line.release == self.release && self.seen.is_some_and(|at| at.elapsed() < BESIDE) {
            return;
        }
        // What cannot be listed now is shown as it was.
        if let Ok(beside) = releases.beside(&line.release).await {
            self.beside = beside;
        }
        (self.release, self.seen) = (line.release.clone(), Some(Instant::now()));
    }
}

fn look(line: &Line) -> Seen {
    line.seen.as_ref().map(|seen| seen.borrow().as_ref().clone()).unwrap_or_default()
}

/// What the demo knows of each story, the table of all releases, and the tree of one. A low terminal shows its end less.
fn block(lines: &[Line], focus: &Focus, elapsed: Duration, style: Style) -> Vec<String> {
    let now = Timestamp::now();
    let cut = |text: String| match style.width {
        // A line that wraps could not be redrawn in place.
        Some(width) => text.chars().take(width.saturating_sub(1)).collect(),
        None => text,
    };
    let mut all = Vec::new();
    let mut objects = Vec::new();
    let mut tree = Vec::new();
    for line in lines {
        let seen = look(line);
        let shown = Shown::of(&seen);
        let (seconds, letter, title) = (elapsed.as_secs(), line.letter, line.title);
        let note = line.note.borrow();
        all.push(cut(format!(
            "{seconds:>4} s {letter} {title}: {}; Envoy {}, clients {}",
            note.as_str(),
            shown.envoy,
            shown.clients
        )));
        let Some(release) = &seen.release else { continue };
        objects.extend(serde_json::to_value(release.as_ref()).ok());
        if line.release == focus.release {
            tree = plugin::tree(release, &focus.beside, now, style);
        }
    }
    if !objects.is_empty() {
        all.push(String::new());
        all.extend(list::table(&objects, false, now, style));
    }
    all.push(String::new());
    all.extend(tree);
    let rows = style.height.map_or(usize::MAX, |rows| rows.saturating_sub(1).max(1));
    let mut left = rows;
    all.retain(|line| {
        let needs = line.matches('\n').count() + 1;
        let fits = needs <= left;
        left = if fits { left - needs } else { 0 };
        fits
    });
    all
}

/// A line for each story, for a log.
fn plain(lines: &[Line], elapsed: Duration) -> Vec<String> {
    let line = |line: &Line| {
        let seen = look(line);
        let shown = Shown::of(&seen);
        format!(
            "{:>4} s {} {}: {}, weight {} (Envoy {}), accuracy {}, {}; {}; {}",
            elapsed.as_secs(),
            line.letter,
            line.release,
            seen.phase().as_str(),
            shown.wanted,
            shown.envoy,
            shown.accuracy,
            shown.verdict,
            seen.status.message,
            line.note.borrow().as_str(),
        )
    };
    lines.iter().map(line).collect()
}

/// What is seen of a release, in words.
struct Shown {
    wanted: String,
    envoy: String,
    accuracy: String,
    verdict: String,
    clients: String,
}

impl Shown {
    fn of(seen: &Seen) -> Self {
        let none = || "-".to_owned();
        let quality = seen.status.analysis.as_ref().and_then(|analysis| analysis.quality.as_ref());
        let share = |share: Option<&Share>| {
            share.map_or_else(none, |share| format!("{} of {}", share.value, share.events))
        };
        let both = |check: &CheckStatus| {
            format!("{} / {}", share(check.stable.as_ref()), share(check.canary.as_ref()))
        };
        let answered: u64 = seen.load.versions.values().map(|version| version.answers).sum();
        Self {
            wanted: seen.wanted_percent().map_or_else(none, |percent| format!("{percent} %")),
            envoy: seen.envoy_percent.map_or_else(none, |percent| format!("{percent:.1} %")),
            accuracy: quality.map_or_else(none, both),
            verdict: quality.map_or_else(none, verdict),
            clients: format!("{answered}, {}", seen.load.server_errors + seen.load.broken),
        }
    }
}

/// A check's verdict, and its odds against those that it takes: for it unless more speaks against it.
fn verdict(check: &CheckStatus) -> String {
    let Some(evidence) = &check.evidence else { return check.verdict.as_str().to_owned() };
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let bad = number(&evidence.worse) > number(&evidence.good);
    let (word, odds) = if bad { ("worse", &evidence.worse) } else { ("good", &evidence.good) };
    format!("{} {odds} of {} {word}", check.verdict.as_str(), evidence.needed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model_release_core::api::ModelRelease;
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;

    fn line(release: Option<serde_json::Value>) -> Line {
        let release: Option<ModelRelease> = release.map(|release| serde_json::from_value(release).unwrap());
        let status = release.as_ref().and_then(|release| release.status.clone()).unwrap_or_default();
        let seen =
            Seen { release: release.map(Arc::new), status, envoy_percent: Some(19.6), ..Seen::default() };
        let note = watch::channel("until it is promoted".to_owned()).1;
        let seen = Some(watch::channel(Arc::new(seen)).1);
        Line { letter: 'A', title: "a better model", release: "better".into(), note, seen }
    }

    fn analyzing() -> Line {
        line(Some(json!({
            "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
            "metadata": {"name": "better", "namespace": "demo"},
            "spec": {"runtime": {"image": "a"}, "stable": {"version": "epochs-2"}, "canary": {"version": "epochs-5"}},
            "status": {
                "phase": "Analyzing", "message": "quality undecided after 371 answers",
                "versions": [
                    {"hash": "s", "version": "epochs-2", "track": "stable"},
                    {"hash": "c", "version": "epochs-5", "track": "canary"},
                ],
                "traffic": [
                    {"hash": "s", "version": "epochs-2", "percent": 80},
                    {"hash": "c", "version": "epochs-5", "percent": 20},
                ],
                "analysis": {"verdict": "Inconclusive", "quality": {
                    "name": "model_accuracy", "verdict": "Inconclusive",
                    "stable": {"value": "0.7980", "events": 1500}, "canary": {"value": "0.8480", "events": 371},
                    "evidence": {"worse": "0.2", "good": "3.1", "needed": "20.0"},
                }},
            },
        })))
    }

    #[test]
    fn a_terminal_shows_the_plugins_table_and_tree_and_what_clients_see() {
        let focus = Focus { release: "better".into(), ..Focus::default() };
        let style = Style { width: Some(160), height: Some(60), ..Style::default() };
        let text = block(&[analyzing()], &focus, Duration::from_secs(3), style).join("\n");
        for part in [
            "3 s A a better model: until it is promoted; Envoy 19.6 %, clients 0, 0",
            "demo/better   Analyzing",
            "|- canary epochs-5 c",
            "model_accuracy",
            "371",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn a_low_terminal_is_never_scrolled() {
        let focus = Focus { release: "better".into(), ..Focus::default() };
        for height in 2..30 {
            let style = Style { width: Some(60), height: Some(height), ..Style::default() };
            let text = block(&[analyzing()], &focus, Duration::from_secs(3), style).join("\n");
            assert!(text.lines().count() < height, "{height} rows:\n{text}");
        }
    }

    #[test]
    fn a_story_that_has_not_begun_shows_that() {
        let style = Style { width: Some(160), height: Some(60), ..Style::default() };
        let text = block(&[line(None)], &Focus::default(), Duration::from_secs(3), style).join("\n");
        assert!(text.starts_with("   3 s A a better model: until it is promoted"), "{text}");
    }

    #[test]
    fn odds_are_those_of_what_speaks_louder() {
        let shown = Shown::of(&look(&analyzing()));
        assert_eq!(shown.verdict, "Inconclusive 3.1 of 20.0 good");
        assert_eq!(shown.accuracy, "0.7980 of 1500 / 0.8480 of 371");
    }

    #[test]
    fn a_log_has_one_line_for_each_story() {
        let (_tell, note) = watch::channel("waits".to_owned());
        let line = Line { letter: 'D', title: "t", release: "blind".into(), note, seen: None };
        let log = plain(&[line.clone(), line], Duration::from_secs(12));
        assert_eq!(log.len(), 2);
        assert!(log[0].starts_with("  12 s D blind: Pending, weight - (Envoy -)"), "{}", log[0]);
    }
}
