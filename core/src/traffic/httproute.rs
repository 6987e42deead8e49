//! The traffic object as the Gateway API's `HTTPRoute`: routes, weights and what binds them to hosts in one object.
//!
//! All defaults are written out: lists are compared whole, and the API server would fill them in.

use serde_json::{Value, json};

use super::istio::{GRPC, GRPC_TWIN, HTTP, route_prefix};
use super::limits::limit_token;
use super::{Entrance, Mirror, PROBE_HEADER, Route, Split, VERSION_HEADER};
use crate::meta::{self, at, fields, put};
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::version::Hash;

#[cfg(test)]
mod tests;

/// The API's group.
pub(super) const GROUP: &str = "gateway.networking.k8s.io";

/// Path that the probe route redirects to, before the number. A gateway answers it by itself: this API knows no direct
/// answer, but a redirect is one.
pub const SEQ_PATH: &str = "/modelrelease/seq/";

/// What binds a route: which the API keeps in the same object as the weights.
struct Bound {
    parents: Value,
    hosts: Value,
    path: String,
}

impl Bound {
    /// As the spec says.
    fn wanted(release: &Release) -> Self {
        let traffic = &release.traffic;
        let gateways = traffic.gateways.iter().filter_map(|gateway| {
            let (namespace, name) = gateway.split_once('/')?;
            Some(json!({"group": GROUP, "kind": "Gateway", "namespace": namespace, "name": name}))
        });
        let mesh =
            traffic.mesh.then(|| json!({"group": "", "kind": "Service", "name": release.name, "port": HTTP}));
        let parents: Vec<Value> = gateways.chain(mesh).collect();
        Self { parents: parents.into(), hosts: json!(traffic.hosts), path: traffic.path.clone() }
    }

    /// As it is stored: a spec that is refused changes nothing of it. Nothing, if nothing is stored.
    fn stored(live: Option<&Value>) -> Self {
        let of = |field: &str| live.and_then(|body| at(body, &["spec", field])).cloned();
        let rules = live.and_then(|body| at(body, &["spec", "rules"])).and_then(Value::as_array);
        let path = rules.into_iter().flatten().find_map(|rule| {
            rule.pointer("/matches/0/path/value")?.as_str().map(|path| path.trim_end_matches('/').to_owned())
        });
        Self {
            parents: of("parentRefs").unwrap_or_else(|| json!([])),
            hosts: of("hostnames").unwrap_or_else(|| json!([])),
            path: path.unwrap_or_default(),
        }
    }
}

/// The HTTPRoute that carries the weights. `live`: what is stored of it.
///
/// One write of it is every move of weight, for gateways and mesh alike.
pub(super) fn traffic_object(release: &Release, split: &Split, live: Option<&Value>) -> (Key, Value) {
    let prefix = route_prefix(&release.namespace, &release.name);
    let bound = if release.refused.is_some() { Bound::stored(live) } else { Bound::wanted(release) };
    let mut rules = vec![probe(release, &prefix, &bound.path)];
    for route in &split.routes {
        rules.extend(route.entrance.grpc.then(|| direct(release, &prefix, &bound.path, route, true)));
        rules.push(direct(release, &prefix, &bound.path, route, false));
    }
    let [first, _] = &split.entries;
    rules.extend(first.entrance.grpc.then(|| shared(release, &prefix, &bound.path, split, true)));
    rules.push(shared(release, &prefix, &bound.path, split, false));
    let mut spec = fields([("parentRefs", bound.parents), ("rules", rules.into())]);
    if bound.hosts != json!([]) {
        meta::set(&mut spec, &["hostnames"], bound.hosts);
    }
    let key = Key { kind: Kind::HttpRoute, namespace: release.namespace.clone(), name: release.name.clone() };
    let object = fields([
        ("apiVersion", format!("{GROUP}/v1").into()),
        ("kind", "HTTPRoute".into()),
        ("metadata", meta::owned(release, &release.name, meta::labels(release))),
        ("spec", spec),
    ]);
    (key, object)
}

/// The traffic object with its number: in its annotation, and in where its probe route points.
pub(super) fn numbered(mut object: Value, seq: i64) -> Value {
    let target = "/spec/rules/0/filters/0/requestRedirect/path/replaceFullPath";
    if let Some(path) = object.pointer_mut(target) {
        *path = format!("{SEQ_PATH}{seq}").into();
    }
    meta::with_seq(object, seq)
}

/// One match: below the path, with these headers.
fn matched(path: &str, headers: Vec<Value>) -> Value {
    let below = if path.is_empty() { "/" } else { path };
    let mut one = fields([("path", json!({"type": "PathPrefix", "value": below}))]);
    if !headers.is_empty() {
        meta::set(&mut one, &["headers"], headers.into());
    }
    one
}

fn header(name: &str, value: &str) -> Value {
    json!({"type": "Exact", "name": name, "value": value})
}

fn grpc() -> Value {
    json!({"type": "RegularExpression", "name": "content-type", "value": "application/grpc.*"})
}

/// The route by which a gateway's pod says which decision it follows.
fn probe(release: &Release, prefix: &str, path: &str) -> Value {
    let words = [release.probe_token(), limit_token(release)];
    json!({
        "name": format!("{prefix}probe"),
        "matches": words.map(|word| matched(path, vec![header(PROBE_HEADER, &word)])),
        "filters": [{
            "type": "RequestRedirect",
            "requestRedirect": {
                "statusCode": 302,
                "path": {"type": "ReplaceFullPath", "replaceFullPath": SEQ_PATH},
            },
        }],
    })
}

/// A version's own route: for the operator by hash, for people by the version header.
fn direct(release: &Release, prefix: &str, path: &str, route: &Route, over_grpc: bool) -> Value {
    let operator = vec![
        header(PROBE_HEADER, &format!("{}-direct", release.probe_token())),
        header(VERSION_HEADER, route.hash.as_str()),
    ];
    let people = release
        .traffic
        .version_header
        .iter()
        .flat_map(|name| route.words.iter().map(move |word| vec![header(name, word)]));
    let matches: Vec<Value> = std::iter::once(operator)
        .chain(people)
        .map(|headers| {
            let twin = over_grpc.then(grpc);
            matched(path, headers.into_iter().chain(twin).collect())
        })
        .collect();
    let to = backend(release, (&route.hash, &route.name, route.entrance), 1, over_grpc);
    let name = format!("{prefix}to-{}{}", route.hash, if over_grpc { GRPC_TWIN } else { "" });
    let rule = fields([("name", name.into()), ("matches", matches.into()), ("backendRefs", vec![to].into())]);
    policed(release, path, rule, None)
}

/// The route that everybody else takes.
///
/// istiod drops backends of weight 0 and makes a plain route of a single one, which the patch for sticky clients would
/// turn into one that Envoy refuses, with all others of its port. So all of the traffic is given as 99 and 1 to the same
/// version. gRPC stays with the first version while the other does not serve it.
fn shared(release: &Release, prefix: &str, path: &str, split: &Split, over_grpc: bool) -> Value {
    let [first, second] = &split.entries;
    let alone = first.hash == second.hash || over_grpc && !second.entrance.grpc;
    let parts = match (alone, first.weight, second.weight) {
        (true, ..) => vec![(first, 99), (first, 1)],
        (false, _, 0) => vec![(first, 99), (first, 1), (second, 0)],
        (false, 0, _) => vec![(second, 99), (second, 1), (first, 0)],
        (false, one, other) => vec![(first, one), (second, other)],
    };
    let refs: Vec<Value> = parts
        .into_iter()
        .map(|(to, weight)| backend(release, (&to.hash, &to.name, to.entrance), weight, over_grpc))
        .collect();
    let name = format!("{prefix}split{}", if over_grpc { GRPC_TWIN } else { "" });
    let matches = vec![matched(path, over_grpc.then(grpc).into_iter().collect())];
    let rule = fields([("name", name.into()), ("matches", matches.into()), ("backendRefs", refs.into())]);
    let copies = split.mirror.as_ref().filter(|mirror| !over_grpc || mirror.entrance.grpc);
    policed(release, path, rule, copies.map(|mirror| copied(release, mirror, over_grpc)))
}

/// Copies of requests to a version.
fn copied(release: &Release, mirror: &Mirror, over_grpc: bool) -> Value {
    let name = service(release, &mirror.hash, mirror.entrance);
    json!({"type": "RequestMirror", "requestMirror": {
        "backendRef": {"group": "", "kind": "Service", "name": name, "port": port(over_grpc)},
        "percent": mirror.percent,
    }})
}

/// A version as backend; its answers name it, if they are to.
fn backend(
    release: &Release,
    (hash, name, entrance): (&Hash, &str, Entrance),
    weight: i32,
    over_grpc: bool,
) -> Value {
    let mut to = serde_json::Map::new();
    put(&mut to, "group", Some(""));
    put(&mut to, "kind", Some("Service"));
    put(&mut to, "name", Some(service(release, hash, entrance)));
    put(&mut to, "port", Some(port(over_grpc)));
    put(&mut to, "weight", Some(weight));
    let named = release.traffic.version_header.as_ref().map(|header| {
        json!([{
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {"set": [{"name": header, "value": name}]},
        }])
    });
    put(&mut to, "filters", named);
    Value::Object(to)
}

fn port(over_grpc: bool) -> i32 {
    if over_grpc { GRPC } else { HTTP }
}

/// Where requests enter a version: by its app if it has one.
fn service(release: &Release, hash: &Hash, entrance: Entrance) -> String {
    if entrance.app { release.app_name(hash) } else { release.object_name(hash) }
}

/// A rule with the release's time-out, without its path, and with one filter more.
fn policed(release: &Release, path: &str, mut rule: Value, more: Option<Value>) -> Value {
    let without_path = (!path.is_empty()).then(|| {
        json!({"type": "URLRewrite", "urlRewrite": {
            "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"},
        }})
    });
    let filters: Vec<Value> = without_path.into_iter().chain(more).collect();
    if !filters.is_empty() {
        meta::set(&mut rule, &["filters"], filters.into());
    }
    if let Some(timeout) = release.traffic.timeout {
        meta::set(&mut rule, &["timeouts"], json!({"request": duration(timeout)}));
    }
    rule
}

/// A duration as this API writes it: whole seconds and milliseconds.
fn duration(time: jiff::SignedDuration) -> String {
    let (seconds, milliseconds) = (time.as_secs().max(0), time.subsec_millis().max(0));
    match (seconds, milliseconds) {
        (0, milliseconds) => format!("{milliseconds}ms"),
        (seconds, 0) => format!("{seconds}s"),
        (seconds, milliseconds) => format!("{seconds}s{milliseconds}ms"),
    }
}
