//! Stories of whose objects route a release, of gateways that do not say so, and of those that lead astray.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::spec::Provider;
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Kind;
use model_release_core::queries;
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

/// `v2` is ready for so long, and the gateway answers 503 in its place.
fn astray(seconds: i64) -> World {
    let mut world = World::serving("v1");
    world.astray.insert("public".into(), 503);
    world.canary(Some("v2"));
    world.until("v2 is ready", |w| w.phase() == Phase::Warming).during(seconds)
}

/// Whether gateways are asked for the version on the way before the next look.
fn checked(world: &World) -> bool {
    let asks = queries(&world.object, &world.observed, &world.settings, world.now);
    asks.probes.iter().any(|probe| probe.direct.is_some())
}

#[test]
fn a_canary_that_a_gateway_does_not_lead_to_gets_no_weight_and_the_pod_is_named_until_it_does() {
    let world = astray(1);
    let said = world.status().message;
    assert!(
        said.starts_with("pod gateway-0 of gateway set public answered 503 when v2 was asked for"),
        "{said}"
    );
    assert_eq!(world.condition("Reconciling"), "True/Warming");
    let mut world = world.during(8);
    assert_eq!(world.condition("TrafficApplied"), "False/NotApplied");
    assert_eq!(message(&world, "TrafficApplied"), world.status().message);
    assert_eq!(world.condition("Stalled"), "False/Idle");
    world = world.during(25);
    assert_eq!(world.condition("Stalled"), "True/NotApplied");
    world = world.during(3600);
    assert_eq!((world.phase(), world.percent()), (Phase::Warming, 0), "{}", world.story());
    world.astray.clear();
    let world = world.during(6);
    assert_eq!(world.phase(), Phase::Analyzing, "{}", world.story());
    assert_eq!(world.condition("Stalled"), "False/Idle");
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
}

#[test]
fn a_rollback_does_not_wait_for_what_gateways_lead_to() {
    let mut world = astray(60);
    world.annotate(Some("true"));
    let asked = world.now;
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert!(world.now.duration_since(asked).as_secs() < 1, "it was never exposed; {}", world.story());
}

#[test]
fn a_route_that_is_in_order_costs_no_time_and_is_not_asked_for_again() {
    let mut world = World::serving("v1");
    world.canary(Some("v2"));
    let world = world.until("ready", |w| w.phase() == Phase::Warming);
    assert!(checked(&world), "as soon as it has a route");
    let since = world.status().state.candidate.and_then(|c| c.ready_at).unwrap();
    let world = world.during(1);
    assert!(world.status().state.candidate.is_some_and(|c| c.routed_at.is_some()));
    assert!(!checked(&world), "what was seen is in the status, and outlives the operator");
    let world = world.until("weight", |w| w.phase() == Phase::Analyzing);
    assert_eq!(world.now.duration_since(since).as_secs(), 5, "what its Service needs to be known everywhere");
}

#[test]
fn a_version_that_lost_its_pods_is_asked_for_anew() {
    let mut world = World::analyzing("v1", "v2");
    world.sick.insert("v2".into());
    let mut world = world.until("lost", |w| w.phase() == Phase::Starting);
    world.sick.clear();
    world.astray.insert("public".into(), 503);
    let world = world.until("ready again", |w| w.phase() == Phase::Warming).during(60);
    assert_eq!((world.phase(), world.percent()), (Phase::Warming, 0), "{}", world.story());
}

#[test]
fn a_model_is_warmed_up_once_its_gateways_lead_to_it_and_has_all_its_time_then() {
    let mut world = World::serving("v1");
    world.astray.insert("public".into(), 503);
    world.warms = Some(false);
    world.canary(Some("v2")).edit(|spec| {
        spec["canary"]["warmup"] = json!({"path": "/infer", "requests": 3, "timeoutSeconds": 60});
    });
    let mut world = world.until("v2 is ready", |w| w.phase() == Phase::Warming).during(300);
    assert_eq!(world.phase(), Phase::Warming, "it had no chance to answer; {}", world.story());
    let asks = queries(&world.object, &world.observed, &world.settings, world.now);
    assert_eq!(asks.warmup, None);
    world.astray.clear();
    let from = world.now;
    let world = world.until("given up", |w| w.phase() == Phase::RollingBack);
    assert!((60..70).contains(&world.now.duration_since(from).as_secs()), "{}", world.story());
}
