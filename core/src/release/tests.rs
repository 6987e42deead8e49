#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Release, Shadow};
use crate::api::ModelRelease;
use crate::api::reasons::Reason;
use crate::api::spec::{CheckMode, Promotion};
use crate::meta::sample::settings;
use crate::release::{Counted, Series};
use crate::settings::{QueryTemplate, Settings, TemplateKind};

fn parsed(more: &Value) -> Release {
    let mut spec = json!({
        "stable": {"version": "v1", "image": "registry.example/fraud:1"},
        "canary": {"version": "v2", "image": "registry.example/fraud:2"},
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let object = json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {"name": "fraud", "namespace": "ml"},
        "spec": spec,
    });
    Release::parse(&serde_json::from_value::<ModelRelease>(object).unwrap(), &settings())
}

#[test]
fn what_later_versions_do_is_refused_by_name_and_never_ignored() {
    let gateway = |more: Value| {
        let mut traffic = json!({
            "gateways": ["istio-ingress/public"], "hosts": ["fraud.example.com"], "clientHeader": "x-user-id",
        });
        for (field, value) in more.as_object().unwrap() {
            traffic[field] = value.clone();
        }
        json!({"traffic": traffic})
    };
    let quality = |own: Value| json!({"analysis": {"quality": own}});
    let guardrail = |own: Value| json!({"analysis": {"guardrails": [own]}});
    let stored_at = |uri: &str| json!({"stable": {"version": "v1", "image": "registry.example/fraud:1", "storageUri": uri}});
    for (spec, reason, field) in [
        (stored_at("s3://models/fraud/"), Reason::InvalidSpec, "spec.stable.storageUri: s3://"),
        (stored_at("oci://ghcr.io/example/fraud:1"), Reason::InvalidSpec, "spec.stable.storageUri: oci://"),
    ] {
        let wanted = format!("{field}: not supported by this version of the operator; remove it");
        assert_eq!(parsed(&spec).refused, Some((reason, wanted)), "{spec}");
    }
    for spec in [
        json!({}),
        gateway(
            json!({"provider": "GatewayAPI", "sticky": true, "path": "/fraud", "rateLimit": {"perPod": {"requests": 5}}}),
        ),
        quality(json!({"labelDelay": "90m", "metric": "auc"})),
        quality(json!({"correctMetric": "a", "totalMetric": "b"})),
        guardrail(json!({"name": "slow", "metric": "Latency", "bound": "1s", "max": "0.1"})),
        stored_at("https://models.example/fraud/1"),
    ] {
        assert_eq!(parsed(&spec).refused, None, "{spec}");
    }
}

#[test]
fn a_guardrail_that_no_server_of_the_preset_can_tell_is_refused() {
    let first = json!([{"name": "slow", "metric": "FirstTokenLatency", "bound": "500ms", "max": "0.05"}]);
    let spec = |preset: &str| {
        json!({
            "runtime": {"image": "registry.example/server:1", "preset": preset},
            "analysis": {"guardrails": first},
        })
    };
    assert_eq!(parsed(&spec("vllm")).refused, None);
    let refused = parsed(&spec("mlserver")).refused;
    let (reason, message) = refused.expect("MLServer knows no tokens");
    assert_eq!(reason, Reason::PresetLacksMetric);
    assert!(message.starts_with("spec.analysis.guardrails[slow]: preset Mlserver of "), "{message}");
}

#[test]
fn a_template_is_one_of_the_administrators() {
    let template = |name: &str, kind| QueryTemplate { name: name.into(), kind, query: "q".into() };
    let settings = Settings {
        query_templates: vec![template("drift", TemplateKind::Counts), template("auc", TemplateKind::Gauge)],
        ..Settings::default()
    };
    let release = |analysis: Value| {
        let object = serde_json::from_value(json!({
            "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
            "metadata": {"name": "fraud", "namespace": "ml", "uid": "u"},
            "spec": {"runtime": {"image": "a"}, "stable": {"version": "1"}, "analysis": analysis},
        }));
        Release::parse(&object.unwrap(), &settings)
    };
    let drift = json!({"name": "drift", "template": "drift", "max": "0.1"});
    let good = release(json!({"quality": {"template": "auc"}, "guardrails": [drift]}));
    assert_eq!(good.refused, None);
    assert_eq!(good.analysis.quality.series, Series::Template(settings.query_templates[1].clone()));
    assert_eq!(good.analysis.guardrails[0].metric, Counted::Template(settings.query_templates[0].clone()));
    for (analysis, says) in [
        (
            json!({"quality": {"template": "acu"}}),
            "acu is not among the templates that the administrator gives (drift, auc)",
        ),
        (
            json!({"guardrails": [{"name": "drift", "template": "auc", "max": "0.1"}]}),
            "spec.analysis.guardrails[drift].template: auc is a gauge",
        ),
    ] {
        let (reason, message) = release(analysis).refused.unwrap();
        assert!(reason == Reason::UnknownTemplate && message.contains(says), "{message}");
    }
}

#[test]
fn a_check_that_is_disabled_or_refused_is_not_made_as_something_else() {
    let spec = json!({"analysis": {"quality": {"mode": "Disabled"}, "guardrails": [
        {"name": "errors", "metric": "ErrorRate", "max": "0.1"},
        {"name": "off", "metric": "ErrorRate", "max": "0.1", "mode": "Disabled"},
        {"name": "drift", "template": "drift", "max": "0.1"},
    ]}});
    let analysis = parsed(&spec).analysis;
    assert_eq!(analysis.guardrails.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["errors"]);
    assert_eq!(analysis.quality.mode, CheckMode::Disabled);
}

#[test]
fn a_share_of_nothing_is_a_dark_canary_and_any_other_is_not() {
    for (rollout, dark) in [
        (json!({"trafficPercent": 0}), true),
        (json!({"trafficPercent": 1}), false),
        (json!({}), false),
        (json!({"steps": [{"trafficPercent": 1}, {"trafficPercent": 2}]}), false),
    ] {
        assert_eq!(parsed(&json!({"rollout": rollout})).rollout.dark(), dark, "{rollout}");
    }
}

#[test]
fn words_of_the_life_of_a_release_have_their_defaults() {
    let plain = parsed(&json!({}));
    assert_eq!((plain.suspend, plain.ttl, plain.rollout.shadow), (false, None, None));
    assert_eq!(plain.rollout.promotion, Promotion::Automatic);
    let told = parsed(&json!({
        "suspend": true, "ttl": "8h", "rollout": {"shadow": {}, "promotion": "Manual"},
    }));
    assert_eq!((told.suspend, told.ttl), (true, Some(SignedDuration::from_hours(8))));
    let shadow = Shadow { mirror_percent: 100, min_duration: SignedDuration::from_mins(10) };
    assert_eq!((told.rollout.shadow, told.rollout.promotion), (Some(shadow), Promotion::Manual));
}

#[test]
fn what_two_blocks_say_together_must_make_sense() {
    let apart = parsed(&json!({
        "runtime": {"minReplicas": 3},
        "stable": {"version": "v1", "image": "registry.example/fraud:1", "maxReplicas": 2},
    }));
    let (reason, message) = apart.refused.unwrap();
    assert_eq!(reason, Reason::InvalidSpec);
    assert_eq!(
        message,
        "spec.stable: maxReplicas 2 is below minReplicas 3, one of them from spec.runtime; raise it"
    );
}

#[test]
fn a_path_has_no_slash_at_its_end_and_its_uid_is_twenty_digits_of_the_release_alone() {
    let path = |given: &str| {
        let traffic =
            json!({"gateways": ["istio-ingress/public"], "hosts": ["a.example.com"], "path": given});
        parsed(&json!({"traffic": traffic})).traffic.path
    };
    assert_eq!(path("/"), "");
    assert_eq!(path("/fraud/v1"), "/fraud/v1");
    let secret = path("/fraud/{uid}").strip_prefix("/fraud/").unwrap().to_owned();
    assert!(secret.len() == 20 && secret.chars().all(|c| c.is_ascii_hexdigit()), "{secret}");
    assert_ne!(secret, parsed(&json!({})).probe_token());
}
