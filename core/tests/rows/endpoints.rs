//! Rows 21 to 25: endpoints that go and come back, and the warm-up.

use model_release_core::api::Reason;
use model_release_core::api::status::Phase;
use model_release_core::observed::WarmupAnswer;
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use model_release_core::version::Hash;
use serde_json::json;

use super::support::*;

/// No pod of a version is ready, for so many seconds.
fn down(world: &mut World, version: &str, seconds: i64) {
    world.sick.insert(version.into());
    let plan = world.decide();
    world.commit(&plan);
    later(world, seconds);
}

#[test]
fn row_21_unstable() {
    fn returned(world: &mut World, times: i32) {
        world.remember(|status| {
            if let Some(memory) = &mut status.state.candidate {
                memory.returns = times;
            }
        });
    }
    answers("21", &[|w| returned(w, 5)]);
    guard(
        "21",
        vec![
            ("four times", changed("lost", |w| returned(w, 4)), false),
            ("five times", changed("lost", |w| returned(w, 5)), true),
            (
                "stable is down too",
                changed("lost", |w| {
                    returned(w, 5);
                    w.sick.insert("v1".into());
                    w.remember(|status| status.state.clocks.stable_empty_since = status.phase_started_at);
                    later(w, 60);
                }),
                false,
            ),
        ],
    );
    assert_eq!(
        told(changed("lost", |w| returned(w, 5))),
        "21: Starting -> RollingBack, Rollback CanaryUnstable; S v1 F v2, barred v2; 0 %"
    );
    // And it comes to that by itself.
    let mut world = at("analyzing");
    for _ in 0..5 {
        world.sick.insert("v2".into());
        world = world.until("lost", |w| matches!(w.phase(), Phase::Starting | Phase::RollingBack));
        world.sick.clear();
        world =
            world.until("back, or given up", |w| matches!(w.phase(), Phase::Analyzing | Phase::RollingBack));
    }
    assert_eq!(world.status().decision.map(|d| d.reason), Some(Reason::CanaryUnstable), "{}", world.story());
}

#[test]
fn row_22_candidate_lost() {
    answers("22", &[|w| down(w, "v2", 6)]);
    let lost = |seconds: i64| changed("analyzing", move |w| down(w, "v2", seconds));
    guard(
        "22",
        vec![
            ("not for long enough to be a fact", lost(4), false),
            ("for so long", lost(5), true),
            (
                "stable has none either",
                changed("analyzing", |w| {
                    w.sick.insert("v1".into());
                    down(w, "v2", 6);
                }),
                false,
            ),
            (
                "stable has one, that its Deployment does not know",
                changed("analyzing", |w| {
                    down(w, "v2", 6);
                    let name = format!("fraud-{}", w.hash_of("v1"));
                    w.tamper(Kind::Deployment, &name, |body| body["metadata"]["generation"] = json!(99));
                    w.sick.insert("v1".into());
                }),
                false,
            ),
        ],
    );
    assert_eq!(told(lost(6)), "22: Analyzing -> Starting, Step CanaryNotReady; S v1 C v2; 0 %");
    let after = committed(lost(6)).status();
    let memory = after.state.candidate.expect("it is remembered");
    assert_eq!((memory.returns, memory.attempt), (1, 1), "it comes back in the same attempt");
    let rung = after.step.expect("and on its rung");
    assert_eq!((rung.index, rung.weight, rung.target), (0, 0, 10));
    assert_eq!(after.state.checks, lost(6).status().state.checks, "evidence is kept");
}

#[test]
fn row_23_new_version_lost() {
    answers("23", &[|w| down(w, "v2", 6)]);
    guard(
        "23",
        vec![
            ("not for long enough", changed("baking", |w| down(w, "v2", 4)), false),
            (
                "the fallback has none either",
                changed("baking", |w| {
                    w.sick.insert("v1".into());
                    down(w, "v2", 6);
                }),
                false,
            ),
            (
                "the previous version is gone: later only by hand",
                changed("alone", |w| down(w, "v2", 6)),
                false,
            ),
        ],
    );
    for (name, phase) in [("promoting", "Promoting"), ("taking over", "Replacing"), ("baking", "Baking")] {
        assert_eq!(
            told(changed(name, |w| down(w, "v2", 6))),
            format!("23: {phase} -> RollingBack, Rollback CanaryUnavailable; S v1 F v2, barred v2; 0 %"),
            "{name}"
        );
    }
}

#[test]
fn row_24_warmup_failed() {
    let waiting = |name: &str| {
        let mut world = World::serving("v1");
        let block = if name == "warming" { "canary" } else { "stable" };
        world.edit(|spec| {
            spec[block] = json!({"version": "v2", "image": "registry.example.com/fraud:v2"});
            spec[block]["warmup"] = json!({"path": "/predict", "requests": 3, "timeoutSeconds": 30});
        });
        let phase = if name == "warming" { Phase::Warming } else { Phase::Replacing };
        world.until("ready", |w| {
            w.phase() == phase && w.status().state.candidate.is_some_and(|c| c.routed_at.is_some())
        })
    };
    let mut found = std::collections::BTreeSet::new();
    for name in ["warming", "replacing"] {
        let mut world = waiting(name);
        guard("24", vec![("in time", world.clone().during(28), false)]);
        later(&mut world, 31);
        let from = world.phase();
        let plan = world.clone().decide();
        assert_eq!(plan.row, Some("24"), "{}", world.story());
        found.insert((from, plan.status.expect("it is committed").phase.expect("with its phase")));
        let after = told(world);
        assert!(after.ends_with("Rollback WarmupFailed; S v1 F v2, barred v2; 0 %"), "{after}");
    }
    let known =
        super::edges::EDGES.iter().filter(|edge| edge.1 == "24").map(|edge| (edge.0, edge.2)).collect();
    assert_eq!(found, known);
    // What does not get there is no answer of its own.
    let mut astray = waiting("warming");
    astray.astray.insert("public".into(), 503);
    astray.remember(|status| status.state.candidate.get_or_insert_default().routed_at = None);
    later(&mut astray, 31);
    assert_eq!(row(astray), None, "gateways do not lead to it");
    let mut refused = waiting("warming");
    refused.edit(|spec| spec["analysis"]["provider"] = "nowhere".into());
    later(&mut refused, 31);
    assert_eq!(row(refused), Some("24"), "also while the spec is refused");
    let mut answered = waiting("warming");
    let hash = Hash::known(&answered.object.status.as_ref().expect("a status").versions[1].hash);
    answered.observed.warmup = Some(WarmupAnswer { hash, good: 3, last_status: None, unreachable: false });
    let answered = answered.until("warm", |w| w.phase() == Phase::Analyzing);
    assert_eq!(answered.condition("CanaryReady"), "True/CanaryReady");
}

#[test]
fn row_25_while_stable_is_down_the_candidate_is_not_to_blame() {
    for name in ["starting", "lost", "warming", "shadowing", "analyzing", "growing", "replacing"] {
        let mut world = at(name);
        world.sick.extend(["v1".to_owned(), "v2".to_owned()]);
        world.prometheus = false;
        let (phase, weights) = (world.phase(), world.weights.clone());
        let world = world.during(3000);
        assert_eq!((world.phase(), &world.weights), (phase, &weights), "{name}: {}", world.story());
        assert_eq!(world.condition("StableReady"), "False/StableUnavailable", "{name}");
        assert_eq!(world.condition("Stalled"), "True/StableUnavailable", "{name}");
        let mut back = world;
        back.sick.remove("v1");
        assert!(
            matches!(row(back.during(1)), None | Some("22")),
            "{name}: the clocks go on from where they stood"
        );
    }
}
