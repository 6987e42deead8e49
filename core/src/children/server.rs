//! The container of a model server, or of an app.

use serde_json::{Map, Value, json};

use super::preset::{self, Ports};
use super::{Part, artifact, probes, volumes};
use crate::api::pods::{EnvVar, PodFields, Resources};
use crate::meta::{Component, put};
use crate::release::Release;
use crate::settings::Settings;

/// Seconds that a pod which is to end goes on serving, so that proxies stop sending to it first.
const LINGER: i64 = 5;

/// The container.
pub(super) fn container(release: &Release, part: Part, settings: &Settings, grace: i64) -> Value {
    let Part { component, version, pod, preset } = part;
    let ports = preset::ports(preset, pod);
    let model = version.effective.model.model_name.as_deref().unwrap_or(&release.name);
    let mut fields = Map::new();
    put(&mut fields, "name", Some(component.as_str()));
    put(&mut fields, "image", pod.image.clone());
    put(&mut fields, "imagePullPolicy", Some("IfNotPresent"));
    put(&mut fields, "command", given(pod.command.as_ref()));
    put(&mut fields, "args", given(pod.args.as_ref()));
    put(&mut fields, "env", Some(environment(release, part, settings, model)));
    put(&mut fields, "ports", Some(container_ports(ports)));
    put(&mut fields, "resources", pod.resources.as_ref().and_then(|all| resources(all, |_| true)));
    fields.extend(probes::render(pod, preset, model, ports.http));
    // The sleep may not be longer than the time to end.
    put(&mut fields, "lifecycle", Some(json!({"preStop": {"sleep": {"seconds": LINGER.min(grace)}}})));
    put(&mut fields, "securityContext", Some(restricted()));
    let fetched = if component == Component::Model { artifact::mount_in_server(version) } else { None };
    put(&mut fields, "volumeMounts", volumes::mounts(pod, fetched));
    Value::Object(fields)
}

/// What no container of ours may do.
pub(super) fn restricted() -> Map<String, Value> {
    let mut context = Map::new();
    put(&mut context, "allowPrivilegeEscalation", Some(false));
    put(&mut context, "capabilities", Some(json!({"drop": ["ALL"]})));
    context
}

/// A list, unless it is empty: the API server drops empty lists, and we would take that for drift.
fn given(list: Option<&Vec<String>>) -> Option<Value> {
    list.filter(|items| !items.is_empty()).map(|items| json!(items))
}

/// Our variables first, so that the user's may refer to them. One of the user's that has the name of ours replaces it:
/// an apply may not name a variable twice.
fn environment(release: &Release, part: Part, settings: &Settings, model: &str) -> Vec<Value> {
    let Part { component, version, pod, .. } = part;
    let format = version.effective.model_format.as_ref().map(|format| format.name.clone());
    let users = pod.env.as_deref().unwrap_or_default();
    let app = component == Component::App;
    // A name that only this version has: its app calls no other's model, with or without a mesh.
    let url = app.then(|| {
        let service = release.object_name(&version.hash);
        format!("http://{service}.{}.svc.{}", release.namespace, settings.traffic.cluster_domain)
    });
    let ours = [
        ("MODEL_NAME", Some(model.to_owned())),
        ("MODEL_VERSION", Some(version.name.clone())),
        ("MODEL_PATH", if app { None } else { artifact::path(version) }),
        ("MODEL_FORMAT", format),
        ("MODEL_URL", url),
    ];
    ours.into_iter()
        .filter(|(name, _)| users.iter().all(|var| var.name != *name))
        .filter_map(|(name, value)| value.map(|value| json!({"name": name, "value": literal(&value)})))
        .chain(users.iter().map(variable))
        .collect()
}

/// A text that means itself where Kubernetes would expand `$(NAME)`.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A user's variable. An empty value is left out, as the API server does.
fn variable(var: &EnvVar) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "name", Some(var.name.clone()));
    put(&mut fields, "value", var.value.clone().filter(|value| !value.is_empty()));
    put(&mut fields, "valueFrom", var.value_from.as_ref().map(|from| json!(from)));
    Value::Object(fields)
}

/// The ports, each number once: an apply may not name one twice.
///
/// Prometheus finds its port by the name `metrics`, so that name wins; nothing goes by the other two, which are for
/// people. Services and probes name ports by number.
fn container_ports(ports: Ports) -> Vec<Value> {
    let metrics = ("metrics", Some(ports.metrics));
    let http = ("http", Some(ports.http).filter(|&port| port != ports.metrics));
    let grpc = ("grpc", ports.grpc.filter(|&port| port != ports.metrics && port != ports.http));
    [http, grpc, metrics]
        .into_iter()
        .filter_map(|(name, port)| {
            port.map(|port| json!({"name": name, "containerPort": port, "protocol": "TCP"}))
        })
        .collect()
}

/// The wanted kinds of resources, quantities as texts. None if there are none.
pub(super) fn resources(all: &Resources, wanted: fn(&str) -> bool) -> Option<Value> {
    let mut fields = Map::new();
    for (field, amounts) in [("requests", &all.requests), ("limits", &all.limits)] {
        let amounts: Map<String, Value> = amounts
            .iter()
            .flatten()
            .filter(|(kind, _)| wanted(kind))
            .map(|(kind, amount)| (kind.clone(), quantity(amount)))
            .collect();
        put(&mut fields, field, Some(amounts).filter(|amounts| !amounts.is_empty()));
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// A quantity as text; users may write a number.
pub(super) fn quantity(amount: &Value) -> Value {
    if amount.is_number() { Value::String(amount.to_string()) } else { amount.clone() }
}

/// Seconds a pod may take to end: the user's word, or time for a whole request and the linger before it, or
/// Kubernetes' 30.
pub(super) fn grace_seconds(release: &Release, pod: &PodFields) -> i64 {
    pod.termination_grace_period_seconds.unwrap_or_else(|| {
        release.traffic.timeout.map_or(30, |timeout| {
            let whole = timeout.as_secs().saturating_add(i64::from(timeout.subsec_nanos() > 0));
            whole.saturating_add(15)
        })
    })
}
