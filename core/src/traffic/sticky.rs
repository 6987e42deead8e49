//! A client keeps its version: Envoy picks among weighted backends by a hash of the client's name in place of a die.

use serde_json::{Value, json};

use super::filter::{of_gateways, takers};
use super::istio::{GRPC_TWIN, route_prefix};
use crate::meta::{self, fields};
use crate::plan::Key;
use crate::release::Release;
use crate::settings::GatewaySet;
use crate::version::Hash;

/// The `EnvoyFilters` that make a client keep its version, one per set of gateways that takes them. None unless asked for.
///
/// Envoy takes hash(salt:client) mod 100 and walks the entries in their order, so the second one owns the uppermost
/// percentiles: a weight that rises moves only whom it must, and none back. `salt` is the version that the split is
/// for, so that it is not always the same tenth of the clients that tries new models. A request without the header is
/// spread at random.
pub fn sticky(release: &Release, salt: &Hash, seq: i64) -> Vec<(Key, Value)> {
    let traffic = &release.traffic;
    let Some(header) = traffic.client_header.as_deref().filter(|_| traffic.sticky) else { return Vec::new() };
    let of = |set: &GatewaySet| {
        // A client has one version over HTTP and gRPC.
        let both = ["split".to_owned(), format!("split{GRPC_TWIN}")];
        let patches = traffic
            .hosts
            .iter()
            .flat_map(|host| both.iter().map(move |route| patch(release, (host, route), header, salt)));
        let patches = patches.collect();
        let (key, filter) = of_gateways(release, set, "sticky", patches);
        (key, meta::with_seq(filter, seq))
    };
    takers(release).map(of).collect()
}

fn patch(release: &Release, (host, route): (&str, &str), header: &str, salt: &Hash) -> Value {
    let route = format!("{}{route}", route_prefix(&release.namespace, &release.name));
    let by_client = json!({
        "header": {
            "header_name": header,
            "regex_rewrite": {"pattern": {"regex": "^(.*)$"}, "substitution": format!("{salt}:\\1")},
        },
        "terminal": true,
    });
    let place = json!({
        "context": "GATEWAY",
        "routeConfiguration": {"vhost": {"domainName": host, "route": {"name": route}}},
    });
    let merged =
        json!({"route": {"weighted_clusters": {"use_hash_policy": true}, "hash_policy": [by_client]}});
    fields([
        ("applyTo", "HTTP_ROUTE".into()),
        ("match", place),
        ("patch", json!({"operation": "MERGE", "value": merged})),
    ])
}
