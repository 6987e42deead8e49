//! Rules 5.14 to 5.16: other hands: drift, foreign objects, other operators.

use model_release_core::api::Reason;
use model_release_core::api::status::Phase;
use model_release_core::plan::{Key, Kind};
use model_release_core::testing::World;
use serde_json::json;

use super::*;

/// What somebody does to a child of each kind.
#[allow(clippy::match_wildcard_for_single_variants, reason = "kinds are added")]
fn damage(world: &mut World, key: &Key) {
    world.tamper(key.kind, &key.name, |body| match key.kind {
        Kind::Deployment => body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1),
        Kind::Service => body["spec"]["selector"] = json!({"app": "other"}),
        Kind::VirtualService => body["spec"]["http"] = json!([]),
        Kind::EnvoyFilter => body["spec"]["configPatches"] = json!([]),
        _ => body["metadata"]["labels"] = json!({}),
    });
}

#[test]
fn rule_5_14_a_hand_edit_of_any_child_is_put_right_at_the_next_look_in_every_phase() {
    for (name, world) in everywhere() {
        let world = world.during(1);
        for key in world.observed.children.keys().filter(|key| key.kind != Kind::ControllerRevision) {
            let mut world = world.clone();
            damage(&mut world, key);
            let plan = world.look();
            let told = plan.events.iter().any(|event| event.reason == Reason::DriftCorrected);
            let line = format!("apply {key}");
            assert!(plan.row.is_some() || told, "{name}: {key}: {:?}", plan.events);
            assert!(
                world.writes.iter().rev().take(8).any(|w| *w == line),
                "{name}: {key}: {:?}",
                plan.writes
            );
        }
    }
}

#[test]
fn rule_5_14_a_deleted_child_is_there_again_at_the_next_look_in_every_phase() {
    for (name, world) in everywhere() {
        let world = world.during(1);
        for key in world.observed.children.keys() {
            // What was rendered for a version that no block names any more stands in its record alone.
            let named = ["v1", "v2"].iter().any(|v| {
                let spec = &world.object.spec;
                let blocks = std::iter::once(&spec.stable).chain(&spec.canary);
                key.name.ends_with(&world.hash_of(v)) && blocks.into_iter().any(|block| block.version == *v)
            });
            if key.kind == Kind::ControllerRevision && !named {
                continue;
            }
            let mut world = world.clone();
            world.observed.children.remove(key);
            world.look();
            let line = format!("create {key}");
            assert!(
                world.writes.iter().rev().take(8).any(|w| *w == line),
                "{name}: {key}: {}",
                world.story()
            );
        }
    }
}

#[test]
fn rule_5_14_another_renderer_restarts_nothing_and_writes_no_deployment() {
    // An operator upgrade: settings, and with them what is rendered, are others.
    for (name, mut world) in everywhere() {
        if world.phase() == Phase::Pending {
            continue;
        }
        let writes = world.writes.len();
        world.settings.fetcher_image = "registry.example.com/fetcher:next".into();
        let world = world.during(2);
        let written: Vec<_> =
            world.writes[writes..].iter().filter(|line| line.contains("Deployment")).collect();
        assert!(written.is_empty(), "{name}: {written:?}");
    }
}

#[test]
fn rule_5_15_somebody_elses_object_of_our_name_is_never_touched_and_ends_the_trial() {
    for kind in [Kind::Deployment, Kind::Service] {
        let mut world = World::serving("v1");
        let name = format!("fraud-{}", world.hash_of("v2"));
        let theirs =
            world.observed.children.iter().find(|(key, _)| key.kind == kind).expect("one of the kind");
        let (key, mut live) = (Key { name: name.clone(), ..theirs.0.clone() }, theirs.1.clone());
        live.owner = Some("somebody".into());
        live.body["metadata"]["name"] = json!(name);
        live.body["spec"]["replicas"] = json!(0);
        world.observed.children.insert(key.clone(), live.clone());
        world.canary(Some("v2"));
        let world = world.during(60);
        assert_eq!(world.phase(), Phase::Starting, "{kind:?}: {}", world.story());
        assert_eq!(world.condition("Stalled"), "True/OwnershipConflict", "{kind:?}");
        let mut world = world.until("given up", |w| w.phase() == Phase::RolledBack);
        assert!(reasons(&world).contains(&Reason::OwnershipConflict), "{kind:?}: {}", world.story());
        world.canary(None);
        let world = world.during(3 * 3600);
        let after = world.observed.children.get(&key).map(|live| live.uid.clone());
        assert_eq!(after, Some(live.uid), "{kind:?}: it is still there");
        assert!(
            !world.writes.iter().any(|line| line.ends_with(&key.to_string())),
            "{kind:?}: {:?}",
            world.writes
        );
    }
}

#[test]
fn rule_5_16_what_a_later_operator_remembers_is_left_alone_in_every_phase() {
    for (name, mut world) in everywhere() {
        world.remember(|status| status.state.version = 2);
        world.stable("v9").say("modelrelease.dev/rollback", Some("true"));
        let plan = world.decide();
        assert!(plan.status.is_none() && plan.writes.is_empty(), "{name}: {plan:?}");
        assert!(
            plan.events.iter().any(|event| event.reason == Reason::OperatorOutdated),
            "{name}: it is said"
        );
    }
}
