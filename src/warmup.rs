//! Warms versions up: sends the user's requests to a version that has no weight yet, beside all other work, and tells
//! how far it has come.
//!
//! A warm-up takes as long as a model's first answers take, so no look waits for it: it goes on while the core asks for
//! it again, and ends when it no longer does.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use model_release_core::observed::WarmupAnswer;
use model_release_core::plan::{Probe, Warmup};
use model_release_core::traffic::{PROBE_HEADER, VERSION_HEADER};
use model_release_core::version::Hash;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::gateway::wire::{self, PodClient, Wire};
use crate::observe::{gateway_pods, version_pods};
use crate::watch::{Caches, ReleaseKey};

/// Limit of one request: a model's first answer may take long.
const LIMIT: Duration = Duration::from_secs(30);
/// Limit of opening a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Time before a request that went wrong is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// Requests under way at once.
const AT_ONCE: usize = 4;
/// Name under which a version's own pods are asked, which serve no host.
const NOBODY: &str = "localhost";
/// Connections that fail in a row, without any answer, before pods count as out of reach.
const FAILURES: u32 = 5;

/// Running warm-ups, one a release at most. Clones share it.
#[derive(Clone, Default)]
pub struct Warmups {
    running: Arc<Mutex<BTreeMap<ReleaseKey, Running>>>,
}

impl fmt::Debug for Warmups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Warmups")
    }
}

/// One warm-up. It ends when this is dropped.
struct Running {
    which: (Hash, i64, i32),
    progress: Progress,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Progress = Arc<Mutex<WarmupAnswer>>;

impl Warmups {
    /// Begins what is asked for, goes on with it, or ends what no longer is; tells how far it has come.
    pub fn follow(&self, key: &ReleaseKey, caches: &Caches, wanted: Option<&Warmup>) -> Option<WarmupAnswer> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wanted) = wanted else {
            running.remove(key);
            return None;
        };
        let which = (wanted.hash.clone(), wanted.attempt, wanted.returns);
        if running.get(key).is_none_or(|known| known.which != which) {
            let answer =
                WarmupAnswer { hash: wanted.hash.clone(), good: 0, last_status: None, unreachable: false };
            let progress = Arc::new(Mutex::new(answer));
            let task = tokio::spawn(warm(wanted.clone(), caches.clone(), progress.clone()));
            running.insert(key.clone(), Running { which, progress, task });
        }
        running.get(key).map(|known| known.progress.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Sends all of the requests, each until it is answered 2xx.
async fn warm(wanted: Warmup, caches: Caches, progress: Progress) {
    let host = wanted.probes.first().map_or(NOBODY, |probe| probe.host.as_str());
    let Some(client) = Wire::default().client(host, CONNECT, AT_ONCE) else { return };
    let requests = 0..usize::try_from(wanted.requests).unwrap_or(0);
    let (wanted, caches, client, progress) = (&wanted, &caches, &client, &progress);
    stream::iter(requests)
        .for_each_concurrent(AT_ONCE, |number| async move {
            let mut failures = 0_u32;
            for attempt in 0.. {
                let sent = match target(wanted, caches, number.saturating_add(attempt)) {
                    Some(to) => tokio::time::timeout(LIMIT, send(client, wanted, &to)).await.ok().flatten(),
                    None => None,
                };
                failures = if sent.is_none() { failures + 1 } else { 0 };
                if note(progress, sent, failures) {
                    return;
                }
                debug!(version = %wanted.hash, sent, "a warm-up request is sent again");
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await;
}

/// Notes how a request ended; whether it was answered well.
fn note(progress: &Progress, sent: Option<u16>, failures: u32) -> bool {
    let mut told = progress.lock().unwrap_or_else(PoisonError::into_inner);
    let good = sent.is_some_and(|status| (200..300).contains(&status));
    match sent {
        Some(_) if good => told.good = told.good.saturating_add(1),
        Some(status) => told.last_status = Some(status),
        None => {}
    }
    let answered = told.good > 0 || told.last_status.is_some();
    told.unreachable = !answered && (told.unreachable || failures >= FAILURES);
    good
}

/// Where a request goes, and by which question to a gateway, if by one.
struct To<'a> {
    address: SocketAddr,
    probe: Option<&'a Probe>,
}

/// One of the pods that may be asked, in turn: gateways', or the version's own if no gateway leads there.
fn target<'a>(wanted: &'a Warmup, caches: &Caches, turn: usize) -> Option<To<'a>> {
    let all: Vec<To> = if wanted.probes.is_empty() {
        let pods = version_pods(caches, &wanted.namespace, &wanted.service, "http");
        pods.into_iter().map(|pod| To { address: pod.address, probe: None }).collect()
    } else {
        let pods = |probe: &'a Probe| {
            gateway_pods(caches, &probe.namespace, &probe.service, &probe.port)
                .into_iter()
                .map(move |pod| To { address: pod.address, probe: Some(probe) })
        };
        wanted.probes.iter().flat_map(pods).collect()
    };
    let turn = turn.checked_rem(all.len())?;
    all.into_iter().nth(turn)
}

/// Status code of the answer; none if there was no connection, or no answer on it. The body is not read.
async fn send(client: &PodClient, wanted: &Warmup, to: &To<'_>) -> Option<u16> {
    let method = if wanted.body.is_some() { Method::POST } else { Method::GET };
    let through = to.probe.and_then(|probe| Some((probe, probe.direct.as_ref()?)));
    let (scheme, path) = through.map_or(("http", wanted.path.as_str()), |(probe, direct)| {
        // At a gateway the release has a path of its own.
        (wire::scheme(probe), direct.path.as_str())
    });
    let mut request = Request::builder().method(method).uri(format!("{scheme}://{}{path}", to.address));
    if let Some((probe, direct)) = through {
        request = request.header(HOST, &probe.host);
        request = request.header(PROBE_HEADER, &direct.token).header(VERSION_HEADER, &direct.version);
    }
    if wanted.body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(wanted.body.clone().unwrap_or_default()));
    let answer = client.request(request.body(body).ok()?).await.ok()?;
    Some(answer.status().as_u16())
}

#[cfg(test)]
mod tests;
