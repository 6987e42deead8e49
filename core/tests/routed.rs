//! Stories of whose objects route a release, and of gateways that do not say so.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::spec::Provider;
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use model_release_core::traffic::read_back;
use serde_json::{Value, json};

/// Why a condition is as it is.
fn message(world: &World, kind: &str) -> String {
    let conditions = world.status().conditions;
    conditions.into_iter().find(|c| c.type_ == kind).map(|c| c.message).unwrap_or_default()
}

fn routes(world: &World, kind: Kind) -> Vec<Value> {
    let all = world.observed.children.iter().filter(|(key, _)| key.kind == kind);
    all.map(|(_, live)| live.body.clone()).collect()
}

#[test]
fn the_gateway_api_carries_a_release_from_its_start_to_a_promotion() {
    let world = World::by(Provider::GatewayApi, || World::new("v1", Some("v2")));
    let world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert_eq!(world.track(Track::Stable), "v2");
    assert_eq!(routes(&world, Kind::VirtualService).len(), 0);
    let [route] = routes(&world, Kind::HttpRoute).try_into().expect("one HTTPRoute");
    let weights: Vec<i32> = read_back(&route).unwrap().into_iter().map(|(_, weight)| weight).collect();
    assert_eq!(weights, [100, 0]);
    assert!(world.weights.contains(&10), "{:?}", world.weights);
}

#[test]
fn a_provider_does_not_change_while_a_release_lives_and_all_goes_on_as_before() {
    for (first, other, kind) in [
        (Provider::Istio, Provider::GatewayApi, Kind::HttpRoute),
        (Provider::GatewayApi, Provider::Istio, Kind::VirtualService),
    ] {
        let mut world = World::by(first, || World::analyzing("v1", "v2"));
        world.edit(|spec| spec["traffic"]["provider"] = json!(other));
        let mut world = world.during(30);
        assert_eq!(world.condition("Accepted"), "False/InvalidSpec");
        assert!(
            message(&world, "Accepted").contains("provider cannot change"),
            "{}",
            message(&world, "Accepted")
        );
        assert_eq!(routes(&world, kind).len(), 0, "nothing of the other kind is written");
        world.annotate(Some("true"));
        let mut world = world.until("rolled back all the same", |w| w.phase() == Phase::RolledBack);
        world.edit(|spec| spec["traffic"]["provider"] = json!(first));
        let world = world.during(30);
        assert_eq!(world.condition("Accepted"), "True/Accepted");
    }
}

#[test]
fn a_gateway_that_does_not_say_what_it_has_is_told_by_name_until_it_does() {
    let mut world = World::serving("v1");
    world.mute.insert("public".into());
    world.canary(Some("v2"));
    let mut world = world.until("the canary has weight", |w| w.phase() == Phase::Analyzing).during(10);
    assert_eq!(world.condition("TrafficApplied"), "False/NotApplied");
    let told = message(&world, "TrafficApplied");
    assert!(
        told.contains("pod gateway-0 of gateway set public") && told.contains("fraud.example.com"),
        "{told}"
    );
    world.mute.clear();
    let world = world.during(61);
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
}

#[test]
fn what_a_controller_refuses_about_a_route_is_told_in_its_words_unless_it_is_old() {
    let refused = |behind: i64| {
        let mut world = World::by(Provider::GatewayApi, || World::serving("v1")).during(1);
        let route = world.observed.children.iter_mut().find(|(key, _)| key.kind == Kind::HttpRoute);
        let (_, live) = route.expect("an HTTPRoute");
        let seen = live.body["metadata"]["generation"].as_i64().unwrap() - behind;
        live.body["status"] = json!({"parents": [{"parentRef": {"name": "public"}, "conditions": [{
            "type": "Accepted", "status": "False", "reason": "NoMatchingListenerHostname",
            "message": "no hostnames matched", "observedGeneration": seen,
        }]}]});
        world.look();
        (world.condition("TrafficApplied"), message(&world, "TrafficApplied"))
    };
    let (condition, told) = refused(0);
    assert_eq!(condition, "False/NotApplied");
    assert!(told.contains("public: NoMatchingListenerHostname: no hostnames matched"), "{told}");
    assert_eq!(refused(1).0, "True/WeightsInForce", "it has not seen the route as it is now");
}
