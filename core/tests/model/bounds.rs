//! Runs: what may happen in each, and how often.

use model_release_core::seeded::Bug;
use serde_json::{Value, json};

use super::state::{Budget, Metric};

/// Names of the versions.
pub const NAMES: [&str; super::state::VERSIONS] = ["v1", "v2", "v3"];

const NOTHING: Budget =
    Budget { edits: 0, notes: 0, faults: 0, lags: 0, flips: 0, metrics: 0, foreign: 0, deletes: 0 };

/// A run of the model.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name.
    pub name: &'static str,
    /// What may happen how often, per change.
    pub budget: Budget,
    /// The same each night.
    pub nightly: Budget,
    /// What the user may make of the spec, the first one to begin with.
    pub specs: Vec<Value>,
    /// Values that each annotation may take, by its name.
    pub notes: Vec<(&'static str, Vec<&'static str>)>,
    /// What Prometheus may say, the first one to begin with.
    pub metrics: Vec<Metric>,
    /// Whether there is a second operator.
    pub two: bool,
    /// Whether it begins with the first version serving, rather than with nothing.
    pub serving: bool,
    /// Pods of a version at its minimum.
    pub replicas: u8,
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
    pub fn of(name: &'static str, [budget, nightly]: [Budget; 2], versions: &[(&str, Option<&str>)]) -> Self {
        Self {
            name,
            budget,
            nightly,
            specs: versions.iter().map(|(s, c)| spec(s, *c, &[10], &json!({}))).collect(),
            notes: vec![("rollback", vec!["true", "v2", "v1"])],
            metrics: vec![Metric::Good],
            two: false,
            serving: true,
            replicas: 2,
            troubles: false,
            bug: None,
        }
    }

    /// A release comes to be, and the spec changes under way.
    pub fn birth() -> Self {
        let budget = Budget { edits: 1, ..NOTHING };
        let nightly = Budget { edits: 2, faults: 1, flips: 1, ..NOTHING };
        let versions = [("v1", None), ("v2", None), ("v1", Some("v2"))];
        Self { serving: false, ..Self::of("birth", [budget, nightly], &versions) }
    }

    /// A human in the middle of everything: any spec, any word, and metrics as they come.
    pub fn human() -> Self {
        let budget = Budget { edits: 1, ..NOTHING };
        let nightly = Budget { edits: 2, notes: 1, ..NOTHING };
        let versions =
            [("v1", None), ("v1", Some("v2")), ("v1", Some("v3")), ("v2", None), ("v2", Some("v3"))];
        let metrics = vec![Metric::Good, Metric::Bad, Metric::Errors, Metric::None];
        Self { metrics, ..Self::of("human", [budget, nightly], &versions) }
    }

    /// One operator that crashes, is refused, hears no answer and sees the past, while a human says what he wants.
    pub fn faults() -> Self {
        let budget = Budget { edits: 1, notes: 1, faults: 1, ..NOTHING };
        let nightly = Budget { edits: 1, notes: 1, faults: 2, lags: 1, flips: 1, ..NOTHING };
        Self::of("faults", [budget, nightly], &[("v1", None), ("v1", Some("v2"))])
    }

    /// Two operators that both believe to lead: plans of the one are followed long after those of the other.
    pub fn two() -> Self {
        let budget = Budget { edits: 1, ..NOTHING };
        let nightly = Budget { edits: 1, notes: 1, lags: 1, ..NOTHING };
        Self { two: true, ..Self::of("two", [budget, nightly], &[("v1", None), ("v1", Some("v2"))]) }
    }

    /// Gateways that are asked, limits beside them, and a deletion at any time.
    pub fn deletion() -> Self {
        let budget = Budget { deletes: 1, faults: 1, ..NOTHING };
        let nightly = Budget { edits: 1, deletes: 1, faults: 1, lags: 1, ..NOTHING };
        let specs = [None, Some("v2")].map(|canary| spec("v1", canary, &[10], &gateway())).to_vec();
        Self { specs, serving: false, ..Self::of("deletion", [budget, nightly], &[]) }
    }

    /// Others who change and delete what is ours.
    pub fn foreign() -> Self {
        let budget = Budget { foreign: 2, lags: 1, faults: 1, ..NOTHING };
        let nightly = Budget { edits: 1, foreign: 1, lags: 1, ..NOTHING };
        Self::of("foreign", [budget, nightly], &[("v1", None), ("v1", Some("v2"))])
    }

    /// More than one step, and pods that fail on each.
    pub fn steps() -> Self {
        let budget = Budget { edits: 1, ..NOTHING };
        let nightly = Budget { edits: 1, flips: 2, metrics: 1, ..NOTHING };
        let specs = [None, Some("v2")].map(|canary| spec("v1", canary, &[10, 60], &json!({}))).to_vec();
        let metrics = vec![Metric::Good, Metric::Bad, Metric::None];
        Self { specs, metrics, troubles: true, ..Self::of("steps", [budget, nightly], &[]) }
    }

    /// A human says promote and retry, suspends and goes on.
    pub fn words() -> Self {
        let budget = Budget { edits: 2, notes: 1, ..NOTHING };
        let nightly = Budget { edits: 2, notes: 2, metrics: 1, ..NOTHING };
        let mut specs = [None, Some("v2")].map(|canary| spec("v1", canary, &[10], &json!({}))).to_vec();
        specs.push(spec("v1", Some("v2"), &[10], &json!({"suspend": true})));
        let notes = vec![("promote", vec!["v2"]), ("retry", vec!["again"])];
        let metrics = vec![Metric::Bad];
        Self { specs, notes, metrics, ..Self::of("words", [budget, nightly], &[]) }
    }
}
