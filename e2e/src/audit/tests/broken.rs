//! Each rule broken once: the auditor says which.

use serde_json::json;

use super::lawful::{analyzing, baking, envoy_filter, promoting, rolling_back, stable, warming};
use super::told::{C, NS, RELEASE, S, Told, US};
use crate::audit::Rule;
use crate::audit::world::Kind;

const BOTH: [(&str, &str); 2] = [(S, "stable"), (C, "canary")];

#[track_caller]
fn only(broken: &[Rule], rule: Rule) {
    assert!(!broken.is_empty(), "{rule} was not seen to be broken");
    assert!(broken.iter().all(|found| *found == rule), "{broken:?} instead of {rule}");
}

fn deployment(hash: &str) -> String {
    format!("{RELEASE}-{hash}")
}

#[test]
fn moves_a_phase_that_may_not_follow() {
    only(&stable().decide(("Promote", "Baking", "Promoted"), &[(S, "stable")], 0), Rule::Moves);
}

#[test]
fn moves_a_phase_without_a_decision() {
    only(&analyzing().status(|status| status["phase"] = json!("Starting")), Rule::Moves);
}

#[test]
fn roles_two_canaries() {
    let versions = [(S, "stable"), (C, "canary"), ("cccccccccc", "canary")];
    only(&analyzing().decide(("Step", "Analyzing", "StepAdvanced"), &versions, 50), Rule::Roles);
}

#[test]
fn s1_weights_that_do_not_make_100() {
    only(
        &analyzing()
            .route(&[(S, 60), (C, 50)], &[S, C])
            .into_iter()
            .filter(|r| *r != Rule::S2)
            .collect::<Vec<_>>(),
        Rule::S1,
    );
}

#[test]
fn s1_a_single_backend() {
    only(&stable().route(&[(S, 100)], &[S]), Rule::S1);
}

#[test]
fn s1_a_weight_that_is_not_written_out() {
    let mut told = stable();
    let mut object = told.traffic_object(&[(S, 100), (S, 0)], &[S]);
    let split = object["spec"]["http"].as_array().map_or(0, |all| all.len() - 1);
    object["spec"]["http"][split]["route"][1].as_object_mut().unwrap().remove("weight");
    only(&told.write(US, Kind::VirtualService, object), Rule::S1);
}

#[test]
fn s1_weight_of_a_canary_that_is_not_exposed_yet() {
    only(&warming().route(&[(S, 90), (C, 10)], &[S, C]), Rule::S1);
}

#[test]
fn s1_more_weight_than_was_committed() {
    let mut told = analyzing();
    told.endpoints(C, 2);
    only(&told.route(&[(S, 40), (C, 60)], &[S, C]), Rule::S1);
}

#[test]
fn s1_a_backend_without_a_role() {
    only(&stable().route(&[(S, 100), (C, 0)], &[S]), Rule::S1);
}

#[test]
fn s2_weight_onto_a_version_without_endpoints() {
    let mut told = warming();
    told.endpoints(C, 0);
    told.wait(4);
    told.decide(("Step", "Analyzing", "StepStarted"), &BOTH, 50);
    only(&told.route(&[(S, 50), (C, 50)], &[S, C]), Rule::S2);
}

#[test]
fn s2_all_weight_onto_too_few_pods() {
    let mut told = analyzing();
    told.decide(("Promote", "Promoting", "QualityPassed"), &BOTH, 50);
    told.decide(("Promote", "Promoting", "Promoting"), &BOTH, 100);
    only(&told.route(&[(S, 0), (C, 100)], &[S, C]), Rule::S2);
}

#[test]
fn s2_weight_onto_a_service_that_gateways_may_not_know_yet() {
    let mut told = stable();
    told.edit(|release| release["spec"]["canary"] = json!({"version": "v2"}));
    told.decide(("Start", "Starting", "CanaryStarted"), &BOTH, 0);
    told.version(C, 1);
    told.endpoints(C, 1);
    told.decide(("Start", "Warming", "CanaryReady"), &BOTH, 0);
    told.decide(("Step", "Analyzing", "StepStarted"), &BOTH, 50);
    only(&told.route(&[(S, 50), (C, 50)], &[S, C]), Rule::S2);
}

#[test]
fn s3_a_promotion_without_numbers() {
    let mut told = analyzing();
    only(&told.decide(("Promote", "Promoting", "GuardrailsPassed"), &BOTH, 50), Rule::S3);
}

#[test]
fn s3_a_version_that_takes_over_and_was_not_promoted() {
    let mut told = promoting();
    let other = "cccccccccc";
    only(&told.decide(("Promote", "Baking", "Promoted"), &[(other, "stable"), (S, "previous")], 0), Rule::S3);
}

#[test]
fn s5_a_number_that_was_given_before() {
    let mut told = analyzing();
    let again = |status: &mut serde_json::Value| {
        status["decision"]["reason"] = json!("StepAdvanced");
        status["decision"]["from"] = json!("Analyzing");
    };
    only(&told.status(again), Rule::S5);
}

#[test]
fn s5_an_effect_before_its_commit() {
    let mut told = warming();
    let mut object = told.traffic_object(&[(S, 100), (C, 0)], &[S]);
    object["metadata"]["annotations"]["modelrelease.dev/seq"] = json!((told.seq() + 1).to_string());
    only(&told.write(US, Kind::VirtualService, object), Rule::S5);
}

#[test]
fn s5_a_quarantined_version_on_trial() {
    let mut told = analyzing();
    let barred = json!([{"hash": C, "version": "v2", "reason": "ManualRollback", "seq": 1, "at": told.now.to_string()}]);
    only(&told.status(|status| status["quarantine"] = barred), Rule::S5);
}

#[test]
fn s5_a_quarantine_that_nobody_asked_to_lift() {
    let mut told = rolling_back();
    let barred = json!([{"hash": C, "version": "v2", "reason": "ManualRollback", "seq": 1, "at": told.now.to_string()}]);
    assert!(told.status(|status| status["quarantine"] = barred).is_empty());
    only(&told.status(|status| status["quarantine"] = json!([])), Rule::S5);
}

#[test]
fn s6_a_canary_that_starts_while_rollback_is_there() {
    let mut told = stable();
    told.edit(|release| release["spec"]["canary"] = json!({"version": "v2"}));
    told.annotate("rollback", "v2");
    only(&told.decide(("Start", "Starting", "CanaryStarted"), &BOTH, 0), Rule::S6);
}

#[test]
fn s6_a_first_decision_that_is_another() {
    let mut told = analyzing();
    told.annotate("rollback", "True");
    only(&told.decide(("Promote", "Promoting", "QualityPassed"), &BOTH, 50), Rule::S6);
}

#[test]
fn pause_a_promotion_while_paused() {
    let mut told = analyzing();
    told.annotate("pause", "ture");
    only(&told.decide(("Promote", "Promoting", "QualityPassed"), &BOTH, 50), Rule::Pause);
}

#[test]
fn pause_a_bake_that_ends_while_paused() {
    let mut told = baking();
    told.annotate("pause", "true");
    only(&told.decide(("Hold", "Stable", "Baked"), &[(C, "stable"), (S, "previous")], 0), Rule::Pause);
}

#[test]
fn s7_the_template_of_stable_changed_by_the_operator() {
    let mut told = analyzing();
    let mut object = told.get(Kind::Deployment, NS, &deployment(S));
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("canary's");
    only(&told.write(US, Kind::Deployment, object), Rule::S7);
}

#[test]
fn s7_stable_scaled_below_what_it_needs() {
    only(&analyzing().scale(US, S, 1), Rule::S7);
}

#[test]
fn s7_the_floor_of_stable_lowered_while_a_canary_is_on_trial() {
    let mut told = analyzing();
    let floor = |told: &Told, pods: i64| told.child(&deployment(S), Some(S), &json!({"minReplicas": pods}));
    let high = floor(&told, 2);
    assert!(told.write(US, Kind::HorizontalPodAutoscaler, high).is_empty());
    let low = floor(&told, 1);
    only(&told.write(US, Kind::HorizontalPodAutoscaler, low), Rule::S7);
}

#[test]
fn s7_the_previous_version_deleted_while_it_is_kept() {
    let broken = baking().delete(Kind::Service, NS, &deployment(S));
    assert!(broken.contains(&Rule::S7), "{broken:?}");
}

#[test]
fn s7_a_pod_of_stable_that_ends_though_nobody_touched_it() {
    only(&analyzing().delete(Kind::Pod, NS, &format!("pod-{S}")), Rule::S7);
}

#[test]
fn s8_a_version_on_trial_scaled_to_nothing() {
    let broken = analyzing().scale(US, C, 0);
    only(&broken, Rule::S8);
}

#[test]
fn s8_a_version_ended_before_its_drain() {
    let mut told = rolling_back();
    told.route(&[(S, 100), (C, 0)], &[S]);
    told.decide(("Rollback", "RolledBack", "RolledBack"), &[(S, "stable"), (C, "failed")], 0);
    only(&told.scale(US, C, 0), Rule::S8);
}

#[test]
fn s8_a_version_ended_while_it_has_a_route() {
    let mut told = rolling_back();
    told.route(&[(S, 100), (C, 0)], &[S, C]);
    told.wait(10);
    told.decide(("Rollback", "RolledBack", "RolledBack"), &[(S, "stable"), (C, "failed")], 0);
    only(&told.scale(US, C, 0), Rule::S8);
}

#[test]
fn s8_a_service_deleted_before_its_pods() {
    let mut told = rolling_back();
    told.route(&[(S, 100), (C, 0)], &[S]);
    told.wait(10);
    told.decide(("Rollback", "RolledBack", "RolledBack"), &[(S, "stable"), (C, "failed")], 0);
    only(&told.delete(Kind::Service, NS, &deployment(C)), Rule::S8);
}

#[test]
fn s9_an_object_that_no_release_owns() {
    let object = json!({"metadata": {"name": "other", "namespace": NS}, "spec": {"replicas": 1}});
    only(&stable().write(US, Kind::Deployment, object), Rule::S9);
}

#[test]
fn s9_a_name_that_is_not_the_releases() {
    let mut told = stable();
    let object = told.child("payments", None, &json!({"ports": []}));
    only(&told.write(US, Kind::Service, object), Rule::S9);
}

#[test]
fn s9_a_kind_that_is_not_the_operators() {
    let mut told = stable();
    let mut pod = told.get(Kind::Pod, NS, &format!("pod-{S}"));
    pod["spec"] = json!({"nodeName": "mine"});
    let broken = told.write(US, Kind::Pod, pod);
    assert!(broken.contains(&Rule::S9), "{broken:?}");
}

#[test]
fn s10_an_older_decision_applied_over_a_later_one() {
    let mut told = analyzing();
    let mut object = told.traffic_object(&[(S, 100), (C, 0)], &[S, C]);
    object["metadata"]["annotations"]["modelrelease.dev/seq"] = json!((told.seq() - 1).to_string());
    only(&told.write(US, Kind::VirtualService, object), Rule::S10);
}

#[test]
fn s11_an_object_of_somebody_else_taken_over() {
    let mut told = stable();
    let foreign = json!({"metadata": {"name": deployment(C), "namespace": NS}, "spec": {"replicas": 1}});
    assert!(told.write("helm", Kind::Deployment, foreign).is_empty(), "what others write is not judged");
    let taken = told.child(&deployment(C), Some(C), &json!({"replicas": 2}));
    only(&told.write(US, Kind::Deployment, taken), Rule::S11);
}

#[test]
fn s11_an_object_for_a_release_that_is_not_there() {
    let mut told = stable();
    let mut object = told.child(&deployment(C), Some(C), &json!({"replicas": 1}));
    object["metadata"]["ownerReferences"][0]["uid"] = json!("release-0");
    only(&told.write(US, Kind::Deployment, object), Rule::S11);
}

fn deleting() -> Told {
    let mut told = analyzing();
    let at = told.now.to_string();
    told.edit(|release| release["metadata"]["deletionTimestamp"] = json!(at));
    told
}

#[test]
fn s13_another_decision_after_the_deletion() {
    only(&deleting().decide(("Step", "Analyzing", "StepAdvanced"), &BOTH, 50), Rule::S13);
}

#[test]
fn s13_an_object_made_after_the_deletion() {
    let mut told = deleting();
    told.wait(3);
    let object = told.child(&format!("{RELEASE}-gateway"), None, &json!({"hosts": []}));
    only(&told.write(US, Kind::VirtualService, object), Rule::S13);
}

#[test]
fn s13_a_finalizer_that_stays() {
    only(&deleting().waiting_breaks(61), Rule::S13);
}

#[test]
fn s14_an_annotation_written_by_the_operator() {
    let mut told = analyzing();
    let mut release = told.get(Kind::ModelRelease, NS, RELEASE);
    release["metadata"]["annotations"] = json!({"modelrelease.dev/rollback": "true"});
    only(&told.write(US, Kind::ModelRelease, release), Rule::S14);
}

#[test]
fn s15_a_filter_for_every_proxy() {
    let mut told = stable();
    let filter = envoy_filter(&json!({}), "istio-system");
    only(&told.write(US, Kind::EnvoyFilter, filter), Rule::S15);
}

#[test]
fn s15_a_filter_where_no_gateway_is() {
    let mut told = stable();
    let filter = envoy_filter(&json!({"istio": "ingressgateway"}), "payments");
    only(&told.write(US, Kind::EnvoyFilter, filter), Rule::S15);
}

#[test]
fn l3_a_version_that_keeps_its_weight_after_its_rollback() {
    only(&rolling_back().waiting_breaks(6), Rule::L3);
}

#[test]
fn l3_a_rollback_annotation_that_nobody_hears() {
    let mut told = analyzing();
    told.annotate("rollback", "true");
    only(&told.waiting_breaks(6), Rule::L3);
}

#[test]
fn l4_a_candidate_without_endpoints_that_keeps_its_weight() {
    let mut told = analyzing();
    told.endpoints(C, 0);
    only(&told.waiting_breaks(11), Rule::L4);
}
