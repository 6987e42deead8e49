//! Rules 5.12 and 5.13: pods in trouble, and capacity.

use model_release_core::api::Reason;
use model_release_core::api::status::{Phase, Track};
use model_release_core::observed::{Container, Ended, Pod};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use serde_json::json;

use super::*;

#[test]
fn rule_5_12_a_candidate_that_finds_no_node_waits_at_weight_0_and_says_why() {
    let mut world = at("stable");
    world.sick.insert("v2".into());
    let pod = Pod { unschedulable: Some("0/3 nodes: insufficient gpu".into()), ..Pod::default() };
    world.ailing.insert("v2".into(), pod);
    world.canary(Some("v2"));
    let world = world.during(600);
    assert_eq!((world.phase(), world.percent()), (Phase::Starting, 0));
    assert_eq!(world.condition("CanaryReady"), "False/CanaryUnschedulable");
    let message = world.status().message;
    assert!(message.contains("fraud-") && message.contains("insufficient gpu"), "{message}");
    let world = world.until("given up", |w| w.phase() == Phase::RolledBack);
    assert!(reasons(&world).contains(&Reason::CanaryUnschedulable));
    assert!(world.weights.iter().all(|weight| *weight == 0));
}

#[test]
fn rule_5_12_stable_is_never_ended_nor_taken_over_by_a_candidate() {
    for name in ["stable", "kept", "alone", "analyzing", "rolled back"] {
        let mut world = at(name);
        let stable = live(&world);
        world.sick.insert(stable.clone());
        world.prometheus = false;
        let creations = world.writes.iter().filter(|line| line.starts_with("create Deployment")).count();
        let world = world.during(7200);
        assert_eq!(live(&world), stable, "{name}: {}", world.story());
        assert_eq!(world.condition("StableReady"), "False/StableUnavailable", "{name}");
        let after = world.writes.iter().filter(|line| line.starts_with("create Deployment")).count();
        assert_eq!(after, creations, "{name}: it is not made anew");
    }
}

#[test]
fn rule_5_12_a_pod_of_stable_that_fails_its_digest_is_named_and_the_others_go_on() {
    let mut world = World::serving("v1");
    world.edit(|spec| spec["runtime"] = json!({"minReplicas": 3}));
    let mut world = world.during(60);
    let ended =
        Ended { reason: "Error".into(), exit_code: 20, message: r#"{"reason":"DigestMismatch"}"#.into() };
    let fetch = Container { name: "fetch".into(), init: true, ended: Some(ended), ..Container::default() };
    world.ailing.insert("v1".into(), Pod { containers: vec![fetch], ..Pod::default() });
    world.room.insert("v1".into(), 2);
    let world = world.during(3600);
    assert_eq!((world.phase(), live(&world).as_str()), (Phase::Stable, "v1"));
    assert_eq!(world.condition("StableReady"), "True/StableReady");
    assert_eq!(world.condition("ArtifactsVerified"), "False/DigestMismatch");
}

#[test]
fn rule_5_12_in_a_bake_the_previous_version_takes_over_later_only_by_hand() {
    let mut baking = at("baking");
    baking.sick.insert("v2".into());
    let baking = baking.until("v1 serves", |w| live(w) == "v1");
    assert!(reasons(&baking).contains(&Reason::CanaryUnavailable));
    let mut kept = at("kept");
    kept.sick.insert("v2".into());
    let kept = kept.during(300);
    assert_eq!(live(&kept), "v2", "after the bake nobody decides that for the user");
}

fn replicas(world: &World, version: &str) -> Option<i64> {
    let name = format!("fraud-{}", world.hash_of(version));
    let live =
        world.observed.children.iter().find(|(key, _)| key.kind == Kind::Deployment && key.name == name);
    live.and_then(|(_, live)| live.body["spec"]["replicas"].as_i64())
}

#[test]
fn rule_5_13_stable_and_previous_keep_the_size_that_was_promised_until_the_bake_ends() {
    let mut world = World::serving("v1");
    world.edit(|spec| spec["runtime"] = json!({"minReplicas": 4}));
    let mut world = world.until("there are four", |w| replicas(w, "v1") == Some(4)).during(10);
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("on trial", |w| w.phase() == Phase::Analyzing);
    assert_eq!(replicas(&world, "v2"), Some(1), "a tenth of the traffic needs one of four");
    // Somebody lowers the size in mid-flight.
    world.edit(|spec| spec["runtime"] = json!({"minReplicas": 1}));
    let world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert_eq!(
        (replicas(&world, "v1"), replicas(&world, "v2")),
        (Some(4), Some(4)),
        "the way back bears it all"
    );
    let world = world.until("baked", |w| w.phase() == Phase::Stable).during(5);
    assert_eq!(replicas(&world, "v2"), Some(1), "then the size is as the spec has it");
    assert_eq!((replicas(&world, "v1"), world.track(Track::Previous).as_str()), (Some(4), "v1"));
}
