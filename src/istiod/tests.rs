//! Tests of the client against istiods that are well, slow, huge, closed or something else.

use model_release_core::observed::Part;
use serde_json::json;

use super::*;
use crate::testing::{Reply, Server, response};

fn gateways() -> Vec<Gateway> {
    ["infra", "edge"]
        .map(|namespace| Gateway { set: namespace.into(), namespace: namespace.into(), pod: "gw-0".into() })
        .to_vec()
}

/// A page on which the gateway of this namespace refuses its listeners.
fn page(namespace: &str) -> String {
    let listeners = json!({"sent": "2", "acked": "1", "sentTime": "2026-11-21T10:00:00Z", "lastError": "no"});
    json!([{"proxy": format!("gw-0.{namespace}"), "resources": {"type.googleapis.com/envoy.config.listener.v3.Listener": listeners}}])
        .to_string()
}

fn to(url: &str, token: Option<&str>) -> (Istiod, Metrics) {
    let metrics = Metrics::default();
    let mesh =
        Mesh { istiod: Some(url.to_owned()), istiod_token_file: token.map(str::to_owned), ..Mesh::default() };
    (Istiod::new(&mesh, &metrics, &Clock::system()), metrics)
}

/// One round against a server that answers like this: whether there was news, and what came of it.
async fn round(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (bool, &'static str, Vec<Push>) {
    let server = Server::start(reply).await;
    let (istiod, metrics) = to(&format!("http://{}", server.address), None);
    let inner = istiod.0.clone().unwrap();
    let news = inner.ask(&gateways()).await;
    let outcome = inner.known().outcome.unwrap();
    let counted = format!("modelrelease_istiod_questions_total{{outcome=\"{outcome}\"}} 2\n");
    let told = metrics.page().unwrap();
    assert!(told.contains(&counted), "one for each namespace: {counted}{told}");
    (news, outcome, istiod.pushes())
}

#[tokio::test]
async fn each_namespace_is_asked_for_and_what_is_refused_is_known_until_it_is_taken() {
    let server = Server::start(|request| {
        let namespace = if request.contains("namespace=infra ") { "infra" } else { "edge" };
        response("200 OK", "content-type: application/json\r\n", &page(namespace))
    })
    .await;
    let (istiod, metrics) = to(&format!("http://{}", server.address), None);
    let inner = istiod.0.clone().unwrap();
    assert!(inner.ask(&gateways()).await, "news");
    let known: Vec<(String, Part, bool)> =
        istiod.pushes().into_iter().map(|push| (push.set, push.part, push.refused)).collect();
    let listeners = |set: &str| (set.to_owned(), Part::Listeners, true);
    assert_eq!(known, [listeners("edge"), listeners("infra")]);
    assert!(!inner.ask(&gateways()).await, "the same is no news");
    let series = |set: &str| {
        format!("modelrelease_gateway_rejected_pushes{{set=\"{set}\",pod=\"gw-0\",type=\"listeners\"}} 1\n")
    };
    let told = metrics.page().unwrap();
    assert!(told.contains(&series("infra")) && told.contains(&series("edge")), "{told}");
    let asked = server.asked.lock().unwrap()[0].clone();
    assert!(asked.starts_with("GET /debug/syncz?namespace=edge HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.to_lowercase().contains("authorization"), "{asked}");
    assert!(inner.ask(&gateways()[..1]).await, "a gateway that is gone has nothing open");
    assert!(!metrics.page().unwrap().contains(&series("edge")), "and no series");
}

#[tokio::test]
async fn every_way_not_to_answer_has_its_word_and_tells_nothing() {
    let status = |line: &'static str| move |_: &str| response(line, "", "");
    assert_eq!(round(status("401 Unauthorized")).await, (false, "denied", vec![]));
    assert_eq!(round(status("403 Forbidden")).await, (false, "denied", vec![]));
    assert_eq!(round(status("404 Not Found")).await, (false, "refused", vec![]));
    assert_eq!(round(status("302 Found")).await, (false, "refused", vec![]), "nothing is followed");
    assert_eq!(round(|_| response("200 OK", "", "<html>")).await, (false, "unreadable", vec![]));
    let huge = round(|_| response("200 OK", "", &" ".repeat(LARGEST + 1))).await;
    assert_eq!(huge, (false, "too_large", vec![]));
    let garbage = round(|_| Reply::Bytes(b"SSH-2.0-x\r\n".to_vec())).await;
    assert_eq!(garbage, (false, "broken", vec![]));
    let silent = round(|_| Reply::Silence).await;
    assert_eq!(silent, (false, "timeout", vec![]));
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_what_was_known_stays_for_a_while() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (istiod, _) = to(&format!("http://{free}"), None);
    let inner = istiod.0.clone().unwrap();
    let now = inner.clock.now();
    inner.known().view.take(page("infra").as_bytes(), &gateways(), now).unwrap();
    assert!(inner.ask(&gateways()).await);
    assert_eq!(istiod.pushes().len(), 1);
    assert_eq!(inner.known().outcome, Some("unreachable"));
    let (nameless, _) = to("http://no-such-name.invalid:15014", None);
    let inner = nameless.0.clone().unwrap();
    inner.ask(&gateways()).await;
    assert_eq!(inner.known().outcome, Some("unreachable"));
}

#[tokio::test]
async fn a_token_is_read_anew_each_time_and_is_not_missed_where_there_is_none() {
    let server = Server::start(|_| response("200 OK", "", "[]")).await;
    let file = std::env::temp_dir().join(format!("istiod-token-{}", std::process::id()));
    let (istiod, _) = to(&format!("http://{}", server.address), file.to_str());
    let inner = istiod.0.clone().unwrap();
    let one = &gateways()[..1];
    for token in [None, Some("first\n"), Some("second"), Some(" \n")] {
        if let Some(token) = token {
            std::fs::write(&file, token).unwrap();
        }
        inner.ask(one).await;
    }
    std::fs::remove_file(&file).unwrap();
    let asked = server.asked.lock().unwrap().clone();
    let bearer = |request: &String| {
        let line = request.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
        line.map(|line| line.split_once(' ').unwrap().1.to_owned())
    };
    let sent: Vec<Option<String>> = asked.iter().map(bearer).collect();
    assert_eq!(sent, [None, Some("Bearer first".into()), Some("Bearer second".into()), None]);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_each_five_seconds_while_somebody_wants_to_know_and_else_once_a_minute() {
    let metrics = Metrics::default();
    let start: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let mesh = Mesh { istiod: Some("http://istiod:15014".into()), ..Mesh::default() };
    let istiod = Istiod::new(&mesh, &metrics, &Clock::following_timers(start));
    let inner = istiod.0.clone().unwrap();
    assert!(inner.due(None), "at first");
    let asked = Some(Instant::now());
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(!inner.due(asked));
    istiod.wanted(start + Duration::from_secs(70));
    istiod.wanted(start + Duration::from_secs(60));
    assert!(inner.due(asked), "the last wish counts");
    let asked = Some(Instant::now());
    tokio::time::advance(Duration::from_secs(4)).await;
    assert!(!inner.due(asked));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(inner.due(asked));
    tokio::time::advance(Duration::from_secs(7)).await;
    assert!(!inner.due(asked), "nobody wants it any more");
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for good in ["http://istiod.istio-system:15014", "http://10.0.0.1:15014/", "http://[::1]:15014"] {
        assert!(endpoint(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "istiod:15014",
        "https://istiod:15014",
        "http://istiod",
        "http://istiod:15014/debug/syncz",
        "http://istiod:15014?namespace=a",
        "http://user:word@istiod:15014",
    ] {
        let problem = endpoint(bad).expect_err(bad);
        assert!(
            problem.contains("http://istiod.istio-system:15014") && !problem.contains("word@"),
            "{problem}"
        );
    }
    let without = Istiod::new(&Mesh::default(), &Metrics::default(), &Clock::system());
    assert!(!without.is_there() && without.pushes().is_empty());
}
