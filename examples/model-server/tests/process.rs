//! The program as it runs in a pod: trained from files, asked over the network, told to stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_model-server");
/// Nothing here takes near as long.
const DEADLINE: Duration = Duration::from_secs(30);

struct Server {
    child: Child,
    ports: Value,
    client: Client<HttpConnector, Full<Bytes>>,
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
        Self { child, ports, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn ask(&self, port: &str, method: Method, path: &str, body: &str) -> (StatusCode, Bytes) {
        let uri = format!("http://127.0.0.1:{}{path}", self.ports[port]);
        let request =
            Request::builder().method(method).uri(uri).body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let answer = tokio::time::timeout(DEADLINE, self.client.request(request)).await.unwrap().unwrap();
        (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
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
    let late = server.ask("port", Method::POST, "/predict", r#"{"domain": "library.example"}"#).await;
    assert_eq!(late.0, StatusCode::OK);
    server.ended_well().await;
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
