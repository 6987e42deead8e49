//! Why a release waits, or why something was decided, as lines of text.

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::status::{Difference, Numbers, Track};
use model_release_core::explain::{By, Decided, Explanation, Exposure, Gate, GateState, State, span};

use crate::error::plain;
use crate::screen::{Style, Tone};
use crate::table::wrapped;
use crate::times::{age, hour, moment};

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

/// Each gate in a line.
fn gates(gates: &[Gate], now: Timestamp, style: Style) -> Vec<String> {
    let lines = gates.iter().map(|gate| {
        let (word, tone) = match gate.state {
            GateState::Pass => ("Pass", Tone::Good),
            GateState::Waiting => ("Waiting", Tone::Busy),
            GateState::Fail => ("Fail", Tone::Bad),
        };
        let word = format!("{}{}", style.paint(tone, word), " ".repeat(9 - word.len()));
        let until = gate.until.map_or_else(String::new, |at| format!(", until {}", hour(at, now)));
        Numbered { name: &gate.name, word, word_width: 9, detail: format!("{}{until}", gate.detail) }
    });
    numbered(&lines.collect::<Vec<_>>(), style)
}

/// A line of a list: a name, perhaps a word on it, and the details.
struct Numbered<'a> {
    name: &'a str,
    /// With its colour and what comes between it and the details.
    word: String,
    word_width: usize,
    detail: String,
}

/// Lines with their numbers, the details aligned and wrapped.
fn numbered(lines: &[Numbered<'_>], style: Style) -> Vec<String> {
    let name = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let line = |(index, line): (usize, &Numbered<'_>)| {
        let begin = format!("{:>2} {:<name$}  ", index + 1, plain(line.name));
        let indent = begin.chars().count() + line.word_width;
        let room = style.width.map(|width| width.saturating_sub(indent).max(20));
        let detail = wrapped(&plain(&line.detail), 0, Style { width: room, ..style });
        let detail = detail.replace('\n', &format!("\n{}", " ".repeat(indent)));
        format!("{begin}{}{detail}", line.word)
    };
    lines.iter().enumerate().map(line).collect()
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

/// Why something was decided, with all that is on record of it.
pub fn decision(told: &Decided, now: Timestamp, style: Style) -> Vec<String> {
    let Decided { entry, by, carries_out, carried_out, exposure } = told;
    let verdict = entry.verdict.as_str();
    let by = match by {
        By::Hand => "by hand",
        By::Spec => "by the spec",
        By::Operator => "by the operator",
    };
    let of = if entry.version.is_empty() {
        String::new()
    } else {
        format!(" of {} {}", entry.version, entry.hash)
    };
    let head = format!(
        "Decision {}, {}, {} ago: {verdict}{of}, {by}.",
        entry.seq,
        moment(entry.at),
        age(Some(entry.at), now)
    );
    let head = wrapped(&plain(head), 0, style);
    let mut lines =
        vec![head.replacen(verdict, &style.paint(super::history::tone(entry.verdict), verdict), 1)];
    lines.push(wrapped(&plain(format!("{}: {}.", entry.reason.as_str(), entry.message)), 0, style));
    let arrow = style.arrow();
    let (from, to) = (entry.from.as_str(), entry.to.as_str());
    let moves = format!("{from} {arrow} {to}, weight {} {arrow} {} %.", entry.from_percent, entry.to_percent);
    lines.push(wrapped(&moves, 0, style));
    lines.extend(exposure.as_ref().map(|exposure| wrapped(&exposed(exposure), 0, style)));
    let numbers = entry.numbers.iter().map(|of| Numbered {
        name: &of.metric,
        word: String::new(),
        word_width: 0,
        detail: measured(of),
    });
    lines.extend(numbered(&numbers.collect::<Vec<_>>(), style));
    if let Some(origin) = carries_out {
        lines.push(wrapped(&format!("It carries out decision {origin}, which has the numbers."), 0, style));
    }
    for done in carried_out {
        let text = format!(
            "Carried out by {}, {}: {}, weight {} %.",
            done.seq,
            moment(done.at),
            done.to.as_str(),
            done.to_percent
        );
        lines.push(wrapped(&text, 0, style));
    }
    lines
}

fn exposed(exposure: &Exposure) -> String {
    let lasted = span(SignedDuration::from_secs(exposure.seconds));
    match exposure.since {
        Some(since) => format!(
            "It had had traffic for {lasted}, since {}: {} % at most.",
            moment(since),
            exposure.percent
        ),
        None => format!(
            "It had had traffic for {lasted} and longer than is on record: {} % at most.",
            exposure.percent
        ),
    }
}

/// The numbers of one check, in the order in which one repeats it by hand.
fn measured(of: &Numbers) -> String {
    let share = |value: &str, events: i64| {
        if value.is_empty() { "-".to_owned() } else { format!("{value} of {events}") }
    };
    let mut parts = vec![format!(
        "canary {}, stable {}",
        share(&of.canary, of.canary_events),
        share(&of.stable, of.stable_events)
    )];
    if let Some(Difference { estimate, lower, upper }) = &of.difference {
        parts.push(format!("difference {estimate} ({lower} to {upper})"));
    }
    if !of.bound.is_empty() {
        parts.push(format!("bound {}", of.bound));
    }
    if !of.evidence.is_empty() {
        parts.push(format!("evidence {} of {}", of.evidence, of.needed));
    }
    parts.join("; ")
}
