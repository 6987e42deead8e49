//! Histories that break no rule: everything that a release does in its life, and the points in it where others begin.

use serde_json::json;

use super::told::{C, NS, RELEASE, S, Told, UID, US, USER};
use crate::audit::Rule;
use crate::audit::world::Kind;

const FINALIZER: &str = "modelrelease.dev/gateway-objects";

/// What the operator writes beside the gateway.
pub fn envoy_filter(selector: &serde_json::Value, namespace: &str) -> serde_json::Value {
    json!({
        "metadata": {
            "name": format!("mrel.{NS}.{RELEASE}.public.limit"),
            "namespace": namespace,
            "labels": {
                "modelrelease.dev/name": RELEASE,
                "modelrelease.dev/namespace": NS,
                "modelrelease.dev/uid": UID,
            },
            "annotations": {"modelrelease.dev/seq": "0"},
        },
        "spec": {"workloadSelector": {"labels": selector}, "configPatches": []},
    })
}

fn lawful(broken: &[Rule]) {
    assert!(broken.is_empty(), "a lawful history breaks {broken:?}");
}

/// One version serves.
pub fn stable() -> Told {
    let mut told = Told::new();
    let release = json!({
        "metadata": {"name": RELEASE, "namespace": NS, "uid": UID},
        "spec": {"stable": {"version": "v1"}, "runtime": {"minReplicas": 2}, "rollout": {"drain": "5s"}},
        "status": {},
    });
    lawful(&told.write(USER, Kind::ModelRelease, release));
    lawful(&told.status(|status| status["phase"] = json!("Pending")));
    let mut release = told.get(Kind::ModelRelease, NS, RELEASE);
    release["metadata"]["finalizers"] = json!([FINALIZER]);
    lawful(&told.write(US, Kind::ModelRelease, release));
    let filter = envoy_filter(&json!({"istio": "ingressgateway"}), "istio-system");
    lawful(&told.write(US, Kind::EnvoyFilter, filter));
    lawful(&told.version(S, 2));
    lawful(&told.pod(S));
    lawful(&told.endpoints(S, 2));
    lawful(&told.decide(("Start", "Stable", "StableReady"), &[(S, "stable")], 0));
    lawful(&told.route(&[(S, 100), (S, 0)], &[S]));
    told.wait(200);
    told
}

/// A canary is ready and warm, at weight 0.
pub fn warming() -> Told {
    let mut told = stable();
    lawful(&told.edit(|release| release["spec"]["canary"] = json!({"version": "v2"})));
    lawful(&told.decide(("Start", "Starting", "CanaryStarted"), &[(S, "stable"), (C, "canary")], 0));
    lawful(&told.version(C, 1));
    lawful(&told.pod(C));
    lawful(&told.endpoints(C, 1));
    lawful(&told.decide(("Start", "Warming", "CanaryReady"), &[(S, "stable"), (C, "canary")], 0));
    lawful(&told.route(&[(S, 100), (C, 0)], &[S, C]));
    told.wait(6);
    told
}

/// It has half the traffic.
pub fn analyzing() -> Told {
    let mut told = warming();
    lawful(&told.decide(("Step", "Analyzing", "StepStarted"), &[(S, "stable"), (C, "canary")], 50));
    lawful(&told.route(&[(S, 50), (C, 50)], &[S, C]));
    told
}

/// It is to be promoted, and is as large as stable.
pub fn promoting() -> Told {
    let mut told = analyzing();
    lawful(&told.decide(("Promote", "Promoting", "QualityPassed"), &[(S, "stable"), (C, "canary")], 50));
    lawful(&told.scale(US, C, 2));
    lawful(&told.endpoints(C, 2));
    told
}

/// It has all traffic; the one before is warm.
pub fn baking() -> Told {
    let mut told = promoting();
    lawful(&told.decide(("Promote", "Promoting", "Promoting"), &[(S, "stable"), (C, "canary")], 100));
    lawful(&told.route(&[(S, 0), (C, 100)], &[S, C]));
    lawful(&told.decide(("Promote", "Baking", "Promoted"), &[(C, "stable"), (S, "previous")], 0));
    lawful(&told.route(&[(C, 100), (S, 0)], &[C, S]));
    told
}

/// The canary leaves, by hand.
pub fn rolling_back() -> Told {
    let mut told = analyzing();
    lawful(&told.annotate("rollback", "true"));
    lawful(&told.decide(("Rollback", "RollingBack", "ManualRollback"), &[(S, "stable"), (C, "failed")], 0));
    told
}

#[test]
fn a_promotion_up_to_the_end_of_the_old_version_breaks_no_rule() {
    let mut told = baking();
    told.wait(10);
    lawful(&told.decide(("Hold", "Stable", "Baked"), &[(C, "stable"), (S, "previous")], 0));
    told.wait(3600);
    lawful(&told.decide(("Retire", "Stable", "Retired"), &[(C, "stable")], 0));
    lawful(&told.route(&[(C, 100), (C, 0)], &[C]));
    told.wait(6);
    lawful(&told.scale(US, S, 0));
    lawful(&told.delete(Kind::Deployment, NS, &format!("{RELEASE}-{S}")));
    lawful(&told.delete(Kind::Pod, NS, &format!("pod-{S}")));
    lawful(&told.delete(Kind::Service, NS, &format!("{RELEASE}-{S}")));
    for rule in [Rule::Moves, Rule::Roles, Rule::S1, Rule::S2, Rule::S3, Rule::S5, Rule::S8, Rule::S15] {
        assert!(told.applied(rule) > 0, "{rule} was not applied");
    }
}

#[test]
fn a_rollback_and_a_deletion_break_no_rule() {
    let mut told = rolling_back();
    lawful(&told.route(&[(S, 100), (C, 0)], &[S, C]));
    told.wait(6);
    lawful(&told.decide(("Rollback", "RollingBack", "RolledBack"), &[(S, "stable"), (C, "failed")], 0));
    lawful(&told.route(&[(S, 100), (C, 0)], &[S]));
    lawful(&told.decide(("Rollback", "RolledBack", "RolledBack"), &[(S, "stable"), (C, "failed")], 0));
    lawful(&told.scale(US, C, 0));
    let at = told.now.to_string();
    lawful(&told.edit(|release| release["metadata"]["deletionTimestamp"] = json!(at)));
    lawful(&told.decide(("Delete", "RolledBack", "Deleted"), &[(S, "stable"), (C, "failed")], 0));
    lawful(&told.delete(Kind::EnvoyFilter, "istio-system", &format!("mrel.{NS}.{RELEASE}.public.limit")));
    told.wait(1);
    lawful(&told.delete(Kind::ModelRelease, NS, RELEASE));
    lawful(&told.delete(Kind::Deployment, NS, &format!("{RELEASE}-{S}")));
    lawful(&told.delete(Kind::Pod, NS, &format!("pod-{S}")));
    for rule in [Rule::S6, Rule::L3, Rule::S13, Rule::S9, Rule::S10, Rule::S11, Rule::S14] {
        assert!(told.applied(rule) > 0, "{rule} was not applied");
    }
}

#[test]
fn a_hand_that_changes_weights_or_a_template_breaks_no_rule_and_neither_does_the_repair() {
    let mut told = analyzing();
    let by_hand = told.traffic_object(&[(S, 10), (C, 90)], &[S, C]);
    lawful(&told.write("kubectl-patch", Kind::VirtualService, by_hand));
    told.wait(1);
    lawful(&told.route(&[(S, 50), (C, 50)], &[S, C]));
    let template = |told: &Told, image: &str| {
        let mut object = told.get(Kind::Deployment, NS, &format!("{RELEASE}-{S}"));
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        object
    };
    let edited = template(&told, "mine");
    lawful(&told.write("kubectl-patch", Kind::Deployment, edited));
    lawful(&told.delete(Kind::Pod, NS, &format!("pod-{S}")));
    told.wait(1);
    let restored = template(&told, S);
    lawful(&told.write(US, Kind::Deployment, restored));
    assert!(told.applied(Rule::S7) > 0);
}

#[test]
fn a_candidate_that_loses_its_endpoints_goes_to_zero_in_time() {
    let mut told = analyzing();
    lawful(&told.endpoints(C, 0));
    told.wait(6);
    lawful(&told.decide(("Step", "Starting", "CanaryNotReady"), &[(S, "stable"), (C, "canary")], 0));
    lawful(&told.route(&[(S, 100), (C, 0)], &[S, C]));
    assert_eq!(told.applied(Rule::L4), 1);
}

#[test]
fn a_pause_holds_and_a_rollback_goes_on() {
    let mut told = analyzing();
    lawful(&told.annotate("pause", "true"));
    lawful(&told.status(|status| status["message"] = json!("paused")));
    lawful(&told.decide(
        ("Rollback", "RollingBack", "QualityRegression"),
        &[(S, "stable"), (C, "failed")],
        0,
    ));
    lawful(&told.route(&[(S, 100), (C, 0)], &[S, C]));
    assert!(told.applied(Rule::Pause) > 0);
}
