//! Tests of the probe against gateways that confirm, lag, say nothing or are not there.

use model_release_core::plan::{DirectProbe, LimitProbe, Probe};
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
        tls: false,
        host: "fraud.example.com".into(),
        path: "/x".into(),
        token: "abc".into(),
        limit: None,
        direct: None,
    }
}

/// The same, that asks for a version as well.
fn direct() -> Probe {
    let direct = DirectProbe {
        token: "abc-direct".into(),
        version: "9ab1c2d3e4".into(),
        path: "/x/v2/health/ready".into(),
    };
    Probe { direct: Some(direct), ..probe() }
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

#[tokio::test]
async fn a_version_is_asked_by_its_own_route_through_pods_that_say_that_they_know_it() {
    let answer = |status: &'static str| {
        move |request: &str| {
            if request.to_ascii_lowercase().contains("x-modelrelease-probe: abc-direct") {
                response(status, "", "")
            } else {
                response("200 OK", "x-modelrelease-seq: 12\r\n", "12")
            }
        }
    };
    let leads = Server::start(answer("200 OK")).await;
    let astray = Server::start(answer("503 Service Unavailable")).await;
    let blind = Server::start(|_| response("404 Not Found", "", "")).await;
    let (caches, _woken) = Caches::new(&[]);
    for (pod, server) in [("a", &leads), ("b", &astray), ("c", &blind)] {
        behind(&caches, pod, server.address.port());
    }
    let answers = Gateways::default().ask(&caches, vec![direct()]).await;
    let told: Vec<_> = answers.iter().map(|a| (a.pod.as_str(), a.seq, a.route)).collect();
    assert_eq!(told, [("a", Some(12), Some(200)), ("b", Some(12), Some(503)), ("c", None, None)]);
    assert_eq!(blind.count(), 1, "what does not know the route is not asked for the version");
    let asked =
        leads.asked.lock().unwrap().iter().map(|asked| asked.to_ascii_lowercase()).collect::<Vec<_>>();
    assert!(asked[0].contains("x-modelrelease-probe: abc\r\n"), "first for its number: {asked:?}");
    for part in
        ["get /x/v2/health/ready http/1.1", "host: fraud.example.com", "x-modelrelease-version: 9ab1c2d3e4"]
    {
        assert!(asked[1].contains(part), "{part}: {asked:?}");
    }
    let unasked = Gateways::default().ask(&caches, vec![probe()]).await;
    assert!(unasked.iter().all(|answer| answer.route.is_none()));
}

#[tokio::test]
async fn a_port_with_tls_is_asked_under_the_releases_host_whatever_certificate_it_shows() {
    let answer = |_: &str| response("200 OK", "x-modelrelease-seq: 12\r\n", "12");
    let secured = Server::start_tls(answer).await;
    let plain = Server::start(answer).await;
    let (caches, _woken) = Caches::new(&[]);
    behind(&caches, "a", secured.address.port());
    behind(&caches, "b", plain.address.port());
    let answers = Gateways::default().ask(&caches, vec![Probe { tls: true, ..direct() }]).await;
    let told: Vec<_> = answers.iter().map(|a| (a.pod.as_str(), a.seq, a.route)).collect();
    assert_eq!(told, [("a", Some(12), Some(200)), ("b", None, None)], "who speaks no TLS says nothing");
    assert_eq!(secured.names.lock().unwrap().as_slice(), ["fraud.example.com", "fraud.example.com"]);
    let asked = secured.asked.lock().unwrap()[0].to_ascii_lowercase();
    assert!(
        asked.starts_with("get /x http/1.1\r\n") && asked.contains("host: fraud.example.com\r\n"),
        "{asked}"
    );
    let without = Gateways::default().ask(&caches, vec![probe()]).await;
    let told: Vec<_> = without.iter().map(|a| (a.pod.as_str(), a.seq)).collect();
    assert_eq!(told, [("a", None), ("b", Some(12))], "and without, who speaks nothing else");
}
