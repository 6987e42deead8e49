//! What is shown while the stories are told: a block that is redrawn on a terminal, else some lines each few seconds.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::observe::Seen;
use super::releases::version;
use super::story::{Board, Line};
use model_release_core::api::status::Track;

/// Redrawing on a terminal.
const REDRAW: Duration = Duration::from_millis(500);
/// A block of lines elsewhere.
const LINES: Duration = Duration::from_secs(5);
/// Longer lines would wrap, and a wrapped block cannot be redrawn in place.
const WIDTH: usize = 150;

/// Shows the board until `done`; the last state stays.
pub async fn show(board: Board, mut done: oneshot::Receiver<()>) {
    let terminal = std::io::stdout().is_terminal();
    let every = if terminal { REDRAW } else { LINES };
    let start = Instant::now();
    let mut drawn = 0;
    loop {
        let last = tokio::time::timeout(every, &mut done).await.is_ok();
        let lines = board.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let block = block(&lines, start.elapsed());
        let mut text = String::new();
        if terminal && drawn > 0 {
            let _ = write!(text, "\x1b[{drawn}A\x1b[J");
        }
        for line in &block {
            let cut: String = line.chars().take(if terminal { WIDTH } else { usize::MAX }).collect();
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
        "{:>4} s  {:<9} {:<12} {:<15} {:<31} {:<13} {}",
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

/// The lines of one story.
fn story(line: &Line, seen: &Seen) -> [String; 2] {
    let wanted = seen.wanted_percent().map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"));
    let envoy = seen.envoy_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1} %"));
    let quality = seen.status.analysis.as_ref().and_then(|analysis| analysis.quality.as_ref());
    let share = |share: Option<&model_release_core::api::status::Share>| {
        share.map_or_else(|| "-".to_owned(), |share| format!("{} of {}", share.value, share.events))
    };
    let accuracy = quality.map_or_else(
        || "-".to_owned(),
        |quality| format!("{} / {}", share(quality.stable.as_ref()), share(quality.canary.as_ref())),
    );
    let verdict = quality.map_or("-", |quality| quality.verdict.as_str());
    let answered: u64 = seen.load.versions.values().map(|version| version.answers).sum();
    let failed = seen.load.server_errors + seen.load.broken;
    let names = [Track::Stable, Track::Canary, Track::Failed, Track::Previous];
    let names: Vec<String> = names
        .iter()
        .filter_map(|&track| Some(format!("{} {}", track.as_str(), version(&seen.status, track)?.version)))
        .collect();
    [
        format!(
            "{:>4}    {:<9} {:<12} {:<15} {accuracy:<31} {verdict:<13} {answered}, {failed}",
            line.letter,
            line.release,
            seen.phase().as_str(),
            format!("{wanted} ({envoy})"),
        ),
        format!("        {} | {} | {}", names.join(", "), seen.status.message, line.note.borrow().as_str()),
    ]
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
            "Inconclusive",
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
}
