//! Rules 5.7 and 5.8: the spec that changes under way, and deletion.

use model_release_core::api::Reason;
use model_release_core::api::annotations::ROLLBACK;
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::{Kind, Write};
use model_release_core::testing::World;
use model_release_core::traffic::read_back;
use serde_json::json;

use super::*;

/// Names of the versions that still have an object.
fn left(world: &World) -> BTreeSet<String> {
    let named = |hash: &str| ["v1", "v2", "v3", "v4"].into_iter().find(|name| world.hash_of(name) == hash);
    let keys = world.observed.children.keys().filter(|key| key.kind == Kind::Deployment);
    keys.filter_map(|key| named(key.name.rsplit('-').next()?)).map(str::to_owned).collect()
}

#[test]
fn rule_5_07_a_third_version_waits_for_the_second_in_every_phase() {
    for (name, mut world) in everywhere() {
        if !matches!(live(&world).as_str(), "v1") || world.phase() == Phase::Replacing {
            continue;
        }
        heal(&mut world);
        let moves = world.moves.len();
        world.canary(Some("v3"));
        world.accuracy.insert("v3".into(), 0.95);
        let world = world.until("v3 is live", |w| live(w) == "v3" && w.phase() == Phase::Stable);
        let started = world.moves[moves..].iter().position(|m| m.1 == "16").expect("v3 was started");
        let left = world.moves[moves..].iter().position(|m| m.1 == "43b" || m.1 == "10");
        assert!(left.is_none_or(|left| left < started), "{name}: {:?}", &world.moves[moves..]);
    }
}

#[test]
fn rule_5_07_there_and_back_ends_where_it_began_without_leftovers() {
    // A third version is asked for and taken back, at every point; it ends on the second, and nothing of it stays.
    for (name, mut world) in everywhere() {
        if live(&world) != "v1" || world.phase() == Phase::Replacing || world.object.spec.canary.is_none() {
            continue;
        }
        heal(&mut world);
        world.errors.clear();
        world.accuracy.insert("v2".into(), 0.95);
        world.canary(Some("v3"));
        let mut world = world.during(3);
        world.canary(Some("v2"));
        let world = world.during(2 * 3600);
        assert!(rests(&world), "{name}: {}", world.story());
        let v2 = if world.phase() == Phase::RolledBack { "v1" } else { "v2" };
        assert_eq!(live(&world), v2, "{name}: {}", world.story());
        assert!(!left(&world).contains("v3"), "{name}: {:?}", left(&world));
    }
}

#[test]
fn rule_5_07_a_canary_removed_is_cancelled_in_every_phase_and_nobody_is_barred() {
    for name in
        ["starting", "lost", "warming", "warming again", "shadowing", "analyzing", "growing", "promoting"]
    {
        let mut world = at(name);
        heal(&mut world);
        world.canary(None);
        let world = world.until("at rest", |w| w.phase() == Phase::Stable).during(7200);
        assert_eq!(
            (live(&world).as_str(), left(&world)),
            ("v1", BTreeSet::from(["v1".to_owned()])),
            "{name}"
        );
        assert!(world.status().quarantine.is_empty(), "{name}: the user's word is no verdict");
        assert_ne!(world.weights.last(), Some(&100), "{name}");
    }
}

#[test]
fn rule_5_07_in_a_bake_only_the_way_back_is_obeyed_at_once() {
    let mut other = at("baking");
    other.stable("v2").canary(Some("v3"));
    let other = other.until("something is decided", |w| w.phase() != Phase::Baking);
    assert_eq!(reasons(&other).last(), Some(&Reason::Baked), "v3 waits for the end of the bake");
    let mut back = at("baking");
    back.canary(None);
    back.look();
    assert_eq!(back.phase(), Phase::RollingBack);
    assert_eq!(live(&back), "v1");
}

#[test]
fn rule_5_07_after_promotion_moving_the_lines_or_naming_the_next_restarts_nothing() {
    for name in ["kept", "alone", "baking"] {
        let mut world = at(name);
        let pods: BTreeSet<String> = world.observed.pods.iter().map(|pod| pod.uid.clone()).collect();
        let deployments = |w: &World| w.writes.iter().filter(|line| line.contains("Deployment")).count();
        let before = deployments(&world);
        world.stable("v2").canary(None);
        let world = world.during(120);
        assert_eq!(deployments(&world), before, "{name}: {:?}", world.writes);
        let after: BTreeSet<String> = world.observed.pods.iter().map(|pod| pod.uid.clone()).collect();
        assert_eq!(pods, after, "{name}");
        let world = world.until("it is permanent", |w| w.condition("Ready") == "True/Stable");
        assert_eq!(live(&world), "v2", "{name}");
    }
}

#[test]
fn rule_5_07_an_edit_of_the_shared_part_while_the_spec_lags_is_a_new_canary() {
    let mut world = at("kept");
    world.edit(|spec| spec["runtime"] = json!({"args": ["--threads=4"]}));
    let world = world.until("decided", |w| w.phase() != Phase::Stable);
    assert_eq!(world.phase(), Phase::Starting, "never a silent return to v1: {}", world.story());
    assert_eq!((live(&world).as_str(), world.track(Track::Canary).as_str()), ("v2", "v2"));
}

#[test]
fn rule_5_07_policy_acts_at_the_next_look_from_persisted_times() {
    // A bake that has lasted 40 s is cut to 30 s, and so it is over.
    let mut baking = at("baking").during(40);
    baking.edit(|spec| spec["rollout"]["bake"] = "30s".into());
    baking.look();
    assert_eq!(baking.phase(), Phase::Stable);
    // A deadline of so much that has passed.
    let mut starting = at("starting").during(100);
    starting.edit(|spec| spec["rollout"]["progressDeadlineSeconds"] = json!(60));
    starting.look();
    assert_eq!(reasons(&starting).last(), Some(&Reason::ProgressDeadlineExceeded));
    // Another bound is another question: its evidence begins anew, that of the others stays.
    let mut judged = at("analyzing").during(60);
    let before = judged.status().state.checks;
    judged.edit(|spec| spec["analysis"]["quality"] = json!({"maxDrop": "0.01"}));
    judged.look();
    let after = judged.status().state.checks;
    assert!(after["model_accuracy"].canary_events < before["model_accuracy"].canary_events);
    assert!(after["errors"].canary_events >= before["errors"].canary_events);
}

#[test]
fn rule_5_08_a_deletion_lets_go_within_a_minute_in_every_phase_and_creates_nothing() {
    for (name, mut world) in everywhere() {
        let has = world.object.metadata.finalizers.iter().flatten().any(|f| f.contains("gateway-objects"));
        world.object.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now));
        world.sick.extend(["v1".to_owned(), "v2".to_owned()]);
        world.prometheus = false;
        let (start, decided) = (world.now, world.decisions.len());
        let mut lets_go = !has;
        while !lets_go && world.now.duration_since(start).as_secs() <= 60 {
            let plan = world.look();
            for write in &plan.writes {
                assert!(!matches!(write, Write::Create { .. }), "{name}: {write:?}");
                lets_go |= matches!(write, Write::Finalizer { present: false });
            }
            world.now = plan.next_look.min(world.now + jiff::SignedDuration::from_secs(1));
        }
        assert!(lets_go, "{name}: {}", world.story());
        let since: Vec<_> = world.decisions[decided..].iter().map(|d| d.2).collect();
        assert!(since.len() <= 1 && since.iter().all(|r| *r == Reason::Deleted), "{name}: {since:?}");
        let elsewhere = world.observed.children.keys().filter(|key| key.namespace != "ml").count();
        assert_eq!(elsewhere, 0, "{name}: nothing is left beside the gateways");
    }
}

#[test]
fn rule_5_08_the_last_weights_are_stables_but_never_on_what_has_no_endpoints() {
    let last = |sick: &[&str]| {
        let mut world = at("analyzing");
        assert_eq!(world.percent(), 10);
        world.sick.extend(sick.iter().map(|name| (*name).to_owned()));
        world.delete();
        let world = world.during(2);
        let object = world.observed.children.values().find_map(|live| read_back(&live.body));
        let canary = world.hash_of("v2");
        object.expect("a split").into_iter().find(|(hash, _)| hash.as_str() == canary).map(|(_, w)| w)
    };
    assert_eq!(last(&[]), Some(0), "v1 has all of it");
    assert_eq!(last(&["v2"]), Some(0), "v1 has all of it");
    assert_eq!(last(&["v1"]), Some(10), "a request to v1 would fail, and v2 answers those that it gets");
}

#[test]
fn rule_5_08_a_rollback_does_not_come_after_a_deletion() {
    let mut world = at("analyzing");
    world.object.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now));
    world.say(ROLLBACK, Some("true"));
    world.look();
    world.look();
    assert_eq!(reasons(&world).last(), Some(&Reason::Deleted));
    let stable = world.status().versions.iter().find(|v| v.track == Track::Stable).map(|v| v.hash.clone());
    let weight = world.observed.children.values().find_map(|live| {
        let read = model_release_core::traffic::read_back(&live.body)?;
        read.into_iter().find(|(hash, _)| Some(hash.to_string()) == stable).map(|(_, weight)| weight)
    });
    assert_eq!(weight, Some(100), "its last weights are stable's");
}
