//! Rows 33 to 37: from nothing to the next step.

use model_release_core::api::annotations::{PAUSE, ROLLBACK};
use model_release_core::api::status::Phase;
use model_release_core::testing::World;
use serde_json::{Value, json};

use super::support::*;

#[test]
fn row_33_stable_ready() {
    answers("33", &[|w| w.sick.clear()]);
    assert_eq!(
        told(changed("pending", |w| w.sick.clear())),
        "33: Pending -> Stable, Start StableReady; S v1; 100 %"
    );
    let three = |room: i32| {
        changed("pending", |w| {
            w.edit(|spec| spec["runtime"] = json!({"minReplicas": 3}));
            w.sick.clear();
            w.room.insert("v1".into(), room);
            *w = w.clone().during(1);
        })
    };
    assert_eq!(three(2).phase(), Phase::Pending, "its own minimum");
    assert_eq!(three(3).phase(), Phase::Stable);
}

#[test]
fn row_34_candidate_ready() {
    answers(
        "34",
        &[|w| {
            w.sick.clear();
            w.room.clear();
        }],
    );
    assert_eq!(
        told(changed("starting", |w| w.sick.clear())),
        "34: Starting -> Warming, Start CanaryReady; S v1 C v2; 0 %"
    );
    // Of ten pods half of the traffic needs five.
    let half = |room: i32| {
        let mut world = World::serving("v1");
        world.edit(|spec| {
            spec["runtime"] = json!({"minReplicas": 10});
            spec["rollout"]["trafficPercent"] = json!(41);
        });
        world.room.insert("v2".into(), room);
        let mut world = world.during(60);
        world.canary(Some("v2"));
        world.until("chosen", |w| w.phase() == Phase::Starting).during(60)
    };
    assert_eq!(half(4).phase(), Phase::Starting, "for the next weight");
    assert_ne!(half(5).phase(), Phase::Starting);
    let paused = changed("starting", |w| {
        w.sick.clear();
        w.say(PAUSE, Some("true"));
    });
    assert_eq!(row(paused), Some("34"), "what has begun may become ready");
}

/// So much later, everything else as it is.
fn warm(world: &mut World) {
    later(world, 30);
}

#[test]
fn row_35_copies() {
    fn shadow(world: &mut World) {
        world.edit(|spec| spec["rollout"]["shadow"] = json!({"mirrorPercent": 50, "minDuration": "1m"}));
        *world = world.clone().during(1);
        warm(world);
    }
    answers("35", &[shadow]);
    guard(
        "35",
        vec![
            ("asked for", changed("warming", shadow), true),
            (
                "not warm yet",
                changed("warming", |w| {
                    shadow(w);
                    later(w, -29);
                }),
                false,
            ),
            ("not asked for", changed("warming", warm), false),
            (
                "paused",
                changed("warming", |w| {
                    shadow(w);
                    w.say(PAUSE, Some("true"));
                }),
                false,
            ),
            (
                "held by a word that cannot be read",
                changed("warming", |w| {
                    shadow(w);
                    w.say(ROLLBACK, Some("?"));
                    *w = committed(w.clone());
                }),
                false,
            ),
            (
                "once per attempt",
                changed("warming", |w| {
                    w.remember(|status| status.state.candidate.get_or_insert_default().shadow_passed = true);
                    shadow(w);
                }),
                false,
            ),
        ],
    );
    assert_eq!(told(changed("warming", shadow)), "35: Warming -> Shadowing, Start WarmedUp; S v1 C v2; 0 %");
}

#[test]
fn row_36_first_weight() {
    fn borne(world: &mut World) {
        // The copies have shown enough, for long enough.
        *world = world.clone().during(110);
        let since = world.now - jiff::SignedDuration::from_secs(180);
        world.remember(|status| {
            if let Some(rung) = status.step.as_mut().filter(|rung| rung.weight == 0) {
                rung.settled_at = rung.settled_at.map(|_| since);
            }
        });
    }
    answers("36", &[warm, borne]);
    let unready = |version: &'static str| {
        changed("warming", move |w| {
            warm(w);
            w.sick.insert(version.into());
        })
    };
    guard(
        "36",
        vec![
            ("warm", changed("warming", warm), true),
            ("its Service is not known everywhere yet", changed("warming", |w| later(w, 3)), false),
            (
                "a longer warm-up is asked for",
                changed("warming", |w| {
                    w.edit(|spec| spec["rollout"]["warmup"] = "5m".into());
                    *w = w.clone().during(1);
                    warm(w);
                }),
                false,
            ),
            ("it is not ready", unready("v2"), false),
            ("stable is not ready", unready("v1"), false),
            (
                "paused",
                changed("warming", |w| {
                    warm(w);
                    w.say(PAUSE, Some("true"));
                }),
                false,
            ),
            ("it has borne copies for a moment only", changed("shadowing", |_| {}), false),
            (
                "nobody wants copies any more",
                changed("shadowing", |w| {
                    w.edit(|spec| spec["rollout"]["shadow"] = Value::Null);
                }),
                true,
            ),
            (
                "held for the other one only",
                changed("warming", |w| {
                    warm(w);
                    w.say(ROLLBACK, Some("v7"));
                    *w = committed(w.clone());
                }),
                true,
            ),
        ],
    );
    assert_eq!(told(changed("warming", warm)), "36: Warming -> Analyzing, Step StepStarted; S v1 C v2; 10 %");
    assert_eq!(
        told(changed("shadowing", borne)),
        "36: Shadowing -> Analyzing, Step StepStarted; S v1 C v2; 10 %"
    );
    // After a loss it has the step that it had.
    let mut world = changed("analyzing", |w| {
        w.remember(|status| {
            if let Some(rung) = &mut status.step {
                *rung = model_release_core::api::status::StepStatus {
                    index: 1,
                    weight: 50,
                    target: 50,
                    settled_at: rung.settled_at,
                };
            }
        });
        w.edit(|spec| {
            spec["rollout"].as_object_mut().expect("there is one").remove("trafficPercent");
            spec["rollout"]["steps"] = json!([{"trafficPercent": 10}, {"trafficPercent": 50}]);
        });
    });
    world.sick.insert("v2".into());
    let mut world = world.until("lost", |w| w.phase() == Phase::Starting);
    world.sick.clear();
    let world = world.until("back", |w| w.phase() == Phase::Analyzing);
    assert_eq!(world.status().step.map(|rung| (rung.index, rung.weight)), Some((1, 50)));
}

#[test]
fn row_36_waits_for_gateways_that_know_the_route_and_do_not_lead_there() {
    /// A canary whose readiness is asked in this way, a minute after it was ready.
    fn after(ready: &Value, change: Change) -> World {
        let mut world = World::serving("v1");
        change(&mut world);
        world.canary(Some("v2")).edit(|spec| spec["canary"]["readinessProbe"] = ready.clone());
        world.until("ready", |w| w.phase() == Phase::Warming).during(60)
    }
    fn answers(world: &mut World, status: u16) {
        world.astray.insert("public".into(), status);
    }
    let connects = json!({"tcpSocket": {}});
    let path = json!({"httpGet": {"path": "/ready"}});
    let (waits, goes_on) = (Phase::Warming, Phase::Analyzing);
    let cases: [(&str, &Value, Change, Phase); 11] = [
        ("it leads there", &path, |_| {}, goes_on),
        ("the gateway finds no pod", &path, |w| answers(w, 503), waits),
        ("a path that is ready fails", &path, |w| answers(w, 500), waits),
        ("a limit refuses, which shows nothing", &path, |w| answers(w, 429), waits),
        ("the version has no such path", &path, |w| answers(w, 404), goes_on),
        ("no path is known: the gateway finds no pod", &connects, |w| answers(w, 503), waits),
        ("no path is known: the version answers somehow", &connects, |w| answers(w, 501), goes_on),
        ("nothing tells that it speaks HTTP", &json!({"grpc": {"port": 9090}}), |w| answers(w, 503), goes_on),
        (
            "it does not say which routes it has",
            &path,
            |w| {
                answers(w, 503);
                w.mute.insert("public".into());
            },
            goes_on,
        ),
        ("there is no pod to ask", &path, |w| w.gateways = false, goes_on),
        (
            "there is no port to ask at",
            &path,
            |w| {
                answers(w, 503);
                w.settings.gateways[0].probe_port = None;
            },
            goes_on,
        ),
    ];
    for (why, ready, change, phase) in cases {
        let world = after(ready, change);
        assert_eq!(world.phase(), phase, "{why}: {}", world.story());
    }
    // A replacement gets all traffic at once: of that all the more.
    let mut world = World::serving("v1");
    answers(&mut world, 503);
    world.stable("v2");
    let mut world = world.until("ready", |w| w.phase() == Phase::Replacing).during(60);
    assert_eq!((row(world.clone()), world.percent()), (None, 0), "{}", world.story());
    world.astray.clear();
    assert_eq!(row(world), Some("39"));
}

/// Two steps, of which the first has shown enough.
fn earned(world: &mut World) {
    world.edit(|spec| {
        spec["rollout"].as_object_mut().expect("there is one").remove("trafficPercent");
        spec["rollout"]["steps"] =
            json!([{"trafficPercent": 10, "minDuration": "10m"}, {"trafficPercent": 50, "minDuration": "10m"}]);
    });
    *world = world.clone().during(100);
    let since = world.now - jiff::SignedDuration::from_secs(600);
    world.remember(|status| {
        if let Some(rung) = status.step.as_mut().filter(|rung| rung.weight > 0) {
            rung.settled_at = rung.settled_at.map(|_| since);
        }
    });
}

#[test]
fn row_37_next_step() {
    answers("37", &[earned]);
    let good = |change: fn(&mut World)| {
        changed("analyzing", |w| {
            earned(w);
            change(w);
        })
    };
    guard(
        "37",
        vec![
            ("earned", good(|_| {}), true),
            (
                "not for long enough",
                good(|w| {
                    let since = w.now - jiff::SignedDuration::from_secs(599);
                    w.remember(|status| status.step.as_mut().expect("a rung").settled_at = Some(since));
                }),
                false,
            ),
            (
                "nothing is seen of it",
                good(|w| {
                    w.remember(|status| status.state.checks.clear());
                    w.prometheus = false;
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
    // First the size, then the weight.
    let grows = committed(good(|w| {
        w.room.insert("v2".into(), 0);
    }));
    let rung = grows.status().step.expect("a rung");
    assert_eq!((rung.index, rung.weight, rung.target), (1, 10, 50));
    assert_eq!(row(grows.clone()), None, "there is no room for it");
    let mut roomy = grows;
    roomy.room.clear();
    assert_eq!(told(roomy), "37: Analyzing -> Analyzing, Step StepAdvanced; S v1 C v2; 50 %");
}
