//! Rows 12 to 16: what the spec wants to run.

use model_release_core::api::annotations::{PAUSE, ROLLBACK};
use model_release_core::api::status::Track;
use model_release_core::testing::World;
use serde_json::json;

use super::asked::bar;
use super::support::*;

#[test]
fn row_12_previous_wanted() {
    answers(
        "12",
        &[
            |w| {
                w.canary(None);
            },
            |w| {
                // The block of the previous version.
                let previous = w.track(Track::Previous);
                if !previous.is_empty() {
                    w.stable(&previous).canary(None);
                }
            },
        ],
    );
    assert_eq!(
        told(changed("kept", |w| {
            w.canary(None);
        })),
        "12: Stable -> RollingBack, Rollback CanaryRemoved; S v1 F v2; 0 %"
    );
    guard(
        "12",
        vec![
            ("the spec is as it was", at("kept"), false),
            (
                "it has no ready pod",
                changed("kept", |w| {
                    w.canary(None);
                    w.sick.insert("v1".into());
                }),
                false,
            ),
            (
                "it is held",
                changed("kept", |w| {
                    w.canary(None).say(ROLLBACK, Some("v1"));
                }),
                false,
            ),
            (
                "paused: reverting is a move to safety",
                changed("kept", |w| {
                    w.canary(None).say(PAUSE, Some("true"));
                }),
                true,
            ),
            (
                "no version is kept",
                changed("alone", |w| {
                    w.canary(None);
                }),
                false,
            ),
        ],
    );
}

#[test]
fn row_13_quarantined() {
    answers(
        "13",
        &[
            |w| {
                bar(w, "v8");
                w.canary(Some("v8"));
            },
            |w| {
                bar(w, "v8");
                w.stable("v8").canary(None);
            },
        ],
    );
    let barred = changed("stable", |w| {
        bar(w, "v2");
        w.canary(Some("v2"));
    });
    assert_eq!(told(barred), "13: Stable -> RolledBack, Hold Quarantined; S v1, barred v2; 0 %");
    guard(
        "13",
        vec![
            (
                "a canary that is not barred",
                changed("stable", |w| {
                    bar(w, "v2");
                    w.canary(Some("v3"));
                }),
                false,
            ),
            ("barred and not in the spec", changed("stable", |w| bar(w, "v2")), false),
        ],
    );
}

#[test]
fn row_14_nothing_on_trial() {
    answers(
        "14",
        &[|w| {
            w.canary(None);
        }],
    );
    assert_eq!(
        told(changed("rolled back", |w| {
            w.canary(None);
        })),
        "14: RolledBack -> Stable, Retire CanaryRemoved; S v1, barred v2; 100 %"
    );
    guard(
        "14",
        vec![
            ("the canary is still there", at("rolled back"), false),
            (
                "stable is to be another",
                changed("rolled back", |w| {
                    w.canary(None).stable("v3");
                }),
                false,
            ),
        ],
    );
}

#[test]
fn row_15_replace() {
    answers(
        "15",
        &[
            |w| {
                w.stable("v8");
            },
            |w| {
                w.stable("v8").canary(None);
            },
        ],
    );
    let asked = || {
        changed("stable", |w| {
            w.stable("v3");
        })
    };
    let with = |world: World, change: fn(&mut World)| {
        let mut world = world;
        change(&mut world);
        world
    };
    assert_eq!(told(asked()), "15: Stable -> Replacing, Replace StableChanged; S v1 C v3; 0 %");
    guard(
        "15",
        vec![
            (
                "paused",
                with(asked(), |w| {
                    w.say(PAUSE, Some("true"));
                }),
                false,
            ),
            (
                "held",
                with(asked(), |w| {
                    w.say(ROLLBACK, Some("v3"));
                }),
                false,
            ),
            (
                "everything is held",
                with(asked(), |w| {
                    w.say(ROLLBACK, Some("true"));
                    *w = committed(w.clone());
                }),
                false,
            ),
            (
                "another is held",
                with(asked(), |w| {
                    w.say(ROLLBACK, Some("v7"));
                    *w = committed(w.clone());
                }),
                true,
            ),
            ("barred", with(asked(), |w| bar(w, "v3")), false),
            ("promoted out of the block that stands there", at("kept"), false),
            (
                "the shared part is edited while the spec lags: that is a canary, not a return",
                changed("kept", |w| {
                    w.edit(|spec| spec["runtime"] = json!({"args": ["--new"]}));
                }),
                false,
            ),
        ],
    );
}

#[test]
fn row_16_canary_started() {
    answers(
        "16",
        &[|w| {
            w.canary(Some("v8"));
        }],
    );
    let asked = || {
        changed("stable", |w| {
            w.canary(Some("v3"));
        })
    };
    let with = |world: World, change: fn(&mut World)| {
        let mut world = world;
        change(&mut world);
        world
    };
    assert_eq!(told(asked()), "16: Stable -> Starting, Start CanaryStarted; S v1 C v3; 0 %");
    guard(
        "16",
        vec![
            (
                "paused",
                with(asked(), |w| {
                    w.say(PAUSE, Some("true"));
                }),
                false,
            ),
            (
                "an unreadable pause",
                with(asked(), |w| {
                    w.say(PAUSE, Some("maybe"));
                    *w = committed(w.clone());
                }),
                false,
            ),
            (
                "held",
                with(asked(), |w| {
                    w.say(ROLLBACK, Some("v3"));
                }),
                false,
            ),
            (
                "held by its hash",
                with(asked(), |w| {
                    let hash = w.hash_of("v3");
                    w.say(ROLLBACK, Some(&hash));
                }),
                false,
            ),
            (
                "another is held",
                with(asked(), |w| {
                    w.say(ROLLBACK, Some("v7"));
                    *w = committed(w.clone());
                }),
                true,
            ),
            ("barred", with(asked(), |w| bar(w, "v3")), false),
            ("it is live already", at("kept"), false),
            (
                "spec.stable changed too: that comes first",
                with(asked(), |w| {
                    w.stable("v4");
                }),
                false,
            ),
        ],
    );
    let twice = committed(asked());
    assert_eq!(twice.status().state.candidate.map(|c| c.attempt), Some(1));
}
