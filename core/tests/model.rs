//! The model check: the production `step` on all interleavings of small worlds.
//!
//! `MODEL=nightly` takes the large runs, `MODEL=<run>` one of those of each change, `MODEL=nightly:<run>` of each night.

#[path = "model/mod.rs"]
mod model;

use model::check::{Brought, check};
use model::report::{hold, sum};
use model::runs;
use model_release_core::moves;

#[test]
fn every_property_holds_in_every_run_and_every_row_answers_in_one() {
    let chosen = std::env::var("MODEL").unwrap_or_default();
    let (set, only) = chosen.split_once(':').unwrap_or(match chosen.as_str() {
        "nightly" => ("nightly", ""),
        run => ("", run),
    });
    let runs = runs::all(set == "nightly");
    let wanted = |name: &str| only.is_empty() || only == name;
    assert!(runs.iter().any(|run| wanted(run.name)), "MODEL names no run: {chosen}");
    let all: Vec<Brought> =
        runs.into_iter().filter(|run| wanted(run.name)).map(check).inspect(hold).collect();
    if only.is_empty() {
        sum(&all, &moves::numbers().collect::<Vec<_>>());
    }
}
