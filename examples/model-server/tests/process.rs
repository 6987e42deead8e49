//! The program as it runs in a pod: trained from files, asked over the network, told to stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, Request, StatusCode, Version};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use model_server::messages::{PREDICT, PredictRequest, PredictResponse};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

const PROGRAM: &str = env!("CARGO_BIN_EXE_model-server");
/// Nothing here takes near as long.
const DEADLINE: Duration = Duration::from_secs(30);

struct Server {
    child: Child,
    ports: Value,
    client: Client<HttpConnector, Full<Bytes>>,
    http2: Client<HttpConnector, Full<Bytes>>,
    grpc: Client<HttpConnector, tonic::body::Body>,
}

impl Server {
    /// Starts the program and waits until it says which ports it opened.
    async fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first =
            tokio::time::timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("a log line");
        // Read on, or the program would block once the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ports = serde_json::from_str::<Value>(&first).unwrap()["fields"].clone();
        let (client, http2) = (Client::builder(TokioExecutor::new()).build_http(), over_http2());
        Self { child, ports, client, http2, grpc: over_http2() }
    }

    fn url(&self, port: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[port])
    }

    /// Starts a server of a model and waits until it is ready.
    async fn serve(file: &str, version: &str, more: &[(&str, &str)]) -> Self {
        let env =
            [("MODEL_PATH", file), ("MODEL_VERSION", version), ("HTTP_PORT", "0"), ("METRICS_PORT", "0")];
        let server = Self::start(&["serve"], &[&env[..], more].concat()).await;
        server.until(StatusCode::OK).await;
        server
    }

    async fn ask(&self, port: &str, method: Method, path: &str, body: &str) -> (StatusCode, Bytes) {
        let request = Request::builder().method(method).uri(self.url(port) + path);
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let answer = tokio::time::timeout(DEADLINE, self.client.request(request)).await.unwrap().unwrap();
        (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
    }

    /// Asks for a prediction over HTTP/2, by prior knowledge.
    async fn ask_http2(&self, domain: &str) -> (HeaderMap, Value) {
        let body = Full::new(Bytes::from(json!({ "domain": domain }).to_string()));
        let request = Request::post(self.url("port") + "/predict").body(body).unwrap();
        let answer = tokio::time::timeout(DEADLINE, self.http2.request(request)).await.unwrap().unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
        let (head, body) = answer.into_parts();
        (head.headers, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
    }

    /// Asks for a prediction over gRPC.
    async fn call(&self, domain: &str) -> Result<tonic::Response<PredictResponse>, Status> {
        let origin = self.url("port").parse().unwrap();
        let mut client = tonic::client::Grpc::with_origin(self.grpc.clone(), origin);
        client.ready().await.unwrap();
        let question = tonic::Request::new(PredictRequest { domain: domain.to_owned() });
        let codec = ProstCodec::<PredictRequest, PredictResponse>::default();
        let answer = client.unary(question, PathAndQuery::from_static(PREDICT), codec);
        tokio::time::timeout(DEADLINE, answer).await.unwrap()
    }

    /// Waits until it is ready, or is no longer.
    async fn until(&self, status: StatusCode) {
        let asked = async { while self.ask("port", Method::GET, "/ready", "").await.0 != status {} };
        tokio::time::timeout(DEADLINE, asked).await.unwrap();
    }

    fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    async fn ended_well(mut self) {
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
    }
}

fn over_http2<B>() -> Client<HttpConnector, B>
where
    B: hyper::body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

fn write_data(folder: &Path) {
    let rows = |numbers: std::ops::Range<u32>| {
        let both = |n| {
            [
                format!("login-wallet-{n}.example\tphishing\n"),
                format!("library-museum-{n}.example\tlegitimate\n"),
            ]
        };
        numbers.flat_map(both).collect::<String>()
    };
    std::fs::write(folder.join("train.tsv"), rows(0..100)).unwrap();
    std::fs::write(folder.join("held-out.tsv"), rows(100..130)).unwrap();
}

async fn train(folder: &Path, more: &[&str]) -> (PathBuf, Value) {
    write_data(folder);
    let file = folder.join("models/model.bin");
    let (data, out) = (folder.to_str().unwrap(), file.to_str().unwrap());
    let done = Command::new(PROGRAM)
        .args(["train", "--data", data, "--out", out])
        .args(more)
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    (file.clone(), serde_json::from_slice(&done.stdout).unwrap())
}

#[tokio::test]
async fn training_reports_the_accuracy_on_held_out_domains_and_the_digest_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, report) = train(folder.path(), &["--epochs", "20", "--step", "0.01"]).await;
    assert_eq!((&report["heldOutAccuracy"], &report["heldOut"]), (&json!(1.0), &json!(60)), "{report}");
    let digest = model_server::digest::sha256_hex(&std::fs::read(file).unwrap());
    assert_eq!(report["sha256"], json!(digest));
}

#[tokio::test]
async fn it_counts_what_it_answers_and_ends_gracefully_with_requests_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = train(folder.path(), &["--epochs", "20", "--step", "0.01"]).await;
    let path = file.parent().unwrap().to_str().unwrap().to_owned();
    let env = [
        ("MODEL_PATH", path.as_str()),
        ("MODEL_VERSION", "v1"),
        ("HTTP_PORT", "0"),
        ("METRICS_PORT", "0"),
        ("DRAIN_SECONDS", "1"),
        ("SLOW_MS", "1500"),
    ];
    let server = Server::start(&["serve"], &env).await;
    // Its ports are open before its model is loaded.
    server.until(StatusCode::OK).await;

    let (status, body) =
        server.ask("port", Method::POST, "/predict", r#"{"domain": "login-wallet-999.example"}"#).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["phishing"], &body["version"]), (StatusCode::OK, &json!(true), &json!("v1")));
    let label = json!({ "id": body["id"], "label": "phishing" }).to_string();
    assert_eq!(server.ask("port", Method::POST, "/feedback", &label).await.0, StatusCode::OK);
    let (_, text) = server.ask("metrics_port", Method::GET, "/metrics", "").await;
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(
        text.contains("\nmodel_accuracy 1.0\n") && text.contains("\nmodel_accuracy_samples 1.0\n"),
        "{text}"
    );

    server.terminate();
    server.until(StatusCode::SERVICE_UNAVAILABLE).await;
    // Sent while the port is still open, answered 1.5 s later, when it is closed.
    let (late, later, last) = tokio::join!(
        server.ask("port", Method::POST, "/predict", r#"{"domain": "library.example"}"#),
        server.ask_http2("library.example"),
        server.call("library.example"),
    );
    assert_eq!((late.0, &later.1["version"]), (StatusCode::OK, &json!("v1")));
    assert_eq!(last.unwrap().into_inner().version, "v1");
    server.ended_well().await;
}

#[tokio::test]
async fn http_1_http_2_and_grpc_share_a_port_and_their_answers_are_counted_together() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = train(folder.path(), &["--epochs", "20", "--step", "0.01"]).await;
    let server = Server::serve(file.to_str().unwrap(), "v1", &[]).await;
    let domain = "login-wallet-999.example";
    let (status, body) =
        server.ask("port", Method::POST, "/predict", &json!({ "domain": domain }).to_string()).await;
    let kept: Value = serde_json::from_slice(&body).unwrap();
    let (_, http2) = server.ask_http2(domain).await;
    let called = server.call(domain).await.unwrap();
    assert_eq!(called.metadata().get("x-model-version").unwrap(), "v1");
    let called = called.into_inner();
    for answer in [&kept, &http2] {
        assert_eq!((status, &answer["phishing"]), (StatusCode::OK, &json!(called.phishing)));
        let score = answer["score"].as_f64().unwrap();
        assert!((score - called.score).abs() < 1e-12, "{score} {}", called.score);
    }
    assert!(called.phishing);
    for id in [&kept["id"], &http2["id"], &json!(called.id)] {
        let label = json!({ "id": id, "label": "phishing" }).to_string();
        assert_eq!(server.ask("port", Method::POST, "/feedback", &label).await.0, StatusCode::OK);
    }
    let (_, text) = server.ask("metrics_port", Method::GET, "/metrics", "").await;
    let text = String::from_utf8(text.to_vec()).unwrap();
    for line in ["\nmodel_predictions_total 3\n", "\nmodel_accuracy_samples 3.0\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn an_app_hands_on_requests_and_calls_and_their_failures_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = train(folder.path(), &["--epochs", "1"]).await;
    // Every second prediction fails.
    let model = Server::serve(file.to_str().unwrap(), "of-model", &[("FAIL_RATIO", "0.5")]).await;
    let url = model.url("port");
    let env = [("MODEL_URL", url.as_str()), ("MODEL_VERSION", "of-app"), ("HTTP_PORT", "0")];
    let app = Server::start(&["serve-app"], &env).await;

    let (headers, body) = app.ask_http2("library.example").await;
    assert_eq!(
        (&headers["x-app-version"], &body["version"]),
        (&"of-app".parse().unwrap(), &json!("of-model"))
    );
    let failed = app.call("library.example").await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal, "{failed:?}");
    assert_eq!(failed.metadata().get("x-app-version").unwrap(), "of-app");
    let called = app.call("library.example").await.unwrap();
    assert_eq!(called.metadata().get("x-app-version").unwrap(), "of-app");
    assert_eq!(called.into_inner().version, "of-model");
    let refused = app.call("").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    app.terminate();
    app.ended_well().await;
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_ends_the_process_and_says_which_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.bin");
    std::fs::write(&file, "not a model").unwrap();
    let done = Command::new(PROGRAM)
        .arg("serve")
        .env_clear()
        .envs([("MODEL_PATH", file.to_str().unwrap()), ("MODEL_VERSION", "v1")])
        .envs([("HTTP_PORT", "0"), ("METRICS_PORT", "0")])
        .output();
    let done = tokio::time::timeout(DEADLINE, done).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1));
    assert!(said.contains("model.bin") && said.contains("does not begin as a model file"), "{said}");
}

#[tokio::test]
async fn a_stored_model_is_served_to_those_who_fetch_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = train(folder.path(), &["--epochs", "1"]).await;
    let dir = file.parent().unwrap().to_str().unwrap().to_owned();
    let server = Server::start(&["serve-files", "--dir", &dir, "--port", "0"], &[]).await;
    let (status, body) = server.ask("port", Method::GET, "/model.bin", "").await;
    assert_eq!((status, body.to_vec()), (StatusCode::OK, std::fs::read(&file).unwrap()));
    assert_eq!(server.ask("port", Method::GET, "/absent.bin", "").await.0, StatusCode::NOT_FOUND);
    server.terminate();
    server.ended_well().await;
}
