//! Edits of policy: what a user may change of a release besides its versions.

use serde_json::{Value, json};

/// An edit of a spec.
pub type Edit = fn(&mut Value);

/// Sets a field of the spec, making the objects on the way.
fn set(spec: &mut Value, path: &[&str], value: Value) {
    let mut at = spec;
    for field in path {
        at = &mut at[*field];
    }
    *at = value;
}

fn unset(spec: &mut Value, group: &str, field: &str) {
    if let Some(fields) = spec[group].as_object_mut() {
        fields.remove(field);
    }
}

fn steps(spec: &mut Value, percents: &[i32], least: &str) {
    let rungs: Vec<Value> =
        percents.iter().map(|percent| json!({"trafficPercent": percent, "minDuration": least})).collect();
    unset(spec, "rollout", "trafficPercent");
    set(spec, &["rollout", "steps"], rungs.into());
}

/// The edits. The first eight put nothing else in question: they only change times.
pub const EDITS: &[Edit] = &[
    |spec| set(spec, &["rollout", "bake"], "0s".into()),
    |spec| set(spec, &["rollout", "bake"], "2m".into()),
    |spec| set(spec, &["rollout", "retention"], "0s".into()),
    |spec| set(spec, &["rollout", "retention"], "20m".into()),
    |spec| set(spec, &["rollout", "ttlAfterFailure"], "5m".into()),
    |spec| set(spec, &["rollout", "drain"], "30s".into()),
    |spec| set(spec, &["rollout", "drain"], "5s".into()),
    |spec| set(spec, &["rollout", "progressDeadlineSeconds"], 60.into()),
    |spec| steps(spec, &[10], "10s"),
    |spec| steps(spec, &[10, 50], "30s"),
    |spec| steps(spec, &[5, 20, 60], "10s"),
    |spec| steps(spec, &[30, 90], "20s"),
    |spec| {
        unset(spec, "rollout", "steps");
        set(spec, &["rollout", "trafficPercent"], 0.into());
    },
    |spec| set(spec, &["rollout", "maxDuration"], "1m".into()),
    |spec| set(spec, &["rollout", "maxDuration"], "24h".into()),
    |spec| set(spec, &["rollout", "onInconclusive"], "Rollback".into()),
    |spec| set(spec, &["rollout", "onInconclusive"], "Hold".into()),
    |spec| set(spec, &["rollout", "promotion"], "Manual".into()),
    |spec| set(spec, &["rollout", "promotion"], "Automatic".into()),
    |spec| set(spec, &["rollout", "shadow"], json!({"mirrorPercent": 50, "minDuration": "1m"})),
    |spec| set(spec, &["rollout", "shadow"], json!({"mirrorPercent": 100, "minDuration": "1m"})),
    |spec| unset(spec, "rollout", "shadow"),
    |spec| set(spec, &["rollout", "warmup"], "20s".into()),
    |spec| set(spec, &["rollout", "canaryReplicas"], 2.into()),
    |spec| set(spec, &["runtime"], json!({"minReplicas": 3})),
    |spec| set(spec, &["runtime"], json!({"minReplicas": 1})),
    |spec| set(spec, &["runtime"], json!({"minReplicas": 2, "maxReplicas": 5})),
    // Another image for both: what stands in `stable` is another version than what runs.
    |spec| set(spec, &["runtime", "env"], json!([{"name": "LOG_LEVEL", "value": "debug"}])),
    |spec| set(spec, &["analysis", "interval"], "30s".into()),
    |spec| set(spec, &["analysis", "interval"], "10s".into()),
    |spec| set(spec, &["analysis", "initialDelay"], "0s".into()),
    |spec| set(spec, &["analysis", "quality"], json!({"mode": "Disabled"})),
    |spec| set(spec, &["analysis", "quality"], json!({"min": "0.8", "maxDrop": "0.05"})),
    |spec| set(spec, &["analysis", "quality"], json!({"minSamples": 5_000})),
    |spec| {
        set(
            spec,
            &["analysis", "guardrails"],
            json!([{"name": "errors", "metric": "ErrorRate", "max": "0.1", "failureLimit": 2}]),
        );
    },
    |spec| {
        set(
            spec,
            &["analysis", "guardrails"],
            json!([{"name": "errors", "metric": "ErrorRate", "maxRatio": "1.5", "max": "0.3", "minRequests": 10}]),
        );
    },
    |spec| set(spec, &["analysis", "maxRestarts"], 0.into()),
    |spec| set(spec, &["traffic", "timeout"], "20s".into()),
    // Refused, and mended.
    |spec| set(spec, &["analysis", "provider"], "nobody".into()),
    |spec| unset(spec, "analysis", "provider"),
    |spec| unset(spec, "analysis", "provider"),
    |spec| set(spec, &["traffic", "hosts"], json!(["fraud.example.com", "fraud.example.org"])),
];

/// Edits that only change times.
pub const TIMES: usize = 8;

/// The edits that give a verdict no time, and those that say what follows.
pub const SOON: usize = 13;
pub const ROLL_BACK: usize = 15;
pub const HOLD: usize = 16;

/// The number by which an event names an edit.
pub fn named(at: usize) -> u8 {
    u8::try_from(at).unwrap_or(u8::MAX)
}
