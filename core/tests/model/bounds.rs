//! A run: what may happen in it, how often, and with which specs.

use model_release_core::seeded::Bug;
use serde_json::{Value, json};

use super::state::{Budget, Metric};

/// Nothing ever happens.
pub const NOTHING: Budget =
    Budget { edits: 0, notes: 0, faults: 0, lags: 0, flips: 0, metrics: 0, foreign: 0, deletes: 0 };

/// Where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the release as it was just made.
    Nothing,
    /// With the first spec at rest.
    Serving,
    /// From there, with the second spec's canary at its first weight.
    Trial,
    /// From there, with that canary promoted and the version before it retired, whose objects still stand.
    Alone,
}

/// A run of the model.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name.
    pub name: &'static str,
    /// What may happen how often.
    pub budget: Budget,
    /// What the user may make of the spec, the first one to begin with.
    pub specs: Vec<Value>,
    /// Values that each annotation may take, by its name.
    pub notes: Vec<(&'static str, Vec<&'static str>)>,
    /// What Prometheus may say, the first one to begin with.
    pub metrics: Vec<Metric>,
    /// Whether there is a second operator.
    pub two: bool,
    /// Where it begins.
    pub begin: Begin,
    /// Pods of a version at its minimum.
    pub replicas: u8,
    /// The one version whose pods fail, by its place among those of the specs; any if it is none.
    pub frail: Option<u8>,
    /// Whether pods may fail for good, or crash.
    pub troubles: bool,
    /// A bug that is put into the core.
    pub bug: Option<Bug>,
}

fn block(version: &str) -> Value {
    json!({"version": version, "image": format!("registry.example.com/fraud:{version}")})
}

/// A spec with these versions.
pub fn spec(stable: &str, canary: Option<&str>, steps: &[i32], extra: &Value) -> Value {
    let steps: Vec<Value> =
        steps.iter().map(|percent| json!({"trafficPercent": percent, "minDuration": "10s"})).collect();
    let mut spec = json!({
        "stable": block(stable),
        "runtime": {"minReplicas": 1},
        "rollout": {
            "steps": steps,
            "progressDeadlineSeconds": 20,
            "maxDuration": "20s",
            "bake": "10s",
            "retention": "20s",
            "drain": "10s",
            "ttlAfterFailure": "10s",
        },
        "analysis": {"interval": "10s", "initialDelay": "0s"},
    });
    if let Some(canary) = canary {
        spec["canary"] = block(canary);
    }
    merge(&mut spec, extra);
    spec
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, inner) in from {
                merge(into.entry(key).or_insert(Value::Null), inner);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// What is bound to gateways that can be asked, and has its limits there.
pub fn gateway() -> Value {
    json!({"traffic": {
        "gateways": ["istio-system/public"],
        "hosts": ["fraud.example.com"],
        "clientHeader": "x-user-id",
        "rateLimit": {"perClient": {"requests": 20}},
    }})
}

impl Run {
    /// Of versions, with nothing special about it.
    pub fn of(name: &'static str, budget: Budget, versions: &[(&str, Option<&str>)]) -> Self {
        let specs = versions.iter().map(|(s, c)| spec(s, *c, &[10], &json!({}))).collect();
        Self::with(name, budget, specs)
    }

    /// Of specs, with nothing special about it.
    pub fn with(name: &'static str, budget: Budget, specs: Vec<Value>) -> Self {
        Self {
            name,
            budget,
            specs,
            notes: vec![("rollback", vec!["true", "v2", "v1"])],
            metrics: vec![Metric::Good],
            two: false,
            begin: Begin::Serving,
            replicas: 2,
            frail: None,
            troubles: false,
            bug: None,
        }
    }
}
