//! An API server in memory, and the operator on it, in virtual time: nothing here sleeps, and no two runs differ.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod api;
pub mod operator;
pub mod path;
pub mod store;

use std::sync::Arc;

use serde_json::{Value, json};

pub use api::{ApiServer, Fault};
pub use operator::Operator;

/// A namespace with Istio, a release and the settings for it.
pub const NAMESPACE: &str = "models";

/// A release with a canary that waits for nothing longer than it must.
pub fn release(name: &str) -> Value {
    json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "stable": {"version": "v1", "image": "example.com/model:1"},
            "canary": {"version": "v2", "image": "example.com/model:2"},
        },
    })
}

/// The same without a canary.
pub fn stable_only(name: &str) -> Value {
    let mut release = release(name);
    release["spec"].as_object_mut().unwrap().remove("canary");
    release
}

/// The phase of a release.
pub fn phase(release: &Value) -> &str {
    release.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// The reason of a condition that has this status.
pub fn condition<'a>(release: &'a Value, kind: &str, status: &str) -> Option<&'a str> {
    let all = release.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|c| c["type"] == kind && c["status"] == status)?;
    found["reason"].as_str()
}

/// Weights of the split of a release's `VirtualService`, in their order.
pub fn weights(route: &Value) -> Vec<i64> {
    let rules = route.pointer("/spec/http").and_then(Value::as_array).into_iter().flatten();
    let split = rules
        .filter(|rule| rule["name"].as_str().is_some_and(|name| name.rsplit('.').next() == Some("split")));
    split
        .flat_map(|rule| rule["route"].as_array().into_iter().flatten())
        .filter_map(|d| d["weight"].as_i64())
        .collect()
}

/// A server with Istio whose Deployments become ready at once.
pub fn cluster() -> Arc<ApiServer> {
    Arc::new(ApiServer::new())
}

/// What must hold at every revision that a story went through.
pub fn check_history(store: &store::Store) {
    let number = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let mut decided = 0;
    let mut stored = 0;
    for past in &store.past {
        let object = &past.object;
        if past.resource == "modelreleases" {
            let seq = number(object, "/status/decision/seq");
            assert!(seq >= decided, "decision {seq} after {decided}");
            decided = seq;
            stored = stored.max(seq).max(number(object, "/status/state/traffic/seq"));
        }
        let follows = object["metadata"]["annotations"]["modelrelease.dev/seq"].as_str();
        let follows: i64 = follows.and_then(|s| s.parse().ok()).unwrap_or(0);
        assert!(
            follows <= stored,
            "{} follows {follows} while {stored} is stored",
            object["metadata"]["name"]
        );
        let weights = weights(object);
        assert!(
            weights.is_empty() || weights.len() == 2 && weights.iter().sum::<i64>() == 100,
            "{weights:?}"
        );
    }
}
