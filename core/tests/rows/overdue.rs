//! Rows 27 and 28: undecided for too long.

use jiff::Timestamp;
use model_release_core::api::annotations::PAUSE;
use model_release_core::api::status::Phase;
use model_release_core::testing::World;

use super::judged::latched;
use super::support::*;

/// The candidate is exposed for so long.
fn exposed(world: &mut World, seconds: i64) {
    let since: Timestamp = world.now - jiff::SignedDuration::from_secs(seconds);
    world.remember(|status| {
        if let Some(memory) = status.state.candidate.as_mut().filter(|m| m.exposed_at.is_some()) {
            memory.exposed_at = Some(since);
        }
    });
}

fn inconclusive(world: &mut World, then: &str) {
    world.edit(|spec| {
        spec["rollout"]["onInconclusive"] = then.into();
        spec["rollout"]["maxDuration"] = "1h".into();
        spec["analysis"]["quality"]["minSamples"] = 1_000_000.into();
    });
    *world = world.clone().during(40);
}

#[test]
fn row_27_undecided_for_too_long() {
    answers(
        "27",
        &[|w| {
            inconclusive(w, "Rollback");
            exposed(w, 3600);
        }],
    );
    let after = |seconds: i64, change: fn(&mut World)| {
        changed("analyzing", |w| {
            inconclusive(w, "Rollback");
            change(w);
            exposed(w, seconds);
        })
    };
    guard(
        "27",
        vec![
            ("not yet", after(3590, |_| {}), false),
            ("to the second", after(3600, |_| {}), true),
            (
                "the user holds rather",
                changed("analyzing", |w| {
                    inconclusive(w, "Hold");
                    exposed(w, 3600);
                }),
                false,
            ),
            ("it has failed: that is no doubt", after(3600, |w| latched(w, "errors")), false),
            (
                "nothing could be seen: the user said so",
                after(3600, |w| {
                    w.prometheus = false;
                    *w = w.clone().during(120);
                }),
                true,
            ),
            (
                "paused time does not count",
                after(0, |w| {
                    w.say(PAUSE, Some("true"));
                    *w = w.clone().during(7200);
                }),
                false,
            ),
            (
                "it passed and waits for a human",
                after(3600, |w| {
                    let now = w.now;
                    w.remember(|status| status.state.candidate.get_or_insert_default().passed_at = Some(now));
                }),
                false,
            ),
        ],
    );
    assert_eq!(
        told(after(3600, |_| {})),
        "27: Analyzing -> RollingBack, Rollback Inconclusive; S v1 F v2, barred v2; 0 %"
    );
}

#[test]
fn row_28_undecided_and_held() {
    answers(
        "28",
        &[|w| {
            inconclusive(w, "Hold");
            exposed(w, 3600);
        }],
    );
    let after = |seconds: i64| {
        changed("analyzing", |w| {
            inconclusive(w, "Hold");
            exposed(w, seconds);
        })
    };
    let held = committed(after(3600));
    guard(
        "28",
        vec![
            ("not yet", after(3590), false),
            ("to the second", after(3600), true),
            ("once", held.clone(), false),
        ],
    );
    assert_eq!(told(after(3600)), "28: Analyzing -> Analyzing, Hold Inconclusive; S v1 C v2; 10 %");
    assert_eq!(held.condition("Stalled"), "True/Inconclusive");
    let mut better = held;
    better.edit(|spec| spec["analysis"]["quality"]["minSamples"] = 100.into());
    better.accuracy.insert("v2".into(), 0.97);
    let better = better.until("promoted", |w| w.phase() == Phase::Promoting);
    assert!(better.condition("Stalled").starts_with("False"), "the analysis went on");
}
