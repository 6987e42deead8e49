//! Asks for a file over HTTP, follows redirects, and tells what is worth another try from what is not.

use crate::location::Location;
use crate::outcome::Failure;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// To open a connection, per address.
const CONNECT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 3;
const AGENT: &str = concat!("model-release-fetcher/", env!("CARGO_PKG_VERSION"));

/// Why a try failed.
pub enum Trouble {
    /// Another try may do better: no connection, a server at its limits.
    Passing(String),
    /// It will not.
    Lasting(Failure),
}

/// The client of one run.
pub struct Source {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Source {
    /// Trusts the certificates of the system (or of `SSL_CERT_FILE`), without any those of Mozilla.
    pub fn new() -> Result<Self, Failure> {
        let builder = || {
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| {
                    Failure::Usage(format!("TLS cannot be used here: {error}; report this as a bug"))
                })
        };
        let tls = match builder()?.with_native_roots() {
            Ok(native) => native.with_no_client_auth(),
            Err(_none) => builder()?.with_webpki_roots().with_no_client_auth(),
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        // A connection is never used twice: one that a server closes meanwhile would fail the next request, and there is
        // only one file to fetch.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        Ok(Self { client })
    }

    /// The answer that holds the file, after at most three redirects.
    pub async fn open(&self, from: &Location, wait: Duration) -> Result<Response<Incoming>, Trouble> {
        let mut at = from.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(&at, wait).await?;
            if !answer.status().is_redirection() {
                return judged(answer, &at);
            }
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("");
            at = at.redirected(to).map_err(Trouble::Lasting)?;
        }
        Err(Trouble::Lasting(Failure::ArtifactNotFound(format!(
            "{from} redirects more than {MAX_REDIRECTS} times; name the file's own address"
        ))))
    }

    async fn ask(&self, at: &Location, wait: Duration) -> Result<Response<Incoming>, Trouble> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = at.uri().clone();
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        match tokio::time::timeout(wait, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Trouble::Passing(format!("{at} could not be asked: {}", causes(&error)))),
            Err(_elapsed) => {
                Err(Trouble::Passing(format!("{at} did not answer within {} s", wait.as_secs())))
            }
        }
    }
}

fn judged(answer: Response<Incoming>, at: &Location) -> Result<Response<Incoming>, Trouble> {
    let status = answer.status();
    let lasting = |failure: fn(String) -> Failure, advice: &str| {
        Err(Trouble::Lasting(failure(format!("{at} answered {status}; {advice}"))))
    };
    match status {
        StatusCode::OK => Ok(answer),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            lasting(Failure::ArtifactNotFound, "check storageUri, or put the file there")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            lasting(Failure::ArtifactDenied, "let this cluster read the file")
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Trouble::Passing(format!("{at} answered {status}")))
        }
        _ if status.is_server_error() => Err(Trouble::Passing(format!("{at} answered {status}"))),
        _ => lasting(Failure::ArtifactDenied, "a plain GET must give the file; check the server"),
    }
}

/// An error with all that caused it: hyper's own text alone says little.
pub fn causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}
