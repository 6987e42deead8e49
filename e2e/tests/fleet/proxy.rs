//! A proxy before the API server that notes what a program asks. It speaks plain HTTP, so that a request is one line.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;

/// What was asked so far: method, path and query, and how many bytes the answer had. Clones share it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(String, usize)>>>);

impl Log {
    /// What was asked since the last call.
    pub fn take(&self) -> Vec<(String, usize)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Starts a proxy that asks with this client's rights, and writes a kubeconfig for it.
pub async fn start(client: kube::Client, namespace: &str, kubeconfig: &Path) -> Log {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy", "namespace": namespace}}],
        "users": [{"name": "proxy", "user": {}}],
    });
    std::fs::write(kubeconfig, config.to_string()).unwrap();
    let log = Log::default();
    let noted = log.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (client, log) = (client.clone(), noted.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| pass(client.clone(), log.clone(), request));
                // A program that has seen enough hangs up.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    log
}

/// Asks the API server the same, and notes it.
async fn pass(
    client: kube::Client,
    log: Log,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    let (mut head, body) = request.into_parts();
    head.headers.remove("host");
    let body = body.collect().await.unwrap().to_bytes();
    let answer = match client.send(Request::from_parts(head, Body::from(body))).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            Response::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()))
        }
        Err(error) => {
            let mut broken = Response::new(Full::new(Bytes::from(error.to_string())));
            *broken.status_mut() = StatusCode::BAD_GATEWAY;
            broken
        }
    };
    let bytes = usize::try_from(hyper::body::Body::size_hint(answer.body()).lower()).unwrap();
    log.0.lock().unwrap().push((line, bytes));
    Ok(answer)
}
