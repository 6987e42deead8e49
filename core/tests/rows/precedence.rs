//! Of two rows that could both answer the upper one does: for each pair of neighbours that can hold together.

use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::status::{Phase, Track};
use model_release_core::moves;
use model_release_core::observed::{Container, Ended, Pod};
use model_release_core::testing::World;
use serde_json::json;

use super::asked::bar;
use super::support::*;

/// What makes a row answer, at a world.
type Cause = (&'static str, fn(&mut World));

const DELETED: Cause = ("1", delete);
const HELD: Cause = ("2", |w| {
    w.say(ROLLBACK, Some("v2"));
});
const STABLE_HELD: Cause = ("3", |w| {
    w.say(ROLLBACK, Some("v2"));
});
const NOTHING: Cause = ("4", |w| {
    w.say(ROLLBACK, Some("nobody"));
});
const MALFORMED: Cause = ("4b", |w| {
    w.say(PAUSE, Some("?"));
});
const RETRIED: Cause = ("6b", |w| {
    bar(w, "v8");
    w.canary(Some("v8")).say(RETRY, Some("1"));
});
const EXPIRED: Cause = ("7", |w| {
    w.edit(|spec| spec["ttl"] = json!("1m"));
    later(w, 60);
});
const FIRST_CHANGED: Cause = ("8", |w| {
    w.stable("v3");
});
const WANTED: Cause = ("9", |w| {
    w.stable("v2").canary(None);
});
const REMOVED: Cause = ("10", |w| {
    w.canary(None);
});
const STEPS: Cause = ("10b", |w| {
    w.edit(|spec| spec["rollout"]["trafficPercent"] = json!(5));
});
const BACK: Cause = ("12", |w| {
    w.canary(None);
});
const BARRED: Cause = ("13", |w| {
    bar(w, "v9");
    w.canary(Some("v9"));
});
const NOTHING_ON_TRIAL: Cause = ("14", |w| {
    w.canary(None);
});
const REPLACE: Cause = ("15", |w| {
    w.stable("v5");
});
const CANARY: Cause = ("16", |w| {
    w.canary(Some("v6"));
});
const FATAL: Cause = ("18", |w| {
    ail(w, |c| {
        c.init = true;
        c.name = "fetch".into();
        let message = r#"{"reason":"DigestMismatch"}"#.into();
        c.ended = Some(Ended { reason: "Error".into(), exit_code: 20, message });
    });
    w.sick.insert("v2".into());
});
const RESTARTS: Cause = ("19", |w| {
    w.remember(|status| {
        let memory = status.state.candidate.get_or_insert_default();
        memory.pods.entry("gone".into()).or_default().restarts = 9;
    });
});
const DEADLINE: Cause = ("20", |w| {
    w.remember(|status| status.state.candidate.get_or_insert_default().unready_seconds = 9_999);
});
const UNSTABLE: Cause = ("21", |w| {
    w.remember(|status| status.state.candidate.get_or_insert_default().returns = 9);
});
const LOST: Cause = ("22", |w| {
    w.sick.insert("v2".into());
    w.remember(|status| status.state.clocks.candidate_empty_since = status.phase_started_at);
    later(w, 6);
});
const NEW_LOST: Cause = ("23", |w| {
    w.sick.insert("v2".into());
    w.remember(|status| {
        status.state.clocks.candidate_empty_since = status.phase_started_at;
        status.state.clocks.stable_empty_since = status.phase_started_at;
    });
    later(w, 6);
});
const ERRORS: Cause = ("26", |w| fail(w, "errors"));
const QUALITY: Cause = ("31", |w| fail(w, "model_accuracy"));
const PROMOTED: Cause = ("32", |w| {
    w.say(PROMOTE, Some("v2"));
});
const RETIRE: Cause = ("30", |w| {
    let now = w.now;
    w.remember(|status| {
        for version in &mut status.versions {
            match version.track {
                Track::Previous => version.retire_at = Some(now),
                Track::Failed => version.delete_at = Some(now),
                Track::Stable | Track::Canary => {}
            }
        }
    });
});
const READY: Cause = ("34", |w| {
    w.sick.clear();
});
const FIRST_READY: Cause = ("33", |w| {
    w.sick.clear();
});
const WARM: Cause = ("36", |w| later(w, 30));
const FULL: Cause = ("39", |w| w.room.clear());
const SETTLED: Cause = ("40", |w| w.gateways = true);
const REPLACED: Cause = ("41", |w| w.gateways = true);
const BAKED: Cause = ("42", |w| {
    w.remember(|status| status.state.clocks.baked_milliseconds = 60_000);
});
const DRAINED: Cause = ("43", |w| later(w, 60));

/// Pairs of rows that can hold together: a world, and what makes each of the two answer there.
fn pairs() -> Vec<(&'static str, Cause, Cause)> {
    vec![
        ("analyzing", DELETED, HELD),
        ("kept", DELETED, STABLE_HELD),
        ("stable", DELETED, NOTHING),
        ("analyzing", HELD, MALFORMED),
        ("kept", STABLE_HELD, MALFORMED),
        ("kept", NOTHING, MALFORMED),
        ("stable", MALFORMED, RETRIED),
        ("stable", NOTHING, RETRIED),
        ("stable", RETRIED, EXPIRED),
        ("analyzing", HELD, EXPIRED),
        ("pending", EXPIRED, FIRST_CHANGED),
        ("pending", FIRST_CHANGED, FIRST_READY),
        ("analyzing", EXPIRED, WANTED),
        ("analyzing", HELD, WANTED),
        ("analyzing", EXPIRED, REMOVED),
        ("analyzing", WANTED, STEPS),
        ("analyzing", REMOVED, STEPS),
        ("analyzing", REMOVED, FATAL),
        ("analyzing", WANTED, FATAL),
        ("kept", STABLE_HELD, BACK),
        ("baking", STABLE_HELD, BACK),
        ("kept", BACK, RETIRE),
        ("stable", BARRED, REPLACE),
        ("rolled back", NOTHING_ON_TRIAL, RETIRE),
        ("rolled back", REPLACE, RETIRE),
        ("rolled back", CANARY, RETIRE),
        ("stable", REPLACE, CANARY),
        ("analyzing", STEPS, FATAL),
        ("starting", FATAL, RESTARTS),
        ("starting", RESTARTS, DEADLINE),
        ("starting", FATAL, DEADLINE),
        ("lost", DEADLINE, UNSTABLE),
        ("analyzing", UNSTABLE, LOST),
        ("analyzing", DEADLINE, LOST),
        ("analyzing", RESTARTS, LOST),
        ("starting", DEADLINE, READY),
        ("promoting", NEW_LOST, SETTLED),
        ("taking over", NEW_LOST, REPLACED),
        ("baking", NEW_LOST, BAKED),
        ("analyzing", LOST, ERRORS),
        ("analyzing", LOST, PROMOTED),
        ("analyzing", ERRORS, QUALITY),
        ("analyzing", ERRORS, PROMOTED),
        ("analyzing", QUALITY, PROMOTED),
        ("baking", ERRORS, BAKED),
        ("warming", LOST, WARM),
        ("growing", ERRORS, FULL),
        ("rolling back", EXPIRED, DRAINED),
    ]
}

fn ail(world: &mut World, change: impl FnOnce(&mut Container)) {
    let mut container = Container { name: "model".into(), ..Container::default() };
    change(&mut container);
    world.ailing.insert("v2".into(), Pod { containers: vec![container], ..Pod::default() });
}

/// A check has failed; in a bake by an absolute bound.
fn fail(world: &mut World, check: &str) {
    if world.phase() == Phase::Baking {
        world.edit(|spec| {
            spec["analysis"]["guardrails"] = json!([{"name": "errors", "metric": "ErrorRate", "max": "0.2"}]);
        });
    }
    let played = world.clone().during(40);
    if played.phase() == world.phase() {
        *world = played;
    }
    world.remember(|status| {
        if let Some(kept) = status.state.checks.get_mut(check) {
            kept.failed = true;
        }
    });
}

#[test]
fn the_upper_of_two_rows_answers() {
    let order: Vec<&str> = moves::numbers().collect();
    let place = |row: &str| order.iter().position(|known| *known == row).expect("a row of the table");
    let mut wrong = Vec::new();
    for (name, upper, lower) in pairs() {
        assert!(place(upper.0) < place(lower.0), "{} stands before {}", upper.0, lower.0);
        let both = changed(name, |w| {
            // Evidence takes time to come in, and in that time the other one would have its way.
            if upper.0 == "26" {
                upper.1(w);
            }
            lower.1(w);
            upper.1(w);
        });
        let found = [row_at(name, upper.1), row_at(name, lower.1), row(both)];
        if found != [Some(upper.0), Some(lower.0), Some(upper.0)] {
            wrong.push(format!("{name}: {} and {}: alone, alone, together {found:?}", upper.0, lower.0));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
