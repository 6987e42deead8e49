//! Why a release waits, or why something was decided, as lines of text.

use jiff::Timestamp;
use model_release_core::api::status::{HistoryEntry, Track};
use model_release_core::explain::{Explanation, Gate, GateState, State};

use crate::error::plain;
use crate::screen::{Style, Tone};
use crate::table::wrapped;
use crate::times::{age, hour};

/// Seconds after which a look that did not come is told.
const LATE: i64 = 60;

/// Why a release waits.
pub fn now(told: &Explanation, now: Timestamp, style: Style) -> Vec<String> {
    let mut lines = vec![head(told, now, style)];
    if !told.message.is_empty() {
        lines.push(wrapped(&plain(&told.message), 0, style));
    }
    if told.unseen {
        let note = "The operator has not looked at the latest spec yet; what follows is of the one before.";
        lines.push(style.paint(Tone::Busy, &wrapped(note, 0, style)));
    }
    lines.extend(gates(&told.gates, now, style));
    let mut ends: Vec<String> = Vec::new();
    if let Some(due) = &told.due {
        ends.push(format!("Due at the next look: {} ({}).", plain(&due.message), due.reason.as_str()));
    }
    ends.extend(next(told, now));
    if !told.forward.is_empty() && !told.gates.is_empty() {
        ends.push(format!("Once all of these pass: {}.", plain(&told.forward)));
    }
    if !told.back.is_empty() {
        ends.push(format!("Back: {}.", plain(&told.back)));
    }
    if let Some(deadline) = &told.deadline {
        let left = age(Some(now), deadline.at);
        ends.push(format!("At {}, in {left}: {}.", hour(deadline.at, now), plain(&deadline.then)));
    }
    lines.extend(ends.into_iter().map(|text| wrapped(&text, 0, style)));
    lines
}

fn head(told: &Explanation, now: Timestamp, style: Style) -> String {
    let (word, tone) = match told.state {
        State::Unseen => ("NOT LOOKED AT YET", Tone::Busy),
        State::Waiting => ("WAITING", Tone::Busy),
        State::Held => ("HELD", Tone::Busy),
        State::Stalled => ("STALLED", Tone::Bad),
        State::AtRest => ("AT REST", Tone::Good),
        State::Deleted => ("BEING DELETED", Tone::Bad),
    };
    let since = told.since.map_or_else(String::new, |at| format!(" since {}", hour(at, now)));
    let subject = told.subject.as_ref().map_or_else(String::new, |subject| {
        let role = match subject.track {
            Track::Stable => "Stable",
            Track::Canary => "Canary",
            Track::Previous => "Previous",
            Track::Failed => "Leaving",
        };
        let percent = subject.percent.map_or_else(String::new, |percent| format!(" has {percent} %"));
        format!(" {role} {}{percent}.", plain(&subject.version))
    });
    let line = format!("{word} in {}{since}.{subject}", told.phase.as_str());
    wrapped(&line, 0, style).replacen(word, &style.paint(tone, word), 1)
}

/// Each gate in a line, numbered, its details aligned and wrapped.
fn gates(gates: &[Gate], now: Timestamp, style: Style) -> Vec<String> {
    let name = gates.iter().map(|gate| gate.name.chars().count()).max().unwrap_or(0);
    let line = |(index, gate): (usize, &Gate)| {
        let (word, tone) = match gate.state {
            GateState::Pass => ("Pass", Tone::Good),
            GateState::Waiting => ("Waiting", Tone::Busy),
            GateState::Fail => ("Fail", Tone::Bad),
        };
        let until = gate.until.map_or_else(String::new, |at| format!(", until {}", hour(at, now)));
        let begin = format!("{:>2} {:<name$}  ", index + 1, plain(&gate.name));
        let indent = begin.chars().count() + 9;
        let room = style.width.map(|width| width.saturating_sub(indent).max(20));
        let detail = wrapped(&plain(format!("{}{until}", gate.detail)), 0, Style { width: room, ..style });
        let detail = detail.replace('\n', &format!("\n{}", " ".repeat(indent)));
        format!("{begin}{}{}{detail}", style.paint(tone, word), " ".repeat(9 - word.len()))
    };
    gates.iter().enumerate().map(line).collect()
}

/// When the operator looks again, or that it should have.
fn next(told: &Explanation, now: Timestamp) -> Option<String> {
    let at = told.next_look?;
    let late = now.duration_since(at).as_secs();
    if late > LATE {
        return Some(format!(
            "The operator was to look at {}, {} ago, and has not: see whether it runs, and whether this machine's clock is right.",
            hour(at, now),
            age(Some(at), now)
        ));
    }
    (late <= 0).then(|| format!("Next look {} at the latest.", hour(at, now)))
}

/// Why something was decided.
pub fn decision(entry: &HistoryEntry, now: Timestamp, style: Style) -> Vec<String> {
    let tone = super::history::tone(entry.verdict);
    let mut lines = vec![format!(
        "Decision {}, {}: {} of {} {}.",
        entry.seq,
        hour(entry.at, now),
        style.paint(tone, entry.verdict.as_str()),
        plain(&entry.version),
        plain(&entry.hash)
    )];
    let text = format!("{}: {}.", entry.reason.as_str(), plain(&entry.message));
    lines.push(wrapped(&text, 0, style));
    lines.push(format!(
        "{} {} {}, weight {} {} {} %.",
        entry.from.as_str(),
        style.arrow(),
        entry.to.as_str(),
        entry.from_percent,
        style.arrow(),
        entry.to_percent
    ));
    for numbers in &entry.numbers {
        let bounds = numbers.difference.as_ref().map_or_else(String::new, |difference| {
            format!("; difference {} ({} to {})", difference.estimate, difference.lower, difference.upper)
        });
        let bound =
            if numbers.bound.is_empty() { String::new() } else { format!("; bound {}", numbers.bound) };
        let text = format!(
            "{}: canary {} of {}, stable {} of {}{bounds}{bound}",
            numbers.metric, numbers.canary, numbers.canary_events, numbers.stable, numbers.stable_events
        );
        let narrower = Style { width: style.width.map(|width| width.saturating_sub(2)), ..style };
        lines.push(format!("  {}", wrapped(&plain(text), 4, narrower)));
    }
    lines
}
