//! Rows 26, 31 and 38: what the evidence says.

use model_release_core::api::annotations::{PAUSE, PROMOTE, ROLLBACK};
use model_release_core::api::status::{Checkpoint, Phase};
use model_release_core::testing::World;
use serde_json::json;

use super::support::*;

/// An absolute bound for both checks, so that they are judged also in a bake.
fn bounds(world: &mut World) {
    world.edit(|spec| {
        spec["analysis"]["quality"] = json!({"min": "0.5"});
        spec["analysis"]["guardrails"] = json!([{"name": "errors", "metric": "ErrorRate", "max": "0.2"}]);
    });
}

/// The world goes on until the answers of the next block are in, whatever they say.
fn heard(world: &World) -> World {
    let mut world = world.clone();
    let phase = world.phase();
    for _ in 0..400 {
        let plan = world.decide();
        if plan.row.is_some() {
            return world;
        }
        world.commit(&plan);
        world.apply(&plan, usize::MAX);
        world.now = plan.next_look.max(world.now);
        assert_eq!(world.phase(), phase);
    }
    world
}

/// The check of this name is latched as failed.
pub fn latched(world: &mut World, check: &str) {
    let now = world.now;
    let mut played = world.clone().during(40);
    played.now = played.now.max(now);
    if played.phase() == world.phase() {
        *world = played;
    }
    world.remember(|status| {
        if let Some(kept) = status.state.checks.get_mut(check) {
            kept.failed = true;
        }
    });
}

/// All worlds under checks that are judged in each phase; what is seen of a version has come in.
#[test]
fn row_26_guardrail_failed() {
    answers(
        "26",
        &[
            |w| latched(w, "errors"),
            |w| {
                bounds(w);
                latched(w, "errors");
            },
        ],
    );
    let failing = |change: fn(&mut World)| {
        let mut world = at("analyzing");
        world.errors.insert("v2".into(), 0.5);
        change(&mut world);
        heard(&world)
    };
    guard(
        "26",
        vec![
            ("errors beyond all doubt", failing(|_| {}), true),
            (
                "a few",
                failing(|w| {
                    w.errors.insert("v2".into(), 0.001);
                }),
                false,
            ),
            (
                "of both alike",
                failing(|w| {
                    w.errors.insert("v1".into(), 0.5);
                }),
                false,
            ),
            (
                "only watched",
                failing(|w| {
                    w.edit(|spec| {
                    spec["analysis"]["guardrails"] =
                        json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "mode": "Observe"}]);
                });
                }),
                false,
            ),
            (
                "quality bad as well: the guardrail is named",
                failing(|w| {
                    w.accuracy.insert("v2".into(), 0.2);
                }),
                true,
            ),
            (
                "paused: guardrails act",
                failing(|w| {
                    w.say(PAUSE, Some("true"));
                }),
                true,
            ),
            ("nothing can be seen", failing(|w| w.prometheus = false), false),
        ],
    );
    assert_eq!(
        told(failing(|_| {})),
        "26: Analyzing -> RollingBack, Rollback ErrorRateExceeded; S v1 F v2, barred v2; 0 %"
    );
    let mut baking = changed("baking", bounds);
    baking.errors.insert("v2".into(), 0.9);
    let baking = heard(&baking);
    assert_eq!(
        told(baking),
        "26: Baking -> RollingBack, Rollback ErrorRateExceeded; S v1 F v2, barred v2; 0 %"
    );
}

#[test]
fn row_26_acts_after_as_many_failing_looks_as_are_asked_for() {
    let looks = |limit: i32| {
        let mut world = changed("analyzing", |w| {
            w.edit(|spec| {
                spec["analysis"]["guardrails"] =
                    json!([{"name": "errors", "metric": "ErrorRate", "max": "0.05", "failureLimit": limit}]);
            });
        });
        world.errors.insert("v2".into(), 0.9);
        let from = world.now;
        world.until("it leaves", |w| w.phase() == Phase::RollingBack).now.duration_since(from).as_secs()
    };
    let (one, three) = (looks(1), looks(3));
    assert!((three - one) == 20, "two blocks of 10 s later: {one} s, {three} s");
}

#[test]
fn row_31_quality_failed() {
    answers(
        "31",
        &[
            |w| latched(w, "model_accuracy"),
            |w| {
                bounds(w);
                latched(w, "model_accuracy");
            },
        ],
    );
    let worse = |change: fn(&mut World)| {
        let mut world = at("analyzing");
        world.accuracy.insert("v2".into(), 0.6);
        change(&mut world);
        heard(&world)
    };
    guard(
        "31",
        vec![
            ("worse beyond all doubt", worse(|_| {}), true),
            (
                "as good",
                worse(|w| {
                    w.accuracy.insert("v2".into(), 0.9);
                }),
                false,
            ),
            (
                "only watched",
                worse(|w| {
                    w.edit(|spec| spec["analysis"]["quality"] = json!({"mode": "Observe"}));
                }),
                false,
            ),
            (
                "paused: it leaves all the same",
                worse(|w| {
                    w.say(PAUSE, Some("true"));
                }),
                true,
            ),
            ("nothing can be seen", worse(|w| w.prometheus = false), false),
        ],
    );
    assert_eq!(
        told(worse(|_| {})),
        "31: Analyzing -> RollingBack, Rollback QualityRegression; S v1 F v2, barred v2; 0 %"
    );
    let mut baking = changed("baking", |w| {
        w.edit(|spec| spec["analysis"]["quality"] = json!({"min": "0.9"}));
    });
    baking.accuracy.insert("v2".into(), 0.5);
    assert_eq!(
        told(heard(&baking)),
        "31: Baking -> RollingBack, Rollback QualityRegression; S v1 F v2, barred v2; 0 %"
    );
    let mut relative = at("baking");
    relative.accuracy.insert("v2".into(), 0.5);
    assert_ne!(row(heard(&relative)), Some("31"), "after promotion only absolute bounds are held against it");
}

/// Everything is proven, and the step has lasted long enough.
fn proven(world: &mut World) {
    world.accuracy.insert("v2".into(), 0.95);
    *world = world.clone().during(200);
    let since = world.now - jiff::SignedDuration::from_secs(300);
    world.remember(|status| {
        if let Some(rung) = status.step.as_mut().filter(|rung| rung.settled_at.is_some()) {
            rung.settled_at = rung.settled_at.map(|at| at.min(since));
        }
    });
}

#[test]
fn row_38_passed() {
    answers(
        "38",
        &[proven, |w| {
            w.edit(|spec| spec["rollout"]["promotion"] = "Manual".into());
            proven(w);
        }],
    );
    let good = |change: fn(&mut World)| {
        changed("analyzing", |w| {
            proven(w);
            change(w);
        })
    };
    guard(
        "38",
        vec![
            ("proven", good(|_| {}), true),
            (
                "not for long enough",
                changed("analyzing", |w| {
                    w.accuracy.insert("v2".into(), 0.95);
                    *w = w.clone().during(200);
                }),
                false,
            ),
            (
                "as good, which is not proven so soon",
                changed("analyzing", |w| {
                    proven(w);
                    w.remember(|status| status.state.checks.clear());
                    w.accuracy.insert("v2".into(), 0.88);
                    *w = w.clone().during(1);
                }),
                false,
            ),
            (
                "a later step is to come",
                good(|w| {
                    w.edit(|spec| {
                        spec["rollout"].as_object_mut().expect("there is one").remove("trafficPercent");
                        spec["rollout"]["steps"] = json!([{"trafficPercent": 10}, {"trafficPercent": 50}]);
                    });
                }),
                false,
            ),
            (
                "paused",
                good(|w| {
                    w.say(PAUSE, Some("true"));
                }),
                false,
            ),
            (
                "held",
                good(|w| {
                    w.say(ROLLBACK, Some("v7"));
                    *w = committed(w.clone());
                }),
                true,
            ),
            (
                "blind",
                good(|w| {
                    w.prometheus = false;
                    w.remember(|status| {
                        for kept in status.state.checks.values_mut() {
                            kept.last_answer_at =
                                kept.last_answer_at.map(|at| at - jiff::SignedDuration::from_secs(600));
                        }
                    });
                }),
                false,
            ),
        ],
    );
    assert_eq!(told(good(|_| {})), "38: Analyzing -> Promoting, Promote QualityPassed; S v1 C v2; 10 %");
    let manual = || {
        changed("analyzing", |w| {
            w.edit(|spec| spec["rollout"]["promotion"] = "Manual".into());
            proven(w);
        })
    };
    assert_eq!(told(manual()), "38: Analyzing -> Analyzing, Hold AwaitingPromotion; S v1 C v2; 10 %");
    let mut waits = committed(manual());
    assert_eq!(row(waits.clone()), None, "it is said once");
    assert_eq!(waits.condition("Held"), "True/AwaitingPromotion");
    waits.say(PROMOTE, Some("v2"));
    assert_eq!(row(waits), Some("32"));
    let guardrails = changed("analyzing", |w| {
        w.edit(|spec| spec["analysis"]["quality"] = json!({"mode": "Observe"}));
        proven(w);
    });
    assert_eq!(told(guardrails), "38: Analyzing -> Promoting, Promote GuardrailsPassed; S v1 C v2; 10 %");
}

/// What the tests above write into a checkpoint is what it is made of.
#[test]
fn a_latched_check_is_one_that_failed() {
    let mut world = at("analyzing");
    world.errors.insert("v2".into(), 0.9);
    let world = world.until("it failed", |w| w.status().state.checks.get("errors").is_some_and(|c| c.failed));
    let kept: Checkpoint = world.status().state.checks["errors"].clone();
    assert!(kept.failed && !kept.record.is_empty(), "{kept:?}");
}
