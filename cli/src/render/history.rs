//! Decisions as a table, the newest first.

use model_release_core::api::status::{Act, HistoryEntry};

use crate::screen::{Style, Tone};
use crate::table::{Cell, column, lines, optional};
use crate::times::stamp;

/// Digits of a hash that tell versions of a release apart.
const DIGITS: usize = 4;

/// Decisions as a table.
pub fn table(history: &[HistoryEntry], style: Style) -> Vec<String> {
    let columns = [
        column("#"),
        optional("WHEN", 4),
        column("VERSION"),
        column("DECISION"),
        optional("WEIGHT", 5),
        optional("VALUE S/C", 2),
        optional("SAMPLES", 3),
        optional("REASON", 1),
    ];
    let rows: Vec<Vec<Cell>> = history.iter().map(|entry| row(entry, style)).collect();
    lines(&columns, &rows, style)
}

fn row(entry: &HistoryEntry, style: Style) -> Vec<Cell> {
    let hash: String = entry.hash.chars().take(DIGITS).collect();
    let weight = format!("{}{}{}", entry.from_percent, style.arrow(), entry.to_percent);
    let numbers = entry.numbers.first();
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let shares = numbers.map_or_else(
        || "-".to_owned(),
        |numbers| format!("{}/{}", or_none(&numbers.stable), or_none(&numbers.canary)),
    );
    vec![
        entry.seq.to_string().into(),
        stamp(entry.at).into(),
        format!("{} {hash}", entry.version).into(),
        Cell::new(entry.verdict.as_str()).tone(tone(entry.verdict)),
        weight.into(),
        shares.into(),
        numbers.map_or_else(|| "-".to_owned(), |numbers| numbers.canary_events.to_string()).into(),
        format!("{}: {}", entry.reason.as_str(), entry.message).into(),
    ]
}

/// Whether a decision is good news.
pub fn tone(act: Act) -> Tone {
    match act {
        Act::Promote | Act::Replace => Tone::Good,
        Act::Rollback | Act::Delete => Tone::Bad,
        Act::Start | Act::Step => Tone::Busy,
        Act::Hold | Act::Retire => Tone::Quiet,
    }
}
