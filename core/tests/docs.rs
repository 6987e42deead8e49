//! What the pages say about the code, held against the code.

#![allow(clippy::expect_used, reason = "a test may fail")]

#[path = "rows/edges.rs"]
mod edges;

use std::collections::BTreeSet;

use model_release_core::analysis::kernel::{Block, Count, Quality, QualityBounds};
use model_release_core::api::evidence::Verdict;
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

/// The page's words for a place: every phase, all but some, or those that are named.
fn places(words: &str) -> Vec<Phase> {
    let named = |list: &str| -> Vec<Phase> { list.split(", ").map(|word| phase(word.trim())).collect() };
    match words.strip_prefix("every phase") {
        Some("") => Phase::ALL.to_vec(),
        Some(but) => {
            let out = named(but.strip_prefix(" but ").expect("every phase but some"));
            Phase::ALL.into_iter().filter(|phase| !out.contains(phase)).collect()
        }
        None => named(words),
    }
}

fn phase(word: &str) -> Phase {
    Phase::ALL.into_iter().find(|phase| phase.as_str() == word).expect("a phase")
}

#[test]
fn the_pages_arrows_are_those_that_the_code_takes() {
    let page = include_str!("../../docs/lifecycle.md");
    let mut drawn = BTreeSet::new();
    let picture = page.split("```mermaid").nth(1).expect("the picture").split("```").next().expect("its end");
    for line in picture.lines().filter(|line| line.contains("-->") && !line.contains("[*]")) {
        let (from, rest) = line.split_once("-->").expect("an arrow");
        let (to, rows) = rest.split_once(':').expect("with its rows");
        for row in rows.split_whitespace() {
            drawn.insert((phase(from.trim()), row, phase(to.trim())));
        }
    }
    let table = page.split("| row | in | leads to |").nth(1).expect("the table");
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, rows, places_of, to, ..] = cells.as_slice() else { continue };
        for row in rows.split_whitespace() {
            for from in places(places_of) {
                drawn.insert((from, row, if *to == "the same" { from } else { phase(to) }));
            }
        }
    }
    // Taken from the tests of the rows, which find each of them in the code and no others.
    let taken: BTreeSet<_> = edges::EDGES.iter().copied().collect();
    let missing: Vec<_> = taken.difference(&drawn).collect();
    let invented: Vec<_> = drawn.difference(&taken).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not on the page: {missing:?}; not so: {invented:?}");
}

#[test]
fn the_worked_example_is_what_the_kernel_reckons() {
    let page = include_str!("../../docs/how-it-decides.md");
    let bounds =
        QualityBounds { max_drop: Some(0.02), min: None, alpha: 0.05, min_samples: 100.0, dispersion: None };
    let mut check = Quality::new(bounds).expect("bounds in their ranges");
    let stable = Count { hits: 405.0, events: 450.0 };
    for _ in 0..240 {
        check.learn(stable).expect("counts");
    }
    let mut lines = Vec::new();
    for block in 1_u32..=1_000 {
        let canary = Count { hits: if block % 2 == 0 { 43.0 } else { 42.0 }, events: 50.0 };
        let found = check.look(Block { stable, canary }).expect("counts");
        let failed = found.verdict == Verdict::Fail;
        if failed || block.is_power_of_two() {
            let of = |count: Count| format!("{} of {}", count.hits, count.events);
            let (good, worse) = (found.good.exp(), found.worse.exp());
            let minutes = f64::from(block) / 2.0;
            let end = if failed { ": rolled back" } else { "" };
            let (stable, canary) = (of(found.totals.stable), of(found.totals.canary));
            lines.push(format!("| {minutes} min | {stable} | {canary} | {good:.2} | {worse:.2}{end} |"));
        }
        if failed {
            break;
        }
    }
    let told =
        page.split("|---|---|---|---|---|\n").nth(1).and_then(|rest| rest.split("<!-- end -->").next());
    let told: Vec<&str> = told.expect("the example's table").lines().collect();
    assert_eq!(told, lines, "docs/how-it-decides.md is to say\n{}", lines.join("\n"));
}
