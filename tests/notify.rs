//! Decisions of real looks reach a receiver, also if a write fails or the operator dies. In real time, for the receiver's
//! wire is a real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use model_release_core::settings::{Notifications, Settings, WebhookSink};
use serde_json::Value;
use support::{Fault, Operator, cluster, stable_only};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A receiver of `CloudEvents`, and the file with its address.
struct Receiver {
    events: watch::Receiver<Vec<Value>>,
    file: PathBuf,
}

impl Receiver {
    async fn start(test: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, events) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let seen = seen.clone();
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let event = serde_json::from_slice(&body).unwrap();
                        seen.send_modify(|events: &mut Vec<Value>| events.push(event));
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let file = std::env::temp_dir().join(format!("receiver-{test}-{}", std::process::id()));
        std::fs::write(&file, format!("http://{address}/events")).unwrap();
        Self { events, file }
    }

    /// Settings by which it is told of everything.
    fn settings(&self) -> Settings {
        told(&self.file.display().to_string())
    }

    /// The first event.
    async fn first(&self) -> Value {
        let mut events = self.events.clone();
        let told = within("an event", events.wait_for(|events| !events.is_empty()));
        told.await.unwrap()[0].clone()
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    done.unwrap_or_else(|elapsed| panic!("{what}: {elapsed}"))
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn told(url_file: &str) -> Settings {
    let sink = WebhookSink { name: "events".into(), url_file: url_file.into(), secret_file: None };
    let notifications = Notifications { cloud_events: vec![sink], ..Notifications::default() };
    Settings { notifications, ..Settings::default() }
}

#[tokio::test]
async fn a_decision_of_a_look_is_told_as_the_history_has_it() {
    let (server, receiver) = (cluster(), Receiver::start("look").await);
    let operator = Operator::with(&server, receiver.settings());
    server.create("modelreleases", stable_only("fraud"));
    let event = receiver.first().await;
    let stored = server.until_phase("fraud", "Stable").await;
    let entry = stored["status"]["history"].as_array().unwrap().last().unwrap();
    assert_eq!(event["data"], *entry);
    assert_eq!(event["type"], "dev.modelrelease.started");
    let uid = stored["metadata"]["uid"].as_str().unwrap();
    assert_eq!(event["id"], format!("{uid}/{}", entry["seq"]));
    let counted = "modelrelease_notifications_total{sink=\"events\",result=\"delivered\"} 1";
    within("it is counted", async {
        while !operator.metrics.page().unwrap().contains(counted) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_decision_whose_writes_fail_is_told_all_the_same() {
    let (server, receiver) = (cluster(), Receiver::start("writes").await);
    server.faults(|asked| {
        let route = asked.resource == "virtualservices" && asked.writes_child();
        if route { Fault::Refuse(403) } else { Fault::None }
    });
    let _operator = Operator::with(&server, receiver.settings());
    server.create("modelreleases", stable_only("fraud"));
    let event = receiver.first().await;
    assert_eq!(event["data"]["reason"], "StableReady");
    assert!(server.get("virtualservices", "fraud").is_none(), "it could not be followed");
}

#[tokio::test]
async fn what_an_operator_could_not_deliver_before_it_died_the_next_one_does() {
    let (server, receiver) = (cluster(), Receiver::start("died").await);
    let first = Operator::with(&server, told("/nowhere"));
    server.create("modelreleases", stable_only("fraud"));
    server.until_phase("fraud", "Stable").await;
    drop(first);
    let _second = Operator::with(&server, receiver.settings());
    assert_eq!(receiver.first().await["data"]["reason"], "StableReady");
}
