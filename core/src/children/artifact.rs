//! The init container that fetches a model, and the volume that it is handed over in.

use serde_json::{Map, Value, json};

use super::server::{literal, quantity, resources, restricted};
use crate::api::pods::Storage;
use crate::meta::put;
use crate::settings::Settings;
use crate::version::Version;

/// Name of the init container; its termination message is read.
pub(super) const NAME: &str = "fetch";
/// Name of the volume that the fetched model lies in.
pub const VOLUME: &str = "model";
const DEFAULT_PATH: &str = "/mnt/models";

/// What a `pvc://` address names: the claim, and the folder in it, empty for all of it.
pub fn claim(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("pvc://")?;
    let (claim, folder) = rest.split_once('/').unwrap_or((rest, ""));
    Some((claim, folder.trim_matches('/')))
}

/// Folder in which the server finds the model. None if the model is in the image.
pub fn path(version: &Version) -> Option<String> {
    version.effective.storage_uri.as_ref().map(|_| folder(storage(version)).to_owned())
}

fn storage(version: &Version) -> Option<&Storage> {
    version.effective.model.storage.as_ref()
}

fn folder(storage: Option<&Storage>) -> &str {
    storage.and_then(|s| s.mount_path.as_deref()).unwrap_or(DEFAULT_PATH)
}

/// How the server sees the volume: it may not change what was verified.
pub(super) fn mount_in_server(version: &Version) -> Option<Value> {
    let uri = version.effective.storage_uri.as_ref()?;
    let mut mount = Map::new();
    put(&mut mount, "name", Some(VOLUME));
    put(&mut mount, "mountPath", path(version));
    put(&mut mount, "readOnly", Some(true));
    put(&mut mount, "subPath", claim(uri).map(|(_, folder)| folder).filter(|folder| !folder.is_empty()));
    Some(Value::Object(mount))
}

/// The volume.
pub(super) fn volume(version: &Version) -> Option<Value> {
    version.effective.storage_uri.as_ref().map(|uri| {
        if let Some((claim, _)) = claim(uri) {
            return json!({"name": VOLUME, "persistentVolumeClaim": {"claimName": claim, "readOnly": true}});
        }
        let size = storage(version).and_then(|s| s.size.as_ref()).map(quantity);
        let mut options = Map::new();
        put(&mut options, "sizeLimit", size);
        json!({"name": VOLUME, "emptyDir": options})
    })
}

/// The init container. None if the model is in the image or on a claim.
pub(super) fn container(version: &Version, settings: &Settings) -> Option<Value> {
    let effective = &version.effective;
    let uri = effective.storage_uri.as_ref().filter(|uri| claim(uri).is_none())?;
    let storage = storage(version);
    let folder = folder(storage);
    let digest = effective.verification.as_ref().map(|v| v.digest.as_str());

    let mut env = vec![
        json!({"name": "STORAGE_URI", "value": literal(uri)}),
        json!({"name": "STORAGE_DEST", "value": literal(folder)}),
    ];
    env.extend(digest.map(|digest| json!({"name": "STORAGE_DIGEST", "value": digest})));
    let mut args = vec![json!("--uri"), json!("$(STORAGE_URI)"), json!("--dest"), json!(literal(folder))];
    args.extend(digest.iter().flat_map(|digest| [json!("--digest"), json!(digest)]));
    args.extend([json!("--termination-log"), json!("/dev/termination-log")]);
    let mut context = restricted();
    put(&mut context, "readOnlyRootFilesystem", Some(true));

    let mut fields = Map::new();
    put(&mut fields, "name", Some(NAME));
    put(&mut fields, "image", Some(settings.fetcher_image.as_str()));
    put(&mut fields, "imagePullPolicy", Some("IfNotPresent"));
    put(&mut fields, "args", Some(args));
    put(&mut fields, "env", Some(env));
    // By reference only: the operator never reads a Secret, and the server never sees this one.
    let secret = storage.and_then(|s| s.credentials_secret.as_ref());
    put(&mut fields, "envFrom", secret.map(|name| json!([{"secretRef": {"name": name}}])));
    // It runs before the server and not beside it, so the server's share costs nothing more, and a namespace whose
    // quota wants limits on every container takes the pod. Devices are not for it.
    let share = version.pod().resources.as_ref();
    put(
        &mut fields,
        "resources",
        share.and_then(|all| resources(all, |kind| matches!(kind, "cpu" | "memory" | "ephemeral-storage"))),
    );
    put(&mut fields, "securityContext", Some(context));
    put(&mut fields, "volumeMounts", Some(json!([{"name": VOLUME, "mountPath": folder}])));
    Some(Value::Object(fields))
}
