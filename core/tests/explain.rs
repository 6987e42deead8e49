//! What a reader is told of a release, held against what the operator does next.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::cell::RefCell;

use jiff::SignedDuration;
use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::status::{Phase, Track};
use model_release_core::explain::{
    Answer, Explanation, Followed, Gate, GateState, Refusal, Seen, Standing, State, Unreadable, answered,
    explain, follow, outcome, promote, resume, retry, roll_back, span,
};
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use serde_json::{Value, json};

/// What a reader with all rights sees of the pods.
fn seen(world: &World) -> Seen {
    let deployments = world.observed.children.iter().filter(|(key, _)| key.kind == Kind::Deployment);
    let slice = |(service, count): (&String, &i32)| {
        let ready = |n: i32| json!({"addresses": [format!("10.0.0.{n}")], "conditions": {"ready": true}});
        json!({
            "metadata": {"labels": {"kubernetes.io/service-name": service}},
            "endpoints": (0..*count).map(ready).collect::<Vec<Value>>(),
        })
    };
    Seen {
        deployments: Some(deployments.map(|(_, live)| live.body.clone()).collect()),
        slices: Some(world.observed.endpoints.iter().map(slice).collect()),
    }
}

fn told(world: &World) -> Explanation {
    explain(&world.object, &seen(world), world.now).unwrap()
}

fn gate<'a>(told: &'a Explanation, name: &str) -> &'a Gate {
    let found = told.gates.iter().find(|gate| gate.name == name);
    found.unwrap_or_else(|| panic!("no gate {name} in {:#?}", told.gates))
}

/// Plays on, and asks before each look what it will do.
fn watched(world: World, what: &str, done: impl Fn(&World) -> bool) -> World {
    let asked: RefCell<Option<(usize, Explanation)>> = RefCell::default();
    world.until(what, |w| {
        let now = told(w);
        let before = asked.replace(Some((w.moves.len(), now.clone())));
        if let Some((moves, before)) = before
            && let Some(due) = &before.due
        {
            let made = w.moves.get(moves).map(|(_, row, _)| *row);
            // Only an answer that came at that very look may have said otherwise.
            let answered = matches!(made, Some("26" | "31"));
            assert!(made == Some(due.row) || answered, "{due:?} was due, {made:?} was made");
        }
        let open = now.gates.iter().all(|gate| gate.state == GateState::Pass);
        assert!(
            now.gates.is_empty() || !open || now.due.is_some() || now.state == State::Stalled,
            "nothing is waited for, and nothing is due: {now:#?}"
        );
        done(w)
    })
}

/// How a world begins.
type Begins = fn() -> World;

#[test]
fn what_is_said_to_be_due_is_what_the_operator_does() {
    let mut better = World::serving("v1");
    better.accuracy.insert("v2".into(), 0.95);
    better.canary(Some("v2"));
    watched(better, "kept", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");

    let mut failing = World::analyzing("v1", "v2");
    failing.errors.insert("v2".into(), 0.5);
    watched(failing, "rolled back", |w| w.phase() == Phase::RolledBack);

    let mut stepped = World::serving("v1");
    stepped.accuracy.insert("v2".into(), 0.95);
    stepped.edit(|spec| {
        spec["rollout"]["trafficPercent"] = Value::Null;
        spec["rollout"]["steps"] =
            json!([{"trafficPercent": 10, "minDuration": "1m"}, {"trafficPercent": 50}]);
        spec["rollout"]["shadow"] = json!({"mirrorPercent": 50, "minDuration": "2m"});
    });
    stepped.canary(Some("v2"));
    watched(stepped, "promoted by steps", |w| w.phase() == Phase::Baking);

    let mut replaced = World::serving("v1");
    replaced.stable("v2");
    watched(replaced, "replaced", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2");
}

#[test]
fn each_phase_at_rest_says_what_it_waits_for() {
    for (name, world) in World::everywhere() {
        let told = told(&world);
        assert_eq!(told.phase, world.phase(), "{name}");
        let waits = told.gates.iter().any(|gate| gate.state != GateState::Pass);
        let at_rest = matches!(told.state, State::AtRest | State::Stalled);
        assert!(waits || at_rest || told.due.is_some(), "{name}: {told:#?}");
        for gate in &told.gates {
            assert!(!gate.detail.is_empty() && !gate.name.is_empty(), "{name}: {gate:?}");
        }
    }
}

#[test]
fn a_canary_under_analysis_waits_for_its_checks_and_its_time() {
    let told = told(&World::analyzing("v1", "v2").during(1));
    assert_eq!(told.state, State::Waiting);
    let subject = told.subject.clone().unwrap();
    assert_eq!((subject.version.as_str(), subject.track, subject.percent), ("v2", Track::Canary, Some(10)));
    let quality = gate(&told, "model_accuracy");
    assert_eq!(quality.state, GateState::Waiting);
    assert!(quality.detail.contains("labelled answers of v2 are needed"), "{quality:?}");
    let time = gate(&told, "time at 10 %");
    assert!(time.state == GateState::Waiting && time.until.is_some(), "{time:?}");
    assert_eq!(gate(&told, "by hand").detail, "none");
    assert_eq!(told.forward, "v2 is promoted");
    assert!(told.back.starts_with("v2 is rolled back if a check fails"), "{}", told.back);
    assert_eq!(told.deadline.unwrap().then, "it is Stalled, and the analysis goes on");
}

#[test]
fn what_is_counted_tells_how_much_more_would_decide() {
    // As good as stable: proven in time, and not at once.
    let world = World::analyzing("v1", "v2").during(60);
    let told = told(&world);
    let quality = told.checks.iter().find(|check| check.quality).unwrap();
    assert!(quality.check.canary.is_some(), "counts are recognised as this check's own: {quality:?}");
    assert_eq!(quality.check, world.status().analysis.unwrap().quality.unwrap(), "as the operator shows it");
    let to_go = quality.to_go.expect("more of the same would decide it");
    assert!(to_go.events > 0 && to_go.per_minute.is_some_and(|pace| pace > 0), "{to_go:?}");
    let shown = gate(&told, "model_accuracy");
    assert!(shown.detail.contains(&format!("about {} more", to_go.events)), "{shown:?}");
}

#[test]
fn a_pod_that_is_not_ready_is_counted_against_what_is_needed() {
    let told = told(&World::starting());
    let ready = gate(&told, "readiness");
    assert!(ready.state == GateState::Waiting && ready.detail.starts_with("0/1 pods of v2 "), "{ready:?}");
    assert_eq!(told.deadline.unwrap().then, "v2 is given up");
}

#[test]
fn without_rights_on_pods_the_operators_own_count_is_told() {
    let world = World::growing();
    let told = explain(&world.object, &Seen::default(), world.now).unwrap();
    let ready = gate(&told, "readiness");
    assert!(ready.state == GateState::Waiting && ready.detail.starts_with("1/3 pods of v2 "), "{ready:?}");
}

#[test]
fn a_humans_word_is_among_the_gates() {
    let mut world = World::analyzing("v1", "v2");
    world.say(PAUSE, Some("true"));
    world.look();
    let told = told(&world);
    assert_eq!(told.state, State::Held);
    assert_eq!(gate(&told, "by hand").state, GateState::Waiting);
    assert_eq!(gate(&told, "time at 10 %").until, None, "its clock stands still");
    assert_eq!(told.deadline, None);
}

#[test]
fn what_the_administrator_refuses_is_taken_from_the_condition() {
    let mut world = World::serving("v1");
    world.settings.gateways.clear();
    world.canary(Some("v2"));
    world.look();
    let told = told(&world);
    let spec = gate(&told, "spec");
    assert!(spec.detail.starts_with("GatewayNotAllowed: spec.traffic.gateways:"), "{spec:?}");
}

#[test]
fn a_later_operators_memory_is_not_read() {
    let mut world = World::serving("v1");
    world.remember(|status| status.state.version = 2);
    let told = explain(&world.object, &seen(&world), world.now);
    assert_eq!(told, Err(Unreadable::Later { version: 2 }));
}

#[test]
fn half_a_release_is_explained_too() {
    let object = json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease", "metadata": {"name": "half"},
        "spec": {"stable": {"version": "v1"}}, "status": {"phase": "Analyzing", "message": "?"},
    });
    let object = serde_json::from_value(object).unwrap();
    let now = "2026-11-21T09:00:00Z".parse().unwrap();
    let told = explain(&object, &Seen::default(), now).unwrap();
    assert_eq!(told.state, State::Unseen);
}

fn rollback(world: &World) -> Result<Answer, Refusal> {
    roll_back(&world.object, &seen(world), false, world.now)
}

#[test]
fn a_rollback_by_hand_names_who_leaves_and_where_to() {
    let value = |world: &World| rollback(world).map(|answer| (answer.value, answer.message)).unwrap();
    let (named, message) = value(&World::analyzing("v1", "v2").during(1));
    assert_eq!((named.as_str(), message.as_str()), ("v2", "v2 loses its 10 % at once"));
    let (named, message) = value(&World::baking());
    assert_eq!((named.as_str(), message.as_str()), ("v2", "v2 leaves at once for v1, which is still warm"));
    let (_, message) = value(&World::alone());
    assert_eq!(message, "v2 leaves for v1 of spec.stable, which has to be started first");
    let refused = rollback(&World::serving("v1")).unwrap_err().to_string();
    assert!(refused.starts_with("there is nothing to go back to from v1"), "{refused}");
    let refused = rollback(&World::rolled_back()).unwrap_err().to_string();
    assert!(refused.starts_with("v2 was rolled back already"), "{refused}");
    let world = World::analyzing("v1", "v2");
    assert_eq!(roll_back(&world.object, &seen(&world), true, world.now).unwrap().value, "true");
}

#[test]
fn what_was_said_to_be_rolled_back_is_rolled_back() {
    let worlds: [Begins; 4] = [|| World::analyzing("v1", "v2"), World::baking, World::alone, World::growing];
    for world in worlds {
        let mut world = world();
        let leaves = rollback(&world).unwrap().value;
        world.say(ROLLBACK, Some(&leaves));
        let world = world.until("it left", |w| w.phase() == Phase::RolledBack);
        assert!(world.status().quarantine.iter().any(|entry| entry.version == leaves), "{}", world.story());
    }
}

#[test]
fn a_promotion_by_hand_says_what_it_passes_over() {
    let world = World::analyzing("v1", "v2").during(1);
    let answer = promote(&world.object, &seen(&world), world.now).unwrap();
    assert_eq!(answer.value, "v2");
    assert!(answer.skips.iter().any(|skip| skip.starts_with("model_accuracy: ")), "{answer:?}");
    assert!(answer.skips.iter().any(|skip| skip.ends_with("of the time at 10 %")), "{answer:?}");
    let cases: [(Begins, &str); 4] = [
        (|| World::serving("v1"), "nothing is on trial"),
        (World::rolled_back, "v2 was rolled back (ErrorRateExceeded)"),
        (World::promoting, "v2 is being promoted already"),
        (World::replacing, "v2 replaces stable already"),
    ];
    for (world, why) in cases {
        let world = world();
        let refused = promote(&world.object, &seen(&world), world.now).unwrap_err().to_string();
        assert!(refused.starts_with(why), "{refused}");
    }
}

#[test]
fn another_try_needs_something_that_was_rolled_back() {
    let mut world = World::rolled_back();
    let answer = retry(&world.object, &seen(&world), "again", world.now).unwrap();
    assert_eq!(answer.message, "v2 is tried again, without its old evidence");
    world.say(ROLLBACK, Some("true"));
    let held = retry(&world.object, &seen(&world), "again", world.now).unwrap_err().to_string();
    assert!(held.starts_with("the rollback annotation holds v2"), "{held}");
    let world = World::serving("v1");
    assert!(retry(&world.object, &seen(&world), "again", world.now).is_err());
}

#[test]
fn resuming_takes_back_what_is_there() {
    let mut world = World::serving("v1");
    assert!(resume(&world.object, &seen(&world), world.now).is_err());
    world.canary(Some("v2")).say(PAUSE, Some("true")).say(ROLLBACK, Some("true"));
    let back = resume(&world.object, &seen(&world), world.now).unwrap();
    assert_eq!(back.iter().map(|answer| answer.value.as_str()).collect::<Vec<_>>(), ["pause", "rollback"]);
    assert_eq!(back[1].message, "v2 of the spec may start");
}

#[test]
fn the_operator_has_answered_once_it_took_note() {
    for (annotation, value) in [(PAUSE, "true"), (ROLLBACK, "v2"), (PROMOTE, "v2"), (RETRY, "again")] {
        let mut world = World::analyzing("v1", "v2");
        assert!(answered(&world.object), "nothing was said");
        world.say(annotation, Some(value));
        assert!(!answered(&world.object), "{annotation}");
        world.look();
        assert!(answered(&world.object), "{annotation}: {}", world.story());
        world.say(annotation, None);
        world.look();
        assert!(answered(&world.object), "{annotation} is gone: {}", world.story());
    }
}

#[test]
fn what_has_become_of_a_version_is_told_in_a_word() {
    let standing = |world: &World, version: Option<&str>| {
        outcome(&world.object, &follow(&world.object, version).unwrap()).standing
    };
    assert_eq!(standing(&World::serving("v1").during(1), None), Standing::Healthy);
    assert_eq!(standing(&World::analyzing("v1", "v2"), None), Standing::Waiting);
    assert_eq!(standing(&World::baking(), Some("v2")), Standing::Waiting, "it may still be rolled back");
    assert_eq!(standing(&World::kept(), None), Standing::Promoted);
    assert_eq!(standing(&World::kept(), Some("v1")), Standing::Superseded);
    assert_eq!(standing(&World::rolling_back(), None), Standing::RolledBack);
    assert_eq!(standing(&World::rolled_back(), Some("v2")), Standing::RolledBack);
    let mut world = World::analyzing("v1", "v2");
    let followed = follow(&world.object, None).unwrap();
    assert!(matches!(&followed, Followed::Version { name, .. } if name == "v2"));
    world.canary(Some("v3"));
    assert_eq!(outcome(&world.object, &followed).standing, Standing::Waiting, "not looked at yet");
    let world = world.until("v3 is chosen", |w| w.track(Track::Canary) == "v3");
    assert_eq!(outcome(&world.object, &followed).standing, Standing::Superseded);
    assert_eq!(follow(&world.object, Some("v9")).unwrap_err().first().map(String::as_str), Some("v3"));
}

#[test]
fn lengths_of_time_have_two_units_at_most() {
    for (seconds, want) in [
        (-5, "0s"),
        (45, "45s"),
        (90, "1m30s"),
        (120, "2m"),
        (1_085, "18m"),
        (3_600, "1h"),
        (7_500, "2h05m"),
        (86_400, "1d"),
        (273_600, "3d4h"),
    ] {
        assert_eq!(span(SignedDuration::from_secs(seconds)), want, "{seconds}");
    }
}
