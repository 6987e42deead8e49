//! Somebody edits or deletes what the operator made: it is put right, and no client notices.

use std::time::{Duration, Instant};

use model_release_core::api::status::Track;
use serde_json::Value;
use testbed::demo::releases::version;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};

pub const SOON: Duration = Duration::from_secs(10);

pub async fn what_a_hand_changed_is_put_right(stage: &Stage) {
    let release = "better";
    let status = stage.releases.get(release).await.unwrap().status.unwrap();
    let hash = version(&status, Track::Stable).expect("it serves").hash.clone();
    let versioned = format!("{release}-{hash}");
    let namespace = stage.namespace.clone();
    let limit = format!("mrel.{namespace}.{release}.public.limit");
    let swapped = r#"[{"op": "replace", "path": "/spec/http/0/name", "value": "mine"}]"#;
    let image = r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/mine:1"}]"#;
    let selector = r#"[{"op": "add", "path": "/spec/selector/mine", "value": "yes"}]"#;
    let edits = [
        ("deployment", versioned.clone(), namespace.clone(), Some(image)),
        ("service", versioned, namespace.clone(), Some(selector)),
        ("virtualservice", release.to_owned(), namespace.clone(), Some(swapped)),
        ("virtualservice", format!("{release}-gateway"), namespace, None),
        ("envoyfilter", limit, stage.gateway.namespace.clone(), None),
    ];
    for (kind, name, namespace, patch) in edits {
        let before = spec(stage, kind, &name, &namespace).expect("it is there");
        let start = Instant::now();
        match patch {
            Some(patch) => {
                let patch = ["patch", kind, &name, "-n", &namespace, "--type=json", "-p", patch];
                stage.testbed.kubectl_output(&patch).unwrap();
            }
            None => drop(stage.testbed.kubectl_output(&["delete", kind, &name, "-n", &namespace]).unwrap()),
        }
        until(&format!("{kind} {name} is as it was"), SOON, || async {
            let now = spec(stage, kind, &name, &namespace);
            Seen::when(now.as_ref() == Some(&before), || format!("{now:?}"))
        })
        .await
        .unwrap();
        let what = if patch.is_some() { "edited" } else { "deleted" };
        println!("{kind} {name}, {what} by hand, was put right after {:.2} s", start.elapsed().as_secs_f64());
    }
}

fn spec(stage: &Stage, kind: &str, name: &str, namespace: &str) -> Option<Value> {
    let text = stage.testbed.kubectl_output(&["get", kind, name, "-n", namespace, "-o", "json"]).ok()?;
    let mut object: Value = serde_json::from_str(&text).ok()?;
    Some(object.get_mut("spec")?.take())
}
