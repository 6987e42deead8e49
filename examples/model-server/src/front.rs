//! The example's app: hands requests on to the model of its own version, and says which version it is itself.

use crate::grpc;
use crate::http::{self, Answer};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE};
use hyper::http::uri::{InvalidUri, PathAndQuery};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::{error::Error, io, time::Duration};
use tonic::Status;

/// Every answer names the app that gave it; the model's own header stays beside it.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-app-version");
/// What the model is told of a request's headers: how its body is to be read, and how long a caller by gRPC waits.
const HANDED_ON: [HeaderName; 4] = [
    CONTENT_TYPE,
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-timeout"),
];
/// How long the model may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An app of one version, in front of one model.
#[derive(Debug)]
pub struct Front<B> {
    http: Model<B>,
    grpc: Model<B>,
    version: String,
}

/// A model, and how to ask it.
#[derive(Debug)]
struct Model<B> {
    client: Client<HttpConnector, B>,
    uri: Uri,
}

impl<B> Front<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// An app of `version` in front of the model that answers HTTP at `url`, as in `http://fraud-5f3c0a9b11.ml.svc`, and gRPC
    /// at `grpc_url`, as in `http://fraud-5f3c0a9b11.ml.svc:9000`.
    ///
    /// # Errors
    /// If one of them is no URL.
    pub fn new(url: &str, grpc_url: &str, version: &str) -> Result<Self, InvalidUri> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(LIMIT));
        let http = Client::builder(TokioExecutor::new()).build(connector.clone());
        let grpc = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
        Ok(Self {
            http: Model { client: http, uri: url.parse()? },
            grpc: Model { client: grpc, uri: grpc_url.parse()? },
            version: version.to_owned(),
        })
    }

    /// Asks the model the same, and hands its answer on.
    pub async fn answer(&self, request: Request<B>) -> Answer {
        let call = grpc::is_call(request.headers());
        let model = if call { &self.grpc } else { &self.http };
        let mut answer = match tokio::time::timeout(LIMIT, model.ask(request, call)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::warn!(model = %model.uri, error = &*error, "the model did not answer");
                let why = format!("the model at {} did not answer: {error}; try again soon", model.uri);
                if call {
                    grpc::refuse(Status::unavailable(why))
                } else {
                    http::refuse(StatusCode::BAD_GATEWAY, &why)
                }
            }
            Err(_) => {
                let why = format!("the model at {} did not answer within {LIMIT:?}; try again", model.uri);
                if call {
                    grpc::refuse(Status::deadline_exceeded(why))
                } else {
                    http::refuse(StatusCode::GATEWAY_TIMEOUT, &why)
                }
            }
        };
        if let Ok(version) = HeaderValue::from_str(&self.version) {
            answer.headers_mut().insert(VERSION_HEADER, version);
        }
        answer
    }
}

impl<B> Model<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn ask(&self, request: Request<B>, call: bool) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let (head, body) = request.into_parts();
        let mut to = self.uri.clone().into_parts();
        to.path_and_query =
            Some(head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        let mut asked = Request::new(body);
        *asked.method_mut() = head.method;
        *asked.uri_mut() = Uri::from_parts(to)?;
        for name in HANDED_ON {
            if let Some(value) = head.headers.get(&name) {
                asked.headers_mut().insert(name, value.clone());
            }
        }
        if call {
            // A call's status comes after its answer, and servers may insist on being told that it is awaited.
            asked.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        }
        let answer = self.client.request(asked).await?;
        Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    fn question(path: &str) -> Request<Full<Bytes>> {
        Request::post(path).header(CONTENT_TYPE, "text/plain").body(Full::from("a.example")).unwrap()
    }

    #[tokio::test]
    async fn the_models_answer_is_handed_on_with_both_versions() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let model = async |request: Request<hyper::body::Incoming>| {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let text = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
            let mut answer = http::content(StatusCode::CREATED, "text/plain", text.into_bytes());
            answer.headers_mut().insert("x-model-version", HeaderValue::from_static("v2"));
            answer
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(http::serve(listener, model, async { drop(stopped.await) }, LIMIT));
        let front = Front::new(&url, &url, "v1").unwrap();
        let answer = front.answer(question("/predict?again=1")).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let named = |header: &str| answer.headers().get(header).map(HeaderValue::as_bytes).unwrap();
        assert_eq!((named("x-app-version"), named("x-model-version")), (&b"v1"[..], &b"v2"[..]));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "POST /predict?again=1 a.example");
        drop((stop, front));
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_model_that_is_not_there_is_named() {
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let url = format!("http://{closed}");
        let front = Front::new(&url, &url, "v1").unwrap();
        let answer = front.answer(question("/predict")).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(&closed.to_string()) && text.contains("try again"), "{text}");

        let mut call = question(crate::messages::PREDICT);
        call.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let answer = front.answer(call).await;
        assert_eq!(
            (answer.status(), &answer.headers()[VERSION_HEADER]),
            (StatusCode::OK, &HeaderValue::from_static("v1"))
        );
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(status.message().contains(&closed.to_string()), "{status:?}");
    }
}
