//! Tests of warm-ups against a model that answers well, badly, in the end, or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model_release_core::plan::DirectProbe;
use serde_json::json;

use super::*;
use crate::testing::{Reply, Server, response};
use crate::watch::{Change, Object, Scope, Watched};

fn fraud() -> ReleaseKey {
    ReleaseKey { namespace: "ml".into(), name: "fraud".into() }
}

fn wanted(requests: i32) -> Warmup {
    Warmup {
        hash: Hash::known("9ab1c2d3e4"),
        attempt: 1,
        returns: 0,
        probes: Vec::new(),
        namespace: "ml".into(),
        service: "fraud-9ab1c2d3e4".into(),
        path: "/infer".into(),
        body: Some("{}".into()),
        requests,
    }
}

fn caches(watched: Watched, namespace: &str, service: &str, port: u16) -> Caches {
    let (caches, _) = Caches::new(&[]);
    let body = json!({
        "metadata": {"labels": {"kubernetes.io/service-name": service, "modelrelease.dev/name": "fraud"}},
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "targetRef": {"name": "pod"}, "conditions": {"ready": true}}],
    });
    let object = Object {
        namespace: namespace.into(),
        name: "slice".into(),
        uid: "slice".into(),
        resource_version: "1".into(),
        scaled_by_others: false,
        body,
    };
    caches.take(&Scope { watched, namespace: None, labels: None }, Change::Set(object));
    caches
}

/// How far it has come, once that is so.
async fn until(
    warmups: &Warmups,
    caches: &Caches,
    wanted: &Warmup,
    holds: impl Fn(&WarmupAnswer) -> bool,
) -> WarmupAnswer {
    let waiting = async {
        loop {
            let told = warmups.follow(&fraud(), caches, Some(wanted)).unwrap();
            if holds(&told) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes that far")
}

#[tokio::test]
async fn each_request_is_sent_until_it_is_answered_well_and_once_well_is_enough() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => response("503 Service Unavailable", "", ""),
        _ => response("200 OK", "", "{}"),
    })
    .await;
    let caches = caches(Watched::EndpointSlice, "ml", "fraud-9ab1c2d3e4", server.address.port());
    let warmups = Warmups::default();
    let told = until(&warmups, &caches, &wanted(6), |told| told.good == 6).await;
    assert_eq!((told.last_status, told.unreachable), (Some(503), false));
    assert_eq!(server.count(), 8, "six well, two again");
    let asked = server.asked.lock().unwrap()[0].to_ascii_lowercase();
    assert!(asked.starts_with("post /infer http/1.1\r\n") && asked.ends_with("{}"), "{asked}");
    assert!(!asked.contains("x-modelrelease-probe"), "a pod is no gateway: {asked}");
}

#[tokio::test]
async fn by_a_gateway_it_asks_for_that_version_alone() {
    let server = Server::start(|_| response("204 No Content", "", "")).await;
    asks_for_that_version_alone(&server, false).await;
    let server = Server::start_tls(|_| response("204 No Content", "", "")).await;
    asks_for_that_version_alone(&server, true).await;
    assert_eq!(server.names.lock().unwrap().as_slice(), ["fraud.example.com"]);
}

async fn asks_for_that_version_alone(server: &Server, tls: bool) {
    let caches = caches(Watched::GatewaySlice, "infra", "gateway", server.address.port());
    let probe = Probe {
        set: "public".into(),
        namespace: "infra".into(),
        service: "gateway".into(),
        port: "http".into(),
        tls,
        host: "fraud.example.com".into(),
        path: "/shop/".into(),
        token: "abc".into(),
        limit: None,
        direct: Some(DirectProbe {
            token: "abc-direct".into(),
            version: "9ab1c2d3e4".into(),
            path: "/shop/infer".into(),
        }),
    };
    let wanted = Warmup { probes: vec![probe], body: None, ..wanted(1) };
    until(&Warmups::default(), &caches, &wanted, |told| told.good == 1).await;
    let asked = server.asked.lock().unwrap()[0].to_ascii_lowercase();
    for part in [
        // Below the path that the release has there.
        "get /shop/infer ",
        "host: fraud.example.com",
        "x-modelrelease-probe: abc-direct",
        "x-modelrelease-version: 9ab1c2d3e4",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

#[tokio::test]
async fn pods_behind_no_open_door_are_out_of_reach() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let caches = caches(Watched::EndpointSlice, "ml", "fraud-9ab1c2d3e4", port);
    let told = until(&Warmups::default(), &caches, &wanted(2), |told| told.unreachable).await;
    assert_eq!((told.good, told.last_status), (0, None));
}

#[tokio::test]
async fn it_ends_when_it_is_no_longer_asked_for_and_another_trial_begins_anew() {
    let server = Server::start(|_| Reply::Silence).await;
    let caches = caches(Watched::EndpointSlice, "ml", "fraud-9ab1c2d3e4", server.address.port());
    let warmups = Warmups::default();
    warmups.follow(&fraud(), &caches, Some(&wanted(1)));
    let task = warmups.running.lock().unwrap().get(&fraud()).unwrap().task.abort_handle();
    warmups.follow(&fraud(), &caches, Some(&Warmup { attempt: 2, ..wanted(1) }));
    let ended = async {
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the first trial's ends");
    assert_eq!(warmups.follow(&fraud(), &caches, None), None);
    assert!(warmups.running.lock().unwrap().is_empty());
}
