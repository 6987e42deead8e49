//! What the core is told of the world: the caches, put right by live reads where they are older than our own writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::spec::Provider;
use model_release_core::api::{ANNOTATION_SEQ, LABEL_NAME, LABEL_UID, LABEL_VERSION};
use model_release_core::observed::{Claim, Container, Ended, Live, Observed, Pod};
use model_release_core::plan::{Key, Kind};
use serde_json::Value;

use crate::cluster::{ApiError, Cluster};
use crate::memory::{Doubt, Memory};
use crate::watch::cache::strings;
use crate::watch::{Caches, Object, ReleaseKey, Watched};

/// How long a cache may take to show our own last write.
const BARRIER: Duration = Duration::from_secs(2);
/// Label of an `EndpointSlice`: its Service.
const LABEL_SERVICE: &str = "kubernetes.io/service-name";

/// What is known of the world around a release; gateways and Prometheus are not asked here.
///
/// # Errors
/// If a live read was needed and failed.
pub async fn observe(
    key: &ReleaseKey,
    uid: &str,
    caches: &Caches,
    memory: &Memory,
    cluster: &Cluster,
) -> Result<Observed, ApiError> {
    let corrections = corrections(key, caches, memory, cluster).await?;
    let mut observed = from_caches(key, uid, caches);
    for (object, found) in corrections {
        match found {
            Some(found) => observed.children.insert(object, live(&found, &key.namespace)),
            None => observed.children.remove(&object),
        };
    }
    observed.refused = memory.refusals(key);
    Ok(observed)
}

/// Objects whose cached state is older than our own last write of them, as they are stored.
async fn corrections(
    key: &ReleaseKey,
    caches: &Caches,
    memory: &Memory,
    cluster: &Cluster,
) -> Result<Vec<(Key, Option<Object>)>, ApiError> {
    let kept = |object: &Key| caches.get(Watched::Child(object.kind), &object.namespace, &object.name);
    let seen = |object: &Key, doubt: &Doubt| doubt.written.seen_in(kept(object).as_deref());
    let doubts = memory.doubts(key);
    let waiting: Vec<_> = doubts.iter().filter(|(_, doubt)| !doubt.waited).collect();
    if !waiting.is_empty() {
        caches.wait_until(BARRIER, |_| waiting.iter().all(|(object, doubt)| seen(object, doubt))).await;
    }
    let mut corrections = Vec::new();
    for (object, doubt) in &doubts {
        if seen(object, doubt) {
            memory.trust(key, object);
            continue;
        }
        let found = cluster.read_object(object).await?;
        memory.read_live(key, object, found.as_ref(), kept(object).as_deref());
        corrections.push((object.clone(), found));
    }
    Ok(corrections)
}

fn from_caches(key: &ReleaseKey, uid: &str, caches: &Caches) -> Observed {
    let mut observed = Observed {
        istio: caches.serves(Watched::Child(Kind::VirtualService)),
        gateway_api: caches.serves(Watched::Child(Kind::HttpRoute)),
        ..Observed::default()
    };
    let mut slices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (watched, object) in caches.of_release(key) {
        match watched {
            Watched::Child(kind) => {
                observed.children.insert(key_of(kind, &object), live(&object, &key.namespace));
            }
            Watched::Pod if object.namespace == key.namespace => observed.pods.push(pod(&object)),
            Watched::EndpointSlice if object.namespace == key.namespace => {
                if let Some(service) = object.label(LABEL_SERVICE) {
                    slices.entry(service.to_owned()).or_default().extend(ready_endpoints(&object.body));
                }
            }
            Watched::Release | Watched::Pod | Watched::EndpointSlice | Watched::GatewaySlice => {}
        }
    }
    observed.pods.sort_by(|a, b| a.name.cmp(&b.name));
    observed.endpoints = slices
        .into_iter()
        .map(|(service, ready)| (service, i32::try_from(ready.len()).unwrap_or(i32::MAX)))
        .collect();
    for kind in [Kind::VirtualService, Kind::HttpRoute] {
        for route in caches.all(Watched::Child(kind)) {
            if route.namespace == key.namespace && route.name == key.name {
                observed.children.insert(key_of(kind, &route), live(&route, &key.namespace));
            } else if controller(&route).as_deref() != Some(uid) {
                observed.claims.extend(claim(kind, &route, caches));
            }
        }
    }
    observed
}

fn key_of(kind: Kind, object: &Object) -> Key {
    Key { kind, namespace: object.namespace.clone(), name: object.name.clone() }
}

/// An object as the core sees it.
pub(crate) fn live(object: &Object, home: &str) -> Live {
    let meta = object.body.get("metadata").unwrap_or(&Value::Null);
    Live {
        uid: object.uid.clone(),
        resource_version: object.resource_version.clone(),
        // Across namespaces nothing can be owned; there a label stands in.
        owner: if object.namespace == home {
            controller(object)
        } else {
            object.label(LABEL_UID).map(str::to_owned)
        },
        seq: meta
            .get("annotations")
            .and_then(|all| text(all, ANNOTATION_SEQ))
            .and_then(|seq| seq.parse().ok()),
        deleting: meta.get("deletionTimestamp").is_some(),
        scaled_by_others: object.scaled_by_others,
        body: object.body.clone(),
    }
}

/// UID of the owner that controls an object.
fn controller(object: &Object) -> Option<String> {
    let mut owners = list(&object.body, "/metadata/ownerReferences");
    owners
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
        .and_then(|owner| text(owner, "uid"))
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn pod(object: &Object) -> Pod {
    let condition = |kind: &str| {
        list(&object.body, "/status/conditions").find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
    };
    let is = |c: &Value, status: &str| c.get("status").and_then(Value::as_str) == Some(status);
    let unschedulable = condition("PodScheduled")
        .filter(|c| is(c, "False") && c.get("reason").and_then(Value::as_str) == Some("Unschedulable"))
        .map(|c| text(c, "message").unwrap_or_default());
    let init = list(&object.body, "/status/initContainerStatuses").map(|c| container(c, Place::Init));
    let main = list(&object.body, "/status/containerStatuses").map(|c| container(c, Place::Main));
    Pod {
        name: object.name.clone(),
        uid: object.uid.clone(),
        hash: object.label(LABEL_VERSION).unwrap_or_default().to_owned(),
        ready: condition("Ready").is_some_and(|c| is(c, "True")),
        deleting: object.body.pointer("/metadata/deletionTimestamp").is_some(),
        unschedulable,
        containers: init.chain(main).collect(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Init,
    Main,
}

fn container(status: &Value, place: Place) -> Container {
    Container {
        name: text(status, "name").unwrap_or_default(),
        init: place == Place::Init,
        restarts: status
            .get("restartCount")
            .and_then(Value::as_i64)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(0),
        waiting: status.pointer("/state/waiting").and_then(|w| text(w, "reason")),
        ended: status.pointer("/state/terminated").map(ended),
        ended_before: status.pointer("/lastState/terminated").map(ended),
    }
}

fn ended(run: &Value) -> Ended {
    Ended {
        reason: text(run, "reason").unwrap_or_default(),
        exit_code: run
            .get("exitCode")
            .and_then(Value::as_i64)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(0),
        message: text(run, "message").unwrap_or_default().chars().take(4096).collect(),
    }
}

/// Names of the ready endpoints of a slice: a pod once, however many addresses it has.
fn ready_endpoints(slice: &Value) -> impl Iterator<Item = String> {
    list(slice, "/endpoints").filter(|e| ready(e)).filter_map(|endpoint| {
        let pod = endpoint.get("targetRef").and_then(|target| text(target, "uid"));
        pod.or_else(|| strings(endpoint.get("addresses")).first().map(|a| (*a).to_owned()))
    })
}

/// Kubernetes leaves readiness out where it is not known to be otherwise.
fn ready(endpoint: &Value) -> bool {
    endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
}

/// What another's route claims; none for one that names no host and no Service, which claims nothing. A route of a
/// release is as old as the release: who came first must not hang on which of two operators' writes did.
fn claim(kind: Kind, route: &Object, caches: &Caches) -> Option<Claim> {
    let spec = route.body.get("spec")?;
    let Claimed { provider, hosts, gateways, path } = match kind {
        Kind::HttpRoute => of_http_route(spec, &route.namespace),
        _ => of_virtual_service(spec, &route.namespace),
    };
    if hosts.is_empty() {
        return None;
    }
    let owners = list(&route.body, "/metadata/ownerReferences");
    let release = owners
        .filter(|owner| owner.get("kind").and_then(Value::as_str) == Some("ModelRelease"))
        .find_map(|owner| text(owner, "uid"));
    let of_route = route.body.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
    Some(Claim {
        object: format!("{} {}/{}", kind.api().2, route.namespace, route.name),
        provider,
        namespace: route.namespace.clone(),
        path: path.filter(|_| release.is_some()).unwrap_or_default().trim_end_matches('/').to_owned(),
        created: release
            .as_deref()
            .and_then(|uid| created(uid, route, caches))
            .or_else(|| of_route.and_then(|t| t.parse().ok())),
        release,
        hosts,
        gateways,
    })
}

/// Hosts, gateways and path of a route.
struct Claimed<'a> {
    provider: Provider,
    hosts: Vec<String>,
    gateways: Vec<String>,
    path: Option<&'a str>,
}

fn of_virtual_service<'a>(spec: &'a Value, namespace: &str) -> Claimed<'a> {
    let named = strings(spec.get("gateways"));
    let gateways = if named.is_empty() { vec!["mesh"] } else { named };
    let full = |gateway: &str| {
        if gateway == "mesh" || gateway.contains('/') {
            gateway.to_owned()
        } else {
            format!("{namespace}/{gateway}")
        }
    };
    Claimed {
        provider: Provider::Istio,
        hosts: strings(spec.get("hosts")).into_iter().map(str::to_owned).collect(),
        gateways: gateways.into_iter().map(full).collect(),
        path: spec.pointer("/http/0/match/0/uri/exact").and_then(Value::as_str),
    }
}

/// A parent that is a Service is a host of the mesh.
fn of_http_route<'a>(spec: &'a Value, namespace: &str) -> Claimed<'a> {
    let mut hosts: Vec<String> = strings(spec.get("hostnames")).into_iter().map(str::to_owned).collect();
    let mut gateways = Vec::new();
    for parent in list(spec, "/parentRefs") {
        let place = text(parent, "namespace").unwrap_or_else(|| namespace.to_owned());
        let Some(name) = text(parent, "name") else { continue };
        if text(parent, "kind").is_some_and(|kind| kind == "Service") {
            hosts.push(format!("{name}.{place}.svc"));
            gateways.push("mesh".to_owned());
        } else {
            gateways.push(format!("{place}/{name}"));
        }
    }
    let path = spec.pointer("/rules/0/matches/0/path/value").and_then(Value::as_str);
    Claimed { provider: Provider::GatewayApi, hosts, gateways, path }
}

/// When the release that owns a route was created, if it is watched.
fn created(uid: &str, route: &Object, caches: &Caches) -> Option<Timestamp> {
    let name = route.label(LABEL_NAME)?.to_owned();
    let release = caches.release(&ReleaseKey { namespace: route.namespace.clone(), name })?;
    let meta = &release.decoded.as_ref().ok()?.metadata;
    (meta.uid.as_deref() == Some(uid)).then(|| meta.creation_timestamp.as_ref().map(|t| t.0))?
}

/// A pod to ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its name; its address where the slice names no pod.
    pub pod: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The ready pods behind a named port of a gateway's Service.
pub fn gateway_pods(caches: &Caches, namespace: &str, service: &str, port: &str) -> Vec<Target> {
    pods_of(caches, Watched::GatewaySlice, namespace, service, port)
}

/// Ready pods of a version's own Service, and where each answers.
pub fn version_pods(caches: &Caches, namespace: &str, service: &str, port: &str) -> Vec<Target> {
    pods_of(caches, Watched::EndpointSlice, namespace, service, port)
}

fn pods_of(caches: &Caches, watched: Watched, namespace: &str, service: &str, port: &str) -> Vec<Target> {
    let mut targets: BTreeMap<String, SocketAddr> = BTreeMap::new();
    for slice in caches.all(watched) {
        if slice.namespace != namespace || slice.label(LABEL_SERVICE) != Some(service) {
            continue;
        }
        let number = list(&slice.body, "/ports")
            .find(|p| p.get("name").and_then(Value::as_str).unwrap_or_default() == port)
            .and_then(|p| p.get("port")?.as_u64())
            .and_then(|n| u16::try_from(n).ok());
        let Some(number) = number else { continue };
        for endpoint in list(&slice.body, "/endpoints").filter(|e| ready(e)) {
            let address = strings(endpoint.get("addresses")).first().and_then(|a| a.parse::<IpAddr>().ok());
            if let Some(address) = address {
                let pod =
                    endpoint.get("targetRef").and_then(|t| text(t, "name")).unwrap_or(address.to_string());
                targets.entry(pod).or_insert(SocketAddr::new(address, number));
            }
        }
    }
    targets.into_iter().map(|(pod, address)| Target { pod, address }).collect()
}

#[cfg(test)]
mod tests;
