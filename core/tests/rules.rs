//! The rules of lifecycle.md §5 as stories, each named by its rule; several of them in every phase.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "rules/hands.rs"]
mod hands;
#[path = "rules/humans.rs"]
mod humans;
#[path = "rules/pods.rs"]
mod pods;
#[path = "rules/spec.rs"]
mod spec;
#[path = "rules/times.rs"]
mod times;

use std::collections::BTreeSet;

use model_release_core::api::Reason;
use model_release_core::api::status::{Phase, Track};
use model_release_core::testing::World;

/// Each phase in each of its forms.
fn everywhere() -> Vec<(&'static str, World)> {
    static WORLDS: std::sync::LazyLock<Vec<(&'static str, World)>> =
        std::sync::LazyLock::new(World::everywhere);
    WORLDS.clone()
}

/// One of them.
fn at(name: &str) -> World {
    everywhere().into_iter().find(|(found, _)| *found == name).expect("there is such a world").1
}

/// Reasons of all decisions.
fn reasons(world: &World) -> Vec<Reason> {
    world.decisions.iter().map(|(_, _, reason)| *reason).collect()
}

/// Nothing ails anybody any more.
fn heal(world: &mut World) {
    world.sick.clear();
    world.room.clear();
    world.ailing.clear();
    world.gateways = true;
    world.prometheus = true;
}

/// Where a release may come to rest.
fn rests(world: &World) -> bool {
    matches!(world.phase(), Phase::Stable | Phase::RolledBack)
}

/// Who serves.
fn live(world: &World) -> String {
    world.track(Track::Stable)
}

#[test]
fn every_rule_has_a_story() {
    let files = [
        include_str!("rules/hands.rs"),
        include_str!("rules/humans.rs"),
        include_str!("rules/pods.rs"),
        include_str!("rules/spec.rs"),
        include_str!("rules/times.rs"),
    ];
    let told: BTreeSet<u32> = files
        .iter()
        .flat_map(|text| text.split("fn rule_5_").skip(1))
        .filter_map(|rest| rest.split('_').next()?.parse().ok())
        .collect();
    assert_eq!(told, (1..=16).collect());
}
