//! Stories of a release's end, and of others who write its objects.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use jiff::SignedDuration;
use model_release_core::api::Reason;
use model_release_core::api::status::{Act, Phase, Track};
use model_release_core::bury;
use model_release_core::plan::{Key, Kind, Write};
use model_release_core::testing::World;
use serde_json::json;

#[test]
fn a_release_whose_time_is_over_is_taken_down_routes_first_and_a_longer_one_starts_it_anew() {
    let mut world = World::new("v1", None);
    world.edit(|spec| spec["ttl"] = json!("2h"));
    let world = world.until("stable serves", |w| w.phase() == Phase::Stable && w.settled());
    assert!(world.status().expires_at.is_some());
    let world = world.until("over", |w| w.phase() == Phase::Pending);
    assert_eq!(world.decisions.last().map(|d| d.2), Some(Reason::Expired));
    let over = world.now;
    let world = world.until("all is gone", |w| w.observed.children.is_empty());
    assert!((world.now - over).get_seconds() <= 60, "{}", world.now - over);
    let deletes: Vec<&String> = world.writes.iter().filter(|w| w.starts_with("delete")).collect();
    let routes = deletes.iter().rposition(|w| w.contains("VirtualService")).unwrap();
    let rest = deletes.iter().position(|w| !w.contains("VirtualService")).unwrap();
    assert!(routes < rest, "{deletes:?}");
    assert_eq!(world.condition("Stalled"), "True/Expired");
    let before = world.writes.len();
    let mut world = world.during(3600);
    assert_eq!(world.writes.len(), before, "S12");
    world.edit(|spec| spec["ttl"] = json!("8760h"));
    let _ = world.until("it serves again", |w| w.phase() == Phase::Stable && w.settled());
}

#[test]
fn a_release_that_starts_anew_bars_nobody() {
    // v2 is rolled back, and then named as stable: it gets nothing while v1 serves.
    let mut world = World::rolled_back();
    world.edit(|spec| spec["ttl"] = json!("26h"));
    world.stable("v2").canary(None);
    assert_eq!(world.status().quarantine.len(), 1);
    let mut world = world.until("over", |w| w.status().state.expired_at.is_some());
    assert_eq!(world.status().quarantine, [], "nobody serves that it could be held against");
    world.edit(|spec| spec["ttl"] = json!("8760h"));
    let world = world.until("it serves again", |w| w.phase() == Phase::Stable && w.settled());
    assert_eq!(world.track(Track::Stable), "v2");
}

#[test]
fn a_deletion_sets_the_weight_back_then_cleans_up_elsewhere_then_lets_go() {
    let mut world = World::analyzing("v1", "v2");
    world.delete();
    let mut kinds = Vec::new();
    for _ in 0..5 {
        for write in &world.look().writes {
            kinds.push(match write {
                Write::Apply { key, .. } => format!("apply {:?}", key.kind),
                Write::Delete { key, .. } => format!("delete {:?}", key.kind),
                Write::Finalizer { present } => format!("finalizer {present}"),
                Write::Create { key, .. } => panic!("S13: a deleted release creates {key}"),
            });
        }
    }
    assert_eq!(kinds, ["apply VirtualService", "delete EnvoyFilter", "finalizer false"]);
    assert_eq!(world.weights.last(), Some(&0));
    let status = world.status();
    assert_eq!(status.history[0].verdict, Act::Delete);
    assert_eq!((status.history[0].from_percent, status.history[0].to_percent), (10, 0));
}

#[test]
fn a_deletion_does_not_set_the_weight_back_onto_what_is_gone_since() {
    // The last decision gives all traffic back to v1; before it is carried out somebody deletes the Service of v1.
    let mut world = World::promoting();
    world.delete();
    let plan = world.decide();
    world.commit(&plan);
    let gone = format!("fraud-{}", world.hash_of("v1"));
    let service = world.observed.children.keys().find(|k| k.kind == Kind::Service && k.name == gone).cloned();
    world.remove(&service.expect("v1 has a Service"));
    world.look();
    assert_eq!(world.weights.last(), Some(&100), "v2 answers to the end");
}

#[test]
fn an_edit_after_the_deletion_changes_nothing_any_more() {
    let mut world = World::analyzing("v1", "v2");
    world.delete();
    world.look();
    world.edit(|spec| spec["traffic"]["timeout"] = json!("9s"));
    let plan = world.decide();
    let routes = |w: &Write| matches!(w, Write::Apply { key, .. } if key.kind == Kind::VirtualService);
    assert!(plan.status.is_none() && !plan.writes.iter().any(routes), "{plan:?}");
    assert_eq!(world.status().message, "the release is being deleted");
}

#[test]
fn a_deletion_waits_a_minute_for_what_cannot_be_removed_and_names_it() {
    let mut world = World::analyzing("v1", "v2");
    world.delete();
    let plan = world.look();
    assert!(plan.writes.iter().any(|w| matches!(w, Write::Delete { .. })));
    // The object is put back, as if the delete had been refused.
    let mut stuck = World::analyzing("v1", "v2");
    stuck.delete();
    let plan = stuck.decide();
    stuck.commit(&plan);
    stuck.now += SignedDuration::from_secs(59);
    assert!(stuck.decide().writes.iter().all(|w| !matches!(w, Write::Finalizer { .. })));
    stuck.now += SignedDuration::from_secs(2);
    let plan = stuck.decide();
    assert!(plan.writes.contains(&Write::Finalizer { present: false }));
    assert!(
        plan.events[0].warning && plan.events[0].message.contains("EnvoyFilter")
            || plan.events[0].message.contains("envoyfilters"),
        "{plan:?}"
    );
}

#[test]
fn what_cannot_be_read_is_let_go_once_its_objects_elsewhere_are_gone() {
    let mut world = World::analyzing("v1", "v2");
    world.delete();
    let metadata = world.object.metadata.clone();
    let plan = bury(&metadata, &world.observed, &world.settings, world.now);
    assert!(plan.status.is_none(), "what could not be read is not written over");
    let elsewhere = |w: &Write| matches!(w, Write::Delete { key, .. } if key.kind == Kind::EnvoyFilter);
    assert!(plan.writes.len() == 1 && plan.writes.iter().all(elsewhere), "{:?}", plan.writes);
    let later = world.now + SignedDuration::from_secs(61);
    let plan = bury(&metadata, &world.observed, &world.settings, later);
    assert_eq!(plan.writes, [Write::Finalizer { present: false }]);
    assert!(plan.events[0].warning && plan.events[0].message.contains("by hand"), "{:?}", plan.events);
    world.observed.children.retain(|key, _| key.kind != Kind::EnvoyFilter);
    let plan = bury(&metadata, &world.observed, &world.settings, world.now);
    assert_eq!((plan.writes, plan.events), (vec![Write::Finalizer { present: false }], Vec::new()));
}

#[test]
fn what_runs_stays_as_it_is_when_its_record_is_gone_or_somebody_elses() {
    let record = |world: &World| {
        let named = format!("fraud-{}", world.hash_of("v1"));
        let of = |k: &&Key| k.kind == Kind::ControllerRevision && k.name == named;
        world.observed.children.keys().find(of).cloned().expect("v1 has a record")
    };
    let hands: [fn(&mut World, &Key); 2] =
        [|world, key| world.remove(key), |world, key| world.give(key, Some("somebody"))];
    for hand in hands {
        let mut world = World::analyzing("v1", "v2").during(1);
        let key = record(&world);
        let deployment = Key { kind: Kind::Deployment, ..key.clone() };
        let template = |world: &World| world.observed.children[&deployment].body["spec"]["template"].clone();
        let before = template(&world);
        hand(&mut world, &key);
        // Policy that pods are rendered by: how long they may take to end. The version stays the same.
        world.edit(|spec| spec["traffic"]["timeout"] = json!("77s"));
        let world = world.during(30);
        assert_eq!(template(&world), before, "{}", world.story());
    }
}

#[test]
fn a_record_that_a_hand_deletes_is_made_again_as_it_was_and_what_else_it_did_is_put_right() {
    let mut world = World::analyzing("v1", "v2").during(1);
    let named = format!("fraud-{}", world.hash_of("v1"));
    let of = |world: &World, kind: Kind| {
        world
            .observed
            .children
            .keys()
            .find(|k| k.kind == kind && k.name == named)
            .cloned()
            .expect("it is there")
    };
    let (record, deployment) = (of(&world, Kind::ControllerRevision), of(&world, Kind::Deployment));
    let data = |world: &World| world.observed.children.get(&record).map(|live| live.body["data"].clone());
    let template = |world: &World| world.observed.children[&deployment].body["spec"]["template"].clone();
    let (before, ran) = (data(&world), template(&world));
    // A real API server adds what is left out; the record is not to say more for it.
    world.tamper(Kind::Deployment, &named, |body| {
        body["spec"]["template"]["spec"]["dnsPolicy"] = json!("ClusterFirst");
    });
    world.tamper(Kind::Deployment, &named, |body| {
        body["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil");
    });
    world.remove(&record);
    let world = world.during(30);
    assert_eq!(data(&world), before, "{}", world.story());
    assert_eq!(template(&world)["spec"]["containers"][0]["image"], ran["spec"]["containers"][0]["image"]);
}

#[test]
fn pods_of_a_version_that_left_go_once_routes_are_in_force() {
    // v3 left and has no pods; a hand gives it some, and at the same look v1, kept warm until now, loses its route.
    let mut world = World::rolled_back_beside();
    let deployment = format!("fraud-{}", world.hash_of("v3"));
    let retires = world.status().versions.iter().find_map(|v| v.retire_at).expect("v1 is kept for a time");
    world.now = retires;
    world.tamper(Kind::Deployment, &deployment, |body| body["spec"]["replicas"] = json!(7));
    let plan = world.look();
    let shrinks = format!("Deployment ml/{deployment}");
    let ends = |w: &Write| matches!(w, Write::Apply { key, .. } if key.to_string() == shrinks);
    assert!(!world.settled() && !plan.writes.iter().any(ends), "{:?}", plan.writes);
    let world = world.until("its pods go", |w| {
        let live =
            w.observed.children.iter().find(|(k, _)| k.kind == Kind::Deployment && k.name == deployment);
        live.is_none_or(|(_, live)| live.body["spec"]["replicas"] == json!(0))
    });
    assert!(world.settled(), "{}", world.story());
}

#[test]
fn orphans_are_left_as_they_are() {
    let mut world = World::analyzing("v1", "v2");
    world.object.metadata.finalizers.get_or_insert_default().push("orphan".to_owned());
    world.delete();
    let plan = world.look();
    assert_eq!(plan.writes, [Write::Finalizer { present: false }]);
    assert!(plan.status.is_none());
}

#[test]
fn a_fight_over_an_object_is_slowed_down_and_told() {
    let mut world = World::analyzing("v1", "v2").during(1);
    let fight = |world: &mut World| {
        world.tamper(Kind::Service, "fraud", |body| body["spec"]["type"] = json!("NodePort"));
        world.look().writes.len()
    };
    let put_right: usize = (0..10).map(|_| fight(&mut world)).sum();
    assert_eq!(put_right, 10);
    assert_eq!(fight(&mut world), 0, "the eleventh waits");
    world.look();
    assert_eq!(world.condition("TrafficApplied"), "False/RoutingConflict");
    let before = world.writes.len();
    let mut world = world.during(31);
    assert_eq!(world.writes.len(), before + 1, "every half minute it is tried: {}", world.story());
    fight(&mut world);
    world.annotate(Some("true"));
    world.look();
    assert_eq!(world.weights.last(), Some(&0), "a rollback is never kept waiting");
    let world = world.during(120);
    assert_ne!(
        world.condition("TrafficApplied"),
        "False/RoutingConflict",
        "over when nobody fights any more"
    );
}

#[test]
fn a_later_operators_memory_is_not_touched_and_that_is_said() {
    let mut world = World::serving("v1");
    let mut status = world.status();
    status.state.version = 99;
    world.object.status = Some(status);
    let plan = world.look();
    assert!(plan.status.is_none() && plan.writes.is_empty());
    assert_eq!(plan.events[0].reason, Reason::OperatorOutdated);
}
