//! Verdicts over whole trials, played many times with seeded traffic: the three promises, what breaks them, and how long
//! a decision takes beside the rules of other tools.
//!
//! A block is half a minute and every block is looked at. `VERDICTS=<runs>` plays so many runs of each setting; without
//! it there are 2,000 of a promise and 200 of a comparison. `make verdicts` prints the tables.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "verdicts/others.rs"]
mod others;
#[path = "verdicts/ours.rs"]
mod ours;
#[path = "verdicts/power.rs"]
mod power;
#[path = "verdicts/promises.rs"]
mod promises;
#[path = "verdicts/table.rs"]
mod table;
#[path = "verdicts/traffic.rs"]
mod traffic;

/// α: the share of wrong decisions that is promised not to be exceeded.
const ALPHA: f64 = 0.05;

/// Runs of each setting: as many as the environment says, or these.
fn runs(otherwise: u32) -> u32 {
    std::env::var("VERDICTS").map_or(otherwise, |text| text.parse().expect("VERDICTS is a number of runs"))
}

/// The promised share and three standard errors of it in so many runs.
fn allowed(runs: u32) -> f64 {
    ALPHA + 3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(runs)).sqrt()
}

/// Of how many runs something is true.
fn share(of: &[bool]) -> f64 {
    let (yes, all) = (of.iter().filter(|yes| **yes).count(), of.len());
    f64::from(u32::try_from(yes).unwrap()) / f64::from(u32::try_from(all).unwrap())
}
