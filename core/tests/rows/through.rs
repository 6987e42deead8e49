//! Rows 29, 30 and 39 to 43b: all traffic, the bake, and the end of a version.

use model_release_core::api::annotations::{PAUSE, ROLLBACK};
use model_release_core::api::status::{Phase, Track};
use model_release_core::testing::World;
use serde_json::json;

use super::support::*;

#[test]
fn row_29_capacity_is_awaited_and_said() {
    let world = at("growing").during(1100);
    assert_eq!((world.phase(), world.percent()), (Phase::Promoting, 10));
    assert_eq!(world.condition("Stalled"), "False/Idle");
    let mut world = world.during(150);
    assert_eq!((world.phase(), world.percent()), (Phase::Promoting, 10), "it keeps its weight");
    assert_eq!(world.condition("Stalled"), "True/InsufficientCapacity");
    world.room.clear();
    assert_eq!(row(world), Some("39"), "and goes on as soon as there is room");
}

#[test]
fn row_30_retire() {
    fn due(world: &mut World) {
        let now = world.now;
        world.remember(|status| {
            for version in &mut status.versions {
                match version.track {
                    Track::Previous => version.retire_at = Some(now),
                    Track::Failed => version.delete_at = Some(now),
                    Track::Stable | Track::Canary => {}
                }
            }
        });
    }
    answers("30", &[due]);
    let early = |name: &str| {
        changed(name, |w| {
            due(w);
            w.now -= jiff::SignedDuration::from_millis(1);
        })
    };
    guard(
        "30",
        vec![
            ("the previous version", changed("kept", due), true),
            ("a rolled-back one", changed("rolled back", due), true),
            (
                "paused: what is kept stays",
                changed("kept", |w| {
                    due(w);
                    w.say(PAUSE, Some("true"));
                }),
                false,
            ),
            (
                "paused: what failed goes",
                changed("rolled back", |w| {
                    due(w);
                    w.say(PAUSE, Some("true"));
                }),
                true,
            ),
            ("while it bakes", changed("baking", due), false),
        ],
    );
    for name in ["kept", "rolled back"] {
        let mut world = early(name);
        // A clock set back never brings a decision before one that was made.
        world.remember(|status| {
            if let Some(decision) = &mut status.decision {
                decision.at -= jiff::SignedDuration::from_secs(60);
            }
        });
        assert_eq!(row(world), None, "{name}: a millisecond early");
    }
    assert_eq!(told(changed("kept", due)), "30: Stable -> Stable, Retire Retired; S v2; 0 %");
    assert_eq!(
        told(changed("rolled back", due)),
        "30: RolledBack -> RolledBack, Retire Retired; S v1, barred v2; 0 %"
    );
}

#[test]
fn row_39_all_traffic() {
    answers(
        "39",
        &[
            |w| {
                w.room.clear();
                w.sick.clear();
                w.look();
                later(w, 30);
            },
            |w| w.room.clear(),
        ],
    );
    assert_eq!(
        told(changed("growing", |w| w.room.clear())),
        "39: Promoting -> Promoting, Promote Promoting; S v1 C v2; 100 %"
    );
    let ready = || {
        changed("replacing", |w| {
            w.sick.clear();
            w.look();
        })
    };
    let with = |mut world: World, change: fn(&mut World)| {
        change(&mut world);
        world
    };
    guard(
        "39",
        vec![
            (
                "all but one pod",
                changed("growing", |w| {
                    w.room.insert("v2".into(), 2);
                }),
                false,
            ),
            ("a replacement that is not warm", with(ready(), |w| later(w, 3)), false),
            ("a warm one", with(ready(), |w| later(w, 30)), true),
            (
                "paused: what is promised is done",
                changed("growing", |w| {
                    w.room.clear();
                    w.say(PAUSE, Some("true"));
                }),
                true,
            ),
        ],
    );
    assert_eq!(
        told(with(ready(), |w| later(w, 30))),
        "39: Replacing -> Replacing, Replace Replacing; S v1 C v2; 100 %"
    );
}

#[test]
fn row_40_promoted() {
    answers("40", &[|w| w.gateways = true, |w| later(w, 6)]);
    let known = changed("promoting", |w| w.gateways = true);
    assert_eq!(told(known.clone()), "40: Promoting -> Baking, Promote Promoted; S v2 P v1; 100 %");
    let live = committed(known).status();
    let stable = live.versions.iter().find(|v| v.track == Track::Stable).expect("somebody serves");
    assert!(stable.promoted_from.is_some(), "out of which block is remembered");
    guard(
        "40",
        vec![
            ("a gateway has not said so", at("promoting"), false),
            ("they have had the time for it", changed("promoting", |w| later(w, 6)), true),
            (
                "paused: a committed flip goes on",
                changed("promoting", |w| {
                    w.gateways = true;
                    w.say(PAUSE, Some("true"));
                }),
                true,
            ),
        ],
    );
}

#[test]
fn row_41_replaced() {
    answers("41", &[|w| w.gateways = true, |w| later(w, 6)]);
    let known = changed("taking over", |w| w.gateways = true);
    assert_eq!(told(known.clone()), "41: Replacing -> Baking, Replace Replaced; S v2 P v1; 100 %");
    let live = committed(known).status();
    let stable = live.versions.iter().find(|v| v.track == Track::Stable).expect("somebody serves");
    assert_eq!(stable.promoted_from, None, "nothing was promoted");
    guard("41", vec![("a gateway has not said so", at("taking over"), false)]);
}

#[test]
fn row_42_baked() {
    fn over(world: &mut World) {
        *world = world.clone().during(30);
        later(world, 60);
    }
    answers("42", &[over]);
    guard(
        "42",
        vec![
            ("not yet", at("baking").during(50), false),
            ("for so long", changed("baking", over), true),
            (
                "paused",
                changed("baking", |w| {
                    w.say(PAUSE, Some("true"));
                    over(w);
                }),
                false,
            ),
        ],
    );
    assert_eq!(told(changed("baking", over)), "42: Baking -> Stable, Hold Baked; S v2 P v1; 100 %");
    let kept = committed(changed("baking", over)).status();
    let previous = kept.versions.iter().find(|v| v.track == Track::Previous).expect("v1 is kept");
    assert!(previous.retire_at.is_some(), "and it is known until when");
    // What could not be seen is not counted, and not waited for longer than once more.
    let blind = changed("baking", |w| {
        w.edit(|spec| spec["analysis"]["quality"] = json!({"min": "0.5"}));
        w.prometheus = false;
    });
    let blind = blind.until("over", |w| w.phase() == Phase::Stable);
    let baked = blind.status().history.first().cloned().expect("it is on record");
    assert_eq!(baked.reason.to_string(), "BakeUnverified");
    let began = blind.status().history.get(1).map(|entry| entry.at).expect("the promotion");
    assert_eq!(baked.at.duration_since(began).as_secs(), 120, "2 x bake");
}

#[test]
fn row_43_drained() {
    fn drained(world: &mut World) {
        later(world, 60);
    }
    fn unseen(world: &mut World) {
        // One that never had weight is not waited for.
        if world.phase() == Phase::Starting {
            world.say(ROLLBACK, Some("true"));
            *world = committed(world.clone());
            world.look();
        }
    }
    answers("43", &[drained, unseen]);
    assert_eq!(
        told(changed("rolling back", drained)),
        "43: RollingBack -> RollingBack, Rollback RollingBack; S v1 F v2, barred v2; 0 %"
    );
    guard(
        "43",
        vec![
            ("requests may still be under way", changed("rolling back", |w| later(w, 5)), false),
            ("drained", changed("rolling back", drained), true),
            (
                "paused: a rollback is never paused",
                changed("rolling back", |w| {
                    drained(w);
                    w.say(PAUSE, Some("true"));
                }),
                true,
            ),
        ],
    );
}

#[test]
fn row_43b_left() {
    fn routed_nowhere(world: &mut World) {
        later(world, 60);
        if row(world.clone()) == Some("43") {
            world.look();
        }
    }
    fn cancelled(world: &mut World) {
        if world.phase() == Phase::Analyzing {
            world.canary(None);
            *world = world.clone().until("it leaves", |w| w.phase() == Phase::RollingBack).during(1);
        }
        routed_nowhere(world);
    }
    answers("43b", &[routed_nowhere, cancelled]);
    assert_eq!(
        told(changed("rolling back", routed_nowhere)),
        "43b: RollingBack -> RolledBack, Rollback RolledBack; S v1 F v2, barred v2; 0 %"
    );
    assert_eq!(
        told(changed("analyzing", cancelled)),
        "43b: RollingBack -> Stable, Rollback RolledBack; S v1; 0 %"
    );
    guard(
        "43b",
        vec![
            ("its route is still there", at("rolling back"), false),
            (
                "a gateway has not said that it is gone",
                changed("rolling back", |w| {
                    later(w, 60);
                    w.gateways = false;
                    w.look();
                    w.look();
                }),
                false,
            ),
        ],
    );
    let left = committed(changed("rolling back", routed_nowhere)).status();
    let failed = left.versions.iter().find(|v| v.track == Track::Failed).expect("it is still there");
    assert!(failed.delete_at.is_some(), "until when its objects are kept");
}
