//! What people see, letter by letter, at a fixed time; and that it fits at 80 and at 160 columns.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something fails")]

use jiff::Timestamp;
use kubectl_modelrelease::render::tree::{Beside, tree};
use kubectl_modelrelease::render::{explain, history};
use kubectl_modelrelease::screen::Style;
use model_release_core::api::spec::ModelRelease;
use model_release_core::api::status::{HistoryEntry, Phase, Track};
use model_release_core::explain::{
    Deadline, Decided, Explanation, Gate, GateState, Seen, State, Subject, decided,
};
use model_release_core::testing::World;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-21T14:14:00Z")
}

fn phishing() -> ModelRelease {
    serde_json::from_value(json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {
            "name": "phishing", "namespace": "ml", "generation": 1, "creationTimestamp": "2026-11-15T14:00:00Z",
        },
        "spec": {
            "stable": {"version": "v1", "image": "registry.example.com/phishing:1"},
            "canary": {"version": "v2", "image": "registry.example.com/phishing:2"},
        },
        "status": {
            "observedGeneration": 1,
            "phase": "Analyzing",
            "phaseStartedAt": "2026-11-21T14:02:00Z",
            "message": "v2 has 10 %; accuracy is not proven yet",
            "url": "http://phishing.ml/",
            "versions": [
                {"hash": "5f3c0a9b11", "version": "v1", "track": "stable", "replicas": 3, "readyReplicas": 3,
                 "since": "2026-11-15T14:00:00Z", "artifact": {"digest": "sha256:0", "verified": true}},
                {"hash": "9ab1c2d3e4", "version": "v2", "track": "canary", "replicas": 1, "readyReplicas": 1,
                 "since": "2026-11-21T14:03:00Z", "artifact": {"digest": "sha256:1", "verified": true}},
            ],
            "step": {"index": 0, "weight": 10, "target": 10, "settledAt": "2026-11-21T14:02:11Z"},
            "traffic": [
                {"hash": "5f3c0a9b11", "version": "v1", "percent": 90},
                {"hash": "9ab1c2d3e4", "version": "v2", "percent": 10},
            ],
            "analysis": {
                "verdict": "Inconclusive",
                "quality": {
                    "name": "model_accuracy", "verdict": "Inconclusive", "reason": "NotProven",
                    "stable": {"value": "0.9340", "events": 11790}, "canary": {"value": "0.9290", "events": 1310},
                    "bound": "loss <= 0.0200",
                },
                "guardrails": [{
                    "name": "errors", "verdict": "Pass",
                    "stable": {"value": "0.0010", "events": 36900}, "canary": {"value": "0.0013", "events": 4102},
                    "bound": "<= 2 x stable",
                }],
            },
            "conditions": [{
                "type": "TrafficApplied", "status": "True", "reason": "WeightsInForce", "message": "",
                "lastTransitionTime": "2026-11-21T14:02:11Z",
            }],
            "state": {"traffic": {"settledAt": "2026-11-21T14:02:11Z"}},
        },
    }))
    .unwrap()
}

fn beside() -> Beside {
    Beside { deployments: Some(Vec::new()), pods: Some(Vec::new()) }
}

#[test]
fn a_release_is_shown_with_all_that_belongs_to_it() {
    let row = |name: &str, kind: &str, status: &str, age: &str, info: &str| {
        format!("{name:<25}{kind:<16}{status:<11}{age:<5}{info}").trim_end().to_owned()
    };
    let check =
        |name: &str, role: &str, stable: &str, canary: &str, bound: &str, samples: &str, says: &str| {
            format!("{name:<16}{role:<11}{stable:<8}{canary:<8}{bound:<16}{samples:<9}{says}")
        };
    assert_eq!(
        tree(&phishing(), &beside(), now(), Style::default()),
        [
            "ml/phishing   Analyzing, step 1/1, 12m   weights 90/10, in force since 14:02:11Z".to_owned(),
            "v2 has 10 %; accuracy is not proven yet".to_owned(),
            String::new(),
            row("NAME", "KIND", "STATUS", "AGE", "INFO"),
            row("phishing", "ModelRelease", "Analyzing", "6d", "http://phishing.ml/"),
            row("|- stable v1 5f3c0a9b11", "Deployment", "Ready 3/3", "6d", "digest ok, restarts 0"),
            row("|- canary v2 9ab1c2d3e4", "Deployment", "Ready 1/1", "11m", "digest ok, restarts 0"),
            row("|- phishing", "VirtualService", "in step", "", "v1 90 %, v2 10 %"),
            String::new(),
            check("CHECK", "ROLE", "STABLE", "CANARY", "BOUND", "SAMPLES", "VERDICT"),
            check(
                "model_accuracy",
                "quality",
                "0.9340",
                "0.9290",
                "loss <= 0.0200",
                "1310",
                "Inconclusive (NotProven)"
            ),
            check("errors", "guardrail", "0.0010", "0.0013", "<= 2 x stable", "4102", "Pass"),
        ]
    );
}

#[test]
fn live_objects_count_more_than_what_the_operator_saw() {
    let labels = json!({"modelrelease.dev/version": "9ab1c2d3e4", "modelrelease.dev/component": "model"});
    let beside = Beside {
        deployments: Some(vec![json!({
            "metadata": {"labels": labels, "creationTimestamp": "2026-11-21T14:13:30Z"},
            "spec": {"replicas": 2}, "status": {"readyReplicas": 1},
        })]),
        pods: Some(vec![json!({
            "metadata": {"labels": labels}, "status": {"containerStatuses": [{"restartCount": 2}, {"restartCount": 1}]},
        })]),
    };
    let lines = tree(&phishing(), &beside, now(), Style::default());
    let canary = lines.iter().find(|line| line.starts_with("|- canary")).unwrap();
    assert!(canary.contains("Starting 1/2") && canary.contains("30s"), "{canary}");
    assert!(canary.ends_with("restarts 3"), "{canary}");
}

#[test]
fn without_rights_a_tree_says_whose_counts_they_are() {
    let lines = tree(&phishing(), &Beside::default(), now(), Style::default());
    assert!(lines.iter().any(|line| line.starts_with("You may not list deployments")), "{lines:#?}");
}

fn explanation() -> Explanation {
    let gate = |name: &str, state, detail: &str, until: Option<&str>| Gate {
        name: name.to_owned(),
        state,
        detail: detail.to_owned(),
        until: until.map(at),
    };
    Explanation {
        phase: Phase::Analyzing,
        state: State::Waiting,
        since: Some(at("2026-11-21T14:02:11Z")),
        message: "v2 has 10 %; accuracy is not proven yet".to_owned(),
        subject: Some(Subject {
            version: "v2".to_owned(),
            hash: "9ab1c2d3e4".to_owned(),
            track: Track::Canary,
            percent: Some(10),
        }),
        gates: vec![
            gate(
                "model_accuracy",
                GateState::Waiting,
                "accuracy 0.9290 of 1310 against 0.9340 of 11790; not proven yet: its loss is between -0.0100 and 0.0200, \
                 allowed is 0.0200",
                None,
            ),
            gate("time at 10 %", GateState::Waiting, "4m of 5m", Some("2026-11-21T14:15:00Z")),
            gate("by hand", GateState::Pass, "none", None),
        ],
        due: None,
        forward: "v2 is promoted".to_owned(),
        back: "v2 is rolled back if a check fails".to_owned(),
        deadline: Some(Deadline {
            at: at("2026-11-22T14:02:11Z"),
            then: "it is Stalled, and the analysis goes on".to_owned(),
        }),
        next_look: Some(at("2026-11-21T14:14:26Z")),
        unseen: false,
        checks: Vec::new(),
    }
}

#[test]
fn why_a_release_waits_is_told_gate_by_gate() {
    let gate = |number: usize, name: &str, state: &str, detail: &str| {
        format!("{number:>2} {name:<14}  {state:<9}{detail}")
    };
    assert_eq!(
        explain::now(&explanation(), now(), Style::default()),
        [
            "WAITING in Analyzing since 14:02:11Z. Canary v2 has 10 %.".to_owned(),
            "v2 has 10 %; accuracy is not proven yet".to_owned(),
            gate(
                1,
                "model_accuracy",
                "Waiting",
                "accuracy 0.9290 of 1310 against 0.9340 of 11790; not proven yet: its loss is between -0.0100 and 0.0200, \
                 allowed is 0.0200"
            ),
            gate(2, "time at 10 %", "Waiting", "4m of 5m, until 14:15:00Z"),
            gate(3, "by hand", "Pass", "none"),
            "Next look 14:14:26Z at the latest.".to_owned(),
            "Once all of these pass: v2 is promoted.".to_owned(),
            "Back: v2 is rolled back if a check fails.".to_owned(),
            "At 2026-11-22 14:02Z, in 23h48m: it is Stalled, and the analysis goes on.".to_owned(),
        ]
    );
}

#[test]
fn an_operator_that_does_not_look_is_noticed() {
    let mut told = explanation();
    told.next_look = Some(at("2026-11-21T14:04:00Z"));
    let lines = explain::now(&told, now(), Style::default());
    let late = lines.iter().any(|line| line.starts_with("The operator was to look at 14:04:00Z, 10m ago"));
    assert!(late, "{lines:#?}");
}

fn decisions() -> Vec<HistoryEntry> {
    serde_json::from_value(json!([
        {
            "seq": 42, "at": "2026-11-20T09:14:02Z", "verdict": "Promote", "version": "v2", "hash": "9ab1c2d3e4",
            "from": "Analyzing", "to": "Promoting", "fromPercent": 10, "toPercent": 10, "reason": "QualityPassed",
            "message": "its loss is at most 0.0100",
            "numbers": [{
                "metric": "model_accuracy", "stable": "0.9340", "canary": "0.9510", "stableEvents": 19926,
                "canaryEvents": 2214, "difference": {"estimate": "0.0170", "lower": "0.0010", "upper": "0.0330"},
                "bound": "loss <= 0.0200",
            }],
        },
        {
            "seq": 41, "at": "2026-11-18T16:40:51Z", "verdict": "Rollback", "version": "v1b", "hash": "77de000000",
            "from": "Analyzing", "to": "RollingBack", "fromPercent": 10, "toPercent": 0, "reason": "OOMKilled",
            "message": "pod p: out of memory",
        },
    ]))
    .unwrap()
}

#[test]
fn decisions_are_a_table_with_their_numbers() {
    let row = |cells: [&str; 8]| {
        let [number, when, version, act, weight, value, samples, reason] = cells;
        format!("{number:<4}{when:<16}{version:<10}{act:<10}{weight:<8}{value:<15}{samples:<9}{reason}")
    };
    assert_eq!(
        history::table(&decisions(), Style::default()),
        [
            row(["#", "WHEN", "VERSION", "DECISION", "WEIGHT", "VALUE S/C", "SAMPLES", "REASON"]),
            row([
                "42",
                "11-20 09:14:02",
                "v2 9ab1",
                "Promote",
                "10->10",
                "0.9340/0.9510",
                "2214",
                "QualityPassed: its loss is at most 0.0100",
            ]),
            row([
                "41",
                "11-18 16:40:51",
                "v1b 77de",
                "Rollback",
                "10->0",
                "-",
                "-",
                "OOMKilled: pod p: out of memory",
            ]),
        ]
    );
    let style = Style { unicode: true, ..Style::default() };
    assert!(history::table(&decisions(), style)[1].contains("10\u{2192}10"));
}

/// A rollback as it stands on record, with what was before and after it.
fn rolled_back() -> Decided {
    let entry = |seq: i64, at: &str, verdict: &str, from: &str, to: &str, percent: [i32; 2], reason: &str| {
        json!({
            "seq": seq, "at": at, "verdict": verdict, "version": "v1b", "hash": "77de000000", "from": from, "to": to,
            "fromPercent": percent[0], "toPercent": percent[1], "reason": reason, "message": "",
        })
    };
    let mut decision = entry(
        41,
        "2026-11-18T16:40:51Z",
        "Rollback",
        "Analyzing",
        "RollingBack",
        [10, 0],
        "QualityRegression",
    );
    decision["message"] = json!("accuracy 0.8510 of 397 against 0.9010 of 3573");
    decision["numbers"] = json!([
        {
            "metric": "model_accuracy", "stable": "0.9010", "canary": "0.8510", "stableEvents": 3573, "canaryEvents": 397,
            "difference": {"estimate": "-0.0500", "lower": "-0.0900", "upper": "-0.0110"},
            "bound": "loss <= 0.0200", "evidence": "21.4", "needed": "20.0",
        },
        {"metric": "errors", "stable": "", "canary": "0.0010", "stableEvents": 0, "canaryEvents": 4102},
    ]);
    let history = json!([
        entry(43, "2026-11-18T16:41:05Z", "Rollback", "RollingBack", "RolledBack", [0, 0], "RolledBack"),
        entry(42, "2026-11-18T16:40:53Z", "Rollback", "RollingBack", "RollingBack", [0, 0], "RollingBack"),
        decision,
        entry(40, "2026-11-18T16:28:40Z", "Step", "Warming", "Analyzing", [0, 10], "StepStarted"),
    ]);
    let history: Vec<HistoryEntry> = serde_json::from_value(history).unwrap();
    decided(&history, 41).unwrap()
}

#[test]
fn a_decision_is_told_with_all_that_is_on_record_of_it_so_that_it_can_be_repeated_by_hand() {
    assert_eq!(
        explain::decision(&rolled_back(), now(), Style::default()),
        [
            "Decision 41, 2026-11-18 16:40:51Z, 2d21h ago: Rollback of v1b 77de000000, by the operator.",
            "QualityRegression: accuracy 0.8510 of 397 against 0.9010 of 3573.",
            "Analyzing -> RollingBack, weight 10 -> 0 %.",
            "It had had traffic for 12m, since 2026-11-18 16:28:40Z: 10 % at most.",
            " 1 model_accuracy  canary 0.8510 of 397, stable 0.9010 of 3573; difference -0.0500 (-0.0900 to -0.0110); \
             bound loss <= 0.0200; evidence 21.4 of 20.0",
            " 2 errors          canary 0.0010 of 4102, stable -",
            "Carried out by 42, 2026-11-18 16:40:53Z: RollingBack, weight 0 %.",
            "Carried out by 43, 2026-11-18 16:41:05Z: RolledBack, weight 0 %.",
        ]
    );
}

#[test]
fn everything_fits_into_eighty_and_into_a_hundred_and_sixty_columns() {
    for width in [80, 160] {
        let style = Style { width: Some(width), unicode: true, ..Style::default() };
        let mut lines = tree(&phishing(), &beside(), now(), style);
        lines.extend(explain::now(&explanation(), now(), style));
        lines.extend(history::table(&decisions(), style));
        lines.extend(explain::decision(&rolled_back(), now(), style));
        for line in lines.iter().flat_map(|line| line.split('\n')) {
            assert!(line.width() <= width, "{} columns at {width}: {line}", line.width());
        }
    }
}

#[test]
fn every_phase_can_be_shown_at_any_width() {
    for (name, world) in World::everywhere() {
        let told = model_release_core::explain::explain(&world.object, &Seen::default(), world.now).unwrap();
        for width in [Some(40), Some(80), None] {
            let style = Style { width, colour: true, ..Style::default() };
            let drawn = tree(&world.object, &Beside::default(), world.now, style);
            assert!(drawn.len() > 2, "{name}");
            assert!(!explain::now(&told, world.now, style).is_empty(), "{name}");
            let history = world.status().history;
            history::table(&history, style);
            for entry in &history {
                let told = decided(&history, entry.seq).unwrap();
                assert!(explain::decision(&told, world.now, style).len() > 2, "{name}: {told:?}");
            }
        }
    }
}
