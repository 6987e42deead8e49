//! The model check: the production `step` on all interleavings of small worlds.

#[path = "model/mod.rs"]
mod model;

use model::bounds::Run;
use model::check::check;
use model::report::hold;

#[test]
fn birth() {
    hold(&check(Run::birth()));
}

#[test]
fn human() {
    hold(&check(Run::human()));
}

#[test]
fn faults() {
    hold(&check(Run::faults()));
}

#[test]
fn two() {
    hold(&check(Run::two()));
}

#[test]
fn deletion() {
    hold(&check(Run::deletion()));
}

#[test]
fn foreign() {
    hold(&check(Run::foreign()));
}

#[test]
fn steps() {
    hold(&check(Run::steps()));
}
