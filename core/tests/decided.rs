//! What a reader is told of a past decision: whose word it was, how long its version had had traffic, what came of it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{Act, Phase};
use model_release_core::explain::{By, Decided, decided};
use model_release_core::testing::World;

/// The decision of a verdict that is not the carrying out of another.
fn made(world: &World, verdict: Act) -> Decided {
    let history = world.status().history;
    let entry =
        history.iter().find(|entry| entry.verdict == verdict && entry.decides()).expect("it was made");
    decided(&history, entry.seq).expect("it is on record")
}

fn rolled_back() -> World {
    let mut world = World::analyzing("v1", "v2").during(120);
    world.accuracy.insert("v2".into(), 0.5);
    world.until("rolled back", |w| w.phase() == Phase::RolledBack)
}

#[test]
fn a_rollback_on_evidence_is_told_with_what_its_version_had_and_what_carried_it_out() {
    let world = rolled_back();
    let told = made(&world, Act::Rollback);
    assert_eq!((told.entry.reason, told.by), (Reason::QualityRegression, By::Operator));
    assert!(told.entry.numbers.iter().any(|numbers| numbers.metric == "model_accuracy"), "{told:?}");
    let history = world.status().history;
    let first = history.iter().find(|entry| entry.hash == told.entry.hash && entry.to_percent > 0).unwrap();
    let had = told.exposure.expect("it had traffic");
    assert_eq!((had.since, had.percent), (Some(first.at), 10));
    assert_eq!(had.seconds, told.entry.at.duration_since(first.at).as_secs());
    assert!(had.seconds >= 120, "{had:?}");
    // As it drains, and once it is gone.
    let done: Vec<(Phase, i32)> = told.carried_out.iter().map(|done| (done.to, done.to_percent)).collect();
    assert_eq!(done, [(Phase::RollingBack, 0), (Phase::RolledBack, 0)]);
    for done in &told.carried_out {
        let later = decided(&history, done.seq).unwrap();
        assert_eq!((later.carries_out, later.by), (Some(told.entry.seq), By::Operator));
        assert!(later.carried_out.is_empty(), "{later:?}");
    }
}

#[test]
fn a_rollback_by_hand_and_one_by_the_spec_are_told_from_those_on_evidence() {
    let ends = |world: World| world.until("it is away", |w| w.phase() == Phase::RolledBack || w.settled());
    let mut by_hand = World::analyzing("v1", "v2").during(60);
    by_hand.annotate(Some("true"));
    let told = made(&ends(by_hand.during(1)), Act::Rollback);
    assert_eq!((told.entry.reason, told.by), (Reason::ManualRollback, By::Hand));
    assert!(told.entry.numbers.is_empty() && told.exposure.is_some(), "{told:?}");
    let mut by_spec = World::analyzing("v1", "v2").during(60);
    by_spec.canary(None);
    let told = made(&ends(by_spec.during(1)), Act::Rollback);
    assert_eq!((told.entry.reason, told.by), (Reason::CanaryRemoved, By::Spec));
}

#[test]
fn a_version_that_left_before_it_had_traffic_met_nobody() {
    let mut world = World::serving("v1");
    world.sick.insert("v2".into());
    world.canary(Some("v2"));
    let mut world = world.until("it starts", |w| w.phase() == Phase::Starting);
    world.annotate(Some("true"));
    let world = world.during(30);
    assert_eq!(made(&world, Act::Rollback).exposure, None);
}

#[test]
fn an_exposure_that_began_before_the_record_does_is_told_as_far_as_it_is_known() {
    let mut history = rolled_back().status().history;
    let whole = made(&rolled_back(), Act::Rollback);
    let place = history.iter().position(|entry| entry.seq == whole.entry.seq).unwrap();
    history.truncate(place + 1);
    let had = decided(&history, whole.entry.seq).unwrap().exposure.expect("it had 10 %");
    assert_eq!((had.since, had.seconds, had.percent), (None, 0, 10));
    assert_eq!(decided(&history, 1), None, "it is no longer on record");
}
