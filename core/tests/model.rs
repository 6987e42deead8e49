//! The model check: the production `step` on all interleavings of small worlds.

#[path = "model/mod.rs"]
mod model;

use model::bounds::Run;
use model::check::check;
use model::report::hold;

#[test]
fn birth() {
    hold(&check(Run::birth()), "8 15 16 20 28 30 31 33 34 36 38 39 40 41 42 43 43b");
}

#[test]
fn human() {
    hold(&check(Run::human()), "15 16 20 28 30 31 33 34 36 38 39 40 41 42 43 43b");
}

#[test]
fn faults() {
    hold(&check(Run::faults()), "2 3 4 16 20 28 30 31 33 34 36 38 39 40 42 43 43b");
}

#[test]
fn two() {
    let brought = check(Run::two());
    assert!(brought.both, "two plans are followed at once, somewhere");
    hold(&brought, "16 20 28 30 31 33 34 36 38 39 40 42 43 43b");
}

#[test]
fn deletion() {
    hold(&check(Run::deletion()), "1 33");
}

#[test]
fn foreign() {
    hold(&check(Run::foreign()), "33");
}

#[test]
fn steps() {
    hold(&check(Run::steps()), "16 20 28 30 31 33 34 36 37 38 39 40 42 43 43b");
}

#[test]
fn words() {
    hold(&check(Run::words()), "6b 10 12 14 15 16 20 28 30 31 32 33 34 36 38 39 40 41 42 43 43b");
}
