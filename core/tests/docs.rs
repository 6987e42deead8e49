//! What the pages say about the code, held against the code.

#![allow(clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use model_release_core::api::status::Phase;
use model_release_core::moves;

#[test]
fn the_page_lists_exactly_the_moves_and_phases_that_there_are() {
    let page = include_str!("../../docs/lifecycle.md");
    let rows = page.split("## The moves").nth(1).expect("the section").split("## ").next().expect("its end");
    let told: Vec<&str> = rows
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(told, moves::numbers().collect::<Vec<_>>(), "in this order");
    let told: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    for phase in Phase::ALL {
        assert!(told.contains(phase.as_str()), "{phase:?} is not explained");
    }
}
