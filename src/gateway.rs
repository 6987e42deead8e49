//! Asks gateway pods which decision their routes follow, and whether they limit clients: a few small requests to each
//! ready pod, over connections of their own.

use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model_release_core::observed::GatewayAnswer;
use model_release_core::plan::Probe;
use model_release_core::traffic::{PROBE_HEADER, PROOF_HEADER, SEQ_HEADER, SEQ_PATH};
use tracing::debug;

use crate::observe::{Target, gateway_pods};
use crate::watch::Caches;

/// Requests by which a limit is proven: the first may find a token that has just come back.
const TRIES: usize = 3;
/// Time for what one pod is asked.
const LIMIT: Duration = Duration::from_secs(1);

/// Asks gateways. Clones share it.
#[derive(Clone)]
pub struct Gateways {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateways")
    }
}

impl Default for Gateways {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(LIMIT));
        connector.set_nodelay(true);
        // No connection is kept: one that a gateway is about to drain may still follow its old configuration.
        Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector) }
    }
}

impl Gateways {
    /// Asks every ready pod of each set, all at once. A set without ready pods gives no answer at all.
    pub async fn ask(&self, caches: &Caches, probes: Vec<Probe>) -> Vec<GatewayAnswer> {
        let asked = probes.iter().flat_map(|probe| {
            let pods = gateway_pods(caches, &probe.namespace, &probe.service, &probe.port);
            pods.into_iter().map(move |target| self.ask_one(probe, target))
        });
        join_all(asked).await
    }

    async fn ask_one(&self, probe: &Probe, target: Target) -> GatewayAnswer {
        let (seq, limited) = tokio::join!(
            tokio::time::timeout(LIMIT, self.seq(probe, &target)),
            tokio::time::timeout(LIMIT, self.limited(probe, &target)),
        );
        let (seq, limited) = (seq.ok().flatten(), limited.ok().flatten());
        debug!(set = %probe.set, pod = %target.pod, seq, limited, "asked a gateway");
        GatewayAnswer { set: probe.set.clone(), pod: target.pod, seq, limited }
    }

    /// The number in the answer; none for any other answer.
    async fn seq(&self, probe: &Probe, target: &Target) -> Option<i64> {
        let answer = self.answer(probe, target, &probe.token).await?;
        let told = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        // An HTTPRoute tells it by where it redirects to.
        let pointed = || told(LOCATION.as_str())?.split_once(SEQ_PATH).map(|(_, seq)| seq);
        told(SEQ_HEADER).or_else(pointed)?.trim().parse().ok()
    }

    /// Whether one of some requests in a row is refused by the limits of now: the bucket that they are for holds one in a
    /// second. None without an answer.
    async fn limited(&self, probe: &Probe, target: &Target) -> Option<bool> {
        let limit = probe.limit.as_ref()?;
        for _ in 0..TRIES {
            let answer = self.answer(probe, target, &limit.token).await?;
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                let by = answer.headers().get(PROOF_HEADER).and_then(|by| by.to_str().ok());
                return Some(by == Some(limit.proof.as_str()));
            }
        }
        Some(false)
    }

    async fn answer(&self, probe: &Probe, target: &Target, token: &str) -> Option<Response<Incoming>> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("http://{}{}", target.address, probe.path))
            .header(HOST, &probe.host)
            .header(PROBE_HEADER, token)
            .body(Empty::new())
            .ok()?;
        self.client.request(request).await.ok()
    }
}

#[cfg(test)]
mod tests;
