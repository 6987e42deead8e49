//! Stories of one release in virtual time, from the user's first `apply` to where it comes to rest.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::Reason;
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use model_release_core::traffic::read_back;
use serde_json::json;

fn reasons(world: &World) -> Vec<Reason> {
    world.decisions.iter().map(|(_, _, reason)| *reason).collect()
}

#[test]
fn a_first_version_serves_and_then_nothing_happens() {
    let mut world = World::serving("v1").during(60);
    assert_eq!(reasons(&world), [Reason::StableReady]);
    assert_eq!(world.condition("Ready"), "True/Stable");
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce");
    let before = world.writes.len();
    let plan = world.look();
    assert!(plan.status.is_none() && plan.writes.is_empty() && plan.events.is_empty(), "S12: {plan:?}");
    world = world.during(3600 * 24);
    assert_eq!(world.writes.len(), before, "S12: an idle release writes nothing");
}

#[test]
fn a_better_canary_is_promoted_and_the_old_version_kept_warm() {
    let mut world = World::serving("v1");
    let before = world.writes.len();
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let world = world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
    assert_eq!(
        reasons(&world),
        [
            Reason::StableReady,
            Reason::CanaryStarted,
            Reason::CanaryReady,
            Reason::StepStarted,
            Reason::QualityPassed,
            Reason::Promoting,
            Reason::Promoted,
            Reason::Baked,
        ]
    );
    assert_eq!(world.weights, [0, 10, 100, 0], "{}", world.story());
    assert_eq!(world.track(Track::Previous), "v1");
    assert_eq!(world.condition("Ready"), "True/SpecLags");
    assert_eq!(world.condition("Promoted"), "True/QualityPassed");
    let applied: Vec<_> =
        world.writes[before..].iter().filter(|w| w.starts_with("apply Deployment")).collect();
    assert!(applied.is_empty(), "promotion only moves weights: {applied:?}");
    let entry = world
        .status()
        .history
        .iter()
        .find(|e| e.reason == Reason::QualityPassed)
        .cloned()
        .expect("on record");
    assert!(entry.numbers[0].canary_events >= 100 && entry.numbers[0].canary.starts_with("0.9"), "{entry:?}");
    let world =
        world.until("v1 is retired", |w| w.track(Track::Previous).is_empty() && w.observed.pods.len() == 1);
    let world = world.until("its objects are gone", |w| {
        w.observed.children.keys().filter(|k| k.kind == Kind::Deployment).count() == 1
    });
    assert_eq!(world.track(Track::Stable), "v2");
}

#[test]
fn a_worse_canary_is_rolled_back_by_itself_and_not_tried_again() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.80);
    world.canary(Some("v2"));
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert!(reasons(&world).contains(&Reason::QualityRegression));
    assert_eq!(world.weights, [0, 10, 0]);
    assert_eq!(world.condition("Stalled"), "True/RolledBack");
    assert_eq!(world.condition("RolledBack"), "True/QualityRegression");
    assert_eq!(world.condition("StableReady"), "True/StableReady");
    let decided = world.decisions.len();
    let world = world.during(3000);
    assert_eq!(world.decisions.len(), decided, "{}", world.story());
}

#[test]
fn errors_roll_back_whatever_the_quality() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.99);
    world.errors.insert("v2".into(), 0.4);
    world.canary(Some("v2"));
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert!(reasons(&world).contains(&Reason::ErrorRateExceeded), "{}", world.story());
}

#[test]
fn without_prometheus_weights_hold_and_nothing_is_decided() {
    let mut world = World::analyzing("v1", "v2");
    world.accuracy.insert("v2".into(), 0.95);
    world.prometheus = false;
    let mut world = world.during(1800);
    assert_eq!(world.phase(), Phase::Analyzing);
    assert_eq!(world.status().canary_percent, Some(10));
    assert_eq!(world.condition("AnalysisAvailable"), "False/ProviderUnavailable");
    world.prometheus = true;
    let world = world.until("seen again", |w| w.condition("AnalysisAvailable") == "True/Receiving");
    assert_eq!(world.phase(), Phase::Analyzing);
    let world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert!(!reasons(&world).contains(&Reason::Inconclusive));
}

#[test]
fn a_rollback_by_hand_takes_two_looks_in_any_phase() {
    for phase in [Phase::Starting, Phase::Warming, Phase::Analyzing, Phase::Promoting] {
        let mut world = World::serving("v1");
        world.accuracy.insert("v2".into(), 0.95);
        world.canary(Some("v2"));
        let mut world = world.until("in the phase", |w| w.phase() == phase);
        world.annotate(Some("true"));
        let plan = world.look();
        assert_eq!(plan.decision.map(|d| d.reason), Some(Reason::ManualRollback), "{phase:?}");
        world.look();
        assert!(matches!(world.weights.last(), None | Some(0)), "{phase:?}: {}", world.story());
        let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
        let decided = world.decisions.len();
        let mut world = world.during(600);
        assert_eq!(world.decisions.len(), decided, "held: {}", world.story());
        world.annotate(None);
        let world = world.during(600);
        assert_eq!(
            world.decisions.len(),
            decided,
            "a rolled-back version does not come back: {}",
            world.story()
        );
    }
}

#[test]
fn after_promotion_a_rollback_by_hand_is_one_write() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("baking", |w| w.phase() == Phase::Baking && w.settled());
    world.annotate(Some("v2"));
    let before = world.writes.len();
    world.look();
    let first: Vec<_> = world.writes[before..].iter().take(1).cloned().collect();
    assert_eq!(first, ["apply VirtualService ml/fraud"], "weights go first");
    assert_eq!(world.track(Track::Stable), "v1");
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert_eq!(world.track(Track::Failed), "v2");
}

#[test]
fn removing_the_canary_cancels_it_and_it_may_come_back() {
    let mut world = World::analyzing("v1", "v2");
    world.canary(None);
    let mut world = world.until("back at rest", |w| w.phase() == Phase::Stable);
    assert!(reasons(&world).contains(&Reason::CanaryRemoved));
    world.canary(Some("v2"));
    world = world.until("tried again", |w| w.phase() == Phase::Analyzing);
    assert_eq!(world.status().state.candidate.map(|c| c.attempt), Some(2));
}

#[test]
fn a_third_version_waits_until_the_second_has_left() {
    let mut world = World::analyzing("v1", "v2");
    world.canary(Some("v3"));
    let world =
        world.until("v3 is on trial", |w| w.phase() == Phase::Analyzing && w.track(Track::Canary) == "v3");
    let order: Vec<_> = reasons(&world);
    let left = order.iter().position(|r| *r == Reason::RolledBack).expect("v2 left");
    let second = order.iter().rposition(|r| *r == Reason::CanaryStarted).expect("v3 started");
    assert!(left < second, "{order:?}");
}

#[test]
fn stable_changed_to_something_new_is_made_ready_before_it_takes_over() {
    let mut world = World::serving("v1");
    world.stable("v5");
    let world = world.until("replaced", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v5");
    assert!(reasons(&world).contains(&Reason::Replaced));
    assert_eq!(world.weights, [0, 100, 0]);
}

#[test]
fn moving_the_canarys_lines_to_stable_after_promotion_moves_nothing() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
    let before = world.writes.len();
    world.stable("v2").canary(None);
    let world = world.during(30);
    assert_eq!(world.writes.len(), before, "{}", world.story());
    assert_eq!(world.condition("Ready"), "True/Stable");
}

#[test]
fn removing_the_block_after_promotion_returns_to_stable() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
    world.canary(None);
    let world = world.until("back", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v1");
    assert!(world.status().quarantine.is_empty(), "the user's word is no verdict");
}

#[test]
fn a_canary_that_never_gets_ready_never_gets_weight() {
    let mut world = World::serving("v1");
    world.sick.insert("v2".into());
    world.canary(Some("v2"));
    let world = world.until("given up", |w| w.phase() == Phase::RolledBack);
    assert!(reasons(&world).contains(&Reason::ProgressDeadlineExceeded));
    assert!(!world.weights.iter().any(|w| *w > 0), "{:?}", world.weights);
}

#[test]
fn a_canary_that_loses_its_pods_goes_to_zero_and_comes_back() {
    let mut world = World::analyzing("v1", "v2");
    world.sick.insert("v2".into());
    let mut world = world.until("at zero", |w| w.weights.last() == Some(&0));
    assert_eq!(world.phase(), Phase::Starting);
    world.sick.clear();
    let world = world.until("again on trial", |w| w.phase() == Phase::Analyzing);
    assert_eq!(world.status().state.candidate.map(|c| c.returns), Some(1));
}

#[test]
fn a_hand_edit_of_any_child_is_put_right_at_the_next_look() {
    let mut world = World::analyzing("v1", "v2").during(1);
    world.tamper(Kind::VirtualService, "fraud", |body| {
        let route = body["spec"]["http"].as_array_mut().expect("routes").last_mut().expect("the split");
        route["route"][0]["weight"] = 50.into();
        route["route"][1]["weight"] = 50.into();
    });
    let plan = world.look();
    assert!(plan.events.iter().any(|e| e.reason == Reason::DriftCorrected), "{plan:?}");
    assert_eq!(world.writes.last().map(String::as_str), Some("apply VirtualService ml/fraud"));
    assert_eq!(world.status().state.drift.total, 1);
}

#[test]
fn somebody_elses_object_of_our_name_is_never_touched() {
    let mut world = World::serving("v1");
    world.tamper(Kind::Service, "fraud", |_| {});
    for (key, live) in &mut world.observed.children {
        if key.kind == Kind::Service && key.name == "fraud" {
            live.owner = Some("somebody".into());
            live.body["spec"]["selector"] = serde_json::json!({"app": "theirs"});
        }
    }
    let before = world.writes.len();
    let world = world.during(120);
    assert_eq!(world.writes.len(), before, "{:?}", &world.writes[before..]);
    assert_eq!(world.condition("Stalled"), "True/OwnershipConflict");
}

#[test]
fn a_malformed_rollback_holds_everything_and_is_said_once() {
    let mut world = World::serving("v1");
    world.annotate(Some("not a version!")).canary(Some("v2"));
    let world = world.during(600);
    assert_eq!(reasons(&world), [Reason::StableReady], "nothing starts: {}", world.story());
    assert_eq!(world.condition("Held"), "True/MalformedAnnotation");
    assert_eq!(world.status().decision.map(|d| d.reason), Some(Reason::MalformedAnnotation));
}

#[test]
fn a_lost_status_returns_to_what_the_spec_says_without_an_outage() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.95);
    world.canary(Some("v2"));
    let mut world = world
        .until("v2 is live and v1 retired", |w| w.track(Track::Stable) == "v2" && w.observed.pods.len() == 1);
    let numbers = world.status().state.traffic.seq;
    world.object.status = None;
    world.sick.insert("v1".into());
    let mut world = world.during(60);
    assert_eq!(world.phase(), Phase::Pending);
    assert!(
        world.observed.pods.iter().any(|pod| pod.ready),
        "v2 goes on serving until v1 can: {}",
        world.story()
    );
    world.sick.clear();
    let world = world.until("v1 serves", |w| w.track(Track::Stable) == "v1" && w.settled());
    assert!(world.status().state.traffic.seq > numbers, "gateways can tell the new weights from the old");
}

#[test]
fn a_crash_after_any_write_ends_as_without_it() {
    let end = |crash_at: Option<usize>| {
        let mut world = World::serving("v1");
        world.accuracy.insert("v2".into(), 0.95);
        world.canary(Some("v2"));
        let mut sent = 0_usize;
        for _ in 0..6_000 {
            if world.phase() == Phase::Stable && world.track(Track::Stable) == "v2" {
                break;
            }
            let plan = world.decide();
            world.commit(&plan);
            let left = crash_at.filter(|at| *at >= sent).map_or(usize::MAX, |at| at - sent);
            let crash = left < plan.writes.len();
            world.apply(&plan, if crash { left } else { usize::MAX });
            sent = if crash { usize::MAX } else { sent.saturating_add(plan.writes.len()) };
            let idle = plan.status.is_none() && plan.writes.is_empty();
            world.now = if idle { plan.next_look } else { world.now + jiff::SignedDuration::from_millis(5) };
        }
        let names: Vec<String> = world.observed.children.keys().map(ToString::to_string).collect();
        (world.track(Track::Stable), reasons(&world), names, world.weights.clone(), sent)
    };
    let golden = end(None);
    assert_eq!(golden.0, "v2");
    assert!(golden.4 > 5, "there are writes to crash after: {}", golden.4);
    for crash_at in 0..golden.4 {
        let crashed = end(Some(crash_at));
        assert_eq!(
            (&crashed.0, &crashed.1, &crashed.2),
            (&golden.0, &golden.1, &golden.2),
            "after write {crash_at}"
        );
    }
}

#[test]
fn limits_that_a_gateway_does_not_keep_are_told_within_ten_seconds_and_hold_no_weight_back() {
    let mut world = World::new("v1", None);
    world.refusing.insert("public".into());
    let mut world = world.until("v1 serves", |w| w.phase() == Phase::Stable && w.settled());
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce", "gateways are given time");
    world = world.during(9);
    assert_eq!(world.condition("TrafficApplied"), "False/RateLimitUnsupported", "{}", world.story());
    let told =
        world.status().conditions.iter().find(|c| c.type_ == "TrafficApplied").map(|c| c.message.clone());
    assert!(
        told.is_some_and(|told| told.contains("pod gateway-0 of gateway set public")),
        "the message names the pod"
    );
    world.canary(Some("v2"));
    let mut world = world.until("v2 has weight", |w| w.weights.last() == Some(&10));
    world.refusing.clear();
    let world = world.during(61);
    assert_eq!(world.condition("TrafficApplied"), "True/WeightsInForce", "it is asked again");
}

#[test]
fn a_sticky_split_is_salted_anew_only_while_one_version_has_all_of_it() {
    let mut world = World::serving("v1");
    world.edit(|spec| {
        spec["traffic"]["clientHeader"] = json!("x-user-id");
        spec["traffic"]["sticky"] = json!(true);
    });
    let salt = |w: &World| {
        let sticky = w.observed.children.iter().find(|(key, _)| key.name.ends_with(".sticky"));
        let patch = sticky?.1.body.pointer("/spec/configPatches/0/patch/value/route/hash_policy/0/header")?;
        let salt = patch.pointer("/regex_rewrite/substitution")?.as_str()?.split_once(':')?.0.to_owned();
        Some(salt)
    };
    let split = |w: &World| {
        let weights = w.observed.children.values().find_map(|live| read_back(&live.body)).unwrap();
        weights.iter().filter(|(_, weight)| *weight > 0).count() > 1
    };
    let mut world = world.during(1);
    assert_eq!(salt(&world), Some(world.hash_of("v1")));
    // v2 is promoted; v3, tried after it, fails.
    world.accuracy.insert("v2".into(), 0.95);
    world.accuracy.insert("v3".into(), 0.5);
    world.canary(Some("v2"));
    let mut salts = vec![salt(&world)];
    for second in 0..7200 {
        let (before, was_split) = (salt(&world), split(&world));
        world = world.during(1);
        if salt(&world) != before {
            assert!(!was_split && !split(&world), "a salt changes under a split: {}", world.story());
            salts.push(salt(&world));
        }
        if second == 3600 {
            assert_eq!(world.track(Track::Stable), "v2", "{}", world.story());
            world.stable("v2").canary(Some("v3"));
        }
    }
    assert_eq!(world.phase(), Phase::RolledBack, "{}", world.story());
    let of = |version: &str| Some(world.hash_of(version));
    assert_eq!(salts, [of("v1"), of("v2"), of("v3"), of("v2")], "a version that takes over keeps its salt");
}
