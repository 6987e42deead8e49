//! A client for each way to ask, all to one gateway.

use crate::config::{Config, Target};
use crate::grpc;
use crate::tally::Trouble;
use crate::way::Way;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use hyper::http::response;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use model_server::messages::PredictRequest;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::Service;

/// Larger answers are no predictions.
const MAX_BODY: usize = 64 * 1024;

type Pool = Client<Gateway, Full<Bytes>>;

/// The clients.
pub struct Clients {
    kept: Pool,
    fresh: Pool,
    http2: Pool,
    grpc: Pool,
    target: Target,
    timeout: Duration,
}

/// An answer, read to its end.
pub struct Whole {
    pub head: response::Parts,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Clients {
    pub fn new(config: &Config, target: Target) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.timeout));
        let gateway = Gateway { connector, address: target.gateway.clone() };
        let http2 = || {
            Client::builder(TokioExecutor::new()).http2_only(true).build::<_, Full<Bytes>>(gateway.clone())
        };
        Self {
            kept: Client::builder(TokioExecutor::new()).build(gateway.clone()),
            fresh: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(gateway.clone()),
            http2: http2(),
            grpc: http2(),
            target,
            timeout: config.timeout,
        }
    }

    /// Asks for a prediction.
    pub async fn predict(
        &self,
        way: Way,
        domain: &str,
        user: Option<&HeaderValue>,
    ) -> Result<Whole, Trouble> {
        let json = || json(&serde_json::json!({ "domain": domain }));
        let (client, question) = match way {
            Way::KeepAlive => (&self.kept, post(&self.target.predict, json())),
            Way::Fresh => (&self.fresh, post(&self.target.predict, json())),
            Way::Http2 => (&self.http2, post(&self.target.predict, json())),
            Way::Grpc => {
                let message = grpc::frame(&PredictRequest { domain: domain.to_owned() });
                let mut call = post(&self.target.call, ("application/grpc", message));
                call.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
                (&self.grpc, call)
            }
        };
        self.exchange(client, question, user).await
    }

    /// Reports a label, over HTTP/1.1. `version` goes along in the version header, so that a gateway that honours it leads
    /// there directly.
    pub async fn feedback(
        &self,
        label: &serde_json::Value,
        user: Option<&HeaderValue>,
        version: Option<&HeaderValue>,
    ) -> Result<Whole, Trouble> {
        let mut request = post(&self.target.feedback, json(label));
        if let Some(version) = version {
            request.headers_mut().insert(self.target.version_header.clone(), version.clone());
        }
        self.exchange(&self.kept, request, user).await
    }

    /// What an answer says in the version header.
    pub fn version<'a>(&self, whole: &'a Whole) -> Option<&'a HeaderValue> {
        whole.head.headers.get(&self.target.version_header)
    }

    async fn exchange(
        &self,
        client: &Pool,
        mut request: Request<Full<Bytes>>,
        user: Option<&HeaderValue>,
    ) -> Result<Whole, Trouble> {
        if let Some(user) = user {
            request.headers_mut().insert(self.target.user_header.clone(), user.clone());
        }
        let to = request.uri().clone();
        let whole = async {
            let answer = client.request(request).await.map_err(|error| broken(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| broken(&*error))?;
            let trailers = body.trailers().cloned();
            Ok(Whole { head, body: body.to_bytes(), trailers })
        };
        match tokio::time::timeout(self.timeout, whole).await {
            Ok(done) => done,
            Err(_elapsed) => {
                Err(Trouble::Timeout(format!("{to} did not answer within {} ms", self.timeout.as_millis())))
            }
        }
    }
}

fn json(value: &serde_json::Value) -> (&'static str, Bytes) {
    ("application/json", Bytes::from(value.to_string()))
}

fn post(to: &Uri, (media_type, body): (&'static str, Bytes)) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = to.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    request
}

fn broken(error: &(dyn Error + 'static)) -> Trouble {
    let mut what = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        what = format!("{what}: {deeper}");
        cause = deeper.source();
    }
    Trouble::Connection(what)
}

/// Connects to the gateway whatever host a request names: over HTTP/2 the host is part of the address.
#[derive(Clone)]
struct Gateway {
    connector: HttpConnector,
    address: Uri,
}

impl Service<Uri> for Gateway {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Uri>::poll_ready(&mut self.connector, cx)
    }

    fn call(&mut self, _named: Uri) -> Self::Future {
        self.connector.call(self.address.clone())
    }
}
