//! Rows 5 to 6b and 32: suspend, a refused spec, retry and promote.

use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::status::{Phase, Track};

use super::support::*;

#[test]
fn row_05_suspended() {
    for (name, mut world) in everywhere() {
        world.edit(|spec| spec["suspend"] = true.into());
        world.stable("v9").canary(Some("v8"));
        later(&mut world, 100_000);
        let phase = world.phase();
        let plan = world.decide();
        if phase == Phase::RollingBack {
            assert!(plan.row.is_some(), "{name}: a rollback that has begun is finished");
            continue;
        }
        assert_eq!(plan.row, None, "{name}: hands off");
        assert!(plan.writes.is_empty(), "{name}: {:?}", plan.writes);
        let status = plan.status.expect("it is said");
        assert_eq!((status.phase, roles(&status)), (Some(phase), roles(&world.status())), "{name}");
    }
    let both = changed("analyzing", |w| {
        w.edit(|spec| spec["suspend"] = true.into()).say(ROLLBACK, Some("true"));
    });
    assert_eq!(row(both), Some("2"), "a rollback by hand is for this case too");
    let suspended = committed(changed("analyzing", |w| {
        w.edit(|spec| spec["suspend"] = true.into());
    }));
    assert_eq!(suspended.condition("Held"), "True/Suspended");
}

#[test]
fn row_06_refused() {
    // A spec that names what is not there, and asks for everything else as well.
    let refused = |name: &str| {
        changed(name, |w| {
            w.edit(|spec| spec["analysis"]["provider"] = "nowhere".into());
        })
    };
    for (name, _) in everywhere().filter(|(name, _)| *name != "rolling back") {
        let mut world = refused(name);
        world.stable("v9").canary(Some("v8"));
        let phase = world.phase();
        let plan = world.decide();
        assert_eq!(plan.row, None, "{name}: nothing new; {}", world.story());
        let status = plan.status.expect("it is said");
        assert_eq!(status.phase, Some(phase), "{name}");
        let accepted = status.conditions.iter().find(|c| c.type_ == "Accepted").expect("it is there");
        assert_eq!(
            (accepted.status.as_str(), accepted.reason.as_str()),
            ("False", "UnknownProvider"),
            "{name}"
        );
    }
    assert_eq!(row(refused("rolling back").during(60)), None, "a rollback is finished");
    assert_eq!(refused("rolling back").during(60).phase(), Phase::RolledBack);
    let held = refused("analyzing");
    let mut held = held;
    held.say(ROLLBACK, Some("true"));
    assert_eq!(row(held), Some("2"), "a human comes first");
    let mut lost = refused("analyzing");
    lost.sick.insert("v2".into());
    lost.look();
    later(&mut lost, 6);
    assert_eq!(row(lost), Some("22"), "what happens to pods is still seen");
    let mut retried = refused("rolled back");
    retried.say(RETRY, Some("1"));
    assert_eq!(row(retried), None, "nothing is lifted");
}

#[test]
fn row_06b_retried() {
    answers(
        "6b",
        &[
            |w| {
                w.say(RETRY, Some("again"));
            },
            // Quarantine survives its phase.
            |w| {
                bar(w, "v8");
                w.canary(Some("v8")).say(RETRY, Some("again"));
            },
        ],
    );
    let retry = |token: &'static str| {
        changed("rolled back", move |w| {
            w.say(RETRY, Some(token));
        })
    };
    let handled = {
        let mut world = committed(retry("1"));
        bar(&mut world, "v2");
        world
    };
    let held = |value: &'static str| {
        let mut world = retry("1");
        world.say(ROLLBACK, Some(value));
        committed(world)
    };
    guard(
        "6b",
        vec![
            ("a token", retry("1"), true),
            ("any text is one", retry("once more, please"), true),
            ("none", retry(""), false),
            ("the token that was handled", handled.clone(), false),
            (
                "another token",
                {
                    let mut world = handled;
                    world.say(RETRY, Some("2"));
                    world
                },
                true,
            ),
            ("not while the canary is held", held("v2"), false),
            ("nor while everything is", held("true"), false),
            (
                "nothing in the spec is barred",
                {
                    let mut world = retry("1");
                    world.canary(Some("v3"));
                    world
                },
                false,
            ),
            (
                "a token too long",
                changed("rolled back", |w| {
                    w.say(RETRY, Some(&"x".repeat(65)));
                }),
                false,
            ),
        ],
    );
    assert_eq!(told(retry("1")), "6b: RolledBack -> RolledBack, Hold RetryAccepted; S v1 F v2; 0 %");
    let world = committed(retry("1")).until("tried again", |w| w.phase() == Phase::Starting);
    assert_eq!(world.status().state.candidate.map(|c| c.attempt), Some(2), "a new attempt");
}

/// The version is on record as rolled back.
pub fn bar(world: &mut model_release_core::testing::World, version: &str) {
    use model_release_core::api::Reason;
    use model_release_core::api::status::Quarantined;
    let (hash, at) = (world.hash_of(version), world.now);
    world.remember(|status| {
        let version = version.to_owned();
        status.quarantine.push(Quarantined { hash, version, reason: Reason::QualityRegression, seq: 1, at });
    });
}

#[test]
fn row_32_promoted() {
    answers(
        "32",
        &[
            |w| name(w, PROMOTE, Track::Canary),
            |w| {
                let hash = w.hash_of("v2");
                w.say(PROMOTE, Some(&hash));
            },
        ],
    );
    let promote = |value: &'static str| {
        changed("analyzing", move |w| {
            w.say(PROMOTE, Some(value));
        })
    };
    guard(
        "32",
        vec![
            ("it names the one on trial", promote("v2"), true),
            ("it names another", promote("v1"), false),
            ("true names nobody", promote("true"), false),
            (
                "held",
                {
                    let mut world = promote("v2");
                    world.say(ROLLBACK, Some("v2"));
                    world
                },
                false,
            ),
            (
                "paused",
                {
                    let mut world = promote("v2");
                    world.say(PAUSE, Some("true"));
                    world
                },
                false,
            ),
            (
                "a check has failed",
                {
                    let mut world = promote("v2");
                    world.errors.insert("v2".into(), 0.9);
                    world.until("seen", |w| w.phase() != Phase::Analyzing)
                },
                false,
            ),
            (
                "blind is no reason against it",
                {
                    let mut world = at("analyzing");
                    world.prometheus = false;
                    let mut world = world.during(120);
                    world.say(PROMOTE, Some("v2"));
                    world
                },
                true,
            ),
        ],
    );
    assert_eq!(told(promote("v2")), "32: Analyzing -> Promoting, Promote ManualPromotion; S v1 C v2; 10 %");
    // Before the trial it waits.
    let early = changed("warming", |w| {
        w.say(PROMOTE, Some("v2"));
    });
    let early = early.until("promoted", |w| w.phase() == Phase::Promoting);
    assert!(early.moves.contains(&(Phase::Analyzing, "32", Phase::Promoting)), "{}", early.story());
}

#[test]
fn row_32_is_bound_to_what_bore_the_name_first() {
    let mut world = at("analyzing");
    world.say(PAUSE, Some("true")).say(PROMOTE, Some("v2"));
    let mut world = world.during(5);
    // The same name, another content.
    world.edit(|spec| spec["canary"]["args"] = serde_json::json!(["--other"]));
    world.say(PAUSE, None);
    let mut world = world.until("the other is on trial", |w| {
        w.phase() == Phase::Analyzing && w.status().state.candidate.is_some_and(|c| c.attempt == 2)
    });
    assert_ne!(row(world.clone()), Some("32"), "the other one was not meant");
    world.say(PROMOTE, None);
    let mut world = world.during(1);
    world.say(PROMOTE, Some("v2"));
    assert_eq!(row(world), Some("32"), "said again, it is");
}
