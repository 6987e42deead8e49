//! Stories of gateways whose proxies refuse what istiod sends them.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use jiff::SignedDuration;
use model_release_core::api::status::Phase;
use model_release_core::observed::{Part, Push};
use model_release_core::queries;
use model_release_core::testing::World;

fn message(world: &World, kind: &str) -> String {
    let conditions = world.status().conditions;
    conditions.into_iter().find(|c| c.type_ == kind).map(|c| c.message).unwrap_or_default()
}

/// Something that a pod of this set has not taken, since now.
fn push(world: &World, set: &str, refused: bool) -> Push {
    Push { set: set.into(), pod: "gateway-0".into(), part: Part::Listeners, refused, since: world.now }
}

#[test]
fn a_refused_push_is_told_with_pod_part_and_time_until_it_is_taken() {
    let mut world = World::serving("v1").during(1);
    world.observed.pushes = vec![push(&world, "public", true), push(&world, "public", true)];
    let since = format!("{:.0}", world.now);
    world.look();
    assert_eq!(world.condition("TrafficApplied"), "False/Refused");
    let told = message(&world, "TrafficApplied");
    for part in ["pod gateway-0 of gateway set public", "listeners", &since, "one push more"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(world.condition("Ready"), "True/Stable", "users are served all the same");
    let plan = world.look();
    assert!(plan.status.is_none() && plan.writes.is_empty(), "S12: {plan:?}");
    world.observed.pushes.clear();
    world.look();
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
}

#[test]
fn no_weight_and_no_rollback_waits_for_it() {
    let mut world = World::serving("v1");
    world.observed.pushes = vec![push(&world, "public", true)];
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("promoted", |w| w.phase() == Phase::Baking);
    world.annotate(Some("true"));
    let _ = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
}

#[test]
fn what_other_sets_of_gateways_refuse_is_none_of_a_releases_business() {
    let mut world = World::serving("v1").during(1);
    world.observed.pushes = vec![push(&world, "private", true)];
    let plan = world.look();
    assert!(plan.status.is_none(), "{plan:?}");
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
}

#[test]
fn what_is_not_acknowledged_is_told_after_half_a_minute_and_is_no_fault() {
    let mut world = World::serving("v1").during(1);
    world.observed.pushes = vec![push(&world, "public", false)];
    let before = message(&world, "TrafficApplied");
    world.now += SignedDuration::from_secs(29);
    world.look();
    assert_eq!(message(&world, "TrafficApplied"), before);
    world.now += SignedDuration::from_secs(1);
    world.look();
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
    let told = message(&world, "TrafficApplied");
    assert!(told.contains("gateway-0") && told.contains("not acknowledged the listeners"), "{told}");
}

#[test]
fn a_limit_that_is_not_kept_names_what_was_refused() {
    let mut world = World::new("v1", None);
    world.refusing.insert("public".into());
    let mut world = world.until("it serves", |w| w.phase() == Phase::Stable && w.settled()).during(8);
    assert_eq!(world.condition("TrafficApplied"), "False/RateLimitUnsupported");
    assert!(message(&world, "TrafficApplied").contains("which their logs tell"));
    world.observed.pushes = vec![push(&world, "public", true)];
    world.look();
    assert_eq!(world.condition("TrafficApplied"), "False/RateLimitUnsupported");
    let told = message(&world, "TrafficApplied");
    assert!(told.contains("gateway-0") && told.contains("has refused the listeners"), "{told}");
}

#[test]
fn a_new_view_is_wanted_for_a_minute_from_each_change_and_only_where_istiod_can_be_asked() {
    let wanted =
        |world: &World| queries(&world.object, &world.observed, &world.settings, world.now).pushes_until;
    let mut world = World::serving("v1");
    assert_eq!(wanted(&world), None, "nobody named one");
    world.settings.traffic.istiod = Some("http://istiod.istio-system:15014".into());
    let until = wanted(&world).expect("its routes were just written");
    assert!(until > world.now && until <= world.now + SignedDuration::from_secs(60));
    let mut world = world.during(61);
    assert_eq!(wanted(&world), None, "at rest");
    world.canary(Some("v2"));
    let world = world.until("its route is written", |w| w.phase() == Phase::Warming);
    assert!(wanted(&world).is_some());
}
