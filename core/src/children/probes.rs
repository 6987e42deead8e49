//! When a server's container has started, is ready, or is to be restarted.

use serde_json::{Map, Value, json};

use super::preset::{self, Ready};
use crate::api::pods::{PodFields, Preset, Probe};
use crate::meta::put;

/// Seconds between the tries of a start-up probe that we choose.
///
/// The contract gives a model 1,800 s to load, asked each 10 s. Asked each 2 s for the same time, a pod is seen ready
/// up to 8 s sooner, and each rollout by as much.
const STARTUP_PERIOD: i32 = 2;
const STARTUP_TRIES: i32 = 900;
/// What `failureThreshold` of a user's own start-up probe is if it says nothing: loading takes minutes, not Kubernetes'
/// three tries.
const STARTUP_TRIES_OF_USERS: i32 = 180;

/// The three probes, by field of the container.
pub(super) fn render(pod: &PodFields, preset: Preset, model: &str, http: i32) -> Map<String, Value> {
    let readiness = pod.readiness_probe.as_ref();
    let startup = match &pod.startup_probe {
        Some(own) => {
            let mut probe = users(own, http);
            probe.entry("failureThreshold").or_insert_with(|| json!(STARTUP_TRIES_OF_USERS));
            probe
        }
        None => default_startup(preset, readiness, model, http),
    };
    let mut probes = Map::new();
    put(&mut probes, "startupProbe", Some(startup));
    put(
        &mut probes,
        "readinessProbe",
        Some(readiness.map_or_else(|| default_readiness(preset, model, http), |own| users(own, http))),
    );
    put(&mut probes, "livenessProbe", pod.liveness_probe.as_ref().map(|own| users(own, http)));
    probes
}

/// The readiness probe's question, asked often until it is first answered well.
fn default_startup(preset: Preset, readiness: Option<&Probe>, model: &str, http: i32) -> Map<String, Value> {
    let mut probe = readiness.map_or_else(|| preset_question(preset, model, http), |own| question(own, http));
    put(&mut probe, "timeoutSeconds", readiness.and_then(|own| own.timeout_seconds));
    put(&mut probe, "periodSeconds", Some(STARTUP_PERIOD));
    put(&mut probe, "failureThreshold", Some(STARTUP_TRIES));
    probe
}

/// The preset's readiness probe: three tries of 5 s, so that a server that hangs is out of the Service in 15 s.
fn default_readiness(preset: Preset, model: &str, http: i32) -> Map<String, Value> {
    let mut probe = preset_question(preset, model, http);
    put(&mut probe, "periodSeconds", Some(5));
    // A model under load answers late without being broken.
    put(&mut probe, "timeoutSeconds", Some(3));
    probe
}

fn preset_question(preset: Preset, model: &str, http: i32) -> Map<String, Value> {
    let mut probe = Map::new();
    match preset::ready(preset, model) {
        Ready::Connects => put(&mut probe, "tcpSocket", Some(json!({"port": http}))),
        Ready::Answers(path) => put(&mut probe, "httpGet", Some(json!({"path": path, "port": http}))),
    }
    probe
}

/// How a server says at its HTTP port that it is ready. None if it is asked in another way, or at another port: it may
/// not speak HTTP at all, and serve gRPC alone.
pub(super) fn over_http(pod: &PodFields, preset: Preset, model: &str, http: i32) -> Option<Ready> {
    let own = pod.readiness_probe.as_ref();
    let asked = own.map_or_else(|| preset_question(preset, model, http), |own| question(own, http));
    let there = |way: &str| asked.get(way).filter(|asked| asked.get("port") == Some(&json!(http)));
    let Some(get) = there("httpGet") else { return there("tcpSocket").map(|_| Ready::Connects) };
    // A path that kubelet would mend or escape is not ours to guess at.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%?".contains(c);
    let path = get.get("path").and_then(Value::as_str).filter(|path| path.chars().all(plain));
    let path = path.filter(|path| path.starts_with('/'));
    Some(path.map_or(Ready::Connects, |path| Ready::Answers(path.to_owned())))
}

/// A user's probe: its question and its numbers.
fn users(own: &Probe, http: i32) -> Map<String, Value> {
    let mut probe = question(own, http);
    // The API server drops a delay of 0, and we would take that for drift.
    put(&mut probe, "initialDelaySeconds", own.initial_delay_seconds.filter(|&seconds| seconds > 0));
    put(&mut probe, "periodSeconds", own.period_seconds);
    put(&mut probe, "timeoutSeconds", own.timeout_seconds);
    put(&mut probe, "failureThreshold", own.failure_threshold);
    put(&mut probe, "successThreshold", own.success_threshold);
    probe
}

/// How a user's probe asks. One that asks in no way connects, as the `custom` preset does.
fn question(own: &Probe, http: i32) -> Map<String, Value> {
    let mut probe = Map::new();
    if let Some(get) = &own.http_get {
        let path = get.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
        put(&mut probe, "httpGet", Some(json!({"path": path, "port": get.port.unwrap_or(http)})));
    } else if let Some(grpc) = &own.grpc {
        put(&mut probe, "grpc", Some(json!({"port": grpc.port.unwrap_or(http)})));
    } else if let Some(exec) = &own.exec {
        put(&mut probe, "exec", Some(json!({"command": exec.command})));
    } else {
        let port = own.tcp_socket.as_ref().and_then(|socket| socket.port).unwrap_or(http);
        put(&mut probe, "tcpSocket", Some(json!({"port": port})));
    }
    probe
}
