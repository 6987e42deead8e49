//! Tests of the page: names, labels, and what goes with a release.

use model_release_core::api::spec::ModelRelease;
use model_release_core::settings::Settings;
use serde_json::json;

use jiff::SignedDuration;
use model_release_core::api::conditions::Type;
use model_release_core::api::status::Phase;
use model_release_core::plan::Kind;
use model_release_core::settings::PerRelease;

use super::told::Told;
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
            {"hash": "s", "version": "v1", "track": "stable", "replicas": 2, "readyReplicas": 2,
                "artifact": {"digest": "sha256:0", "fetchSeconds": 42, "verified": true}},
            {"hash": "c", "version": "v2", "track": "canary", "replicas": 1, "readyReplicas": 0,
                "failure": {"reason": "DigestMismatch", "message": "", "pod": "p"}},
        ],
        "step": {"index": 0, "weight": 10, "target": 10},
        "traffic": [{"hash": "s", "version": "v1", "percent": 100}, {"hash": "c", "version": "v2", "percent": 0, "share": "0.1034"}],
        "conditions": [{"type": "Stalled", "status": "False", "reason": "Idle", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "analysis": {"verdict": "Inconclusive", "quality": {
            "name": "model_accuracy", "verdict": "Inconclusive", "bound": "", "evidence": {"worse": "0.0", "good": "10.0", "needed": "100"},
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
    metrics.tell_releases(caches.clone(), Settings::default().into(), Clock::system());
    caches.take(&scope(), Change::Set(release("fraud")));
    (metrics, caches)
}

fn child(kind: Kind) -> Key {
    Key { kind, namespace: "models".into(), name: "fraud-c".into() }
}

fn key() -> ReleaseKey {
    ReleaseKey { namespace: "models".into(), name: "fraud".into() }
}

#[test]
fn a_release_is_told_as_its_status_stands() {
    let (metrics, _caches) = told();
    metrics.set_leader(true);
    metrics.decided(&key(), &entry("Step", "Warming", "Analyzing"), &ModelReleaseStatus::default());
    metrics.drifted(&key(), &[child(Kind::Service), child(Kind::HttpRoute), child(Kind::Service)]);
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
        "drift_corrections_total{namespace=\"models\",name=\"fraud\",kind=\"Service\"} 2.0",
        "drift_corrections_total{namespace=\"models\",name=\"fraud\",kind=\"Deployment\"} 0.0",
        "check_evidence_log10{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",hypothesis=\"good\"} 1.0",
        "check_evidence_threshold_log10{namespace=\"models\",name=\"fraud\",check=\"model_accuracy\",hypothesis=\"worse\"} 2.0",
        "artifact_verified{namespace=\"models\",name=\"fraud\",track=\"stable\"} 1.0",
        "artifact_fetch_seconds{namespace=\"models\",name=\"fraud\",track=\"stable\"} 42.0",
        "artifact_verified{namespace=\"models\",name=\"fraud\",track=\"canary\"} 0.0",
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
    metrics.decided(&key(), &entry("Rollback", "Analyzing", "RollingBack"), &ModelReleaseStatus::default());
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
        metrics.decided(&key(), &entry(verdict, from, to), &ModelReleaseStatus::default());
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

/// Number of the page's series that are about a release.
fn of_releases(page: &str) -> usize {
    page.lines().filter(|line| line.contains("namespace=") && !line.starts_with('#')).count()
}

fn begin() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

/// A Prometheus has to hold them all. Beyond what each check has, a release has some fifty, of which 12 are conditions
/// and 11 phases; three checks stay within 35 and 20 for each check.
#[test]
fn a_thousand_releases_with_full_status_have_as_many_series_as_promised() {
    let told = Told::on_trial(begin());
    let status = told.world.status();
    assert_eq!(status.conditions.len(), Type::ALL.len());
    let checks =
        status.analysis.map(|all| all.guardrails.len() + usize::from(all.quality.is_some())).unwrap();
    assert_eq!(checks, 3);
    told.put(1000);
    let page = told.metrics.page().unwrap();
    let most = 1000 * (35 + 20 * checks);
    assert!((1000 * 60..=most).contains(&of_releases(&page)), "{} of {most}", of_releases(&page));
}

#[test]
fn an_administrator_says_how_much_is_told_of_each_release() {
    let (caches, _woken) = Caches::new(&[]);
    caches.take(&scope(), Change::Set(release("fraud")));
    let page = |per_release: PerRelease| {
        let metrics = Metrics::default();
        let mut settings = Settings::default();
        settings.metrics.per_release = per_release;
        metrics.tell_releases(caches.clone(), settings.into(), Clock::system());
        metrics.set_leader(true);
        metrics.page().unwrap()
    };
    let [full, summary, off] = [PerRelease::Full, PerRelease::Summary, PerRelease::Off].map(page);
    assert!(full.contains("modelrelease_check_samples{") && full.contains("modelrelease_replicas{"));
    for told in
        ["condition", "phase", "traffic_weight_ratio", "last_decision_timestamp_seconds", "decisions_total"]
    {
        assert!(summary.contains(&format!("modelrelease_{told}{{namespace=")), "{told}\n{summary}");
    }
    assert!(!summary.contains("check_") && !summary.contains("replicas"), "{summary}");
    assert!(of_releases(&summary) < of_releases(&full));
    assert_eq!(of_releases(&off), 0, "{off}");
    assert!(off.contains("modelrelease_leader 1"));
}

#[test]
fn a_check_that_is_open_tells_how_long_it_will_be_and_how_fresh_it_is() {
    let told = Told::on_trial(begin());
    let page = told.page();
    let value = |name: &str, check: &str| -> Option<f64> {
        let start = format!("modelrelease_{name}{{namespace=\"ml\",name=\"fraud\",check=\"{check}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    };
    assert_eq!(
        value("last_evidence_timestamp_seconds", "slow"),
        None,
        "it does not act, so nobody waits for it"
    );
    let left = value("decision_eta_seconds", "model_accuracy").unwrap_or_else(|| panic!("{page}"));
    assert!(left > 0.0, "{left}");
    for check in ["model_accuracy", "errors"] {
        let fresh =
            value("last_evidence_timestamp_seconds", check).unwrap_or_else(|| panic!("{check}\n{page}"));
        let age = releases::seconds(told.world.now) - fresh;
        assert!((0.0..60.0).contains(&age), "{check}: {age}");
    }
    assert!(
        page.contains(
            "check_bound_seconds{namespace=\"ml\",name=\"fraud\",check=\"slow\",bound=\"late\"} 0.5"
        )
    );
    assert!(page.contains("modelrelease_prometheus_sources_in_use{source=\"default\"} 1"), "{page}");
}

#[test]
fn a_source_that_nobody_is_judged_by_is_not_in_use() {
    let mut told = Told::new(begin());
    told.until(|world| world.phase() == Phase::Stable && world.settled());
    assert!(told.page().contains("modelrelease_prometheus_sources_in_use{source=\"default\"} 0"));
}

#[test]
fn what_a_rollback_took_and_whom_it_met_is_told_once() {
    let mut told = Told::on_trial(begin());
    told.world.accuracy.insert("v2".to_owned(), 0.5);
    told.until(|world| world.phase() == Phase::RolledBack);
    told.world.now += SignedDuration::from_secs(60);
    let page = told.page();
    for line in [
        "modelrelease_rollback_duration_seconds_count 1",
        "modelrelease_rollback_exposed_requests_count 1",
        "modelrelease_time_to_decision_seconds_count{decision=\"rollback\"} 1",
        "modelrelease_time_to_decision_seconds_count{decision=\"promote\"} 0",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let sum = |name: &str| -> f64 {
        let start = format!("modelrelease_{name} ");
        let line = page.lines().find(|line| line.starts_with(&start)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(sum("rollback_duration_seconds_sum") < 10.0, "{page}");
    // A tenth of 200 a second, for at least the two minutes above.
    assert!(sum("rollback_exposed_requests_sum") > 2000.0, "{page}");
    assert!(sum("time_to_decision_seconds_sum{decision=\"rollback\"}") > 120.0, "{page}");
}
