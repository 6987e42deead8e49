//! Connections to gateways' pods: plain, or with TLS for a release's host, whatever certificate the pod shows.
//!
//! # Why the certificate is not checked
//! A pod is asked by its address, and no certificate is made for that. The one that it shows for the host may be of any
//! authority, or self-signed in a cluster for tests, and the operator would have to be given all of them. Nothing is
//! lost by it: what is learned is a number and a status, and whoever could answer in the pod's place, at an address that
//! the API server names and inside the cluster's network, could answer a plain port as well. The one secret is the token
//! in the question's header, and it is the release's own. Who gets hold of it may ask what is asked here: which decision
//! is followed, and one version past the weights. No right over the release and no data of it go with that.
//! TLS serves here to be led by its server name to where the host is served, and to be heard where nothing else is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model_release_core::plan::Probe;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// A client for the pods that serve one host.
pub(crate) type PodClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes clients. Clones share it.
#[derive(Clone)]
pub(crate) struct Wire(Arc<ClientConfig>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Default for Wire {
    fn default() -> Self {
        let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Anyone));
        let mut config = builder.with_no_client_auth();
        // Pods of one host are many servers: what one remembers of us the next does not know.
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }
}

impl Wire {
    /// A client for a host. `connect` limits the opening of a connection; so many of them are kept for the next request.
    /// None if the host is no name.
    pub(crate) fn client(&self, host: &str, connect: Duration, kept: usize) -> Option<PodClient> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(connect));
        http.set_nodelay(true);
        // The connector around it knows both.
        http.enforce_http(false);
        let name = FixedServerNameResolver::new(ServerName::try_from(host.to_owned()).ok()?);
        let connector = HttpsConnector::new(http, self.0.clone(), false, Arc::new(name));
        Some(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(kept).build(connector))
    }
}

/// How a set of gateways is spoken to.
pub(crate) fn scheme(probe: &Probe) -> &'static str {
    if probe.tls { "https" } else { "http" }
}

/// Takes every certificate: see above.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
