//! Sizes: apps beside models, and autoscalers that never take away what a release needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use serde_json::{Value, json};

/// A field of a child.
fn field(world: &World, kind: Kind, name: &str, pointer: &str) -> Value {
    let found = world.observed.children.iter().find(|(key, _)| key.kind == kind && key.name == name);
    found.and_then(|(_, live)| live.body.pointer(pointer)).cloned().unwrap_or(Value::Null)
}

/// Name of the Deployment of the version in a role.
fn name(world: &World, track: Track) -> String {
    let status = world.status();
    let version = status.versions.iter().find(|v| v.track == track).expect("the role is taken");
    format!("fraud-{}", version.hash)
}

fn names(world: &World, kind: Kind) -> Vec<String> {
    world.observed.children.keys().filter(|key| key.kind == kind).map(|key| key.name.clone()).collect()
}

fn autoscaled() -> World {
    let mut world = World::new("v1", None);
    world.edit(|spec| spec["runtime"] = json!({"minReplicas": 2, "maxReplicas": 10, "scaleTarget": 60}));
    world.until("stable serves", |w| w.phase() == Phase::Stable && w.settled())
}

#[test]
fn an_autoscalers_size_is_left_alone_and_its_bounds_are_the_users() {
    let mut world = autoscaled();
    let name = name(&world, Track::Stable);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &name, "/spec/minReplicas"), 2);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &name, "/spec/maxReplicas"), 10);
    world.autoscale(&name, 7);
    let writes = world.writes.len();
    let mut world = world.during(600);
    assert_eq!(world.writes.len(), writes, "nothing is written: {:?}", &world.writes[writes..]);
    assert_eq!(world.status().versions[0].replicas, 7);
    // Another field of ours is put right without touching the size.
    world.tamper(Kind::Deployment, &name, |body| body["spec"]["revisionHistoryLimit"] = json!(9));
    let world = world.during(5);
    assert_eq!(field(&world, Kind::Deployment, &name, "/spec/revisionHistoryLimit"), 2);
    assert_eq!(field(&world, Kind::Deployment, &name, "/spec/replicas"), 7);
}

#[test]
fn a_size_that_nobody_took_over_yet_is_repeated_and_not_reset() {
    let mut world = autoscaled();
    let name = name(&world, Track::Stable);
    world.tamper(Kind::Deployment, &name, |body| {
        body["spec"]["replicas"] = json!(4);
        body["spec"]["revisionHistoryLimit"] = json!(9);
    });
    let world = world.during(5);
    assert_eq!(field(&world, Kind::Deployment, &name, "/spec/revisionHistoryLimit"), 2);
    assert_eq!(field(&world, Kind::Deployment, &name, "/spec/replicas"), 4);
}

#[test]
fn stable_keeps_what_it_had_while_a_canary_is_on_trial_and_gives_it_back_after() {
    let mut world = autoscaled();
    let old = name(&world, Track::Stable);
    world.autoscale(&old, 8);
    let mut world = world.during(5);
    world.canary(Some("v2"));
    let mut world = world.until("the canary has weight", |w| w.phase() == Phase::Analyzing);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &old, "/spec/minReplicas"), 8);
    // Less load: the autoscaler would go down, and may not.
    world.autoscale(&old, 2);
    assert_eq!(field(&world, Kind::Deployment, &old, "/spec/replicas"), 8);
    let canary = name(&world, Track::Canary);
    let mut world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &canary, "/spec/minReplicas"), 8);
    assert_eq!(
        field(&world, Kind::HorizontalPodAutoscaler, &old, "/spec/minReplicas"),
        8,
        "it is the fallback"
    );
    world.autoscale(&canary, 9);
    // The next version takes the canary block over: nothing names the live one any more.
    world.canary(None);
    world.stable("v2");
    let mut world = world.until("at rest", |w| {
        w.phase() == Phase::Stable && !w.status().versions.iter().any(|v| v.track == Track::Previous)
    });
    world = world.during(60);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &canary, "/spec/minReplicas"), 2);
    assert_eq!(field(&world, Kind::Deployment, &canary, "/spec/replicas"), 9, "only the load may lower it");
    assert_eq!(names(&world, Kind::HorizontalPodAutoscaler), [canary]);
}

#[test]
fn a_live_version_that_no_block_names_keeps_its_users_bounds() {
    let mut world = autoscaled();
    world.canary(Some("v2"));
    let mut world = world.until("promoted", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
    let live = name(&world, Track::Stable);
    world.autoscale(&live, 6);
    world.canary(Some("v3"));
    let world = world.until("the next one has weight", |w| w.phase() == Phase::Analyzing);
    assert_eq!(name(&world, Track::Stable), live);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &live, "/spec/minReplicas"), 6);
    assert_eq!(field(&world, Kind::HorizontalPodAutoscaler, &live, "/spec/maxReplicas"), 10);
    assert_eq!(field(&world, Kind::Deployment, &live, "/spec/replicas"), 6);
}

#[test]
fn without_a_most_there_is_no_autoscaler_and_the_size_is_the_specs_again() {
    let mut world = autoscaled();
    let name = name(&world, Track::Stable);
    world.autoscale(&name, 7);
    world.edit(|spec| spec["runtime"] = json!({"minReplicas": 3}));
    let world = world.during(60);
    assert_eq!(names(&world, Kind::HorizontalPodAutoscaler), Vec::<String>::new());
    assert_eq!(field(&world, Kind::Deployment, &name, "/spec/replicas"), 3);
}

fn with_app(world: &mut World) {
    world.edit(|spec| {
        spec["runtime"] =
            json!({"minReplicas": 4, "app": {"image": "registry.example.com/app:1", "minReplicas": 2}});
    });
}

#[test]
fn an_app_is_the_entrance_of_its_version_and_goes_with_it() {
    let mut world = World::new("v1", None);
    with_app(&mut world);
    let mut world = world.until("stable serves", |w| w.phase() == Phase::Stable && w.settled());
    let stable = name(&world, Track::Stable);
    assert_eq!(field(&world, Kind::Deployment, &format!("{stable}-app"), "/spec/replicas"), 2);
    world.canary(Some("v2"));
    let world = world.until("the canary has weight", |w| w.phase() == Phase::Analyzing);
    let canary = name(&world, Track::Canary);
    // A tenth of four pods is one, and so is a tenth of two.
    assert_eq!(field(&world, Kind::Deployment, &format!("{canary}-app"), "/spec/replicas"), 1);
    let split = field(&world, Kind::VirtualService, "fraud", "/spec/http").to_string();
    for host in [format!("{stable}-app.ml.svc"), format!("{canary}-app.ml.svc")] {
        assert!(split.contains(&host), "{host} is not in {split}");
    }
    assert!(!split.contains(&format!("{canary}.ml.svc")), "weights are on the entrance alone");
    let world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert_eq!(field(&world, Kind::Deployment, &format!("{canary}-app"), "/spec/replicas"), 2);
    let world = world.until("the old one is gone", |w| {
        w.phase() == Phase::Stable && names(w, Kind::Deployment).len() == 2
    });
    let world = world.during(60);
    assert_eq!(names(&world, Kind::Deployment), [canary.clone(), format!("{canary}-app")]);
    assert_eq!(names(&world, Kind::Service), ["fraud".to_owned(), canary.clone(), format!("{canary}-app")]);
    let selector = field(&world, Kind::Service, "fraud", "/spec/selector");
    assert_eq!(selector["modelrelease.dev/component"], "app");
}

#[test]
fn a_version_is_not_ready_before_both_its_app_and_its_model_are() {
    let mut world = World::new("v1", None);
    with_app(&mut world);
    let mut world = world.until("stable serves", |w| w.phase() == Phase::Stable && w.settled());
    world.edit(|spec| {
        spec["canary"] = json!({
            "version": "v2", "image": "registry.example.com/fraud:v2", "app": {"image": "registry.example.com/app:bad"},
        });
    });
    world.sick.insert("bad".into());
    let world = world.during(300);
    assert_eq!(world.phase(), Phase::Starting);
    assert_eq!(world.weights.iter().max(), Some(&0));
}

#[test]
fn a_replacement_that_nobody_names_any_more_leaves_without_having_had_weight() {
    let mut world = World::new("v1", None);
    world.edit(|spec| spec["runtime"] = json!({"minReplicas": 3}));
    let mut world = world.until("v1 serves", |w| w.phase() == Phase::Stable && w.settled());
    world.edit(|spec| {
        spec["stable"] = json!({"version": "v2", "image": "registry.example.com/fraud:v2"});
    });
    let mut world = world.until("v2 is made ready", |w| w.phase() == Phase::Replacing);
    // It is decided that v2 gets all traffic, and the operator dies before it gets any.
    for _ in 0..1_000 {
        let plan = world.decide();
        world.commit(&plan);
        if world.status().decision.is_some_and(|decision| decision.weight == 100 && decision.seq > 1) {
            break;
        }
        world.apply(&plan, usize::MAX);
        world.now = plan.next_look.max(world.now);
    }
    world.room.insert("v2".to_owned(), 1);
    world.edit(|spec| {
        spec["stable"] = json!({"version": "v1", "image": "registry.example.com/fraud:v1"});
    });
    // Rule S2 of `testing::rules` looks at each write.
    let world =
        world.until("v1 is alone again", |w| w.phase() == Phase::RolledBack || w.phase() == Phase::Stable);
    assert_eq!(world.weights.iter().max(), Some(&0), "v2 got weight on one pod of three");
}
