//! What runs brought, in words.

use std::time::Duration;

use model_release_core::api::status::Phase;

use super::check::Brought;
use super::rules::{RULES, STAYS};

/// States below which nothing happens in a run: it would hold vacuously.
const LEAST: usize = 100;

/// Says what a run brought; fails if a property does not hold in it, or if it was not exhausted.
pub fn hold(brought: &Brought) {
    println!(
        "| run {} | model | {} states, {} decided on, depth {} | {} | {:.1} s | holds; rows {}{} |",
        brought.name,
        brought.states,
        brought.decided,
        brought.depth,
        brought.budget,
        brought.time.as_secs_f64(),
        brought.rows.join(" "),
        if brought.both { "; both write" } else { "" },
    );
    let broken: Vec<String> = brought.broken.iter().map(|(name, how)| format!("{name}: {how}")).collect();
    assert!(broken.is_empty(), "{}: {}", brought.name, broken.join("\n"));
    assert!(
        brought.states >= LEAST,
        "{} has only {} states: nothing happens in it",
        brought.name,
        brought.states
    );
    assert!(brought.exhausted, "{} did not come to its end", brought.name);
}

/// Says of each property in how many cases it could have been broken, over all runs; fails if one never could, if a row of
/// the table never answered, or if a phase never met a deletion.
pub fn sum(all: &[Brought], rows: &[&str]) {
    let time: Duration = all.iter().map(|brought| brought.time).sum();
    let states: usize = all.iter().map(|brought| brought.states).sum();
    let mut empty = Vec::new();
    for (at, (name, counted)) in RULES.iter().enumerate() {
        let cases: u64 = all.iter().map(|brought| brought.cases[at]).sum();
        let runs = all.iter().filter(|brought| brought.cases[at] > 0).count();
        println!(
            "| {name} | model: always | {cases} {counted}, among {states} states | {runs} of {} runs, each exhausted | {:.1} s | holds |",
            all.len(),
            time.as_secs_f64()
        );
        if cases == 0 {
            empty.push(*name);
        }
    }
    let silent: Vec<&&str> =
        rows.iter().chain(&STAYS).filter(|row| !all.iter().any(|b| b.rows.contains(row))).collect();
    println!(
        "| rows | model: sometimes | {} rows of the table, each answered | {} runs | {:.1} s | reached |",
        rows.len(),
        all.len(),
        time.as_secs_f64()
    );
    let endless: Vec<&str> = Phase::ALL
        .into_iter()
        .filter(|phase| !all.iter().any(|b| b.ended_in.contains(phase)))
        .map(Phase::as_str)
        .collect();
    println!(
        "| deletion | model: sometimes | {} phases, each met it | {} runs | {:.1} s | reached |",
        Phase::ALL.len(),
        all.len(),
        time.as_secs_f64()
    );
    println!(
        "| S16 | not the model's, which has one release: the shell's tests, and the stories with several | - | - | - | elsewhere |"
    );
    println!(
        "| L4, L6 | times, and writers that never end: the rows' tests, and the auditor's | - | - | - | elsewhere |"
    );
    assert!(empty.is_empty(), "properties that hold for nothing: {empty:?}");
    assert!(silent.is_empty(), "rows that never answered in any run: {silent:?}");
    assert!(endless.is_empty(), "phases in which no run met a deletion: {endless:?}");
    assert!(all.iter().any(|brought| brought.both), "two plans are followed at once, somewhere");
}
