//! Tests of the client against servers that are slow, huge, broken, elsewhere or down.

use model_release_core::observed::QueryId;
use tokio::sync::watch;

use super::*;
use crate::testing::{Reply, Server as Stub, response};

const SOON: Duration = Duration::from_millis(300);

fn sources(url: &str) -> Vec<Source> {
    vec![Source { name: "default".into(), url: url.into(), ..Source::default() }]
}

fn to(url: &str, limit: Duration) -> (Prometheus, Metrics) {
    let metrics = Metrics::default();
    (Prometheus::limited(&sources(url), &metrics, &Clock::system(), limit).unwrap(), metrics)
}

fn query(promql: &str) -> Query {
    let time: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let id = QueryId { check: "errors".into(), at: time };
    let about = About { release: "fraud".into(), versions: Vec::new(), objects: Vec::new() };
    Query { id, source: "default".into(), question: Question::written(promql), about, time }
}

async fn outcome(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Outcome {
    let server = Stub::start(reply).await;
    let (prometheus, _) = to(&format!("http://{}", server.address), SOON);
    prometheus.ask(vec![query("up")]).await.remove(0).outcome
}

#[tokio::test]
async fn a_question_is_a_form_with_query_time_and_limit_and_its_answer_comes_back_whole() {
    let server = Stub::start(|_| response("200 OK", "", "{\"status\":\"success\"}")).await;
    let (prometheus, metrics) = to(&format!("http://{}/prefix/", server.address), LIMIT);
    let answer = prometheus.ask(vec![query("sum(a{b=\"c+d\"}[1m])")]).await.remove(0);
    assert_eq!(answer.outcome, Ok((200, b"{\"status\":\"success\"}".to_vec())));
    assert_eq!(answer.id, query("").id);
    let asked = server.asked.lock().unwrap()[0].clone();
    assert!(asked.starts_with("POST /prefix/api/v1/query HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.ends_with("query=sum%28a%7Bb%3D%22c%2Bd%22%7D%5B1m%5D%29&time=1767323045.678&timeout=4s"),
        "{asked}"
    );
    let page = metrics.page().unwrap();
    assert!(
        page.contains("modelrelease_prometheus_queries_total{source=\"default\",outcome=\"ok\"} 1"),
        "{page}"
    );
    assert!(
        page.contains("modelrelease_prometheus_last_success_timestamp_seconds{source=\"default\"}"),
        "{page}"
    );
}

#[tokio::test]
async fn a_source_is_asked_with_its_headers_and_the_token_that_its_file_has_now() {
    let server = Stub::start(|_| response("200 OK", "", "{}")).await;
    let file = std::env::temp_dir().join(format!("token-{}", server.address.port()));
    let source = Source {
        token_file: Some(file.display().to_string()),
        headers: [("X-Scope-OrgID".to_owned(), "ml".to_owned())].into(),
        ..sources(&format!("http://{}", server.address)).remove(0)
    };
    let prometheus = Prometheus::new(&[source], &Metrics::default(), &Clock::system()).unwrap();
    let mut told = Vec::new();
    for token in [Some("one\n"), Some("two"), Some(" "), None] {
        match token {
            Some(token) => std::fs::write(&file, token).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        told.push(prometheus.ask(vec![query("up")]).await.remove(0).outcome.is_ok());
    }
    assert_eq!(told, [true, true, false, false], "without a token nobody is asked");
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    for (asked, token) in asked.iter().zip(["one", "two"]) {
        assert!(asked.contains(&format!("authorization: Bearer {token}\r\n")), "{asked}");
        assert!(asked.contains("x-scope-orgid: ml\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn every_way_to_fail_has_its_word() {
    let silent = outcome(|_| Reply::Silence).await;
    assert_eq!(silent, Err(Unanswered::TimedOut));
    let huge = outcome(|_| response("200 OK", "", &"x".repeat(LARGEST + 1))).await;
    assert_eq!(huge, Err(Unanswered::TooLarge));
    let largest = outcome(|_| response("200 OK", "", &"x".repeat(LARGEST))).await;
    assert_eq!(largest.map(|(_, body)| body.len()), Ok(LARGEST));
    let garbage = outcome(|_| Reply::Bytes(b"SSH-2.0-x\r\n".to_vec())).await;
    assert_eq!(garbage, Err(Unanswered::Broken));
    let cut = outcome(|_| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec())).await;
    assert_eq!(cut, Err(Unanswered::Broken));
    let down = outcome(|_| response("503 Service Unavailable", "", "no")).await;
    assert_eq!(down, Ok((503, b"no".to_vec())));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (prometheus, _) = to(&format!("http://{free}"), LIMIT);
    assert_eq!(prometheus.ask(vec![query("up")]).await[0].outcome, Err(Unanswered::Unreachable));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = Stub::start(|_| response("200 OK", "", "secret")).await;
    let location = format!("location: http://{}/\r\n", elsewhere.address);
    let answer = outcome(move |_| response("302 Found", &location, "")).await;
    assert_eq!(answer, Ok((302, Vec::new())));
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn the_same_question_at_the_same_time_is_sent_once() {
    let (go, gone) = watch::channel(false);
    let body = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1".to_vec();
    let server = Stub::start(move |_| Reply::Once(gone.clone(), body.clone())).await;
    let (prometheus, _) = to(&format!("http://{}", server.address), LIMIT);
    let asking = prometheus.ask(vec![query("up"), query("up"), query("down")]);
    let releasing = async {
        while server.count() < 2 {
            tokio::task::yield_now().await;
        }
        go.send_replace(true);
    };
    let (answers, ()) = tokio::join!(asking, releasing);
    assert!(answers.iter().all(|answer| answer.outcome == Ok((200, b"1".to_vec()))), "{answers:?}");
    assert_eq!(server.count(), 2);
    prometheus.ask(vec![query("up")]).await;
    assert_eq!(server.count(), 3, "a later question is asked anew");
}

#[tokio::test]
async fn a_thousand_releases_with_three_checks_are_fifteen_questions_a_block() {
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let server = Stub::start(move |_| response("200 OK", "", empty)).await;
    let (prometheus, _) = to(&format!("http://{}", server.address), LIMIT);
    let of = |release: usize, block: i64| {
        let release = About { release: format!("r{release}"), versions: Vec::new(), objects: Vec::new() };
        ["accuracy", "errors", "latency"].map(|check| {
            let time = Timestamp::from_second(30 * block).unwrap();
            Query { about: release.clone(), time, ..query(check) }
        })
    };
    let mut asked = Vec::new();
    for block in 1..=3 {
        let before = server.count();
        for release in 0..1000 {
            let answers = prometheus.ask(of(release, block).to_vec()).await;
            assert!(answers.iter().all(|answer| answer.outcome == Ok((200, empty.into()))), "{answers:?}");
        }
        asked.push(server.count() - before);
    }
    assert_eq!(asked, [3000, 15, 15], "one after the other, the first time nobody knows of anybody");
}

#[tokio::test]
async fn at_most_four_questions_are_under_way_to_one_source() {
    let (go, gone) = watch::channel(false);
    let body = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1".to_vec();
    let server = Stub::start(move |_| Reply::Once(gone.clone(), body.clone())).await;
    let (prometheus, _) = to(&format!("http://{}", server.address), LIMIT);
    let asking = prometheus.ask((0..9).map(|n| query(&format!("q{n}"))).collect());
    let mut most = 0;
    let releasing = async {
        while server.count() < 4 {
            tokio::task::yield_now().await;
        }
        // Were there no limit, the others would come while this task gives way.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        most = server.count();
        go.send_replace(true);
    };
    let (answers, ()) = tokio::join!(asking, releasing);
    assert_eq!((most, answers.len(), server.count()), (4, 9, 9));
}

#[tokio::test]
async fn a_server_that_fails_five_times_is_left_alone() {
    let server = Stub::start(|_| response("500 Internal Server Error", "", "")).await;
    let (prometheus, metrics) = to(&format!("http://{}", server.address), LIMIT);
    for n in 0..5 {
        assert!(prometheus.ask(vec![query(&format!("q{n}"))]).await[0].outcome.is_ok());
    }
    assert_eq!(prometheus.ask(vec![query("q5")]).await[0].outcome, Err(Unanswered::Unreachable));
    assert_eq!(server.count(), 5);
    assert!(metrics.page().unwrap().contains("outcome=\"open\"} 1"));
}

#[tokio::test]
async fn a_source_that_is_not_in_the_settings_is_unreachable() {
    let (prometheus, _) = to("http://127.0.0.1:1", LIMIT);
    let asked = Query { source: "other".into(), ..query("up") };
    assert_eq!(prometheus.ask(vec![asked]).await[0].outcome, Err(Unanswered::Unreachable));
}

#[test]
fn an_address_must_be_one() {
    assert_eq!(endpoint("https://p:9/x/").unwrap().to_string(), "https://p:9/x/api/v1/query");
    for bad in ["", "prometheus:9090", "ftp://a", "http://", "http://a?b=c", "http://user:word@a"] {
        assert!(endpoint(bad).is_err(), "{bad}");
    }
    assert!(!endpoint("http://user:word@a").unwrap_err().contains("word@"), "a password is not repeated");
}

#[test]
fn times_before_1970_and_between_seconds_are_written_as_decimals() {
    for (text, want) in [("1970-01-01T00:00:00.5Z", "0.500"), ("1969-12-31T23:59:59.25Z", "-1.250")] {
        assert_eq!(seconds(text.parse().unwrap()), want);
    }
}
