//! A version's Service, which never changes; and the release's own, which follows the stable version.

use serde_json::{Value, json};

use super::{Part, Rendered, preset};
use crate::api::LABEL_COMPONENT;
use crate::meta;
use crate::release::Release;
use crate::traffic::{GRPC, HTTP};
use crate::version::Hash;

/// The version's Service: its pods alone, on the ports that every version has.
pub(super) fn render(release: &Release, part: Part) -> Value {
    let own = preset::ports(part.preset, part.pod);
    let http = json!({"name": "http", "port": HTTP, "targetPort": own.http, "protocol": "TCP", "appProtocol": "http"});
    let grpc = own.grpc.map(
        |port| json!({"name": "grpc", "port": GRPC, "targetPort": port, "protocol": "TCP", "appProtocol": "grpc"}),
    );
    let labels = part.labels(release);
    let ports: Vec<Value> = [Some(http), grpc].into_iter().flatten().collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta::owned(release, &part.name(release), labels),
        "spec": {
            // Written, so that making it reachable from outside the cluster is a change that we put right.
            "type": "ClusterIP",
            "selector": part.selector(release),
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
    let (component, service) = rendered.entrance();
    meta::set(&mut labels, &[LABEL_COMPONENT], json!(component.as_str()));
    let mut service = service.clone();
    meta::set(&mut service, &["metadata"], meta::owned(release, &release.name, labels));
    meta::set(&mut service, &["spec", "selector"], meta::selector(release, stable, component));
    meta::with_seq(service, seq)
}
