//! The rows of lifecycle.md §4: where each answers and where not, each part of its guard, and what follows.
//!
//! One test a row, named by its number. The phases that a row leads from and to are in `rows/edges.rs`, which the page
//! `docs/lifecycle.md` is held against.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "rows/advance.rs"]
mod advance;
#[path = "rows/asked.rs"]
mod asked;
#[path = "rows/edges.rs"]
mod edges;
#[path = "rows/endpoints.rs"]
mod endpoints;
#[path = "rows/human.rs"]
mod human;
#[path = "rows/judged.rs"]
mod judged;
#[path = "rows/overdue.rs"]
mod overdue;
#[path = "rows/pods.rs"]
mod pods;
#[path = "rows/precedence.rs"]
mod precedence;
#[path = "rows/spec.rs"]
mod spec;
#[path = "rows/support.rs"]
mod support;
#[path = "rows/through.rs"]
mod through;
#[path = "rows/wanted.rs"]
mod wanted;

use std::collections::BTreeSet;

use model_release_core::moves;

/// Rows that move nothing: while they hold a condition says so.
const TOLD_ONLY: [&str; 3] = ["17", "25", "29"];

#[test]
fn every_row_has_a_test_and_every_test_a_row() {
    let files = [
        include_str!("rows/advance.rs"),
        include_str!("rows/asked.rs"),
        include_str!("rows/endpoints.rs"),
        include_str!("rows/human.rs"),
        include_str!("rows/judged.rs"),
        include_str!("rows/overdue.rs"),
        include_str!("rows/pods.rs"),
        include_str!("rows/spec.rs"),
        include_str!("rows/through.rs"),
        include_str!("rows/wanted.rs"),
    ];
    let tests = files.iter().flat_map(|text| text.split("fn row_").skip(1));
    let tested: BTreeSet<String> = tests
        .map(|rest| rest.split('_').next().unwrap_or_default().trim_start_matches('0').to_owned())
        .collect();
    let rows = moves::numbers().chain(TOLD_ONLY).map(str::to_owned).collect();
    assert_eq!(tested, rows);
}
