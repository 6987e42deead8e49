//! What is shown while the stories are told: a block that is redrawn on a terminal, else some lines each few seconds.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use model_release_core::api::status::{CheckStatus, Share, Track};
use rustix::termios::tcgetwinsize;
use tokio::sync::oneshot;

use super::observe::Seen;
use super::releases::version;
use super::story::{Board, Line};

/// Redrawing on a terminal.
const REDRAW: Duration = Duration::from_millis(500);
/// A block of lines elsewhere.
const LINES: Duration = Duration::from_secs(5);

/// Shows the board until `done`; the last state stays.
pub async fn show(board: Board, mut done: oneshot::Receiver<()>) {
    let terminal = std::io::stdout().is_terminal();
    let every = if terminal { REDRAW } else { LINES };
    let start = Instant::now();
    let mut drawn = 0;
    loop {
        let last = tokio::time::timeout(every, &mut done).await.is_ok();
        let lines = board.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let block = if terminal { block(&lines, start.elapsed()) } else { plain(&lines, start.elapsed()) };
        let mut text = String::new();
        if terminal && drawn > 0 {
            let _ = write!(text, "\x1b[{drawn}A\x1b[J");
        }
        // A line that wraps could not be redrawn in place.
        let width = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        let width = if terminal && width > 0 { width - 1 } else { usize::MAX };
        for line in &block {
            let cut: String = line.chars().take(width).collect();
            let _ = writeln!(text, "{cut}");
        }
        drawn = block.len();
        // Who closed the output does not want to see it; the stories go on.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if last {
            return;
        }
    }
}

/// The whole block: a head, and for each story what is so and what is awaited.
fn block(lines: &[Line], elapsed: Duration) -> Vec<String> {
    let head = format!(
        "{:>4} s  {:<9} {:<12} {:<15} {:<31} {:<30} {}",
        elapsed.as_secs(),
        "release",
        "phase",
        "weight (seen)",
        "accuracy stable / canary",
        "verdict",
        "clients: answered, failed"
    );
    let mut block = vec![head];
    for line in lines {
        let seen = line.seen.as_ref().map(|seen| seen.borrow().clone()).unwrap_or_default();
        block.extend(story(line, &seen));
    }
    block
}

/// A line for each story, for a log.
fn plain(lines: &[Line], elapsed: Duration) -> Vec<String> {
    let line = |line: &Line| {
        let seen = line.seen.as_ref().map(|seen| seen.borrow().clone()).unwrap_or_default();
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

/// The lines of one story on a terminal.
fn story(line: &Line, seen: &Seen) -> [String; 2] {
    let shown = Shown::of(seen);
    let names = [Track::Stable, Track::Canary, Track::Failed, Track::Previous];
    let names: Vec<String> = names
        .iter()
        .filter_map(|&track| Some(format!("{} {}", track.as_str(), version(&seen.status, track)?.version)))
        .collect();
    [
        format!(
            "{:>4}    {:<9} {:<12} {:<15} {:<31} {:<30} {}",
            line.letter,
            line.release,
            seen.phase().as_str(),
            format!("{} ({})", shown.wanted, shown.envoy),
            shown.accuracy,
            shown.verdict,
            shown.clients,
        ),
        format!("        {} | {} | {}", names.join(", "), seen.status.message, line.note.borrow().as_str()),
    ]
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
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;

    #[test]
    fn a_story_shows_phase_weights_accuracy_verdict_and_what_it_waits_for() {
        let status = json!({
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
        });
        let seen = Seen {
            status: serde_json::from_value(status).unwrap(),
            envoy_percent: Some(19.6),
            ..Seen::default()
        };
        let (_tell, note) = watch::channel("until it is promoted".to_owned());
        let line = Line { letter: 'A', title: "t", release: "better".into(), note, seen: None };
        let text = story(&line, &seen).join("\n");
        for part in [
            "better",
            "Analyzing",
            "20 % (19.6 %)",
            "0.7980 of 1500 / 0.8480 of 371",
            "Inconclusive 3.1 of 20.0 good",
            "quality undecided after 371 answers",
            "until it is promoted",
            "canary epochs-5",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn a_story_that_has_not_begun_shows_that() {
        let (_tell, note) = watch::channel("waits".to_owned());
        let line = Line { letter: 'D', title: "t", release: "blind".into(), note, seen: None };
        assert!(block(&[line], Duration::from_secs(3)).join("\n").contains("blind     Pending      - (-)"));
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
