//! Bugs that peers shipped, and two of ours, put into the core one by one: the model check finds each, and says by which property.
//!
//! Without any of them the same worlds break nothing: that is `model.rs`. No build of the operator has them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "model/mod.rs"]
mod model;

use model::bounds::{Begin, NOTHING, Run, gateway, spec};
use model::check::{Brought, check};
use model::runs::shared;
use model::state::{Budget, Metric};
use model_release_core::seeded::Bug;
use serde_json::json;

const ONE_EDIT: Budget = Budget { edits: 1, ..NOTHING };

/// The smallest world in which a bug shows.
fn world(bug: Bug) -> Run {
    let of = |budget: Budget| Run::of("seeded", budget, &[("v1", None), ("v1", Some("v2"))]);
    let judged = |metric| Run { metrics: vec![metric], ..of(ONE_EDIT) };
    let run = match bug {
        Bug::R3 | Bug::R16 | Bug::R29 => judged(Metric::Bad),
        Bug::R14 => judged(Metric::None),
        Bug::R9 => Run { metrics: vec![Metric::Bad], ..of(Budget { flips: 1, ..ONE_EDIT }) },
        Bug::R13 => of(Budget { flips: 1, ..ONE_EDIT }),
        Bug::R10 | Bug::R11 => of(Budget { edits: 0, notes: 1, ..ONE_EDIT }),
        Bug::Late => Run { two: true, begin: Begin::Alone, ..of(Budget { edits: 0, notes: 1, ..ONE_EDIT }) },
        Bug::R12 => Run { two: true, ..of(ONE_EDIT) },
        Bug::R22 => of(Budget { faults: 1, ..ONE_EDIT }),
        Bug::R23 => {
            let versions = [("v1", None), ("v1", Some("v2")), ("v1", Some("v3"))];
            Run { begin: Begin::Trial, ..Run::of("seeded", ONE_EDIT, &versions) }
        }
        Bug::R24 | Bug::R33 => of(Budget { edits: 2, ..ONE_EDIT }),
        Bug::R32 => {
            let versions = [("v1", None), ("v1", Some("v2")), ("v1", Some("v1"))];
            Run::of("seeded", Budget { edits: 2, ..ONE_EDIT }, &versions)
        }
        // Promoted and named as stable, then told to be rolled back, then the block is as it was, with another canary.
        Bug::R34 => {
            let versions = [("v1", Some("v2")), ("v2", None), ("v1", Some("v3"))];
            let run = Run::of("seeded", Budget { edits: 2, notes: 1, ..ONE_EDIT }, &versions);
            Run { notes: vec![("rollback", vec!["v2"])], ..run }
        }
        Bug::R35 => {
            let specs = ["1", "2"].map(|value| shared(value, Some("v2"))).to_vec();
            Run::with("seeded", ONE_EDIT, specs)
        }
        Bug::R6 => {
            let specs = [None, Some("v2")].map(|canary| spec("v1", canary, &[10, 60], &json!({})));
            Run::with("seeded", ONE_EDIT, specs.to_vec())
        }
        // Gateways know the route, and nothing answers well there.
        Bug::Unrouted => {
            let specs = [None, Some("v2")].map(|canary| spec("v1", canary, &[10], &gateway()));
            Run { metrics: vec![Metric::Errors], ..Run::with("seeded", ONE_EDIT, specs.to_vec()) }
        }
        // These show as soon as anything serves.
        Bug::R4 | Bug::R5 | Bug::R19 => Run { begin: Begin::Nothing, ..of(ONE_EDIT) },
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
fn each_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let brought = check(world(bug));
        let by = found(&brought);
        println!(
            "| {bug:?} | {} | model: {} states | found by {} in {:.1} s |",
            bug.what(),
            brought.states,
            by.join(", "),
            brought.time.as_secs_f64(),
        );
        if by.is_empty() {
            missed.push(bug);
        }
    }
    assert!(missed.is_empty(), "nothing finds {missed:?}");
}

/// Features of the core that cargo would build a program with, as `cargo tree` says.
fn features(of: &str, edges: &str) -> Vec<String> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--package", of, "--edges", edges, "--prefix", "none"]);
    let told = cargo.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let text = String::from_utf8(told.stdout).unwrap();
    let of_core =
        |line: &str| line.strip_prefix("model-release-core feature \"")?.split('"').next().map(str::to_owned);
    text.lines().filter_map(of_core).collect()
}

#[test]
fn no_program_that_is_built_has_any_of_them() {
    for program in ["model-release-operator", "kubectl-modelrelease"] {
        let built = features(program, "features,normal,build");
        assert!(built.contains(&"default".to_owned()), "{program} is built with the core: {built:?}");
        let barred = |feature: &&String| ["seeded", "testing"].contains(&feature.as_str());
        assert_eq!(built.iter().find(barred), None, "{program} has what only tests have: {built:?}");
    }
    let tests = features("model-release-core", "features,normal,build,dev");
    assert!(tests.contains(&"seeded".to_owned()), "what is looked for would be seen: {tests:?}");
}
