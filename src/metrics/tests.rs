//! Tests of the page: names, labels, and what goes with a release.

use model_release_core::api::spec::ModelRelease;
use model_release_core::settings::Settings;
use serde_json::json;

use super::*;
use crate::watch::{Change, Object, Scope, Watched};

fn release(name: &str) -> Object {
    let decision = json!({"seq": 3, "at": "2026-01-01T00:00:10Z", "verdict": "Step", "version": "v2", "hash": "c",
        "from": "Warming", "to": "Analyzing", "fromPercent": 0, "toPercent": 10, "reason": "StepStarted", "message": "m"});
    let mut older = decision.clone();
    older["at"] = json!("2026-01-01T00:00:00Z");
    let status = json!({
        "observedGeneration": 1, "phase": "Analyzing", "phaseStartedAt": "2026-01-01T00:00:10Z",
        "versions": [
            {"hash": "s", "version": "v1", "track": "stable", "replicas": 2, "readyReplicas": 2},
            {"hash": "c", "version": "v2", "track": "canary", "replicas": 1, "readyReplicas": 0},
        ],
        "step": {"index": 0, "weight": 10, "target": 10},
        "traffic": [{"hash": "s", "version": "v1", "percent": 100}, {"hash": "c", "version": "v2", "percent": 0, "share": "0.1034"}],
        "conditions": [{"type": "Stalled", "status": "False", "reason": "Idle", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "analysis": {"verdict": "Inconclusive", "quality": {
            "name": "model_accuracy", "verdict": "Inconclusive", "bound": "",
            "stable": {"value": "0.9340", "events": 1200}, "canary": {"value": "0.9210", "events": 130},
            "difference": {"estimate": "-0.0130", "lower": "-0.0500", "upper": "0.0240"},
        }},
        "history": [decision, older],
        "state": {"version": 1, "drift": {"total": 2}},
    });
    let spec = json!({"stable": {"version": "v1", "image": "i"}, "canary": {"version": "v2", "image": "i"},
        "analysis": {"quality": {"min": "0.9"}}});
    let body = json!({"apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": name, "namespace": "models"}, "spec": spec, "status": status});
    serde_json::from_value::<ModelRelease>(body.clone()).unwrap();
    Object {
        namespace: "models".into(),
        name: name.into(),
        uid: "u".into(),
        resource_version: "1".into(),
        scaled_by_others: false,
        body,
    }
}

fn scope() -> Scope {
    Scope { watched: Watched::Release, namespace: None, labels: None }
}

fn told() -> (Metrics, Caches) {
    let (caches, _woken) = Caches::new(&[]);
    let metrics = Metrics::default();
    metrics.tell_releases(caches.clone(), Settings::default().into());
    caches.take(&scope(), Change::Set(release("fraud")));
    (metrics, caches)
}

fn key() -> ReleaseKey {
    ReleaseKey { namespace: "models".into(), name: "fraud".into() }
}

#[test]
fn a_release_is_told_as_its_status_stands() {
    let (metrics, _caches) = told();
    metrics.set_leader(true);
    metrics.decided(&key(), &entry("Step", "Warming", "Analyzing"));
    let page = metrics.page().unwrap();
    for line in [
        "version_info{namespace=\"models\",name=\"fraud\",track=\"canary\",version=\"v2\",hash=\"c\",workload=\"fraud-c\"} 1.0",
        "phase{namespace=\"models\",name=\"fraud\",phase=\"Analyzing\"} 1.0",
        "phase{namespace=\"models\",name=\"fraud\",phase=\"Baking\"} 0.0",
        "condition{namespace=\"models\",name=\"fraud\",type=\"Stalled\"} 0.0",
        "phase_start_timestamp_seconds{namespace=\"models\",name=\"fraud\"} 1767225610.0",
        "traffic_weight_ratio{namespace=\"models\",name=\"fraud\",track=\"stable\",source=\"desired\"} 0.9",
        "traffic_weight_ratio{namespace=\"models\",name=\"fraud\",track=\"canary\",source=\"observed\"} 0.0",
        "traffic_share_ratio{namespace=\"models\",name=\"fraud\",track=\"canary\"} 0.1034",
        "replicas{namespace=\"models\",name=\"fraud\",track=\"canary\",state=\"ready\"} 0.0",
        "check_value_ratio{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",track=\"canary\"} 0.921",
        "check_samples{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",track=\"stable\"} 1200.0",
        "check_bound_ratio{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",bound=\"min\"} 0.9",
        "check_bound_ratio{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",bound=\"max_drop\"} 0.02",
        "check_difference_ratio{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",estimate=\"lower\"} -0.05",
        "check_verdict{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",verdict=\"Inconclusive\"} 1.0",
        "last_decision_timestamp_seconds{namespace=\"models\",name=\"fraud\",decision=\"step\"} 1767225610.0",
        "last_decision_info{namespace=\"models\",name=\"fraud\",decision=\"step\",reason=\"StepStarted\",version=\"v2\"} 1.0",
        "decisions_total{namespace=\"models\",name=\"fraud\",decision=\"step\"} 1.0",
        "decisions_total{namespace=\"models\",name=\"fraud\",decision=\"rollback\"} 0.0",
        "drift_corrections_total{namespace=\"models\",name=\"fraud\"} 2.0",
        "leader 1",
    ] {
        assert!(page.contains(&format!("modelrelease_{line}\n")), "{line}\n{page}");
    }
    assert!(
        !page.contains("traffic_share_ratio{namespace=\"models\",name=\"fraud\",track=\"stable\"}"),
        "unknown"
    );
    assert!(page.ends_with("# EOF\n"));
    assert_eq!(page.matches("# TYPE modelrelease_phase gauge").count(), 1);
}

#[test]
fn only_a_leader_tells_releases_and_they_go_with_the_release() {
    let (metrics, caches) = told();
    assert!(!metrics.page().unwrap().contains("fraud"));
    metrics.set_leader(true);
    metrics.decided(&key(), &entry("Rollback", "Analyzing", "RollingBack"));
    assert!(metrics.page().unwrap().contains("fraud"));
    caches.take(&scope(), Change::Removed(release("fraud")));
    assert!(!metrics.page().unwrap().contains("fraud"));
    caches.take(&scope(), Change::Set(release("fraud")));
    let page = metrics.page().unwrap();
    assert!(page.contains("name=\"fraud\",decision=\"rollback\"} 0.0"), "a namesake starts at 0");
}

/// A committed decision.
fn entry(verdict: &str, from: &str, to: &str) -> HistoryEntry {
    serde_json::from_value(
        json!({"seq": 1, "at": "2026-01-01T00:00:00Z", "verdict": verdict, "version": "v2", "hash": "c",
        "from": from, "to": to, "fromPercent": 0, "toPercent": 10, "reason": "StepStarted", "message": ""}),
    )
    .unwrap()
}

#[test]
fn a_rollback_or_promotion_counts_once_however_many_commits_carry_it_out() {
    let (metrics, _caches) = told();
    metrics.set_leader(true);
    for (verdict, from, to) in [
        ("Rollback", "Analyzing", "RollingBack"),
        ("Rollback", "RollingBack", "RollingBack"),
        ("Rollback", "RollingBack", "RolledBack"),
        ("Promote", "Analyzing", "Promoting"),
        ("Promote", "Promoting", "Promoting"),
        ("Promote", "Promoting", "Baking"),
        ("Replace", "Stable", "Replacing"),
        ("Replace", "Replacing", "Stable"),
    ] {
        metrics.decided(&key(), &entry(verdict, from, to));
    }
    let page = metrics.page().unwrap();
    for decision in ["rollback", "promote", "replace"] {
        assert!(
            page.contains(&format!("name=\"fraud\",decision=\"{decision}\"}} 1.0")),
            "{decision}\n{page}"
        );
    }
}

#[test]
fn counters_are_there_before_they_first_count() {
    let metrics = Metrics::default();
    metrics.prometheus_source("default");
    metrics.sink("ops");
    let page = metrics.page().unwrap();
    for result in RESULTS {
        assert!(page.contains(&format!("modelrelease_reconcile_total{{result=\"{result}\"}} 0")), "{page}");
    }
    for result in NOTIFIED {
        let line = format!("modelrelease_notifications_total{{sink=\"ops\",result=\"{result}\"}} 0");
        assert!(page.contains(&line), "{page}");
    }
    for outcome in OUTCOMES {
        let line =
            format!("modelrelease_prometheus_queries_total{{source=\"default\",outcome=\"{outcome}\"}} 0");
        assert!(page.contains(&line), "{page}");
    }
    assert!(page.contains("modelrelease_leader 0"));
    assert!(page.contains("modelrelease_build_info{version="));
}
