//! The autoscaler of one of a version's Deployments: never below what the release needs of it at the moment.

use serde_json::{Value, json};

use super::part_name;
use crate::capacity::Scale;
use crate::meta::{self, Component};
use crate::release::Release;
use crate::version::Hash;

/// Annotation: the user's own bounds, for the time when no block of the spec names the version.
const BOUNDS: &str = "modelrelease.dev/replicas";

/// The autoscaler. `floor` is what the release needs at the moment; the user's own least may be lower.
pub fn autoscaler(
    release: &Release,
    (hash, name): (&Hash, &str),
    component: Component,
    scale: Scale,
    floor: i32,
    seq: i64,
) -> Value {
    let object_name = part_name(release, hash, component);
    let labels = meta::version_labels(release, hash, name, component);
    let mut object = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta::owned(release, &object_name, labels),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name},
            "minReplicas": floor,
            "maxReplicas": scale.most.max(floor),
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": scale.target},
                },
            }],
        },
    });
    let bounds = format!("{}-{}", scale.least, scale.most);
    meta::set(&mut object, &["metadata", "annotations", BOUNDS], json!(bounds));
    meta::with_seq(object, seq)
}

/// What a live autoscaler says of the user's wish. None if it is not one of ours.
pub fn scale_read(body: &Value) -> Option<Scale> {
    let (least, most) = meta::at(body, &["metadata", "annotations", BOUNDS])?.as_str()?.split_once('-')?;
    let target = body.pointer("/spec/metrics/0/resource/target/averageUtilization")?.as_i64()?;
    Some(Scale { least: least.parse().ok()?, most: most.parse().ok()?, target: i32::try_from(target).ok()? })
}
