//! Rules 5.9 to 5.11: how long things are kept, steps, and a provider that is down.

use model_release_core::api::Reason;
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use serde_json::json;

use super::*;

fn seconds(world: &World, since: jiff::Timestamp) -> i64 {
    world.now.duration_since(since).as_secs()
}

#[test]
fn rule_5_09_the_previous_version_is_kept_from_promotion_and_at_least_to_the_end_of_the_bake() {
    for (retention, bake, kept) in [("10m", "60s", 600), ("10s", "60s", 60), ("0s", "0s", 0)] {
        let mut world = World::serving("v1");
        world.edit(|spec| {
            spec["rollout"]["retention"] = retention.into();
            spec["rollout"]["bake"] = bake.into();
        });
        world.accuracy.insert("v2".into(), 0.95);
        world.canary(Some("v2"));
        let world = world.until("promoted", |w| w.phase() == Phase::Baking);
        let promoted = world.now;
        let world = world.until("v1 is gone", |w| w.track(Track::Previous).is_empty());
        let age = seconds(&world, promoted);
        assert!((kept..kept + 3).contains(&age), "retention {retention}, bake {bake}: {age} s");
    }
}

#[test]
fn rule_5_09_a_rolled_back_version_has_no_pods_and_keeps_its_objects_for_a_look() {
    let world = at("rolled back");
    let name = format!("fraud-{}", world.hash_of("v2"));
    let own = |w: &World| {
        let all = w.observed.children.iter().filter(|(key, _)| key.name == name);
        all.map(|(key, live)| (key.kind, live.body["spec"]["replicas"].as_i64())).collect::<Vec<_>>()
    };
    assert!(own(&world).contains(&(Kind::Deployment, Some(0))), "{:?}", own(&world));
    let world = world.during(3400);
    assert_eq!(own(&world).len(), 3, "Deployment, Service and record");
    let world = world.during(400);
    assert_eq!(own(&world), [], "after ttlAfterFailure");
    assert_eq!(world.phase(), Phase::RolledBack, "it is barred all the same");
}

#[test]
fn rule_5_09_a_release_whose_time_is_over_is_gone_within_a_minute_from_every_phase() {
    for (name, mut world) in everywhere() {
        world.edit(|spec| spec["ttl"] = json!("24h"));
        world.now = world.object.metadata.creation_timestamp.as_ref().expect("it was created").0
            + jiff::SignedDuration::from_hours(24);
        let over = world.now;
        let world = world.until("all is gone", |w| w.observed.children.is_empty());
        assert!(seconds(&world, over) <= 60, "{name}: {} s", seconds(&world, over));
        assert_eq!(world.phase(), Phase::Pending, "{name}");
        assert_eq!(world.condition("Stalled"), "True/Expired", "{name}");
    }
}

#[test]
fn rule_5_10_the_time_of_a_step_counts_from_when_its_weight_settled() {
    let mut world = World::serving("v1");
    world.edit(|spec| {
        spec["rollout"].as_object_mut().expect("there is one").remove("trafficPercent");
        spec["rollout"]["steps"] = json!([
            {"trafficPercent": 10, "minDuration": "5m"}, {"trafficPercent": 50, "minDuration": "5m"},
        ]);
        // A gateway that cannot be asked: each weight takes the whole time that it may take.
        spec["traffic"]["gateways"] = json!(["istio-system/public", "mesh"]);
    });
    world.settings.propagation_wait_seconds = 60;
    let mut world = world.until("known everywhere", World::settled);
    world.accuracy.insert("v2".into(), 0.99);
    world.canary(Some("v2"));
    let world = world.until("the first weight", |w| w.percent() == 10);
    let began = world.now;
    let world = world.until("the second", |w| w.percent() == 50);
    let age = seconds(&world, began);
    assert!(age >= 360, "5 minutes after it settled, which took one: {age} s");
}

#[test]
fn rule_5_10_a_weight_is_raised_only_to_the_size_that_bears_it() {
    let mut world = World::serving("v1");
    world.edit(|spec| {
        spec["runtime"] = json!({"minReplicas": 10});
        spec["rollout"].as_object_mut().expect("there is one").remove("trafficPercent");
        spec["rollout"]["steps"] = json!([
            {"trafficPercent": 10, "minDuration": "10s"}, {"trafficPercent": 50, "minDuration": "10s"},
        ]);
    });
    world.room.insert("v2".into(), 4);
    let mut world = world.during(60);
    world.accuracy.insert("v2".into(), 0.99);
    world.canary(Some("v2"));
    let mut world = world.during(3600);
    let rung = world.status().step.expect("a rung");
    assert_eq!((rung.weight, rung.target), (10, 50), "of ten pods half of the traffic needs five");
    world.room.insert("v2".into(), 5);
    let world = world.during(60);
    assert_eq!(world.phase(), Phase::Promoting, "and now all of it needs ten: {}", world.story());
    assert!(world.weights.contains(&50));
}

#[test]
fn rule_5_11_a_provider_that_is_down_moves_nothing_and_is_said_in_every_phase() {
    for (name, mut world) in everywhere() {
        heal(&mut world);
        world.prometheus = false;
        world.accuracy.insert("v2".into(), 0.2);
        let before = world.moves.len();
        let percent = world.percent();
        let judged = matches!(world.phase(), Phase::Shadowing | Phase::Analyzing);
        let world = world.during(3600);
        let made: Vec<&str> = world.moves[before..].iter().map(|m| m.1).collect();
        assert!(!made.iter().any(|row| ["26", "27", "31", "37", "38"].contains(row)), "{name}: {made:?}");
        if judged {
            assert_eq!(world.percent(), percent, "{name}: weights hold");
            assert_eq!(world.condition("AnalysisAvailable"), "False/ProviderUnavailable", "{name}");
        }
    }
}

#[test]
fn rule_5_11_blind_time_is_no_bake_and_no_longer_than_one_more() {
    let watched = || {
        let mut world = at("baking");
        world.edit(|spec| spec["analysis"]["quality"] = json!({"min": "0.5"}));
        world.during(10)
    };
    let mut short = watched();
    let began = short.now;
    short.prometheus = false;
    let mut short = short.during(80);
    short.prometheus = true;
    let short = short.until("over", |w| w.phase() == Phase::Stable);
    assert_eq!(reasons(&short).last(), Some(&Reason::Baked), "{}", short.story());
    assert!(
        seconds(&short, began) > 90,
        "what could not be seen was made up for: {}",
        seconds(&short, began)
    );
    let mut long = watched();
    long.prometheus = false;
    let long = long.until("over", |w| w.phase() == Phase::Stable);
    assert_eq!(reasons(&long).last(), Some(&Reason::BakeUnverified));
}

#[test]
fn rule_5_11_kubernetes_is_still_believed() {
    let mut world = at("analyzing");
    world.prometheus = false;
    let mut world = world.during(60);
    world.sick.insert("v2".into());
    let world = world.until("its pods are gone", |w| w.phase() == Phase::Starting);
    assert_eq!(world.weights.last(), Some(&0));
}
