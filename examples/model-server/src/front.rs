//! The example's app: hands requests on to the model of its own version, and says which version it is itself.

use crate::http::{self, Answer};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::uri::{InvalidUri, PathAndQuery};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::{error::Error, io, time::Duration};

/// Every answer names the app that gave it; the model's own header stays beside it.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-app-version");
/// How long the model may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An app of one version, in front of one model.
#[derive(Debug)]
pub struct Front<B> {
    client: Client<HttpConnector, B>,
    model: Uri,
    version: String,
}

impl<B> Front<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// An app of `version` in front of the model at `url`, as in `http://fraud-5f3c0a9b11.ml.svc`.
    ///
    /// # Errors
    /// If that is no URL.
    pub fn new(url: &str, version: &str) -> Result<Self, InvalidUri> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(LIMIT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, model: url.parse()?, version: version.to_owned() })
    }

    /// Asks the model the same, and hands its answer on.
    pub async fn answer(&self, request: Request<B>) -> Answer {
        let mut answer = match tokio::time::timeout(LIMIT, self.ask(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::warn!(model = %self.model, error = &*error, "the model did not answer");
                let why = format!("the model at {} did not answer: {error}; try again soon", self.model);
                http::refuse(StatusCode::BAD_GATEWAY, &why)
            }
            Err(_) => {
                let why = format!("the model at {} did not answer within {LIMIT:?}; try again", self.model);
                http::refuse(StatusCode::GATEWAY_TIMEOUT, &why)
            }
        };
        if let Ok(version) = HeaderValue::from_str(&self.version) {
            answer.headers_mut().insert(VERSION_HEADER, version);
        }
        answer
    }

    async fn ask(&self, request: Request<B>) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let (head, body) = request.into_parts();
        let mut to = self.model.clone().into_parts();
        to.path_and_query =
            Some(head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        let mut asked = Request::builder().method(head.method).uri(Uri::from_parts(to)?);
        if let Some(media_type) = head.headers.get(CONTENT_TYPE) {
            asked = asked.header(CONTENT_TYPE, media_type);
        }
        let answer = self.client.request(asked.body(body)?).await?;
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
        let front = Front::new(&url, "v1").unwrap();
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
        let front = Front::new(&format!("http://{closed}"), "v1").unwrap();
        let answer = front.answer(question("/predict")).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(&closed.to_string()) && text.contains("try again"), "{text}");
    }
}
