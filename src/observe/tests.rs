//! Tests of what the core is told.

use model_release_core::api::{LABEL_NAME, LABEL_NAMESPACE};
use serde_json::json;

use super::*;
use crate::watch::{Change, Scope};

fn put(caches: &Caches, watched: Watched, mut body: Value) {
    let meta = body["metadata"].clone();
    body["metadata"]["uid"] = json!(format!("uid-{}", meta["name"].as_str().unwrap()));
    let object = Object {
        namespace: meta["namespace"].as_str().unwrap().into(),
        name: meta["name"].as_str().unwrap().into(),
        uid: body["metadata"]["uid"].as_str().unwrap().into(),
        resource_version: "7".into(),
        scaled_by_others: false,
        body,
    };
    caches.take(&Scope { watched, namespace: None, labels: None }, Change::Set(object));
}

fn release() -> ReleaseKey {
    ReleaseKey { namespace: "models".into(), name: "fraud".into() }
}

#[test]
fn a_pod_is_told_with_what_went_wrong_in_it() {
    let (caches, _woken) = Caches::new(&[]);
    let status = json!({
        "conditions": [
            {"type": "Ready", "status": "False"},
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"},
        ],
        "initContainerStatuses": [{"name": "fetch", "restartCount": 1,
            "state": {"terminated": {"reason": "Error", "exitCode": 4, "message": "m"}}}],
        "containerStatuses": [{"name": "model", "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}],
    });
    let labels = json!({LABEL_NAME: "fraud", LABEL_VERSION: "abc"});
    put(
        &caches,
        Watched::Pod,
        json!({"metadata": {"name": "p", "namespace": "models", "labels": labels}, "status": status}),
    );
    let pods = from_caches(&release(), "u", &caches).pods;
    assert_eq!(pods.len(), 1);
    let pod = &pods[0];
    assert_eq!(
        (pod.hash.as_str(), pod.ready, pod.unschedulable.as_deref()),
        ("abc", false, Some("0/1 nodes"))
    );
    assert!(pod.containers[0].init && !pod.containers[1].init, "init containers come first");
    assert_eq!(pod.containers[0].ended.as_ref().unwrap().exit_code, 4);
    assert_eq!(pod.containers[1].waiting.as_deref(), Some("CrashLoopBackOff"));
    assert_eq!(pod.containers[1].ended_before.as_ref().unwrap().reason, "OOMKilled");
    assert_eq!(pod.containers[1].restarts, 3);
}

#[test]
fn a_pod_with_two_addresses_is_one_endpoint_and_an_unready_one_is_none() {
    let (caches, _woken) = Caches::new(&[]);
    let slice = |name: &str, endpoints: Value| {
        let labels = json!({LABEL_NAME: "fraud", LABEL_SERVICE: "fraud-abc"});
        json!({"metadata": {"name": name, "namespace": "models", "labels": labels}, "endpoints": endpoints})
    };
    let target = |uid: &str| json!({"uid": uid});
    put(
        &caches,
        Watched::EndpointSlice,
        slice(
            "four",
            json!([
                {"addresses": ["10.0.0.1"], "targetRef": target("a"), "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "targetRef": target("b"), "conditions": {"ready": false}},
                {"addresses": ["10.0.0.3"], "targetRef": target("c")},
            ]),
        ),
    );
    put(
        &caches,
        Watched::EndpointSlice,
        slice(
            "six",
            json!([
                {"addresses": ["fd00::1"], "targetRef": target("a"), "conditions": {"ready": true}},
            ]),
        ),
    );
    put(&caches, Watched::EndpointSlice, slice("none", json!(null)));
    assert_eq!(from_caches(&release(), "u", &caches).endpoints, BTreeMap::from([("fraud-abc".into(), 2)]));
}

#[test]
fn ownership_is_the_controllers_uid_at_home_and_a_label_elsewhere() {
    let (caches, _woken) = Caches::new(&[]);
    put(
        &caches,
        Watched::Child(Kind::Service),
        json!({"metadata": {
            "name": "fraud", "namespace": "models", "labels": {LABEL_NAME: "fraud", LABEL_UID: "forged"},
            "annotations": {ANNOTATION_SEQ: "12"},
            "ownerReferences": [{"uid": "other", "controller": false}, {"uid": "u", "controller": true}],
        }}),
    );
    put(
        &caches,
        Watched::Child(Kind::EnvoyFilter),
        json!({"metadata": {
            "name": "f", "namespace": "infra", "labels": {LABEL_NAME: "fraud", LABEL_NAMESPACE: "models", LABEL_UID: "u"},
        }}),
    );
    let children = from_caches(&release(), "u", &caches).children;
    let owners: Vec<_> = children.values().map(|live| (live.owner.as_deref(), live.seq)).collect();
    assert_eq!(owners, [(Some("u"), Some(12)), (Some("u"), None)]);
}

#[test]
fn routes_of_others_are_claims_and_our_own_name_is_a_child_even_if_it_is_not_ours() {
    let (caches, _woken) = Caches::new(&[]);
    let route = |name: &str, spec: Value, owner: &str| {
        json!({"metadata": {"name": name, "namespace": "models", "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"uid": owner, "controller": true, "kind": "ModelRelease"}]}, "spec": spec})
    };
    let vs = Watched::Child(Kind::VirtualService);
    put(
        &caches,
        vs,
        route("other", json!({"hosts": ["a.example.com"], "gateways": ["public", "infra/x"]}), "v"),
    );
    put(&caches, vs, route("meshed", json!({"hosts": ["b"]}), "w"));
    put(&caches, vs, route("delegate", json!({"http": []}), "x"));
    put(&caches, vs, route("ours-by-owner", json!({"hosts": ["c"]}), "u"));
    put(&caches, vs, route("fraud", json!({"hosts": ["d"]}), "somebody"));
    let observed = from_caches(&release(), "u", &caches);
    let claims: Vec<_> = observed.claims.iter().map(|c| (c.object.as_str(), c.gateways.join(" "))).collect();
    assert_eq!(
        claims,
        [
            ("VirtualService models/meshed", "mesh".to_owned()),
            ("VirtualService models/other", "models/public infra/x".to_owned())
        ]
    );
    assert_eq!(observed.claims[1].release.as_deref(), Some("v"));
    assert!(observed.claims[0].created.is_some());
    assert_eq!(observed.children.keys().map(|k| k.name.as_str()).collect::<Vec<_>>(), ["fraud"]);
    assert!(!observed.istio, "no watch has said that the kind is served");
}

#[test]
fn gateway_pods_are_the_ready_ones_behind_the_named_port() {
    let (caches, _woken) = Caches::new(&[]);
    let slice = |name: &str, service: &str, port: &str| {
        json!({
            "metadata": {"name": name, "namespace": "infra", "labels": {LABEL_SERVICE: service}},
            "ports": [{"name": "metrics", "port": 15020}, {"name": port, "port": 8080}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "targetRef": {"name": format!("{name}-a")}, "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "targetRef": {"name": format!("{name}-b")}, "conditions": {"ready": false}},
            ],
        })
    };
    put(&caches, Watched::GatewaySlice, slice("s", "gateway", "http"));
    put(&caches, Watched::GatewaySlice, slice("t", "other", "http"));
    put(&caches, Watched::GatewaySlice, slice("u", "gateway", "https"));
    let want = vec![Target { pod: "s-a".into(), address: "10.0.0.1:8080".parse().unwrap() }];
    assert_eq!(gateway_pods(&caches, "infra", "gateway", "http"), want);
}
