//! Stories of what a human asks for by annotation or by spec.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::Reason;
use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY};
use model_release_core::api::status::{Phase, Track};
use model_release_core::observed::WarmupAnswer;
use model_release_core::plan::Kind;
use model_release_core::queries;
use model_release_core::testing::World;
use model_release_core::version::Hash;
use serde_json::json;

fn reasons(world: &World) -> Vec<Reason> {
    world.decisions.iter().map(|(_, _, reason)| *reason).collect()
}

fn last(world: &World) -> Option<Reason> {
    reasons(world).last().copied()
}

#[test]
fn a_pause_holds_a_canary_where_it_is_and_its_end_lets_it_go_on() {
    let mut world = World::analyzing("v1", "v2");
    world.accuracy.insert("v2".into(), 0.97);
    world.say(PAUSE, Some("true"));
    let before = world.decisions.len();
    let mut world = world.during(7200);
    assert_eq!(world.decisions.len(), before, "{}", world.story());
    assert_eq!((world.phase(), world.condition("Held")), (Phase::Analyzing, "True/Paused".to_owned()));
    assert_eq!(world.condition("Ready"), "Unknown/Held");
    assert!(world.status().analysis.is_some_and(|a| a.quality.is_some()), "evidence is taken all the same");
    world.say(PAUSE, None);
    let resumed = world.now;
    let world = world.until("promoted", |w| w.phase() == Phase::Promoting);
    assert!((world.now - resumed).get_seconds() > 200, "the least time of the step did not run while paused");
}

#[test]
fn a_pause_never_holds_back_a_rollback() {
    let mut world = World::analyzing("v1", "v2");
    world.accuracy.insert("v2".into(), 0.6);
    world.say(PAUSE, Some("true"));
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert_eq!(world.condition("RolledBack"), "True/QualityRegression");
}

#[test]
fn a_pause_keeps_the_way_back() {
    let mut world = World::analyzing("v1", "v2");
    world.accuracy.insert("v2".into(), 0.97);
    let mut world = world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
    world.say(PAUSE, Some("true"));
    let mut world = world.during(3 * 3600);
    assert_eq!(world.track(Track::Previous), "v1");
    world.say(PAUSE, None);
    let world = world.during(60);
    assert_eq!(world.track(Track::Previous), "", "{}", world.story());
}

#[test]
fn an_unreadable_word_holds_like_a_pause_and_is_told_once() {
    for (key, word) in [(PAUSE, "perhaps"), (model_release_core::api::annotations::ROLLBACK, "no!")] {
        let mut world = World::serving("v1");
        world.say(key, Some(word)).canary(Some("v2"));
        let plan = world.look();
        let told: Vec<_> = plan.events.iter().map(|e| e.reason).collect();
        assert_eq!(told, [Reason::AnnotationMalformed], "{key}");
        let mut world = world.during(600);
        assert_eq!(
            (world.phase(), world.condition("Held")),
            (Phase::Stable, "True/MalformedAnnotation".to_owned())
        );
        world.say(key, None);
        let _ = world.until("the canary starts", |w| w.phase() == Phase::Starting);
    }
}

#[test]
fn a_promotion_by_hand_needs_no_evidence_and_waits_for_the_canary_to_be_judged() {
    let mut world = World::serving("v1");
    world.prometheus = false;
    world.canary(Some("v2")).say(PROMOTE, Some("v2"));
    let world = world.until("v2 is live", |w| w.phase() == Phase::Baking);
    assert!(reasons(&world).contains(&Reason::ManualPromotion), "{}", world.story());
    assert!(reasons(&world).contains(&Reason::StepStarted), "it waits for the first weight");
    assert_eq!(world.condition("Promoted"), "True/ManualPromotion");
}

#[test]
fn a_promotion_by_hand_is_bound_to_what_bore_the_name_then() {
    let mut world = World::serving("v1");
    world.prometheus = false;
    world.canary(Some("v2")).say(PROMOTE, Some("v2"));
    world.look();
    world.edit(|spec| spec["canary"]["image"] = json!("registry.example.com/fraud:another"));
    let world = world.during(3600);
    assert_eq!(
        world.phase(),
        Phase::Analyzing,
        "another content of the same name is judged: {}",
        world.story()
    );
}

#[test]
fn promote_never_helps_a_version_that_was_rolled_back_and_says_so_once() {
    let mut world = World::analyzing("v1", "v2");
    world.errors.insert("v2".into(), 0.9);
    let mut world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    world.say(PROMOTE, Some("v2"));
    let told: Vec<_> = world.look().events.iter().map(|e| e.reason).collect();
    assert_eq!(told, [Reason::AnnotationIgnored]);
    let world = world.during(600);
    assert_eq!(world.phase(), Phase::RolledBack);
}

#[test]
fn a_word_that_means_nothing_is_told_once_and_changes_nothing() {
    for (key, word, reason) in [
        (PROMOTE, "true", Reason::AnnotationMalformed),
        (PROMOTE, "v9", Reason::AnnotationIgnored),
        (RETRY, "a\u{0}b", Reason::AnnotationMalformed),
        ("modelrelease.dev/rolback", "true", Reason::AnnotationUnknown),
    ] {
        let mut world = World::analyzing("v1", "v2");
        world.say(key, Some(word));
        let plan = world.look();
        assert_eq!(plan.events.iter().map(|e| e.reason).collect::<Vec<_>>(), [reason], "{key}={word}");
        assert!(world.look().events.is_empty(), "{key}={word} is told once");
        assert_eq!(world.phase(), Phase::Analyzing);
    }
}

#[test]
fn a_retry_is_another_trial_without_old_evidence_once_a_token() {
    let mut world = World::analyzing("v1", "v2");
    world.errors.insert("v2".into(), 0.9);
    let mut world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    world.errors.clear();
    world.say(RETRY, Some("1"));
    let mut world = world.until("again on trial", |w| w.phase() == Phase::Analyzing);
    assert!(reasons(&world).contains(&Reason::RetryAccepted));
    assert_eq!(world.status().state.candidate.as_ref().map(|c| c.attempt), Some(2));
    assert!(world.status().quarantine.is_empty());
    world.errors.insert("v2".into(), 0.9);
    let world = world.until("rolled back again", |w| w.phase() == Phase::RolledBack);
    let world = world.during(3600);
    assert_eq!(world.phase(), Phase::RolledBack, "a token lifts a quarantine once");
}

#[test]
fn a_retry_is_kept_for_when_nothing_holds_the_canary() {
    let mut world = World::analyzing("v1", "v2");
    world.annotate(Some("true"));
    let mut world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    world.say(RETRY, Some("1"));
    let mut world = world.during(600);
    assert_eq!(world.phase(), Phase::RolledBack);
    world.annotate(None);
    let _ = world.until("tried again", |w| w.phase() == Phase::Starting);
}

#[test]
fn a_suspended_release_is_left_alone_and_its_clocks_go_on_from_where_they_stood() {
    let mut world = World::analyzing("v1", "v2");
    world.errors.insert("v2".into(), 0.9);
    world.edit(|spec| spec["suspend"] = json!(true));
    world.look();
    world.tamper(Kind::VirtualService, "fraud", |body| body["spec"]["http"] = json!([]));
    let before = (world.writes.len(), world.decisions.len());
    let mut world = world.during(7200);
    assert_eq!((world.writes.len(), world.decisions.len()), before, "{}", world.story());
    assert_eq!(world.condition("Held"), "True/Suspended");
    world.edit(|spec| spec["suspend"] = json!(false));
    world.look();
    assert_eq!(world.writes.len(), before.0 + 1, "drift is put right");
    let clocks = world.status().state.clocks;
    assert!(clocks.suspended_since.is_none() && clocks.suspended_milliseconds >= 7_100_000, "{clocks:?}");
    let _ = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
}

#[test]
fn a_rollback_by_hand_goes_before_a_suspension() {
    let mut world = World::analyzing("v1", "v2");
    world.edit(|spec| spec["suspend"] = json!(true));
    world.look();
    world.annotate(Some("true"));
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert_eq!(world.weights.last(), Some(&0));
    assert_eq!(world.condition("Held"), "True/Suspended");
}

#[test]
fn another_first_version_takes_the_place_of_one_that_never_served() {
    let mut world = World::new("v1", None);
    world.sick.insert("v1".into());
    let mut world = world.during(60);
    world.stable("v2");
    let world = world.until("v2 serves", |w| w.phase() == Phase::Stable);
    assert_eq!(reasons(&world), [Reason::StableChanged, Reason::StableReady]);
    let world = world.during(120);
    let deployments = world.observed.children.keys().filter(|k| k.kind == Kind::Deployment).count();
    assert_eq!(deployments, 1, "{:?}", world.writes);
}

#[test]
fn lowered_steps_fall_at_once_and_raised_ones_are_earned() {
    let steps = |all: &[i32]| {
        let steps: Vec<_> = all.iter().map(|p| json!({"trafficPercent": p, "minDuration": "60s"})).collect();
        json!({"steps": steps, "bake": "60s", "drain": "10s", "promotion": "Manual"})
    };
    let mut world = World::serving("v1");
    world.edit(|spec| spec["rollout"] = steps(&[10, 40]));
    world.canary(Some("v2"));
    let mut world = world.until("40 %", |w| w.weights.last() == Some(&40));
    world.edit(|spec| spec["rollout"] = steps(&[10, 20]));
    world.look();
    assert_eq!(
        (world.weights.last(), last(&world)),
        (Some(&20), Some(Reason::StepsChanged)),
        "{}",
        world.story()
    );
    world.edit(|spec| spec["rollout"] = steps(&[60, 80]));
    world.look();
    assert_eq!(world.weights.last(), Some(&20), "a raised step is not given: {}", world.story());
    let world = world.until("earned", |w| w.weights.last() == Some(&60));
    assert_eq!(world.phase(), Phase::Analyzing);
}

#[test]
fn copies_come_before_the_first_weight_and_never_promote() {
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.97);
    world.edit(|spec| spec["rollout"]["shadow"] = json!({"mirrorPercent": 100, "minDuration": "2m"}));
    world.canary(Some("v2"));
    let world = world.until("copies", |w| w.phase() == Phase::Shadowing);
    assert_eq!(last(&world), Some(Reason::WarmedUp));
    let copied = |w: &World| {
        let objects = w.observed.children.values();
        objects
            .filter_map(|live| live.body.pointer("/spec/http"))
            .any(|http| http.to_string().contains("mirrors"))
    };
    let world = world.until("in force", |w| copied(w) && w.settled());
    assert_eq!(world.weights.last(), Some(&0), "nobody's answer depends on it");
    let world = world.until("weight", |w| w.phase() == Phase::Analyzing);
    assert!(!copied(&world), "the write that gives the first weight ends the copies");
    assert!(world.status().state.checks.is_empty(), "what copies showed is no evidence for a promotion");
    let _ = world.until("promoted", |w| w.phase() == Phase::Baking);
}

#[test]
fn a_dark_canary_gets_no_traffic_and_waits_for_promote() {
    let mut world = World::serving("v1");
    world.edit(|spec| spec["rollout"] = json!({"trafficPercent": 0, "bake": "60s", "maxDuration": "1m"}));
    world.canary(Some("v2"));
    let world = world.until("dark", |w| w.phase() == Phase::Analyzing);
    let mut world = world.during(3 * 3600);
    assert_eq!((world.phase(), world.weights.last()), (Phase::Analyzing, Some(&0)), "{}", world.story());
    assert_eq!(world.condition("Held"), "True/AwaitingPromotion");
    world.say(PROMOTE, Some("v2"));
    let _ = world.until("promoted", |w| w.phase() == Phase::Baking);
}

#[test]
fn a_manual_promotion_waits_without_deadline_with_its_guards_up() {
    let manual = |spec: &mut serde_json::Value| {
        spec["rollout"] = json!({"promotion": "Manual", "bake": "60s", "drain": "10s", "maxDuration": "20m"});
    };
    let mut world = World::serving("v1");
    world.accuracy.insert("v2".into(), 0.97);
    world.edit(manual).canary(Some("v2"));
    let world = world.until("passed", |w| last(w) == Some(Reason::AwaitingPromotion));
    let mut world = world.during(3 * 3600);
    assert_eq!(
        (world.phase(), world.condition("Held")),
        (Phase::Analyzing, "True/AwaitingPromotion".to_owned())
    );
    let mut worse = world.clone();
    world.say(PROMOTE, Some("v2"));
    let _ = world.until("promoted", |w| w.phase() == Phase::Baking);
    worse.errors.insert("v2".into(), 0.9);
    let _ = worse.until("rolled back", |w| w.phase() == Phase::RolledBack);
}

#[test]
fn a_canary_that_stays_undecided_is_held_told_once_and_judged_on() {
    let mut world = World::serving("v1");
    world.edit(|spec| spec["rollout"]["maxDuration"] = json!("10m"));
    world.rate = 1.0;
    world.canary(Some("v2"));
    let mut world = world.until("overdue", |w| last(w) == Some(Reason::Inconclusive));
    assert_eq!(world.condition("Stalled"), "True/Inconclusive");
    assert_eq!(world.condition("Held"), "True/Inconclusive");
    world = world.during(120);
    assert_eq!(reasons(&world).iter().filter(|r| **r == Reason::Inconclusive).count(), 1);
    world.rate = 500.0;
    world.accuracy.insert("v2".into(), 0.97);
    let _ = world.until("promoted", |w| w.phase() == Phase::Baking);
}

fn with_warmup() -> World {
    let mut world = World::serving("v1");
    world.canary(Some("v2")).edit(|spec| {
        spec["canary"]["warmup"] =
            json!({"path": "/infer", "body": "{}", "requests": 3, "timeoutSeconds": 60});
    });
    world.until("v2 is ready", |w| w.phase() == Phase::Warming && w.settled())
}

fn answers(world: &mut World, good: i32, unreachable: bool) {
    let hash = world.status().versions.iter().find(|v| v.track == Track::Canary).unwrap().hash.clone();
    let hash = Hash::known(&hash);
    world.observed.warmup = Some(WarmupAnswer { hash, good, last_status: Some(503), unreachable });
}

#[test]
fn a_warm_up_is_answered_before_the_first_weight() {
    let world = with_warmup();
    let mut world = world.during(30);
    assert_eq!(world.phase(), Phase::Warming, "{}", world.story());
    answers(&mut world, 3, false);
    let _ = world.until("weight", |w| w.phase() == Phase::Analyzing);
}

#[test]
fn a_warm_up_that_is_not_answered_well_in_time_ends_the_trial() {
    let mut world = with_warmup();
    answers(&mut world, 2, false);
    let world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
    assert_eq!(world.condition("RolledBack"), "True/WarmupFailed");
    let said =
        world.status().history.iter().find(|e| e.reason == Reason::WarmupFailed).unwrap().message.clone();
    assert_eq!(said, "v2 answered 2 of 3 warm-up requests well in 60 s; the last answer was 503");
}

#[test]
fn pods_that_cannot_be_reached_for_a_warm_up_do_without() {
    let mut world = with_warmup();
    answers(&mut world, 0, true);
    let world = world.until("weight", |w| w.phase() == Phase::Analyzing);
    assert_eq!(world.condition("CanaryReady"), "True/WarmupUnreachable");
}

#[test]
fn a_model_is_warmed_up_by_itself_where_its_gateways_lead_to_an_app() {
    let asked = |world: &World| {
        let asks = queries(&world.object, &world.observed, &world.settings, world.now);
        asks.warmup.expect("it is to be warmed up")
    };
    assert!(!asked(&with_warmup()).probes.is_empty(), "by its own route, as its clients will reach it");
    let mut world = World::serving("v1");
    world.canary(Some("v2")).edit(|spec| {
        spec["canary"]["warmup"] = json!({"path": "/infer", "body": "{}", "requests": 3});
        spec["canary"]["app"] = json!({"image": "registry.example.com/shop:1"});
    });
    let world = world.until("v2 is ready", |w| w.phase() == Phase::Warming && w.settled());
    let warmup = asked(&world);
    assert!(warmup.probes.is_empty(), "the app has other paths: {warmup:?}");
    let hash = world.status().versions.iter().find(|v| v.track == Track::Canary).unwrap().hash.clone();
    assert_eq!(warmup.service, format!("fraud-{hash}"));
}
