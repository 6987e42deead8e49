//! What a run brought, in words.

use super::check::Brought;

/// Prints it; fails if a property does not hold, or if one of these rows never answered: then it held for nothing.
pub fn hold(brought: &Brought, rows: &str) {
    println!(
        "| {} | S1-S13, S15, L1-L3, L5, H1 | {} states, depth {}, {} worlds, {} friendly ones | {:?} | {:.1} s | rows {}{} |",
        brought.name,
        brought.states,
        brought.depth,
        brought.decided,
        brought.calm,
        brought.budget,
        brought.time.as_secs_f64(),
        brought.rows.join(" "),
        if brought.both { ", both write" } else { "" },
    );
    let broken: Vec<String> = brought.broken.iter().map(|(name, how)| format!("{name}: {how}")).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(brought.exhausted, "{} did not come to its end", brought.name);
    let silent: Vec<&str> = rows.split(' ').filter(|row| !brought.rows.contains(row)).collect();
    assert!(silent.is_empty(), "{}: rows that never answered: {silent:?}", brought.name);
}
