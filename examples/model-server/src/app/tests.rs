//! What must hold of the server's answers.

use super::*;
use crate::{data::Example, train};
use http_body_util::Full;
use serde_json::{Value, json};

fn trained() -> Model {
    let examples = [("login-wallet.example", true), ("library.example", false)]
        .map(|(domain, phishing)| Example { domain: domain.into(), phishing });
    train::train(&examples, train::Recipe { epochs: 40, step: 0.1, ..train::Recipe::default() })
}

fn app(version: &str, faults: Faults) -> App {
    let app = App::new("phishing", version, faults, 0);
    app.load(trained(), "digest".into());
    app
}

async fn ask(app: &App, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
    let request =
        Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let answer = app.answer(request).await;
    assert_eq!(answer.headers()[VERSION_HEADER], app.version.as_str());
    let status = answer.status();
    (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

async fn post(app: &App, path: &str, body: Value) -> (StatusCode, Value) {
    ask(app, Method::POST, path, &body.to_string()).await
}

fn metric(app: &App, series: &str) -> Option<f64> {
    let text = app.metrics.render().unwrap();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_label_counts_for_the_version_that_answered() {
    let app = app("v1", Faults::default());
    for (domain, said, label, correct) in [
        ("LOGIN-wallet.example.", true, "phishing", true),
        ("login-wallet.example", true, "legitimate", false),
        ("library.example", false, "legitimate", true),
    ] {
        let (status, body) = post(&app, "/predict", json!({ "domain": domain })).await;
        assert_eq!(
            (status, &body["phishing"], &body["version"]),
            (StatusCode::OK, &json!(said), &json!("v1"))
        );
        assert_eq!(body["score"].as_f64().unwrap() > 0.5, said);
        let (status, counted) = post(&app, "/feedback", json!({ "id": body["id"], "label": label })).await;
        assert_eq!((status, &counted["correct"]), (StatusCode::OK, &json!(correct)), "{counted}");
    }
    assert_eq!(metric(&app, "model_predictions_labelled_total"), Some(3.0));
    assert_eq!(metric(&app, "model_predictions_correct_total"), Some(2.0));
}

#[tokio::test]
async fn a_label_for_another_version_is_refused_and_not_counted() {
    let (v1, v2) = (app("v1", Faults::default()), app("v2", Faults::default()));
    let (_, body) = post(&v1, "/predict", json!({ "domain": "library.example" })).await;
    let (status, refusal) = post(&v2, "/feedback", json!({ "id": body["id"], "label": "legitimate" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(refusal["error"].as_str().unwrap().contains("version v1"), "{refusal}");
    let (status, _) = post(&v1, "/feedback", json!({ "id": "v1~0~p~00000000", "label": "phishing" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for app in [&v1, &v2] {
        assert_eq!(metric(app, "model_predictions_labelled_total"), Some(0.0));
    }
}

#[tokio::test]
async fn ready_only_with_a_model_and_until_it_drains() {
    let app = App::new("phishing", "v1", Faults::default(), 0);
    assert_eq!(ask(&app, Method::GET, "/ready", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&app, Method::GET, "/healthz", "").await.0, StatusCode::OK);
    let predicted = post(&app, "/predict", json!({ "domain": "a.example" })).await.0;
    assert_eq!(predicted, StatusCode::SERVICE_UNAVAILABLE);
    app.load(trained(), "digest".into());
    assert_eq!(ask(&app, Method::GET, "/ready", "").await.0, StatusCode::OK);
    app.drain();
    assert_eq!(ask(&app, Method::GET, "/ready", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(post(&app, "/predict", json!({ "domain": "a.example" })).await.0, StatusCode::OK);
}

#[tokio::test]
async fn bad_requests_are_refused_with_a_reason() {
    let app = app("v1", Faults::default());
    let long = format!(r#"{{"domain": "{}"}}"#, "a".repeat(MAX_DOMAIN + 1));
    let huge = format!(r#"{{"domain": "{}"}}"#, "a".repeat(MAX_BODY));
    for (method, path, body, status) in [
        (Method::POST, "/predict", "{", 400),
        (Method::POST, "/predict", r#"{"domain": " "}"#, 400),
        (Method::POST, "/predict", long.as_str(), 400),
        (Method::POST, "/predict", huge.as_str(), 413),
        (Method::POST, "/feedback", r#"{"id": "x", "label": "maybe"}"#, 400),
        (Method::GET, "/predict", "", 405),
        (Method::POST, "/ready", "", 405),
        (Method::GET, "/", "", 404),
    ] {
        let (got, answer) = ask(&app, method, path, body).await;
        assert_eq!(got, status, "{path} {answer}");
        assert!(answer["error"].as_str().unwrap().len() > 10, "{answer}");
    }
    assert_eq!(metric(&app, "model_predictions_total"), Some(0.0));
}

#[tokio::test]
async fn the_share_of_failures_is_the_one_asked_for() {
    let app = app("v1", Faults { fail_ratio: 0.25, ..Faults::default() });
    let mut failed = 0;
    for _ in 0..100 {
        let status = post(&app, "/predict", json!({ "domain": "a.example" })).await.0;
        failed += u32::from(status == StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(failed, 25);
    assert_eq!(metric(&app, "model_predictions_total"), Some(75.0), "a failure is no answer");
}

#[tokio::test(start_paused = true)]
async fn slowness_is_in_the_answer_and_in_the_histogram() {
    let app = app("v1", Faults { slow: Duration::from_millis(300), ..Faults::default() });
    let before = tokio::time::Instant::now();
    post(&app, "/predict", json!({ "domain": "a.example" })).await;
    assert!(before.elapsed() >= Duration::from_millis(300));
    let bucket = |bound| metric(&app, &format!("model_prediction_duration_seconds_bucket{{le=\"{bound}\"}}"));
    assert_eq!((bucket("0.25"), bucket("0.5")), (Some(0.0), Some(1.0)));
}

#[tokio::test]
async fn metrics_are_on_their_own_port_only() {
    let app = app("v1", Faults::default());
    let get = |path: &str| app.answer_metrics(&Request::get(path).body(()).unwrap()).status();
    assert_eq!(get("/metrics"), StatusCode::OK);
    assert_eq!(get("/predict"), StatusCode::NOT_FOUND);
    assert_eq!(ask(&app, Method::GET, "/metrics", "").await.0, StatusCode::NOT_FOUND);
}
