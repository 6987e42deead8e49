//! Tests of the probe against gateways that confirm, lag, say nothing or are not there.

use model_release_core::plan::{LimitProbe, Probe};
use serde_json::json;

use super::*;
use crate::testing::{Reply, Server, response};
use crate::watch::{Change, Object, Scope, Watched};

fn probe() -> Probe {
    Probe {
        set: "public".into(),
        namespace: "infra".into(),
        service: "gateway".into(),
        port: "http".into(),
        host: "fraud.example.com".into(),
        path: "/x".into(),
        token: "abc".into(),
        limit: None,
        version: None,
    }
}

fn behind(caches: &Caches, pod: &str, port: u16) {
    let body = json!({
        "metadata": {"labels": {"kubernetes.io/service-name": "gateway"}},
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "targetRef": {"name": pod}, "conditions": {"ready": true}}],
    });
    let object = Object {
        namespace: "infra".into(),
        name: format!("slice-{pod}"),
        uid: pod.into(),
        resource_version: "1".into(),
        scaled_by_others: false,
        body,
    };
    caches
        .take(&Scope { watched: Watched::GatewaySlice, namespace: None, labels: None }, Change::Set(object));
}

#[tokio::test]
async fn each_ready_pod_is_asked_and_tells_the_number_that_it_follows() {
    let confirms = Server::start(|_| response("200 OK", "x-modelrelease-seq: 12\r\n", "12")).await;
    let strange = Server::start(|_| response("200 OK", "x-modelrelease-seq: twelve\r\n", "")).await;
    let refuses = Server::start(|_| response("404 Not Found", "", "")).await;
    let silent = Server::start(|_| Reply::Silence).await;
    let (caches, _woken) = Caches::new(&[]);
    for (pod, server) in [("a", &confirms), ("b", &strange), ("c", &refuses), ("d", &silent)] {
        behind(&caches, pod, server.address.port());
    }
    let answers = Gateways::default().ask(&caches, vec![probe()]).await;
    let told: Vec<_> = answers.iter().map(|a| (a.set.as_str(), a.pod.as_str(), a.seq)).collect();
    assert_eq!(
        told,
        [("public", "a", Some(12)), ("public", "b", None), ("public", "c", None), ("public", "d", None)]
    );
    let asked = confirms.asked.lock().unwrap()[0].to_ascii_lowercase();
    assert!(asked.starts_with("get /x http/1.1\r\n"), "{asked}");
    assert!(
        asked.contains("host: fraud.example.com\r\n") && asked.contains("x-modelrelease-probe: abc\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_limit_is_proven_by_a_refusal_of_the_gateways_own() {
    let answer = |request: &str, refusal: &'static str| {
        if request.to_ascii_lowercase().contains("x-modelrelease-probe: abc-limit") {
            response("429 Too Many Requests", refusal, "")
        } else {
            response("200 OK", "x-modelrelease-seq: 12\r\n", "12")
        }
    };
    let limits = Server::start(move |request| answer(request, "x-modelrelease-limits: 1f\r\n")).await;
    let older = Server::start(move |request| answer(request, "x-modelrelease-limits: 2e\r\n")).await;
    let none = Server::start(|_| response("200 OK", "x-modelrelease-seq: 12\r\n", "12")).await;
    let silent = Server::start(|_| Reply::Silence).await;
    let (caches, _woken) = Caches::new(&[]);
    for (pod, server) in [("a", &limits), ("b", &older), ("c", &none), ("d", &silent)] {
        behind(&caches, pod, server.address.port());
    }
    let probe =
        Probe { limit: Some(LimitProbe { token: "abc-limit".into(), proof: "1f".into() }), ..probe() };
    let answers = Gateways::default().ask(&caches, vec![probe]).await;
    let told: Vec<_> = answers.iter().map(|a| (a.pod.as_str(), a.seq, a.limited)).collect();
    assert_eq!(
        told,
        [
            ("a", Some(12), Some(true)),
            ("b", Some(12), Some(false)),
            ("c", Some(12), Some(false)),
            ("d", None, None)
        ]
    );
    assert_eq!(none.count(), 1 + TRIES, "no more is asked than that");
}

#[tokio::test]
async fn a_set_without_ready_pods_gives_no_answer() {
    let (caches, _woken) = Caches::new(&[]);
    assert!(Gateways::default().ask(&caches, vec![probe()]).await.is_empty());
}
