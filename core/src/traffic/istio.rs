//! The traffic object and its roots as Istio's `VirtualServices`.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::limits::limit_token;
use super::{Entrance, Mirror, PROBE_HEADER, Route, SEQ_HEADER, Split, VERSION_HEADER};
use crate::api::spec::Provider;
use crate::api::{LABEL_FOLLOWS, LABEL_FOLLOWS_VERSION};
use crate::meta::{self, fields, put};
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::seeded::{Bug, on};
use crate::settings::Settings;
use crate::version::Hash;

/// Port of every version's Service for HTTP, and for gRPC if it is served.
pub(crate) const HTTP: i32 = 80;
pub(crate) const GRPC: i32 = 9000;

/// End of the name of a route that is for gRPC alone.
pub(super) const GRPC_TWIN: &str = "-grpc";

/// Start of the names of a release's routes. Names of releases and namespaces have no dots, so it is unique.
pub(super) fn route_prefix(namespace: &str, release: &str) -> String {
    format!("mr.{namespace}.{release}.")
}

/// The release's host in the mesh: its own Service.
pub(super) fn mesh_host(release: &Release, settings: &Settings) -> String {
    service_host(release, settings, &release.name)
}

fn service_host(release: &Release, settings: &Settings, service: &str) -> String {
    format!("{service}.{}.svc.{}", release.namespace, settings.traffic.cluster_domain)
}

/// Where requests enter a version: by its app if it has one.
fn entrance_host(release: &Release, settings: &Settings, hash: &Hash, entrance: Entrance) -> String {
    let service = if entrance.app { release.app_name(hash) } else { release.object_name(hash) };
    service_host(release, settings, &service)
}

/// The VirtualService that carries the weights.
///
/// One write of it is every move of weight, for gateways and mesh alike. It has no hosts of its own: its roots, which
/// never change, delegate to it.
pub(super) fn traffic_object(release: &Release, settings: &Settings, split: &Split) -> (Key, Value) {
    let prefix = route_prefix(&release.namespace, &release.name);
    let mut http = vec![probe(release, &prefix)];
    let own = split.routes.iter().map(|route| (route, direct(release, settings, &prefix, route)));
    let follow = followed(release, split).map(|route| (route, followers(release, settings, &prefix, route)));
    // A version that a request names is more than the app that it comes from.
    for (route, whole) in own.chain(follow) {
        http.extend(route.entrance.grpc.then(|| over_grpc(whole.clone())));
        http.push(whole);
    }
    let whole = shared(release, settings, &prefix, split);
    http.extend(shared_over_grpc(&whole, split));
    http.push(whole);
    let spec = fields([("exportTo", json!(["."])), ("http", http.into())]);
    virtual_service(release, &release.name, spec)
}

/// The traffic object with its number: in its annotation, and in what its probe route answers.
pub(super) fn numbered(mut object: Value, seq: i64) -> Value {
    let routes = object.get_mut("spec").and_then(|spec| spec.get_mut("http"));
    if let Some(probe) = routes.and_then(|routes| routes.get_mut(0)) {
        let number = seq.to_string();
        meta::set(probe, &["headers", "response", "set", SEQ_HEADER], number.as_str().into());
        meta::set(probe, &["directResponse", "body", "string"], number.into());
    }
    meta::with_seq(object, seq)
}

/// The route by which a gateway's pod says which decision it follows; it answers by itself.
fn probe(release: &Release, prefix: &str) -> Value {
    let words = [release.probe_token(), limit_token(release)];
    json!({
        "name": format!("{prefix}probe"),
        "match": words.map(|word| json!({"headers": {PROBE_HEADER: {"exact": word}}})),
        "directResponse": {"status": 200},
    })
}

/// A version's own route: for the operator by hash, for people by the version header.
fn direct(release: &Release, settings: &Settings, prefix: &str, route: &Route) -> Value {
    let operator = json!({"headers": {
        PROBE_HEADER: {"exact": format!("{}-direct", release.probe_token())},
        VERSION_HEADER: {"exact": route.hash.as_str()},
    }});
    let people = release.traffic.version_header.iter().flat_map(|header| {
        route.words.iter().map(move |word| json!({"headers": {header.as_str(): {"exact": word}}}))
    });
    let matches: Vec<Value> = std::iter::once(operator).chain(people).collect();
    let to = Value::Object(destination(release, settings, &route.hash, &route.name, route.entrance));
    let name = format!("{prefix}to-{}", route.hash);
    policed(release, fields([("name", name.into()), ("match", matches.into()), ("route", vec![to].into())]))
}

/// The versions that apps of users' own may follow: in the mesh, where a proxy knows the labels of its own pod, and
/// unless a version brings an app of its own, which calls no other's model. Of two of one name the first.
fn followed<'a>(release: &Release, split: &'a Split) -> impl Iterator<Item = &'a Route> {
    let routes = if release.traffic.mesh { split.routes.as_slice() } else { &[] };
    let first = move |at: usize, name: &str| !routes.iter().take(at).any(|other| other.name == name);
    let own = move |(at, route): &(usize, &Route)| !route.entrance.app && first(*at, &route.name);
    routes.iter().enumerate().filter(own).map(|(_, route)| route)
}

/// The route of apps that follow a version. Only sidecars of pods with these labels get it, and never a gateway. A
/// version's name is a label's value, by the rule of its field.
fn followers(release: &Release, settings: &Settings, prefix: &str, route: &Route) -> Value {
    let apps = json!({LABEL_FOLLOWS: release.name, LABEL_FOLLOWS_VERSION: route.name});
    let to = Value::Object(destination(release, settings, &route.hash, &route.name, route.entrance));
    let name = format!("{prefix}from-{}", route.hash);
    let matches = json!([{"sourceLabels": apps}]);
    policed(release, fields([("name", name.into()), ("match", matches), ("route", vec![to].into())]))
}

/// The route that everybody else takes.
///
/// Always two entries, 0 written out: of a single one istiod makes a plain route, and what is patched into weighted
/// routes (stickiness) would then make Envoy refuse the whole table of that port.
fn shared(release: &Release, settings: &Settings, prefix: &str, split: &Split) -> Value {
    let weighted = split.entries.iter().map(|entry| {
        let mut to = destination(release, settings, &entry.hash, &entry.name, entry.entrance);
        put(&mut to, "weight", Some(entry.weight).filter(|weight| *weight > 0 || !on(Bug::R5)));
        Value::Object(to)
    });
    let mut weighted: Vec<Value> = weighted.collect();
    if on(Bug::R19) {
        weighted.retain(|entry| entry.get("weight") != Some(&json!(0)));
    }
    let mut route = fields([("name", format!("{prefix}split").into()), ("route", weighted.into())]);
    if let Some(Mirror { hash, entrance, percent }) = &split.mirror {
        let host = entrance_host(release, settings, hash, *entrance);
        let copies = json!([{
            "destination": {"host": host, "port": {"number": HTTP}},
            "percentage": {"value": percent},
        }]);
        meta::set(&mut route, &["mirrors"], copies);
    }
    policed(release, route)
}

/// A route's twin for gRPC, to be put before it: the same, of requests that say so, to the port for it.
fn over_grpc(mut route: Value) -> Value {
    let name = route.get("name").and_then(Value::as_str).map(|name| format!("{name}{GRPC_TWIN}"));
    let mut matches =
        route.get("match").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![json!({})]);
    for one in &mut matches {
        meta::set(one, &["headers", "content-type"], json!({"prefix": "application/grpc"}));
    }
    let fields = [("name", json!(name)), ("match", matches.into())];
    for (field, value) in fields {
        meta::set(&mut route, &[field], value);
    }
    for list in ["route", "mirrors"] {
        for to in route.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            meta::set(to, &["destination", "port"], json!({"number": GRPC}));
        }
    }
    route
}

/// The split of gRPC: the same weights. While only the first version serves it, all of it stays there: a version that
/// does not would fail each of these requests. None if the first does not.
fn shared_over_grpc(whole: &Value, split: &Split) -> Option<Value> {
    let [first, second] = &split.entries;
    if !first.entrance.grpc {
        return None;
    }
    let mut twin = over_grpc(whole.clone());
    if !second.entrance.grpc {
        let entries = twin.get_mut("route").and_then(Value::as_array_mut)?;
        let all = entries.first().cloned()?;
        *entries = [100, 0]
            .map(|weight| {
                let mut entry = all.clone();
                meta::set(&mut entry, &["weight"], json!(weight));
                entry
            })
            .to_vec();
    }
    if split.mirror.as_ref().is_some_and(|mirror| !mirror.entrance.grpc) {
        twin.as_object_mut()?.remove("mirrors");
    }
    Some(twin)
}

/// A version as destination; its answers name it, if they are to.
fn destination(
    release: &Release,
    settings: &Settings,
    hash: &Hash,
    name: &str,
    entrance: Entrance,
) -> Map<String, Value> {
    let host = entrance_host(release, settings, hash, entrance);
    let mut fields = Map::new();
    put(&mut fields, "destination", Some(json!({"host": host, "port": {"number": HTTP}})));
    let named = release.traffic.version_header.as_ref();
    put(&mut fields, "headers", named.map(|header| json!({"response": {"set": {header.as_str(): name}}})));
    fields
}

/// A route with the release's time-out, and retries of what surely never ran.
fn policed(release: &Release, mut route: Value) -> Value {
    if let Some(timeout) = release.traffic.timeout {
        meta::set(&mut route, &["timeout"], json!(seconds(timeout)));
    }
    meta::set(&mut route, &["retries"], json!({"attempts": 2, "retryOn": "connect-failure,refused-stream"}));
    route
}

/// The `VirtualServices` that bind hosts to the traffic object: one for gateways, one for the mesh, as named.
///
/// Two, for an external host bound to the mesh would be taken from every sidecar that sees it.
pub fn roots(release: &Release, settings: &Settings, seq: i64) -> Vec<(Key, Value)> {
    let traffic = &release.traffic;
    // The delegating entry has no name: istiod would put it before those of our routes.
    let delegate = json!({"delegate": {"name": release.name, "namespace": release.namespace}});
    let mut roots = Vec::new();
    if traffic.provider == Provider::GatewayApi {
        // Its object is its own root.
        return roots;
    }
    if !traffic.gateways.is_empty() && !traffic.hosts.is_empty() {
        // A gateway's pods see only what is exported to their namespace.
        let seen_by: BTreeSet<&str> = traffic.sets.iter().map(|set| set.namespace.as_str()).collect();
        let seen_by = seen_by.into_iter().filter(|namespace| *namespace != release.namespace);
        let export_to: Vec<&str> = std::iter::once(".").chain(seen_by).collect();
        let spec = json!({
            "hosts": traffic.hosts,
            "gateways": traffic.gateways,
            "exportTo": export_to,
            "http": [below(&traffic.path, delegate.clone())],
        });
        roots.push(virtual_service(release, &format!("{}-gateway", release.name), spec));
    }
    if traffic.mesh {
        let spec = json!({
            "hosts": [mesh_host(release, settings)],
            "gateways": ["mesh"],
            "exportTo": settings.traffic.mesh_export_to,
            "http": [delegate],
        });
        roots.push(virtual_service(release, &format!("{}-mesh", release.name), spec));
    }
    roots.into_iter().map(|(key, root)| (key, meta::with_seq(root, seq))).collect()
}

/// An entry that takes only what is below a path, which the model does not see.
fn below(path: &str, mut entry: Value) -> Value {
    if !path.is_empty() {
        let matches = json!([{"uri": {"exact": path}}, {"uri": {"prefix": format!("{path}/")}}]);
        meta::set(&mut entry, &["match"], matches);
        meta::set(&mut entry, &["rewrite"], json!({"uri": "/"}));
    }
    entry
}

fn virtual_service(release: &Release, name: &str, spec: Value) -> (Key, Value) {
    let key = Key { kind: Kind::VirtualService, namespace: release.namespace.clone(), name: name.to_owned() };
    let object = fields([
        ("apiVersion", "networking.istio.io/v1".into()),
        ("kind", "VirtualService".into()),
        ("metadata", meta::owned(release, name, meta::labels(release))),
        ("spec", spec),
    ]);
    (key, object)
}

/// A duration as protobuf writes it: seconds, with as many places as it needs.
pub(super) fn seconds(duration: SignedDuration) -> String {
    let (whole, nanos) = (duration.as_secs().max(0), duration.subsec_nanos().max(0));
    if nanos == 0 {
        return format!("{whole}s");
    }
    let places = format!("{nanos:09}");
    format!("{whole}.{}s", places.trim_end_matches('0'))
}
