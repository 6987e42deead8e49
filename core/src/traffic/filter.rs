//! What every `EnvoyFilter` of ours has: a name that no other release gives, exactly the pods that it is for, patches.

use serde_json::{Value, json};

use super::httproute::GROUP;
use crate::api::spec::Provider;
use crate::meta::{self, fields};
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::settings::GatewaySet;

/// The sets of gateways that take an `EnvoyFilter`.
pub(super) fn takers(release: &Release) -> impl Iterator<Item = &GatewaySet> {
    release.traffic.sets.iter().filter(|set| takes(release, set))
}

/// Whether a set takes an `EnvoyFilter` of a release. One without a selector takes none: an empty one would reach every
/// gateway of the namespace. A Gateway of the Gateway API is named instead, and has to be in the filter's namespace.
pub fn takes(release: &Release, set: &GatewaySet) -> bool {
    let reached = match release.traffic.provider {
        Provider::Istio => !set.selector.is_empty(),
        Provider::GatewayApi => named(release, set).next().is_some(),
    };
    set.envoy_filters && reached
}

/// Names of the release's gateways that are in the namespace of a set.
fn named<'a>(release: &'a Release, set: &'a GatewaySet) -> impl Iterator<Item = &'a str> {
    let own = release.traffic.gateways.iter().filter(|gateway| set.gateways.contains(gateway));
    own.filter_map(|gateway| gateway.strip_prefix(set.namespace.as_str())?.strip_prefix('/'))
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
    let whom = match release.traffic.provider {
        Provider::Istio => by_labels(json!(set.selector)),
        Provider::GatewayApi => {
            let refs: Vec<Value> = named(release, set)
                .map(|name| json!({"group": GROUP, "kind": "Gateway", "name": name}))
                .collect();
            ("targetRefs", refs.into())
        }
    };
    (key, filter(metadata, whom, patches))
}

/// One in the release's own namespace, for its models' pods.
pub(super) fn of_pods(release: &Release, what: &str, patches: Vec<Value>) -> (Key, Value) {
    let name = format!("{}.{what}", release.name);
    let metadata = meta::owned(release, &name, meta::labels(release));
    let key = Key { kind: Kind::EnvoyFilter, namespace: release.namespace.clone(), name };
    (key, filter(metadata, by_labels(meta::models(release)), patches))
}

fn by_labels(labels: Value) -> (&'static str, Value) {
    ("workloadSelector", fields([("labels", labels)]))
}

fn filter(metadata: Value, whom: (&'static str, Value), patches: Vec<Value>) -> Value {
    let spec = fields([("priority", 10.into()), whom, ("configPatches", patches.into())]);
    fields([
        ("apiVersion", "networking.istio.io/v1alpha3".into()),
        ("kind", "EnvoyFilter".into()),
        ("metadata", metadata),
        ("spec", spec),
    ])
}
