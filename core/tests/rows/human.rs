//! Rows 1 to 4b: deletion and rollback.

use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::status::{Phase, Track};

use super::support::*;

#[test]
fn row_01_deleted() {
    answers("1", &[delete]);
    assert_eq!(
        told(changed("analyzing", delete)),
        "1: Analyzing -> Analyzing, Delete Deleted; S v1 C v2; 0 %"
    );
    for (name, mut world) in everywhere() {
        delete(&mut world);
        let world = committed(world);
        assert_eq!(told(world), "nothing", "{name}: the last decision is made once");
    }
    let orphan = changed("analyzing", |w| {
        delete(w);
        w.object.metadata.finalizers.get_or_insert_default().push("orphan".into());
    });
    assert_eq!(told(orphan), "nothing", "what is left to others is left as it is");
}

#[test]
fn row_02_candidate_held() {
    answers(
        "2",
        &[
            |w| {
                w.say(ROLLBACK, Some("true"));
            },
            |w| {
                w.say(ROLLBACK, Some(" TRUE\n"));
            },
            |w| name(w, ROLLBACK, Track::Canary),
            |w| {
                let hash = w.hash_of("v2");
                w.say(ROLLBACK, Some(&hash));
            },
        ],
    );
    let held = |value: &'static str| {
        changed("analyzing", move |w| {
            w.say(ROLLBACK, Some(value));
        })
    };
    guard(
        "2",
        vec![
            ("the one on trial", held("v2"), true),
            ("another one", held("v3"), false),
            ("none", held("false"), false),
            ("no word", held(""), false),
            ("unreadable", held("v2!"), false),
            ("stable, which has nothing to go back to", held("v1"), false),
        ],
    );
    assert_eq!(
        told(held("true")),
        "2: Analyzing -> RollingBack, Rollback ManualRollback; S v1 F v2, barred v2; 0 %"
    );
    let replacing = changed("replacing", |w| {
        w.say(ROLLBACK, Some("v2"));
    });
    assert_eq!(
        told(replacing),
        "2: Replacing -> RollingBack, Rollback ManualRollback; S v1 F v2, barred v2; 0 %"
    );
}

#[test]
fn row_02_stable_is_named_while_another_is_on_trial() {
    // The one on trial makes way first, unharmed; then row 3 takes stable.
    let mut world = at("kept");
    world.stable("v2").canary(Some("v3"));
    let mut world = world.until("v3 is on trial", |w| w.phase() == Phase::Analyzing);
    assert_eq!(roles(&world.status()), "S v2 C v3 P v1");
    world.say(ROLLBACK, Some("v2"));
    assert_eq!(told(world.clone()), "2: Analyzing -> RollingBack, Rollback Superseded; S v2 P v1 F v3; 0 %");
    let world = world.until("v3 is gone", |w| w.phase() == Phase::Stable);
    assert_eq!(told(world), "3: Stable -> RollingBack, Rollback ManualRollback; S v1 F v2, barred v2; 0 %");
}

#[test]
fn row_03_stable_held() {
    answers(
        "3",
        &[
            |w| name(w, ROLLBACK, Track::Stable),
            |w| {
                w.say(ROLLBACK, Some("true"));
            },
            |w| {
                let live = w.track(Track::Stable);
                let hash = w.hash_of(&live);
                w.say(ROLLBACK, Some(&hash));
            },
        ],
    );
    let held = |name: &str, value: &'static str| {
        changed(name, move |w| {
            w.say(ROLLBACK, Some(value));
        })
    };
    let handled = |name: &str| {
        let world = committed(held(name, "true"));
        // Traffic went back to v1; a true left over must not take that as well.
        world.until("it left", |w| matches!(w.phase(), Phase::RolledBack | Phase::Stable))
    };
    guard(
        "3",
        vec![
            ("the live version, kept warm before it is another", held("kept", "v2"), true),
            ("whatever is live", held("kept", "true"), true),
            ("promoted out of spec.stable, which is started anew", held("alone", "true"), true),
            ("while it bakes", held("baking", "true"), true),
            ("the previous one", held("kept", "v1"), false),
            ("nothing to go back to", held("stable", "true"), false),
            (
                "a canary that may yet start is meant",
                {
                    let mut world = held("stable", "true");
                    world.canary(Some("v3"));
                    world
                },
                false,
            ),
            ("once per appearance", handled("kept"), false),
            ("it is rolled back already; true is about the other", held("rolled back", "true"), false),
        ],
    );
    assert_eq!(
        told(held("kept", "true")),
        "3: Stable -> RollingBack, Rollback ManualRollback; S v1 F v2, barred v2; 0 %"
    );
    assert_eq!(
        told(held("alone", "true")),
        "3: Stable -> RollingBack, Rollback ManualRollback; S v1 F v2, barred v2; 0 %"
    );
}

#[test]
fn row_04_nothing_to_roll_back() {
    answers(
        "4",
        &[
            |w| {
                w.say(ROLLBACK, Some("nobody"));
            },
            |w| {
                w.say(ROLLBACK, Some("true"));
            },
        ],
    );
    for (name, mut world) in everywhere() {
        world.say(ROLLBACK, Some("nobody"));
        let noted = committed(world.clone());
        assert_ne!(row(noted.clone()), Some("4"), "{name}: it is noted once");
        let (before, after) = (world.status(), noted.status());
        assert_eq!((before.phase, roles(&before)), (after.phase, roles(&after)), "{name}: and does nothing");
        assert_eq!(before.history, after.history, "{name}: nothing moved");
    }
    let world = changed("stable", |w| {
        w.say(ROLLBACK, Some("true"));
    });
    assert_eq!(told(world), "4: Stable -> Stable, Hold NothingToRollBack; S v1; 100 %");
}

#[test]
fn row_04b_malformed() {
    answers(
        "4b",
        &[
            |w| {
                w.say(ROLLBACK, Some("v 2"));
            },
            |w| {
                w.say(ROLLBACK, Some(&"x".repeat(257)));
            },
            |w| {
                w.say(ROLLBACK, Some("\u{7}"));
            },
            |w| {
                w.say(PAUSE, Some("yes"));
            },
            |w| {
                w.say(PAUSE, Some("true!"));
            },
        ],
    );
    for word in [ROLLBACK, PAUSE] {
        for (name, mut world) in everywhere() {
            world.say(word, Some("?"));
            let noted = committed(world.clone());
            assert_ne!(row(noted.clone()), Some("4b"), "{name}: {word} is told once");
            let (before, after) = (world.status(), noted.status());
            assert_eq!(
                (before.phase, roles(&before)),
                (after.phase, roles(&after)),
                "{name}: it does nothing"
            );
        }
        let world = committed(changed("stable", |w| {
            w.say(word, Some("?"));
        }));
        assert_eq!(world.condition("Held"), "True/MalformedAnnotation", "{word}");
        let other = changed("stable", |w| {
            *w = committed(w.clone());
            w.say(word, Some("!"));
        });
        assert_eq!(row(other), Some("4b"), "{word}: another value is told again");
        let world = changed("stable", |w| {
            w.say(word, Some("?")).canary(Some("v2"));
            *w = committed(w.clone());
        });
        assert_eq!(row(world), None, "{word}: nothing starts");
    }
    for harmless in [PROMOTE, RETRY] {
        let long = "x".repeat(300);
        assert_ne!(
            row_at("stable", |w| {
                w.say(harmless, Some(&long));
            }),
            Some("4b"),
            "{harmless} holds nothing"
        );
    }
}
