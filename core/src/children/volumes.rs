//! A pod's volumes, the user's and the model's, and where the container sees them.

use serde_json::{Map, Value, json};

use super::server::quantity;
use crate::api::pods::{PodFields, Volume, VolumeMount};
use crate::meta::put;

/// The volumes, the model's own first. None if there are none.
pub(super) fn volumes(pod: &PodFields, model: Option<Value>) -> Option<Vec<Value>> {
    let users = pod.volumes.iter().flatten().map(volume);
    Some(model.into_iter().chain(users).collect::<Vec<_>>()).filter(|all| !all.is_empty())
}

/// Where the container sees them, the model's own first. None if it sees none.
pub(super) fn mounts(pod: &PodFields, model: Option<Value>) -> Option<Vec<Value>> {
    let users = pod.volume_mounts.iter().flatten().map(mount);
    Some(model.into_iter().chain(users).collect::<Vec<_>>()).filter(|all| !all.is_empty())
}

fn volume(own: &Volume) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "name", Some(own.name.clone()));
    put(
        &mut fields,
        "persistentVolumeClaim",
        own.persistent_volume_claim.as_ref().map(|claim| {
            let mut source = json!({"claimName": claim.claim_name});
            // The API server drops a `false` here, and we would take that for drift.
            if claim.read_only == Some(true) {
                crate::meta::set(&mut source, &["readOnly"], json!(true));
            }
            source
        }),
    );
    put(
        &mut fields,
        "emptyDir",
        own.empty_dir.as_ref().map(|dir| {
            let mut source = Map::new();
            put(&mut source, "medium", dir.medium.map(|medium| json!(medium)));
            put(&mut source, "sizeLimit", dir.size_limit.as_ref().map(quantity));
            source
        }),
    );
    put(&mut fields, "configMap", own.config_map.as_ref().map(|source| json!(source)));
    put(&mut fields, "secret", own.secret.as_ref().map(|source| json!(source)));
    Value::Object(fields)
}

fn mount(own: &VolumeMount) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "name", Some(own.name.clone()));
    put(&mut fields, "mountPath", Some(own.mount_path.clone()));
    put(&mut fields, "readOnly", own.read_only.filter(|only| *only));
    put(&mut fields, "subPath", own.sub_path.clone());
    Value::Object(fields)
}
