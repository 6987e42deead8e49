//! Rows 7 to 11: the end of a release, and what the spec says of a version on its way.

use model_release_core::api::annotations::{PAUSE, ROLLBACK};
use model_release_core::api::status::Phase;
use model_release_core::testing::World;
use serde_json::json;

use super::support::*;

fn steps(world: &mut World, percents: &[i32]) {
    let steps: Vec<_> = percents.iter().map(|p| json!({"trafficPercent": p, "minDuration": "10s"})).collect();
    world.edit(|spec| {
        spec["rollout"].as_object_mut().expect("there is one").remove("trafficPercent");
        spec["rollout"]["steps"] = steps.into();
    });
}

#[test]
fn row_07_expired() {
    answers(
        "7",
        &[|w| {
            w.edit(|spec| spec["ttl"] = json!("24h"));
            later(w, 86_400);
        }],
    );
    let over = |seconds: i64| {
        changed("analyzing", move |w| {
            w.edit(|spec| spec["ttl"] = json!("24h"));
            w.now = w.object.metadata.creation_timestamp.as_ref().expect("it was created").0;
            later(w, seconds);
        })
    };
    guard(
        "7",
        vec![
            ("a second before", over(86_399), false),
            ("to the second", over(86_400), true),
            ("without a ttl", changed("analyzing", |w| later(w, 90_000)), false),
        ],
    );
    assert_eq!(told(over(86_400)), "7: Analyzing -> Pending, Retire Expired; nobody; 0 %");
    assert_eq!(row(at("expired")), None, "once");
    let longer = changed("expired", |w| {
        w.edit(|spec| spec["ttl"] = json!("48h"));
    });
    let longer = longer.until("it serves again", |w| w.phase() == Phase::Stable);
    assert_eq!(roles(&longer.status()), "S v1");
}

#[test]
fn row_08_first_version_changed() {
    answers(
        "8",
        &[|w| {
            w.stable("v3");
        }],
    );
    guard(
        "8",
        vec![
            (
                "another first version",
                changed("pending", |w| {
                    w.stable("v3");
                }),
                true,
            ),
            (
                "only its size",
                changed("pending", |w| {
                    w.edit(|s| s["stable"]["minReplicas"] = json!(2));
                }),
                false,
            ),
            (
                "only a canary",
                changed("pending", |w| {
                    w.canary(Some("v2"));
                }),
                false,
            ),
        ],
    );
    let world = committed(changed("pending", |w| {
        w.stable("v3");
    }));
    assert_eq!(row(world.clone()), None, "once");
    let world = world.until("the other serves", |w| w.phase() == Phase::Stable).during(60);
    assert_eq!(roles(&world.status()), "S v3");
    let left: Vec<_> = world.observed.children.keys().map(|key| key.name.clone()).collect();
    let gone = world.hash_of("v1");
    assert!(!left.iter().any(|name| name.contains(&gone)), "what never served is deleted: {left:?}");
}

#[test]
fn row_09_candidate_is_wanted_stable() {
    answers(
        "9",
        &[
            |w| {
                w.stable("v2").canary(None);
            },
            |w| {
                w.stable("v2").canary(Some("v3"));
            },
        ],
    );
    let world = changed("analyzing", |w| {
        w.stable("v2").canary(None);
    });
    assert_eq!(told(world.clone()), "9: Analyzing -> Replacing, Replace StableChanged; S v1 C v2; 10 %");
    let world = world.until("it is live", |w| w.phase() == Phase::Baking);
    assert_eq!(world.weights, [0, 10, 100, 0], "its weight stays until it takes over");
    guard(
        "9",
        vec![
            (
                "another version",
                changed("analyzing", |w| {
                    w.stable("v3");
                }),
                false,
            ),
            ("nothing", at("analyzing"), false),
        ],
    );
}

#[test]
fn row_10_candidate_not_wanted() {
    answers(
        "10",
        &[
            |w| {
                w.canary(None);
            },
            |w| {
                w.canary(Some("v3"));
            },
            |w| {
                w.stable("v4");
            },
        ],
    );
    for (name, change, want) in [
        ("starting", None, "10: Starting -> Stable, Retire CanaryRemoved; S v1; 0 %"),
        ("warming", Some("v3"), "10: Warming -> Stable, Retire Superseded; S v1; 0 %"),
        ("lost", None, "10: Starting -> RollingBack, Rollback CanaryRemoved; S v1 F v2; 0 %"),
        ("shadowing", None, "10: Shadowing -> RollingBack, Rollback CanaryRemoved; S v1 F v2; 0 %"),
        ("analyzing", Some("v3"), "10: Analyzing -> RollingBack, Rollback Superseded; S v1 F v2; 0 %"),
        ("promoting", None, "10: Promoting -> RollingBack, Rollback CanaryRemoved; S v1 F v2; 0 %"),
    ] {
        assert_eq!(
            told(changed(name, |w| {
                w.canary(change);
            })),
            want,
            "{name}"
        );
    }
    let stable = changed("analyzing", |w| {
        w.stable("v4");
    });
    assert_eq!(told(stable), "10: Analyzing -> RollingBack, Rollback StableChanged; S v1 F v2; 0 %");
    guard(
        "10",
        vec![
            ("nothing changed", at("analyzing"), false),
            (
                "only its size",
                changed("analyzing", |w| {
                    w.edit(|s| s["canary"]["minReplicas"] = json!(2));
                }),
                false,
            ),
            (
                "paused: the spec's own word still counts",
                changed("analyzing", |w| {
                    w.canary(None).say(PAUSE, Some("true"));
                }),
                true,
            ),
            (
                "held: the same",
                changed("analyzing", |w| {
                    w.canary(None).say(ROLLBACK, Some("v9"));
                }),
                false,
            ),
        ],
    );
}

#[test]
fn row_10b_steps_changed() {
    answers("10b", &[|w| steps(w, &[5]), |w| steps(w, &[5, 50]), |w| steps(w, &[20])]);
    let edited = |percents: &'static [i32]| changed("analyzing", move |w| steps(w, percents));
    let step = |world: World| {
        let status = committed(world).status();
        status.step.map(|rung| (rung.index, rung.weight, rung.target))
    };
    assert_eq!(step(edited(&[5, 20])), Some((0, 5, 5)), "a lowered weight falls at once");
    assert_eq!(step(edited(&[2, 5, 50])), Some((1, 5, 5)), "to the largest step that is not above it");
    assert_eq!(step(edited(&[20, 50])), Some((-1, 10, 10)), "a raised one is earned");
    assert_eq!(row(committed(edited(&[20, 50]))), None, "and that is settled");
    assert_eq!(row(edited(&[10])), None, "the same step written otherwise");
    assert_eq!(row(edited(&[10, 60])), None, "a later step is no present one");
    assert_eq!(told(edited(&[5])), "10b: Analyzing -> Analyzing, Step StepsChanged; S v1 C v2; 5 %");
    let mut earned = edited(&[20, 50]);
    earned.accuracy.insert("v2".into(), 0.95);
    let earned = earned.until("promoted", |w| w.phase() == Phase::Baking);
    assert_eq!(earned.weights, [0, 10, 20, 50, 100, 0], "{}", earned.story());
}

#[test]
fn row_11_replacement_not_wanted() {
    answers(
        "11",
        &[
            |w| {
                w.stable("v3");
            },
            |w| {
                w.stable("v1");
            },
        ],
    );
    assert_eq!(
        told(changed("replacing", |w| {
            w.stable("v1");
        })),
        "11: Replacing -> Stable, Retire StableChanged; S v1; 0 %"
    );
    guard(
        "11",
        vec![
            (
                "it has all traffic: it is finished first",
                changed("taking over", |w| {
                    w.stable("v3");
                }),
                false,
            ),
            ("it is still wanted", at("replacing"), false),
        ],
    );
    // One that became a replacement while it had weight leaves in order.
    let mut weighted = at("weighted");
    assert_eq!((weighted.phase(), weighted.percent()), (Phase::Replacing, 10));
    weighted.stable("v1");
    assert_eq!(told(weighted), "11: Replacing -> RollingBack, Rollback StableChanged; S v1 F v2; 0 %");
}
