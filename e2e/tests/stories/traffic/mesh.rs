//! Callers inside the mesh, by sidecars of their own: the weights hold for them, too, and an app that follows a version is
//! answered by that version alone.

use std::sync::Arc;
use std::time::Duration;

use model_release_core::api::annotations::PAUSE;
use serde_json::{Value, json};
use testbed::demo::install::HTTP_ROUTES;
use testbed::demo::manifest::Manifest;
use testbed::demo::story::{Board, STEP, Stage, Story};
use testbed::wait::{Seen, until};
use testbed::{Error, Result};

use super::super::common::blocking;
use super::ask::{Clients, Line, each, one};
use super::by::By;
use super::shares::share;
use super::valid::Written;

/// Requests of each caller.
const ASKED: usize = 400;
/// The canary's weight.
const WEIGHT: i32 = 50;
/// How long a sidecar may take to have its routes.
const ROUTED: Duration = Duration::from_secs(60);
/// Label of the callers' pods, for their Sidecar.
const CALLER: &str = "modelrelease.dev/test-caller";

/// Asks by three sidecars: of an app that follows nothing, and of two that follow a version each.
pub async fn callers(stage: &Arc<Stage>, by: By, written: &mut Written) -> Result<Vec<Line>> {
    let name = by.release("meshed");
    let at_gateway = if by == By::Istio { stage.gateway.name.as_str() } else { HTTP_ROUTES };
    let manifest = Manifest {
        steps: vec![(WEIGHT, 10)],
        min_samples: 1_000_000,
        ..Manifest::new(&stage.namespace, &name, &stage.made.worse)
    };
    let manifest = by.routed(manifest).with("/spec/traffic/gateways", json!([at_gateway, "mesh"]));
    let mut story = Story::begin(stage, &Board::default(), ('M', "mesh"), manifest).await?;
    let (stable, canary) = (stage.made.worse.name.clone(), stage.made.better.name.clone());
    story.manifest = story.manifest.clone().with_canary(&stage.made.better);
    story.try_canary().await?;
    story.until("the canary has half", STEP, |seen| seen.in_force(WEIGHT)).await?;
    stage.releases.annotate(&name, PAUSE, Some("true")).await?;
    written.look(&stage.testbed)?;

    let host = format!("{name}.{}.svc.cluster.local", stage.namespace);
    let mut lines = Vec::new();
    let follows: &[Option<&str>] =
        if by == By::Istio { &[None, Some(&stable), Some(&canary)] } else { &[None] };
    for version in follows {
        let sidecar = Sidecar::raise(stage, &name, *version).await?;
        let clients = Clients::at(&sidecar.url);
        sidecar.routes(&clients, &host).await?;
        let got = each(&clients, &host, &vec![None; ASKED]).await?;
        lines.push(match version {
            None => share(WEIGHT, "inside the mesh", &got, &canary)?,
            Some(version) => {
                let own = got.iter().filter(|one| one.status == 200 && one.version == *version).count();
                Line::new(
                    format!("answers of {version} at {WEIGHT} % to an app inside the mesh that follows it"),
                    format!("{ASKED} of {ASKED}"),
                    own.to_string(),
                    own == ASKED,
                )
            }
        });
        sidecar.gone().await?;
    }
    stage.releases.delete(&name).await?;
    Ok(by.said(lines))
}

/// A pod that is nothing but the sidecar of an app: what comes in at its port goes out as the app's own request would.
struct Sidecar {
    stage: Arc<Stage>,
    name: String,
    url: String,
}

impl Sidecar {
    /// Starts one for an app in the release's namespace, which may follow one of its versions.
    async fn raise(stage: &Arc<Stage>, release: &str, version: Option<&str>) -> Result<Self> {
        let name = format!("caller-{}", version.unwrap_or("any"));
        let own = |kind: &'static str| {
            kubectl(stage, &stage.gateway.namespace, ["get", kind, &stage.gateway.service, "-o", "json"])
        };
        let (bootstrap, gateway) = (own("configmap").await?, own("deployment").await?);
        let mut labels = json!({CALLER: name});
        if let Some(version) = version {
            labels["modelrelease.dev/follows"] = json!(release);
            labels["modelrelease.dev/follows-version"] = json!(version);
        }
        let proxy = &gateway["spec"]["template"]["spec"]["containers"][0];
        let parts = objects(&stage.namespace, &name, &labels, (&bootstrap["data"], &proxy["image"]));
        let text: Vec<String> = parts.iter().map(Value::to_string).collect();
        let testbed = stage.testbed.clone();
        blocking(move || testbed.apply(&text.join("\n---\n"))).await?;
        let service = kubectl(stage, &stage.namespace, ["get", "service", &name, "-o", "json"]).await?;
        let port = service.pointer("/spec/ports/0/nodePort").and_then(Value::as_i64);
        let node = stage.gateway_url.rsplit_once(':').map_or(stage.gateway_url.as_str(), |(node, _)| node);
        let port = port.ok_or_else(|| Error::other(format!("service {name} has no port of the node")))?;
        Ok(Self { stage: Arc::clone(stage), url: format!("{node}:{port}"), name })
    }

    /// Waits until it knows the release.
    async fn routes(&self, clients: &Clients, host: &str) -> Result<()> {
        until(&format!("{} routes {host}", self.name), ROUTED, || async {
            match one(clients, (host, ""), None).await {
                Ok(got) => Seen::when(got.status == 200, || format!("{got:?}")),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
        .await
    }

    async fn gone(self) -> Result<()> {
        let (testbed, namespace, name) =
            (self.stage.testbed.clone(), self.stage.namespace.clone(), self.name);
        blocking(move || {
            let kinds = "pod,service,configmap,sidecar.networking.istio.io";
            testbed.kubectl_output(&["delete", kinds, &name, "-n", &namespace, "--wait=false"]).map(drop)
        })
        .await
    }
}

/// An Envoy with the gateway's bootstrap, as the sidecar of a pod with these labels.
fn objects(namespace: &str, name: &str, labels: &Value, (bootstrap, image): (&Value, &Value)) -> [Value; 4] {
    let metadata = json!({"name": name, "namespace": namespace});
    let node = json!({"node": {"metadata": {
        "INSTANCE_IPS": "$(POD_IP)", "NAMESPACE": namespace, "LABELS": labels, "INTERCEPTION_MODE": "NONE",
    }}});
    let arguments = json!([
        "--config-path",
        "/etc/envoy/envoy.yaml",
        "--config-yaml",
        node.to_string(),
        "--service-node",
        format!("sidecar~$(POD_IP)~{name}.{namespace}~{namespace}.svc.cluster.local"),
        "--service-cluster",
        name,
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ]);
    let selected = json!({CALLER: name});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": bootstrap});
    let sidecar = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata,
        "spec": {
            "workloadSelector": {"labels": selected},
            "egress": [{
                // The port of every version's Service: a listener outside the app's own network, for there is no app.
                "port": {"number": 80, "protocol": "HTTP", "name": "http"},
                "bind": "0.0.0.0", "captureMode": "NONE", "hosts": ["./*"],
            }],
            // Without one istiod would listen for what the Service below sends, at the same port.
            "ingress": [{
                "port": {"number": 15999, "protocol": "TCP", "name": "none"},
                "bind": "127.0.0.1", "captureMode": "NONE", "defaultEndpoint": "127.0.0.1:15998",
            }],
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"type": "NodePort", "selector": selected, "ports": [{"name": "tcp", "port": 8079, "targetPort": 80}]},
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
                // Port 80 without root.
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
            },
            "containers": [{
                "name": "istio-proxy",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 15000}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/envoy", "readOnly": true}],
            }],
            "volumes": [{"name": "config", "configMap": {"name": name}}],
        },
    });
    [config, sidecar, service, pod]
}

/// What kubectl tells of an object.
async fn kubectl<const N: usize>(stage: &Stage, namespace: &str, arguments: [&str; N]) -> Result<Value> {
    let testbed = stage.testbed.clone();
    let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    arguments.extend(["-n".to_owned(), namespace.to_owned()]);
    let told =
        blocking(move || testbed.kubectl_output(&arguments.iter().map(String::as_str).collect::<Vec<_>>()))
            .await?;
    serde_json::from_str(&told).map_err(|error| Error::other(format!("kubectl wrote no JSON: {error}")))
}
