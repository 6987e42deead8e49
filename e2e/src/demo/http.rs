//! A small HTTP client for what the demo asks the gateway and Envoy's admin port itself.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::{Error, Result};

/// No answer may take longer.
const DEADLINE: Duration = Duration::from_secs(3);
/// Longer bodies are refused: statistics of one gateway are the largest that is read.
const MOST_BYTES: usize = 8 << 20;

/// Keeps connections open between requests; cloning shares them.
#[derive(Debug, Clone)]
pub struct Client(Pool<HttpConnector, Full<Bytes>>);

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

impl Default for Client {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(DEADLINE));
        Self(Pool::builder(TokioExecutor::new()).build(connector))
    }
}

impl Client {
    /// Asks `url` by GET.
    ///
    /// # Errors
    /// If there is no whole answer within 3 s; the text names the address.
    pub async fn get(&self, url: &str) -> Result<Answer> {
        self.send(Method::GET, url, &[], String::new()).await
    }

    /// Sends `body` to `url` by POST with these headers.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, url: &str, headers: &[(&str, &str)], body: String) -> Result<Answer> {
        self.send(Method::POST, url, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer> {
        let fail = |detail: &dyn std::fmt::Display| {
            Error::other(format!("{method} {url}: {detail}; is the cluster up (`make status`)?"))
        };
        let mut request = Request::builder().method(method.clone()).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).map_err(|error| fail(&error))?;
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| fail(&error))?;
            let (head, body) = answer.into_parts();
            let body =
                Limited::new(body, MOST_BYTES).collect().await.map_err(|error| fail(&error))?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| fail(&"no answer in 3 s"))?
    }
}
