//! A status stays small: at its bounds after a thousand decisions, and in ordinary life.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use model_release_core::api::status::{Difference, HistoryEntry, ModelReleaseStatus, Numbers, Phase, Track};
use model_release_core::observed::{Container, Ended, Pod, Refused};
use model_release_core::plan::{Key, Kind};
use model_release_core::testing::World;
use serde_json::json;

const KIB: usize = 1024;

fn bytes(status: &ModelReleaseStatus) -> usize {
    serde_json::to_vec(status).expect("a status is JSON").len()
}

/// A name as long as it may be, another one for each number.
fn long(number: usize) -> String {
    format!("v{number:0>62}")
}

/// A pod about which there is much to say: it was restarted, its fetcher told a digest, and no node takes it.
fn ailing() -> Pod {
    let digest = format!(
        r#"{{"digest":"sha256:{}","sizeBytes":999999999999,"fetchSeconds":9999.5,"verified":true}}"#,
        "a".repeat(64)
    );
    let fetched = Ended { reason: "Completed".into(), exit_code: 0, message: digest };
    let crashed = Ended { reason: "Error".into(), exit_code: 139, message: String::new() };
    let fetch = Container { name: "fetch".into(), init: true, ended: Some(fetched), ..Container::default() };
    let model =
        Container { name: "model".into(), restarts: 1, ended_before: Some(crashed), ..Container::default() };
    let unschedulable = Some("insufficient nvidia.com/gpu ".repeat(20));
    Pod { containers: vec![fetch, model], unschedulable, ..Pod::default() }
}

/// A release that uses everything to its bound.
fn utmost() -> World {
    let mut world = World::new(&long(0), None);
    world.object.metadata.name = Some("n".repeat(45));
    world.object.metadata.namespace = Some("s".repeat(63));
    world.edit(|spec| {
        spec["runtime"] = json!({"minReplicas": 64});
        spec["traffic"]["hosts"] = (0..8).map(|n| format!("{n}{}.example.com", "h".repeat(50))).collect();
        spec["traffic"]["versionHeader"] = "x".repeat(63).into();
        let rollout = spec["rollout"].as_object_mut().expect("there is one");
        rollout.remove("trafficPercent");
        rollout.insert("steps".into(), (1..=10).map(|n| json!({"trafficPercent": n * 9, "minDuration": "10s"})).collect());
        rollout.insert("canaryReplicas".into(), json!(64));
        rollout.insert("retention".into(), json!("720h"));
        let bars = (0..8).map(|n| {
            json!({"name": format!("{n}{}", "g".repeat(31)), "metric": "ErrorRate", "max": "0.9999", "maxRatio": "99.99"})
        });
        spec["analysis"]["guardrails"] = bars.collect();
        spec["analysis"]["quality"] = json!({"min": "0.1234", "maxDrop": "0.4999"});
        spec["analysis"]["maxRestarts"] = json!(100);
    });
    let key = Key { kind: Kind::ControllerRevision, namespace: "s".repeat(63), name: "n".repeat(60) };
    world.observed.refused.push(Refused { key, code: 422, message: "m".repeat(256) });
    world.rate = 1e6;
    world
}

#[test]
fn at_its_bounds_a_status_stays_below_32_kib_for_a_thousand_decisions() {
    let mut world = utmost().until("the first version serves", |w| w.phase() == Phase::Stable && w.settled());
    let (mut largest, mut rounds) = (0, 0);
    while world.decisions.len() <= 1000 {
        rounds += 1;
        let name = long(rounds);
        world.ailing.insert(name.clone(), ailing());
        // The first ones are promoted, so that there is a previous version; all others fail at the end of their trial.
        let good = rounds <= 2;
        world.accuracy.insert(name.clone(), 0.9);
        world.canary(Some(&name));
        let end = if good { Phase::Baking } else { Phase::Analyzing };
        while world.phase() != end || !good && world.percent() < 90 {
            world = world.during(5);
            largest = largest.max(bytes(&world.status()));
        }
        if good {
            world = world.until("baked", |w| w.phase() == Phase::Stable);
            let mut promoted = world;
            promoted.stable(&name).canary(None);
            // One of its pods has no node any more.
            promoted.room.insert(name.clone(), 63);
            // What comes next waits for a human's word at its last step, until it fails there.
            if rounds == 2 {
                promoted.edit(|spec| spec["rollout"]["promotion"] = "Manual".into());
            }
            world = promoted;
        } else {
            world.accuracy.insert(name.clone(), 0.01);
            world = world.until("rolled back", |w| w.phase() == Phase::RolledBack);
        }
        largest = largest.max(bytes(&world.status()));
    }
    let status = world.status();
    assert_eq!(status.quarantine.len(), 10);
    assert_eq!(status.versions.len(), 3, "stable, previous, failed");
    assert!(status.state.candidate.as_ref().is_some_and(|c| c.pods.len() == 64));
    assert!(status.history.len() >= 5, "recent decisions are on record: {}", status.history.len());
    assert_eq!(status.history[0].numbers.len(), 0, "the last one only ended the rollback");
    let judged = status.history.iter().find(|entry| !entry.numbers.is_empty()).expect("one that was judged");
    assert_eq!(judged.numbers.len(), 3);
    println!(
        "largest: {largest} bytes after {} decisions, {} on record",
        world.decisions.len(),
        status.history.len()
    );
    assert!(largest <= 32 * KIB, "{largest} bytes");
    assert!(largest > 16 * KIB, "that were no bounds: {largest} bytes");
}

#[test]
fn where_it_is_over_the_oldest_decisions_go_first() {
    let world = utmost().until("the first version serves", |w| w.phase() == Phase::Stable && w.settled());
    // Every decision on record rests on three numbers and has much to say.
    let difference =
        Difference { estimate: "-0.1234".into(), lower: "-0.1234".into(), upper: "-0.1234".into() };
    let numbers = Numbers {
        metric: "g".repeat(32),
        stable: "0.1234".into(),
        canary: "0.1234".into(),
        stable_events: i64::MAX,
        canary_events: i64::MAX,
        difference: Some(difference),
        bound: "<= 99.99 x stable, <= 0.9999".into(),
        evidence: "1000000".into(),
        needed: "160.0".into(),
    };
    let mut world = world;
    world.remember(|status| {
        let like = status.history[0].clone();
        status.history = (1..=20)
            .map(|seq| HistoryEntry {
                seq,
                message: "accuracy 0.1234 of 9000000000000000; ".repeat(40),
                numbers: vec![numbers.clone(); 3],
                ..like.clone()
            })
            .rev()
            .collect();
    });
    world.canary(Some(&long(1)));
    world.look();
    let status = world.status();
    assert!(bytes(&status) <= 32 * KIB, "{} bytes", bytes(&status));
    let kept: Vec<i64> = status.history.iter().map(|entry| entry.seq).collect();
    let newest = status.decision.expect("a canary was chosen").seq;
    assert_eq!(kept[..3], [newest, 20, 19], "the newest stay");
    assert!((8..20).contains(&kept.len()), "as many as there is room for: {kept:?}");
}

#[test]
fn in_ordinary_life_a_status_has_about_5_kib() {
    let mut world = World::serving("2026.07").during(60);
    let first = bytes(&world.status());
    world.accuracy.insert("2026.08".into(), 0.95);
    world.canary(Some("2026.08"));
    let mut world = world.until("it has weight", |w| w.phase() == Phase::Analyzing).during(60);
    let on_trial = bytes(&world.status());
    for month in 8..14 {
        let (name, next) = (format!("2026.{month:02}"), format!("2026.{:02}", month + 1));
        world = world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == name);
        world.accuracy.insert(next.clone(), 0.95 + 0.005 * f64::from(month - 7));
        world.stable(&name).canary(Some(&next));
    }
    let status = world.status();
    let after_half_a_year = bytes(&status);
    println!(
        "first version {first} bytes, first trial {on_trial} bytes, full record {after_half_a_year} bytes"
    );
    assert_eq!(status.history.len(), 20);
    assert!(first < 5 * KIB, "one version serves: {first} bytes");
    assert!(on_trial < 8 * KIB, "the first canary on trial: {on_trial} bytes");
    assert!(after_half_a_year < 16 * KIB, "20 decisions on record: {after_half_a_year} bytes");
}
