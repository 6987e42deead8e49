//! The chart and `config/` install the same operator, and an API server takes every object of it.

use model_release_core::settings::Settings;
use serde_json::{Value, json};
use testbed::{Testbed, command};

use crate::common::blocking;
use crate::objects::{OPERATOR, SYSTEM, by_name, charted, charted_with, configured, linted};

/// Values of the chart, and the folder below `config` that is to be the same.
const SAME: [(&str, &str); 3] = [
    ("namespaced.yaml", "."),
    ("gateway.yaml", "overlays/istio-gateway"),
    ("all-namespaces.yaml", "overlays/all-namespaces"),
];

#[test]
fn the_chart_and_kustomize_render_the_same_objects() {
    for (values, folder) in SAME {
        let chart = by_name(&charted(values));
        let mut config = by_name(&configured(folder));
        // helm makes it by `--create-namespace`.
        assert!(config.remove(&format!("Namespace /{SYSTEM}")).is_some());
        let names =
            |objects: &std::collections::BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&chart), names(&config), "objects of {values} and config/{folder}");
        for (name, object) in &chart {
            assert_eq!(object, &config[name], "{name} of {values} and config/{folder}");
        }
        assert!(chart.len() >= 12, "{} objects of {values}", chart.len());
    }
}

#[test]
fn the_settings_that_the_chart_renders_are_settings_of_the_operator() {
    for (values, _) in SAME {
        let objects = by_name(&charted(values));
        let text = &objects[&format!("ConfigMap {SYSTEM}/{OPERATOR}-settings")]["data"]["settings.yaml"];
        let settings: Settings =
            serde_json::from_value(text.clone()).unwrap_or_else(|error| panic!("{values}: {error}"));
        assert_eq!(settings.prometheus.sources.len(), 1, "{values}");
    }
    // Defaults of the chart are those of the operator, written out.
    let objects =
        by_name(&charted_with("namespaced.yaml", &["--set-json", "prometheus.sources=[]"]).unwrap());
    let text = &objects[&format!("ConfigMap {SYSTEM}/{OPERATOR}-settings")]["data"]["settings.yaml"];
    assert_eq!(serde_json::from_value::<Settings>(text.clone()).unwrap(), Settings::default());
}

#[test]
fn the_chart_refuses_what_cannot_be_meant_and_says_what_to_do() {
    for (more, says) in [
        (&["--set-json", "watchNamespaces=[]"][..], "Set watchNamespaces"),
        (&["--set", "watchAllNamespaces=true"], "not both"),
        (&["--set", "watchNamespace=a"], "additional properties 'watchNamespace' not allowed"),
        (
            &["--set", "prometheus.sources[0].name=a,prometheus.sources[0].url=prometheus:9090"],
            "does not match pattern",
        ),
        (&["--set", "image.digest=latest"], "does not match pattern"),
        (
            &[
                "--set-json",
                r#"notifications={"slack":[{"name":"a","urlFile":"/a"}],"webhooks":[{"name":"a","urlFile":"/b"}]}"#,
            ],
            "two sinks have one name",
        ),
        (&["--set", "serviceAccount.create=false"], "serviceAccount.name"),
        (&["--set", "logging.format=xml"], "logging/format"),
    ] {
        let refusal =
            charted_with("namespaced.yaml", more).expect_err(&format!("{more:?} is accepted")).to_string();
        assert!(refusal.contains(says), "{more:?}: {refusal}");
    }
}

#[test]
fn everything_that_can_be_switched_on_renders() {
    let objects = by_name(&charted("everything.yaml"));
    for name in [
        "ServiceMonitor model-release-system/model-release-operator",
        "PodMonitor model-release-system/model-release-operator-models",
        "PrometheusRule model-release-system/model-release-operator",
        "ConfigMap model-release-system/model-release-operator-dashboards",
    ] {
        assert!(objects.contains_key(name), "{name} is not among {:?}", objects.keys());
    }
    let monitor = &objects["ServiceMonitor model-release-system/model-release-operator"];
    assert_eq!(monitor["spec"]["endpoints"][0]["honorLabels"], true);
    // As promtool tests them, with the placeholders of Prometheus untouched by helm.
    let file = crate::objects::root().join("helm/model-release-operator/files/alerts.yaml");
    let alerts: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let rule = &objects["PrometheusRule model-release-system/model-release-operator"];
    let mut spec = rule["spec"].clone();
    for rule in spec["groups"].as_array_mut().unwrap().iter_mut().flat_map(rules) {
        let page = format!("https://wiki.example.com/runbooks/{}.md", rule["alert"].as_str().unwrap());
        let told = rule["annotations"].as_object_mut().unwrap().remove("runbook_url");
        assert_eq!(told.as_ref().and_then(Value::as_str), Some(page.as_str()));
    }
    assert_eq!(spec, alerts);
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
    let dashboards = &objects["ConfigMap model-release-system/model-release-operator-dashboards"]["data"];
    for name in ["release", "fleet", "operator"] {
        let text = dashboards[&format!("model-release-{name}.json")].as_str().expect(name);
        assert!(
            serde_json::from_str::<Value>(text).unwrap()["panels"].as_array().unwrap().len() > 7,
            "{name}"
        );
    }
    let deployment =
        &objects["Deployment model-release-system/model-release-operator"]["spec"]["template"]["spec"];
    let arguments = deployment["containers"][0]["args"].to_string();
    for flag in ["--log-format=text", "--log-level=debug", "--no-election"] {
        assert!(arguments.contains(flag), "{flag} is not in {arguments}");
    }
    assert!(deployment["containers"][0]["image"].as_str().unwrap().contains("@sha256:"));
}

/// The rules of a group.
fn rules(group: &mut Value) -> impl Iterator<Item = &mut Value> {
    group["rules"].as_array_mut().unwrap().iter_mut()
}

#[test]
fn alerts_name_no_page_unless_the_administrator_says_where_the_pages_are() {
    let rule = |address: &str| {
        let more = [
            "--set",
            "prometheusRule.enabled=true",
            "--set",
            &format!("prometheusRule.runbookUrl={address}"),
        ];
        let objects = charted_with("namespaced.yaml", &more).map(|text| by_name(&text))?;
        Ok::<_, testbed::Error>(objects[&format!("PrometheusRule {SYSTEM}/{OPERATOR}")].to_string())
    };
    assert!(!rule("").unwrap().contains("runbook_url"), "a page that is nowhere");
    let named = "http://wiki/ModelReleaseStalled.md";
    assert!(rule("http://wiki").unwrap().contains(named) && rule("http://wiki/").unwrap().contains(named));
    let refusal = rule("wiki").expect_err("no address").to_string();
    assert!(refusal.contains("runbookUrl"), "{refusal}");
}

/// A Secret that is mounted gives its volume a name, which Kubernetes bounds at 63.
#[test]
fn the_longest_names_that_the_chart_takes_are_names_of_volumes_too() {
    let named = |source: usize, sink: usize| {
        let values = json!({
            "prometheus": {"sources": [{
                "name": "p".repeat(source), "url": "http://p:9090", "tokenSecret": {"name": "t", "key": "t"},
            }]},
            "notifications": {"slack": [{"name": "s".repeat(sink), "urlSecret": {"name": "s", "key": "url"}}]},
        });
        let json = |field: &str| format!("{field}={}", values[field]);
        let more = ["--set-json", &json("prometheus"), "--set-json", &json("notifications")];
        charted_with("namespaced.yaml", &more).map(|text| by_name(&text))
    };
    let objects = named(52, 49).unwrap_or_else(|error| panic!("{error}"));
    let pod = &objects[&format!("Deployment {SYSTEM}/{OPERATOR}")]["spec"]["template"]["spec"];
    let volumes: Vec<usize> = pod["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|volume| volume["name"].as_str().unwrap().len())
        .collect();
    assert_eq!(volumes.iter().filter(|length| **length == 63).count(), 2, "{volumes:?}");
    assert!(volumes.iter().all(|length| *length <= 63), "{volumes:?}");
    for (source, sink, says) in [(53, 49, "sources/0/name': maxLength"), (52, 50, "slack/0/name': maxLength")]
    {
        let refusal = named(source, sink).expect_err("a name that is too long").to_string();
        assert!(refusal.contains(says), "{refusal}");
    }
}

/// Has the API server check objects without keeping them.
fn dry_run(testbed: &Testbed, yaml: &str) -> testbed::Result<String> {
    let mut kubectl = testbed.kubectl();
    kubectl.args([
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ]);
    command::output_with_input(&mut kubectl, yaml.as_bytes())
}

#[test]
fn helm_has_nothing_against_the_chart() {
    let said = linted("everything.yaml").unwrap_or_else(|error| panic!("{error}"));
    assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_every_object_and_pods_pass_the_restricted_policy() {
    let raised = crate::api_server().await;
    let testbed = raised.testbed.clone();
    blocking(move || {
        testbed.apply("{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}").unwrap();
        // This one stays: other rights would change what the test of rights sees.
        testbed.apply(&configured(".")).unwrap_or_else(|error| panic!("config: {error}"));
        for (values, folder) in SAME {
            dry_run(&testbed, &configured(folder)).unwrap_or_else(|error| panic!("config/{folder}: {error}"));
            dry_run(&testbed, &charted(values)).unwrap_or_else(|error| panic!("{values}: {error}"));
        }
        let objects = by_name(&charted("namespaced.yaml"));
        let template = &objects[&format!("Deployment {SYSTEM}/{OPERATOR}")]["spec"]["template"];
        // The namespace of config/ enforces the policy; no pod would start that breaks it.
        let pod = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "like-the-operators", "namespace": SYSTEM},
            "spec": template["spec"],
        });
        testbed.apply(&pod.to_string()).unwrap();
    })
    .await;
}
