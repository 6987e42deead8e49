//! Rules 5.1 to 5.6: rollback, quarantine, promote, pause, suspend.

use model_release_core::api::Reason;
use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::status::{Phase, Track};
use model_release_core::plan::{Kind, Write};
use model_release_core::testing::World;
use serde_json::json;

use super::*;

#[test]
fn rule_5_01_a_true_left_over_from_a_canary_never_rolls_stable_back_as_well() {
    // v2 is live and has v1 to go back to; v3 is on trial.
    let mut world = at("kept");
    world.stable("v2").canary(Some("v3"));
    let mut world = world.until("v3 is on trial", |w| w.phase() == Phase::Analyzing);
    world.say(ROLLBACK, Some("true"));
    let mut world = world.until("v3 left", |w| w.phase() == Phase::RolledBack).during(300);
    assert_eq!((live(&world).as_str(), world.track(Track::Previous).as_str()), ("v2", "v1"));
    // Said anew it is about what is live.
    world.canary(None).say(ROLLBACK, None);
    let mut world = world.during(10);
    world.say(ROLLBACK, Some("true"));
    let world = world.until("v2 left", |w| live(w) == "v1");
    assert_eq!(world.status().quarantine.len(), 2, "v3 and v2");
}

#[test]
fn rule_5_01_weights_move_at_once_whatever_the_state_of_stable_or_of_what_leaves() {
    for sick in [vec![], vec!["v1"], vec!["v2"], vec!["v1", "v2"]] {
        let mut world = at("analyzing");
        world.sick.extend(sick.iter().map(ToString::to_string));
        world.say(ROLLBACK, Some("true"));
        world.look();
        world.look();
        assert_eq!(world.weights.last(), Some(&0), "{sick:?}: {}", world.story());
    }
}

#[test]
fn rule_5_01_without_a_running_fallback_traffic_stays_where_endpoints_are() {
    let mut world = at("alone");
    world.sick.insert("v1".into());
    world.say(ROLLBACK, Some("true"));
    let mut world = world.during(600);
    assert_eq!((live(&world).as_str(), world.phase()), ("v1", Phase::RollingBack));
    let leaving = world.status().traffic.iter().find(|t| t.version == "v2").map(|t| t.percent);
    assert_eq!(leaving, Some(100), "v2 still answers: {}", world.story());
    assert_eq!(world.condition("Stalled"), "True/FallbackNotReady");
    world.sick.clear();
    let world = world.until("v1 has it all", |w| w.phase() == Phase::RolledBack);
    assert_eq!(world.status().traffic.iter().map(|t| t.percent).max(), Some(100));
    assert_eq!(live(&world), "v1");
    // Had v2 no endpoints either, nobody would be served by waiting.
    let mut dead = at("alone");
    dead.sick.extend(["v1".to_owned(), "v2".to_owned()]);
    dead.say(ROLLBACK, Some("true"));
    let dead = dead.during(5);
    assert_eq!(dead.status().traffic.iter().find(|t| t.version == "v1").map(|t| t.percent), Some(100));
}

#[test]
fn rule_5_01_while_held_nothing_starts_but_an_absent_stable_comes_up() {
    let mut world = World::new("v1", Some("v2"));
    world.say(ROLLBACK, Some("true"));
    let world = world.until("stable serves", |w| w.phase() == Phase::Stable).during(3600);
    assert_eq!(live(&world), "v1");
    assert!(!reasons(&world).contains(&Reason::CanaryStarted), "{}", world.story());
    assert_eq!(world.condition("Held"), "True/ManualRollback");
}

#[test]
fn rule_5_02_after_promotion_the_way_back_is_one_commit_and_one_write() {
    for name in ["baking", "kept"] {
        let mut world = at(name);
        world.say(ROLLBACK, Some("true"));
        let (writes, decisions) = (world.writes.len(), world.decisions.len());
        world.look();
        assert_eq!(world.decisions.len() - decisions, 1, "{name}");
        let moved: Vec<_> = world.writes[writes..].iter().filter(|w| w.contains("VirtualService")).collect();
        assert_eq!(moved.len(), 1, "{name}: {:?}", &world.writes[writes..]);
        let back = world.during(1);
        assert_eq!(
            back.status().traffic.iter().find(|t| t.version == "v1").map(|t| t.percent),
            Some(100),
            "{name}"
        );
    }
}

#[test]
fn rule_5_02_what_has_retired_and_is_wanted_back_is_written_anew_before_it_gets_weight() {
    // v1 has no role any more, and one operator, A, is about to delete what is left of it.
    let mut world = at("kept").until("v1 is retired", |w| w.track(Track::Previous).is_empty());
    let deployment = |w: &World| {
        let name = format!("fraud-{}", w.hash_of("v1"));
        let found = w.observed.children.iter().find(|(k, _)| k.kind == Kind::Deployment && k.name == name);
        found.map(|(_, live)| live.clone())
    };
    let (basis, late) = loop {
        world.now += jiff::SignedDuration::from_secs(1);
        let mut basis = world.basis();
        let plan = world.decide_on(&mut basis);
        if plan.writes.iter().any(|write| matches!(write, Write::Delete { .. })) {
            break (basis, plan);
        }
        world.look();
    };
    let weight = |w: &World| w.status().traffic.iter().find(|t| t.version == "v1").map_or(0, |t| t.percent);
    let before = deployment(&world).expect("it still runs");
    // A human wants it back, and the other operator gives it a role.
    world.say(ROLLBACK, Some("v2"));
    let plan = world.look();
    assert_eq!((live(&world).as_str(), plan.row), ("v1", Some("3")));
    assert_eq!(weight(&world), 0, "the first plan gives it no weight: {}", world.story());
    let after = deployment(&world).expect("it still runs");
    assert_eq!(after.body["spec"], before.body["spec"], "nothing of it is changed");
    assert!(after.resource_version != before.resource_version && after.uid == before.uid);
    // A's delete comes, and what it was decided on is gone.
    world.follow(&basis, &late, late.writes.len());
    assert!(deployment(&world).is_some(), "the late delete is refused: {}", world.story());
    let world = world.until("v1 has it all", |w| weight(w) == 100);
    assert!(deployment(&world).is_some());
}

#[test]
fn rule_5_02_a_canary_that_was_moved_to_stable_and_is_rolled_back_is_not_started_again() {
    let mut world = at("kept");
    world.stable("v2").canary(None);
    let mut world = world.during(10);
    world.say(ROLLBACK, Some("v2"));
    let mut world = world.until("v2 left", |w| w.phase() == Phase::RolledBack);
    world.say(ROLLBACK, None);
    let mut world = world.during(3600);
    assert_eq!((live(&world).as_str(), world.phase()), ("v1", Phase::RolledBack), "{}", world.story());
    world.say(RETRY, Some("1"));
    let world = world.until("v2 serves again", |w| live(w) == "v2" && w.phase() == Phase::Stable);
    assert!(world.status().quarantine.is_empty());
}

#[test]
fn rule_5_03_ten_are_remembered_and_those_of_the_spec_are_never_forgotten() {
    let mut world = at("stable");
    for number in 10..22 {
        let name = format!("v{number}");
        world.errors.insert(name.clone(), 0.9);
        world.canary(Some(&name));
        world =
            world.until("rolled back", |w| w.phase() == Phase::RolledBack && w.track(Track::Failed) == name);
    }
    let names: Vec<String> = world.status().quarantine.iter().map(|q| q.version.clone()).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names.first().map(String::as_str), Some("v12"), "the oldest went: {names:?}");
    // The canary block stays as it is; whatever else fails, it is not tried again.
    let decided = world.decisions.len();
    let world = world.during(7200);
    let since: Vec<_> = world.decisions[decided..].iter().map(|d| d.2).collect();
    assert!(!since.contains(&Reason::CanaryStarted), "{since:?}");
}

#[test]
fn rule_5_04_promote_waits_for_the_trial_and_never_stands_for_readiness_or_a_failed_check() {
    let mut world = at("starting");
    world.say(PROMOTE, Some("v2"));
    let mut world = world.during(600);
    assert_eq!(world.phase(), Phase::Starting, "it is not ready");
    world.sick.clear();
    let world = world.until("promoted", |w| w.phase() == Phase::Baking);
    assert!(reasons(&world).contains(&Reason::ManualPromotion));
    assert_eq!(world.condition("Promoted"), "True/ManualPromotion");
    let mut failed = at("rolled back");
    failed.say(PROMOTE, Some("v2"));
    let failed = failed.during(600);
    assert_eq!((failed.phase(), live(&failed).as_str()), (Phase::RolledBack, "v1"), "a failed check stands");
}

#[test]
fn rule_5_04_a_promote_or_retry_that_means_nothing_changes_nothing_in_any_phase() {
    for value in ["", "  ", "true", "v2 v3", "\u{7}", "-v2", &"x".repeat(300), "nobody"] {
        for word in [PROMOTE, RETRY] {
            // Any printable word is a token; there is nothing to lift but in RolledBack.
            let token = word == RETRY && !value.trim().is_empty() && value.len() < 65 && value != "\u{7}";
            for (name, world) in everywhere() {
                if token && world.status().quarantine.iter().any(|q| q.version == "v2" || q.version == "v3") {
                    continue;
                }
                let mut said = world.clone();
                said.say(word, Some(value));
                let (plan, other) = (said.clone().decide(), world.clone().decide());
                assert_eq!(plan.row, other.row, "{name}: {word}={value:?}");
                assert_eq!(plan.writes, other.writes, "{name}: {word}={value:?}");
                let events: Vec<_> = plan.events.iter().map(|event| event.reason).collect();
                let told = matches!(
                    events.as_slice(),
                    [] | [Reason::AnnotationMalformed | Reason::AnnotationIgnored]
                );
                assert!(told, "{name}: {word}={value:?}: {events:?}");
                said.look();
                assert!(said.look().events.is_empty(), "{name}: {word}={value:?} is told once");
            }
        }
    }
}

/// Rows that need a version to be free: none of them while paused.
const FREE: [&str; 7] = ["15", "16", "32", "35", "36", "37", "38"];

#[test]
fn rule_5_05_while_paused_nothing_new_happens_in_any_phase_and_afterwards_it_goes_on() {
    for (name, mut world) in everywhere() {
        heal(&mut world);
        world.accuracy.insert("v2".into(), 0.95);
        let without = world.clone().during(2 * 3600);
        world.say(PAUSE, Some("true"));
        let before = world.moves.len();
        let mut paused = world.during(3600);
        let made: Vec<&str> = paused.moves[before..].iter().map(|m| m.1).collect();
        assert!(!made.iter().any(|row| FREE.contains(row)), "{name}: {made:?}");
        assert!(!made.contains(&"42"), "{name}: a bake does not end: {made:?}");
        paused.say(PAUSE, None);
        let after = paused.during(2 * 3600);
        assert_eq!(
            (after.phase(), live(&after)),
            (without.phase(), live(&without)),
            "{name}: it ends as without; {}",
            after.story()
        );
    }
}

#[test]
fn rule_5_05_a_pause_never_stops_a_move_to_safety() {
    let paused = |name: &str| {
        let mut world = at(name);
        world.say(PAUSE, Some("true"));
        world.during(5)
    };
    let mut held = paused("analyzing");
    held.say(ROLLBACK, Some("true"));
    assert_eq!(held.until("it left", |w| w.phase() == Phase::RolledBack).weights.last(), Some(&0));
    let mut bad = paused("analyzing");
    bad.errors.insert("v2".into(), 0.9);
    assert!(
        reasons(&bad.until("it left", |w| w.phase() == Phase::RolledBack))
            .contains(&Reason::ErrorRateExceeded)
    );
    let mut cancelled = paused("analyzing");
    cancelled.canary(None);
    assert_eq!(live(&cancelled.until("it left", |w| w.phase() == Phase::Stable)), "v1");
    let mut reverted = paused("kept");
    reverted.canary(None);
    assert_eq!(live(&reverted.until("back", |w| live(w) == "v1")), "v1");
    let mut drifted = paused("analyzing");
    drifted.tamper(Kind::VirtualService, "fraud", |body| body["spec"]["http"] = json!([]));
    drifted.look();
    assert_eq!(drifted.writes.last().map(String::as_str), Some("apply VirtualService ml/fraud"));
}

#[test]
fn rule_5_06_a_suspended_release_is_not_touched_in_any_phase_and_goes_on_afterwards() {
    for (name, mut world) in everywhere() {
        if world.phase() == Phase::RollingBack {
            continue;
        }
        heal(&mut world);
        world.accuracy.insert("v2".into(), 0.95);
        let without = world.clone().during(2 * 3600);
        world.edit(|spec| spec["suspend"] = true.into());
        let (writes, moves) = (world.writes.len(), world.moves.len());
        world.tamper_any();
        let mut suspended = world.during(86_400);
        assert_eq!(suspended.writes.len(), writes, "{name}: {:?}", &suspended.writes[writes..]);
        assert_eq!(suspended.moves.len(), moves, "{name}: {:?}", &suspended.moves[moves..]);
        suspended.edit(|spec| drop(spec.as_object_mut().expect("a spec").remove("suspend")));
        let after = suspended.during(2 * 3600);
        assert_eq!(
            (after.phase(), live(&after)),
            (without.phase(), live(&without)),
            "{name}: {}",
            after.story()
        );
    }
}
