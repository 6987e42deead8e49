//! Refused by admission: the sentence names the field.

use serde_json::{Value, json};
use testbed::demo::manifest::Manifest;
use testbed::demo::story::Stage;

use super::Told;

/// What is written, where, and what the refusal must hold.
type Case = (&'static str, &'static str, Value, &'static [&'static str]);

pub async fn by_admission(stage: &Stage) -> Vec<Told> {
    let cases: [Case; 9] = [
        (
            "the same version twice",
            "/spec/canary/version",
            json!(stage.made.worse.name),
            &["spec.canary.version", "must differ from stable.version"],
        ),
        (
            "a weight out of range",
            "/spec/rollout/steps/0/trafficPercent",
            json!(150),
            &["spec.rollout.steps[0].trafficPercent", "less than or equal to 99"],
        ),
        (
            "steps that go down",
            "/spec/rollout/steps",
            json!([{"trafficPercent": 50}, {"trafficPercent": 20}]),
            &["spec.rollout.steps", "larger than the one before"],
        ),
        (
            "a malformed digest",
            "/spec/canary/verification/digest",
            json!("sha256:12"),
            &["spec.canary.verification.digest"],
        ),
        (
            "an unknown preset",
            "/spec/runtime/preset",
            json!("tensorrt"),
            &["spec.runtime.preset", "tensorrt"],
        ),
        (
            "a share that is no quoted decimal",
            "/spec/analysis/quality/maxDrop",
            json!(0.02),
            &["spec.analysis.quality.maxDrop", "string"],
        ),
        (
            "http:// without a digest",
            "/spec/canary/verification",
            Value::Null,
            &["spec.canary", "http:// is not protected", "verification.digest"],
        ),
        (
            "a field that does not exist",
            "/spec/stable/hostNetwork",
            json!(true),
            &["spec.stable.hostNetwork"],
        ),
        (
            "a name that names no Service",
            "/metadata/name",
            json!("2nd"),
            &["metadata.name", "starting with a letter"],
        ),
    ];
    let mut told = Vec::new();
    for (input, path, value, parts) in cases {
        let manifest =
            Manifest::new(&stage.namespace, "refused", &stage.made.worse).with_canary(&stage.made.better);
        let mut written = manifest.render(&stage.made.images, &stage.gateway.name);
        set(&mut written, path, value);
        let message = match stage.releases.apply(&written).await {
            Ok(_) => panic!("{input} was accepted"),
            Err(error) => error.to_string(),
        };
        for part in parts {
            assert!(message.contains(part), "{input}: {part:?} is missing in: {message}");
        }
        told.push(Told { input: input.to_owned(), message });
    }
    assert!(stage.releases.names().await.unwrap().is_empty(), "nothing of it was stored");
    told
}

/// Sets a value that may not be there yet; null removes it.
pub fn set(written: &mut Value, path: &str, value: Value) {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = written.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(key)),
        (Value::Object(map), value) => drop(map.insert(key.to_owned(), value)),
        (Value::Array(items), value) => items[key.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{path} leads into {other}"),
    }
}
