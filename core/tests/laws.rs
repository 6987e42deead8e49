//! Laws over random sequences of everything that can happen: the rules of `testing::rules` hold at every write, a
//! release comes to rest, and two runs that differ in what must not matter end alike (M1 to M14 of the design).
//!
//! Per change the same sequences each time; `LAWS_CASES` draws so many new ones, over all laws. A law that does not
//! hold tells the smallest sequence that shows it, and the seed that it was drawn by.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail, and tells what it found"
)]

#[path = "laws/bugs.rs"]
mod bugs;
#[path = "laws/ends.rs"]
mod ends;
#[path = "laws/events.rs"]
mod events;
#[path = "laws/histories.rs"]
mod histories;
#[path = "laws/later.rs"]
mod later;
#[path = "laws/law.rs"]
mod law;
#[path = "laws/other.rs"]
mod other;
#[path = "laws/play.rs"]
mod play;
#[path = "laws/policy.rs"]
mod policy;
#[path = "laws/same.rs"]
mod same;
#[path = "laws/starts.rs"]
mod starts;

use law::Law;

const fn law(property: &'static str, test: &'static str, cases: u32) -> Law {
    Law { property, test, cases }
}

const ALWAYS: Law = law("S", "every_history_keeps_the_rules_and_comes_to_rest", 3_800);
const HELD: Law = law("S6", "a_human_always_wins", 600);
const GONE: Law = law("S13", "a_deleted_release_is_gone_within_a_minute", 500);

/// Every law.
const LAWS: &[Law] = &[
    ALWAYS,
    HELD,
    GONE,
    same::M01,
    same::M02,
    other::M03,
    same::M04,
    same::M05,
    same::M06,
    later::M07,
    later::M08,
    later::M09,
    other::M10,
    other::M11,
    other::M12,
    other::M13,
    later::M14,
];

#[test]
fn ten_thousand_sequences_are_drawn_per_change() {
    let all: u32 = LAWS.iter().map(|law| law.cases).sum();
    assert!(all >= 10_000, "{all}");
}
