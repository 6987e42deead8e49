//! Stories of requests that go otherwise than the weights say.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use jiff::SignedDuration;
use model_release_core::analysis::share::SHARE;
use model_release_core::api::Reason;
use model_release_core::api::annotations::PROMOTE;
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Event;
use model_release_core::queries;
use model_release_core::testing::World;
use serde_json::json;

/// Why a condition is as it is.
fn message(world: &World, kind: &str) -> String {
    let conditions = world.status().conditions;
    conditions.into_iter().find(|c| c.type_ == kind).map(|c| c.message).unwrap_or_default()
}

/// A better canary with a weight of 10 %, that gets another share of the requests.
fn better(share: Option<f64>) -> World {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("it has weight", |w| w.phase() == Phase::Analyzing && w.settled());
    world.share = share;
    world
}

fn skewed(world: World) -> World {
    world.until("it is told", |w| w.condition("TrafficApplied") == "False/SplitSkewed")
}

/// The world goes on for so long, with every event on the way.
fn events(mut world: World, seconds: i64) -> (World, Vec<Event>) {
    let end = world.now + SignedDuration::from_secs(seconds);
    let mut events = Vec::new();
    while world.now < end {
        let plan = world.look();
        events.extend(plan.events);
        world.now = if plan.status.is_none() && plan.writes.is_empty() {
            plan.next_look.max(world.now + SignedDuration::from_millis(1)).min(end)
        } else {
            world.now + SignedDuration::from_millis(5)
        };
    }
    (world, events)
}

/// What is shown of the share of a version.
fn shown(world: &World, track: Track) -> String {
    let status = world.status();
    let hash = status.versions.iter().find(|v| v.track == track).map(|v| v.hash.clone());
    status.traffic.into_iter().find(|t| Some(&t.hash) == hash.as_ref()).map(|t| t.share).unwrap_or_default()
}

#[test]
fn the_share_of_the_requests_is_shown_beside_the_weight_also_without_any_guardrail() {
    let mut world = better(None);
    world.edit(|spec| spec["analysis"]["guardrails"] = json!([]));
    let world = world.during(60);
    assert_eq!(
        (shown(&world, Track::Stable), shown(&world, Track::Canary)),
        ("0.9000".into(), "0.1000".into())
    );
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
    let world = world.until("promoted", |w| w.phase() == Phase::Baking).during(1);
    assert_eq!(shown(&world, Track::Stable), "", "nothing is split any more");
    assert_eq!(world.status().state.share, None);
}

#[test]
fn nobody_is_promoted_on_a_share_that_is_not_the_weights_and_what_to_do_is_said() {
    for share in [0.4, 0.01] {
        let world = skewed(better(Some(share)));
        let told = message(&world, "TrafficApplied");
        let percent = format!("{:.1} % of the requests", share * 100.0);
        assert!(told.contains("v2 has a weight of 10 %") && told.contains(&percent), "{told}");
        assert!(told.contains("another route") && told.contains("by its header"), "{told}");
        let decided = world.decisions.len();
        let mut world = world.during(7200);
        assert_eq!((world.phase(), world.decisions.len()), (Phase::Analyzing, decided), "{}", world.story());
        assert_eq!(world.status().message, told, "it is what the release waits for");
        world.share = None;
        let world = world.until("promoted", |w| w.phase() == Phase::Baking).during(1);
        assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
    }
}

#[test]
fn it_is_an_event_once_however_long_it_lasts() {
    let mut world = better(Some(0.5));
    // It passes in the end, and waits for a human.
    world.edit(|spec| spec["rollout"]["promotion"] = json!("Manual"));
    let (mut world, all) = events(world, 3600);
    let of = |all: &[Event]| all.iter().filter(|e| e.reason == Reason::SplitSkewed).count();
    assert_eq!(of(&all), 1);
    assert!(all.iter().all(|e| e.reason != Reason::SplitSkewed || e.warning));
    world.share = None;
    let world = world.until("cleared", |w| w.condition("TrafficApplied") == "True/WeightsInForce");
    let mut world = world;
    world.share = Some(0.5);
    let (_, again) = events(world, 60);
    assert_eq!(of(&again), 1, "what was cleared is news again");
}

#[test]
fn no_step_rises_meanwhile() {
    let mut world = World::serving("v1");
    world.edit(|spec| {
        spec["rollout"].as_object_mut().unwrap().remove("trafficPercent");
        spec["rollout"]["steps"] = json!([
            {"trafficPercent": 10, "minDuration": "60s"}, {"trafficPercent": 50, "minDuration": "60s"},
        ]);
    });
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("it has weight", |w| w.phase() == Phase::Analyzing && w.settled());
    world.share = Some(0.3);
    let mut world = skewed(world).during(1800);
    assert_eq!(world.status().canary_percent, Some(10), "{}", world.story());
    world.share = None;
    let world = world.until("the next step", |w| w.status().canary_percent == Some(50));
    assert!(world.status().state.share.as_ref().is_some_and(|share| share.skewed.is_none()));
    let world = world.during(59);
    assert_eq!(shown(&world, Track::Canary), "0.5000", "of the present weight alone");
}

#[test]
fn a_rollback_does_not_wait_for_it() {
    let mut world = skewed(better(Some(0.5)));
    world.accuracy.insert("v2".into(), 0.5);
    let world = world.until("it leaves by evidence", |w| w.phase() == Phase::RollingBack).during(1);
    assert_eq!(world.condition("RolledBack"), "True/QualityRegression");
    assert_eq!(world.status().state.share, None, "a new trial begins without it");
    let mut world = skewed(better(Some(0.5)));
    world.annotate(Some("true"));
    world.look();
    assert_eq!(world.phase(), Phase::RollingBack);
}

#[test]
fn where_clients_keep_their_version_it_is_told_and_holds_nothing() {
    let mut world = World::serving("v1");
    world.edit(|spec| spec["traffic"]["sticky"] = json!(true));
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("it has weight", |w| w.phase() == Phase::Analyzing && w.settled());
    world.share = Some(0.4);
    let world = skewed(world);
    let told = message(&world, "TrafficApplied");
    assert!(told.contains("nothing waits for it"), "{told}");
    assert!(!world.status().message.contains("no chance"), "{}", world.status().message);
    let _ = world.until("promoted", |w| w.phase() == Phase::Baking);
}

#[test]
fn a_human_may_promote_all_the_same() {
    let mut world = skewed(better(Some(0.5)));
    world.say(PROMOTE, Some("v2"));
    let world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert!(world.decisions.iter().any(|(_, _, reason)| *reason == Reason::ManualPromotion));
}

#[test]
fn the_wait_ends_at_max_duration_as_any_other() {
    let mut world = better(Some(0.5));
    world.edit(|spec| spec["rollout"]["maxDuration"] = json!("10m"));
    let world = world.during(1200);
    assert_eq!(world.condition("Stalled"), "True/Inconclusive");
    let mut world = better(Some(0.5));
    world.edit(|spec| {
        spec["rollout"]["maxDuration"] = json!("10m");
        spec["rollout"]["onInconclusive"] = json!("Rollback");
    });
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert_eq!(world.condition("RolledBack"), "True/Inconclusive");
}

#[test]
fn without_prometheus_nothing_is_said_of_it() {
    let mut world = better(Some(0.5));
    world.prometheus = false;
    let world = world.during(600);
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
    assert_eq!(shown(&world, Track::Canary), "");
}

#[test]
fn nobody_asks_for_it_while_requests_are_copied_or_one_version_has_all() {
    let asked = |world: &World| {
        let mut world = world.clone();
        let mut asked = false;
        for _ in 0..40 {
            let asks = queries(&world.object, &world.observed, &world.settings, world.now);
            asked |= asks.queries.iter().any(|query| query.id.check == SHARE);
            world = world.during(5);
        }
        asked
    };
    for (name, mut still) in World::everywhere() {
        let split = matches!(name, "analyzing" | "growing");
        let before = still.phase();
        still.prometheus = false;
        if still.clone().during(200).phase() == before {
            assert_eq!(asked(&still), split, "{name}");
        }
    }
}
