//! Connections to servers that the administrator names: pooled, bounded while connecting, with TLS only where it is asked
//! for, so that an image without certificates will do elsewhere.

use std::io;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Limit of connecting.
const CONNECT: Duration = Duration::from_secs(2);

/// Sends requests. Clones share connections.
#[derive(Clone)]
pub enum Wire {
    /// To http addresses.
    Plain(Client<HttpConnector, Full<Bytes>>),
    /// To https addresses as well.
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Wire {
    /// Without TLS, or with it by the system's CA certificates.
    ///
    /// # Errors
    /// If there are no certificates.
    pub fn new(tls: bool) -> io::Result<Self> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(60));
        if !tls {
            return Ok(Self::Plain(builder.build(http)));
        }
        http.enforce_http(false);
        let roots = HttpsConnectorBuilder::new().with_native_roots()?;
        Ok(Self::Tls(builder.build(roots.https_or_http().enable_http1().wrap_connector(http))))
    }

    /// Sends a request.
    pub fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Tls(client) => client.request(request),
        }
    }
}
