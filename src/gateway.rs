//! Asks gateway pods which decision their routes follow, whether they limit clients, and whether they lead to a version: a
//! few small requests to each ready pod, over connections of their own.

pub(crate) mod wire;

use std::fmt;
use std::time::Duration;

use futures::future::join_all;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use model_release_core::observed::GatewayAnswer;
use model_release_core::plan::Probe;
use model_release_core::traffic::{PROBE_HEADER, PROOF_HEADER, SEQ_HEADER, SEQ_PATH, VERSION_HEADER};
use tracing::debug;

use self::wire::Wire;
use crate::observe::{Target, gateway_pods};
use crate::watch::Caches;

/// Requests by which a limit is proven: the first may find a token that has just come back.
const TRIES: usize = 3;
/// Time for what one pod is asked of itself.
const LIMIT: Duration = Duration::from_secs(1);
/// Time for what a version is asked through it: as long as kubelet gives a model for the same answer.
const LIMIT_OF_VERSION: Duration = Duration::from_secs(3);

/// Asks gateways. Clones share it.
#[derive(Clone, Default)]
pub struct Gateways {
    wire: Wire,
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateways")
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
        let ((seq, route), limited) = tokio::join!(
            self.followed(probe, &target),
            tokio::time::timeout(LIMIT, self.limited(probe, &target)),
        );
        let limited = limited.ok().flatten();
        debug!(set = %probe.set, pod = %target.pod, seq, limited, route, "asked a gateway");
        GatewayAnswer { set: probe.set.clone(), pod: target.pod, seq, limited, route }
    }

    /// The number of the decision that it follows, then what a version answers by its own route. In this order: before
    /// the pod knows that route another version would answer.
    async fn followed(&self, probe: &Probe, target: &Target) -> (Option<i64>, Option<u16>) {
        let seq = tokio::time::timeout(LIMIT, self.seq(probe, target)).await.ok().flatten();
        if seq.is_none() {
            return (None, None);
        }
        let route = tokio::time::timeout(LIMIT_OF_VERSION, self.route(probe, target)).await;
        (seq, route.ok().flatten())
    }

    /// The number in the answer; none for any other answer.
    async fn seq(&self, probe: &Probe, target: &Target) -> Option<i64> {
        let answer = self.answer(probe, target, &probe.token).await?;
        let told = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        // An HTTPRoute tells it by where it redirects to.
        let pointed = || told(LOCATION.as_str())?.split_once(SEQ_PATH).map(|(_, seq)| seq);
        told(SEQ_HEADER).or_else(pointed)?.trim().parse().ok()
    }

    /// Status code of a version's answer; none if none is to be asked, or does not answer.
    async fn route(&self, probe: &Probe, target: &Target) -> Option<u16> {
        let direct = probe.direct.as_ref()?;
        let version = HeaderValue::from_str(&direct.version).ok()?;
        let mut request = request(probe, target, &direct.path, &direct.token)?;
        request.headers_mut().insert(VERSION_HEADER, version);
        Some(self.send(probe, request).await?.status().as_u16())
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
        self.send(probe, request(probe, target, &probe.path, token)?).await
    }

    async fn send(&self, probe: &Probe, request: Request<Full<Bytes>>) -> Option<Response<Incoming>> {
        // No connection is kept: one that a gateway is about to drain may still follow its old configuration.
        self.wire.client(&probe.host, LIMIT, 0)?.request(request).await.ok()
    }
}

/// A question to a pod: by its address, for the host.
fn request(probe: &Probe, target: &Target, path: &str, token: &str) -> Option<Request<Full<Bytes>>> {
    Request::builder()
        .method(Method::GET)
        .uri(format!("{}://{}{path}", wire::scheme(probe), target.address))
        .header(HOST, &probe.host)
        .header(PROBE_HEADER, token)
        .body(Full::default())
        .ok()
}

#[cfg(test)]
mod tests;
