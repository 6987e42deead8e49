//! What every `EnvoyFilter` of ours has: a name that no other release gives, exactly the pods that it is for, patches.

use serde_json::{Value, json};

use crate::meta::{self, fields};
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::settings::GatewaySet;

/// The sets of gateways that take an `EnvoyFilter`.
pub(super) fn takers(release: &Release) -> impl Iterator<Item = &GatewaySet> {
    release.traffic.sets.iter().filter(|set| takes(set))
}

/// Whether a set takes an `EnvoyFilter`. One without a selector takes none: an empty one would reach every gateway of the
/// namespace.
pub fn takes(set: &GatewaySet) -> bool {
    set.envoy_filters && !set.selector.is_empty()
}

/// One beside a set of gateways, for their pods.
pub(super) fn of_gateways(
    release: &Release,
    set: &GatewaySet,
    what: &str,
    patches: Vec<Value>,
) -> (Key, Value) {
    let name = format!("mrel.{}.{}.{}.{what}", release.namespace, release.name, set.name);
    let metadata = if set.namespace == release.namespace {
        meta::owned(release, &name, meta::labels(release))
    } else {
        meta::beside_gateway(release, &set.namespace, &name)
    };
    let key = Key { kind: Kind::EnvoyFilter, namespace: set.namespace.clone(), name };
    (key, filter(metadata, json!(set.selector), patches))
}

/// One in the release's own namespace, for its models' pods.
pub(super) fn of_pods(release: &Release, what: &str, patches: Vec<Value>) -> (Key, Value) {
    let name = format!("{}.{what}", release.name);
    let metadata = meta::owned(release, &name, meta::labels(release));
    let key = Key { kind: Kind::EnvoyFilter, namespace: release.namespace.clone(), name };
    (key, filter(metadata, meta::models(release), patches))
}

fn filter(metadata: Value, labels: Value, patches: Vec<Value>) -> Value {
    let spec = fields([
        ("priority", 10.into()),
        ("workloadSelector", fields([("labels", labels)])),
        ("configPatches", patches.into()),
    ]);
    fields([
        ("apiVersion", "networking.istio.io/v1alpha3".into()),
        ("kind", "EnvoyFilter".into()),
        ("metadata", metadata),
        ("spec", spec),
    ])
}
