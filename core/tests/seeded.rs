//! Bugs that peers shipped, put into the core one by one: the model check finds each, and says by which property.
//!
//! Without any of them the same worlds break nothing: that is `model.rs`.

#[path = "model/mod.rs"]
mod model;

use model::bounds::{Run, spec};
use model::check::{Brought, check};
use model::state::{Budget, Metric};
use model_release_core::seeded::Bug;
use serde_json::json;

const ONE_EDIT: Budget =
    Budget { edits: 1, notes: 0, faults: 0, lags: 0, flips: 0, metrics: 0, foreign: 0, deletes: 0 };

/// The smallest world in which a bug shows.
fn world(bug: Bug) -> Run {
    let versions = [("v1", None), ("v1", Some("v2"))];
    let of = |budget: Budget| Run::of("seeded", [budget, budget], &versions);
    let judged = |metric| Run { metrics: vec![metric], ..of(ONE_EDIT) };
    let run = match bug {
        Bug::R3 | Bug::R16 | Bug::R29 => judged(Metric::Bad),
        Bug::R14 => judged(Metric::None),
        Bug::R9 => Run { metrics: vec![Metric::Bad], ..of(Budget { flips: 1, ..ONE_EDIT }) },
        Bug::R13 => of(Budget { flips: 1, ..ONE_EDIT }),
        Bug::R10 | Bug::R11 => of(Budget { edits: 0, notes: 1, ..ONE_EDIT }),
        Bug::R12 => Run { two: true, ..of(ONE_EDIT) },
        Bug::R24 | Bug::R33 => of(Budget { edits: 2, ..ONE_EDIT }),
        Bug::R32 => {
            let versions = [("v1", None), ("v1", Some("v2")), ("v1", Some("v1"))];
            let budget = Budget { edits: 2, ..ONE_EDIT };
            Run::of("seeded", [budget, budget], &versions)
        }
        Bug::R6 => {
            let specs = [None, Some("v2")].map(|canary| spec("v1", canary, &[10, 60], &json!({})));
            Run { specs: specs.to_vec(), ..of(ONE_EDIT) }
        }
        // These show as soon as anything serves.
        Bug::R4 | Bug::R5 | Bug::R19 => Run { serving: false, ..of(ONE_EDIT) },
        Bug::R1 | Bug::R2 => of(ONE_EDIT),
    };
    Run { bug: Some(bug), ..run }
}

fn found(brought: &Brought) -> Vec<&str> {
    let mut names: Vec<&str> = brought.broken.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn each_bug_of_others_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let brought = check(world(bug));
        let by = found(&brought);
        println!(
            "| {bug:?} | {} states | {:.1} s | found by {} |",
            brought.states,
            brought.time.as_secs_f64(),
            by.join(", ")
        );
        if by.is_empty() {
            missed.push(bug);
        }
    }
    assert!(missed.is_empty(), "nothing finds {missed:?}");
}
