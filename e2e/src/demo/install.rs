//! What the stories stand on: the operator by its chart, their namespace, and the server of the models' files.

use std::time::Duration;

use serde_json::{Value, json};

use super::Ground;
use super::images::Images;
use crate::command::output_with_input;
use crate::error::{Error, Result};
use crate::{Testbed, checkout};

/// Namespace of the operator.
pub const SYSTEM: &str = "model-release-system";
/// Name of the chart's installation, and so of the operator's Deployment.
pub const INSTALLATION: &str = "model-release-operator";
/// The gateway that releases name, unless `GATEWAY` says otherwise.
const GATEWAY: &str = "istio-system/public";
/// A Gateway of the Gateway API that the testbed's gateway pods serve, too.
pub const HTTP_ROUTES: &str = "istio-system/routes";
/// How long a Deployment of ours may take to be available.
const AVAILABLE: Duration = Duration::from_secs(120);

/// Where requests come in.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The Istio Gateway, `namespace/name`.
    pub name: String,
    /// Namespace of its pods and of their Service.
    pub namespace: String,
    /// Their Service.
    pub service: String,
    /// Their labels.
    pub selector: Value,
}

impl Gateway {
    /// The testbed's, or what `GATEWAY` (`namespace/name`) and `GATEWAY_SERVICE` (`namespace/name`) say of another
    /// cluster.
    ///
    /// # Errors
    /// If one of them is not of that form.
    pub fn of(testbed: &Testbed) -> Result<Self> {
        let read = |variable: &str, default: &str| -> Result<(String, String)> {
            let value = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
            let pair = value.split_once('/').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
            pair.ok_or_else(|| Error::other(format!("{variable} is {value:?}; write it as namespace/name")))
        };
        let (namespace, name) = read("GATEWAY", GATEWAY)?;
        let (pods, service) = read("GATEWAY_SERVICE", "istio-system/istio-ingressgateway")?;
        let found = testbed.kubectl_output(&["get", "service", &service, "-n", &pods, "-o", "json"])?;
        let found: Value = serde_json::from_str(&found).map_err(|error| {
            Error::other(format!("kubectl wrote no JSON of service {pods}/{service}: {error}"))
        })?;
        // EnvoyFilters must reach these pods and no others; their Service knows them.
        let selector =
            found.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({"istio": "ingressgateway"}));
        Ok(Self { name: format!("{namespace}/{name}"), namespace: pods, service, selector })
    }
}

impl Gateway {
    /// Its pods as the auditor is told of them: `namespace/label=value,label=value`.
    pub fn audited(&self) -> String {
        let labels = self.selector.as_object().into_iter().flatten();
        let labels: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        format!("{}/{}", self.namespace, labels.join(","))
    }
}

/// Values of the chart for this cluster.
pub fn values(
    images: &Images,
    gateway: &Gateway,
    (prometheus, istiod): (&str, Option<&str>),
    ground: &Ground,
) -> Value {
    let own = json!({"name": "default", "url": prometheus, "entrance": "envoy", "lagSeconds": 2});
    let sources: Vec<Value> = std::iter::once(own).chain(ground.more_sources.iter().cloned()).collect();
    let own = [gateway.name.as_str(), HTTP_ROUTES];
    let gateways: Vec<&str> =
        own.into_iter().chain(ground.more_gateways.iter().map(String::as_str)).collect();
    let (repository, tag) = images.operator.rsplit_once(':').unwrap_or((&images.operator, ""));
    json!({
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "fetcherImage": images.fetcher,
        "replicaCount": 1,
        "watchNamespaces": ground.watched,
        "gateways": [{
            "name": "public",
            "gateways": gateways,
            "namespace": gateway.namespace,
            "selector": gateway.selector,
            "hosts": ["*"],
            "service": gateway.service,
            "probePort": "http",
            "replicas": ground.gateway_pods,
            "envoyFilters": true,
        }],
        "prometheus": {"sources": sources},
        "traffic": {"istiod": istiod.unwrap_or_default()},
    })
}

/// Installs the chart with these values, or upgrades to them, and waits until the operator is ready.
///
/// # Errors
/// What helm or kubectl wrote; if the operator does not become ready, its last log lines.
pub fn operator(testbed: &Testbed, values: &Value) -> Result<()> {
    let chart = checkout::root()?.join("helm/model-release-operator");
    let mut helm = testbed.program("helm");
    helm.args(["upgrade", "--install", INSTALLATION]).arg(chart);
    helm.args(["--namespace", SYSTEM, "--create-namespace", "--values", "-"]);
    output_with_input(&mut helm, values.to_string().as_bytes())?;
    available(testbed, SYSTEM, INSTALLATION)
}

/// Makes a namespace with the server of the models' files, and waits until that is ready.
///
/// # Errors
/// What kubectl wrote.
pub fn namespace(testbed: &Testbed, name: &str, images: &Images) -> Result<()> {
    let labels = json!({"app.kubernetes.io/name": "artifacts"});
    let items = json!([
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        }},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "artifacts", "namespace": name}, "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        }},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "artifacts", "namespace": name}, "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "files",
                    "image": images.artefacts,
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
                    "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
            }},
        }},
    ]);
    let parts: Vec<String> = items.as_array().into_iter().flatten().map(Value::to_string).collect();
    testbed.apply(&parts.join("\n---\n"))?;
    available(testbed, name, "artifacts")
}

/// Waits until a Deployment has rolled out.
///
/// # Errors
/// With its pods and their last log lines.
pub fn available(testbed: &Testbed, namespace: &str, name: &str) -> Result<()> {
    let deployment = format!("deployment/{name}");
    let limit = format!("--timeout={}s", AVAILABLE.as_secs());
    let waited = testbed.kubectl_output(&["rollout", "status", &deployment, "-n", namespace, &limit]);
    waited.map(drop).map_err(|error| {
        let ask = |arguments: &[&str]| testbed.kubectl_output(arguments).unwrap_or_else(|no| no.to_string());
        let pods = ask(&["get", "pods", "-n", namespace]);
        let log = ask(&["logs", "-n", namespace, &deployment, "--tail=15", "--all-containers"]);
        Error::other(format!(
            "deployment {namespace}/{name} did not become available: {error}\nits namespace's pods:\n{pods}\n\
             its log:\n{log}\nsee `kubectl describe pods -n {namespace}`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use model_release_core::settings::Settings;

    use super::*;

    #[test]
    fn the_operator_understands_the_values_that_become_its_settings() {
        let images =
            Images { operator: "localhost/operator:1".into(), fetcher: "f:1".into(), ..Images::default() };
        let gateway = Gateway {
            name: "istio-system/public".into(),
            namespace: "istio-system".into(),
            service: "istio-ingressgateway".into(),
            selector: json!({"istio": "ingressgateway"}),
        };
        let values = values(&images, &gateway, ("http://prometheus:9090", None), &Ground::new("demo", 90));
        assert_eq!(values["image"]["repository"], "localhost/operator");
        let settings: Settings = serde_json::from_value(json!({
            "gateways": values["gateways"], "prometheus": values["prometheus"], "fetcherImage": values["fetcherImage"],
        }))
        .unwrap();
        assert_eq!(settings.gateways[0].probe_port.as_deref(), Some("http"));
        assert_eq!(settings.prometheus.sources[0].lag_seconds, 2);
    }
}
