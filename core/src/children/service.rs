//! A version's Service, which never changes; and the release's own, which follows the stable version.

use serde_json::{Value, json};

use super::{Rendered, preset};
use crate::api::LABEL_COMPONENT;
use crate::meta;
use crate::release::Release;
use crate::version::{Hash, Version};

/// The version's Service: its pods alone, on the ports that every version has.
pub(super) fn render(release: &Release, version: &Version) -> Value {
    let preset = version.effective.model.preset.unwrap_or_default();
    let own = preset::ports(preset, version.pod());
    let http =
        json!({"name": "http", "port": 80, "targetPort": own.http, "protocol": "TCP", "appProtocol": "http"});
    let grpc = own.grpc.map(
        |port| json!({"name": "grpc", "port": 9000, "targetPort": port, "protocol": "TCP", "appProtocol": "grpc"}),
    );
    let labels = meta::version_labels(release, &version.hash, &version.name);
    let ports: Vec<Value> = [Some(http), grpc].into_iter().flatten().collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta::owned(release, &release.object_name(&version.hash), labels),
        "spec": {
            // Written, so that making it reachable from outside the cluster is a change that we put right.
            "type": "ClusterIP",
            "selector": meta::selector(release, &version.hash),
            "ports": ports,
        },
    })
}

/// The release's own Service, which selects the stable version's pods only.
///
/// It gives the mesh its host, and serves callers without a sidecar. Over all versions it would lead them to a canary
/// of weight 0 and to one that was rolled back.
pub fn apex(release: &Release, stable: &Hash, rendered: &Rendered, seq: i64) -> Value {
    let mut labels = meta::labels(release);
    meta::set(&mut labels, &[LABEL_COMPONENT], json!(meta::MODEL));
    let mut service = rendered.service.clone().into_owned();
    meta::set(&mut service, &["metadata"], meta::owned(release, &release.name, labels));
    meta::set(&mut service, &["spec", "selector"], meta::selector(release, stable));
    meta::with_seq(service, seq)
}
