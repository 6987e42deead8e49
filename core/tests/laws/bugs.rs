//! Bugs that peers shipped, put into the core one by one: the laws find each, in few sequences.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use model_release_core::seeded::{Bug, with};

use super::histories::{history, played};
use super::same::rested;
use super::{ALWAYS, starts};

/// Sequences within which a bug has to be found.
const WITHIN: u32 = 2_000;

/// Those that the laws have to find: the suite P of the design's list. The others are the model check's.
const OURS: &[&str] =
    &["R1", "R3", "R4", "R5", "R6", "R10", "R11", "R13", "R14", "R16", "R19", "R24", "R29", "R33"];

/// What broke, in a word: the rule, or the law.
fn by(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    if let Some(rule) = said.split("rule: \"").nth(1).and_then(|rest| rest.split('"').next()) {
        return rule.to_owned();
    }
    let said = said.trim_start_matches("assertion `left == right` failed: ");
    said.split(';').next().unwrap_or_default().chars().take(60).collect()
}

#[test]
fn the_bugs_of_others_are_found_in_few_sequences() {
    // The worlds to begin with have none.
    let _ = starts::at(0);
    let mut missed = Vec::new();
    for bug in Bug::ALL.into_iter().filter(|bug| OURS.contains(&format!("{bug:?}").as_str())) {
        let (sequences, found) = (Cell::new(0_u32), Cell::new(None));
        let _ = ALWAYS.run(WITHIN, 0, &history(), |(start, events)| {
            sequences.set(sequences.get() + 1);
            let ends = || with(Some(bug), || rested(played(start, &events)));
            match catch_unwind(AssertUnwindSafe(ends)) {
                Ok(_) => Ok(()),
                Err(panic) => {
                    // The bug outlives a panic on this thread.
                    found.set(Some((by(&*panic), sequences.get())));
                    Err(proptest::test_runner::TestCaseError::fail("found"))
                }
            }
        });
        let name = format!("{bug:?}");
        match found.take() {
            Some((rule, after)) => {
                println!("| {name} | {} | laws | found by {rule} after {after} sequences |", bug.what());
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "nothing finds {missed:?} in {WITHIN} sequences");
}
