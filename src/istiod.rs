//! The only place that talks to istiod: which proxies have taken what it sent them, asked for all releases together.
//!
//! Nothing waits for it and nothing depends on it. Without an answer conditions say a word less, and that is told by a
//! metric and in the log only.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use model_release_core::observed::Push;
use model_release_core::pushes::{Gateway, View, worth_telling};
use model_release_core::settings::{GatewaySet, Mesh, Settings};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::lease::Lead;
use crate::metrics::Metrics;
use crate::observe::gateway_pods;
use crate::watch::Caches;

/// Time between two looks whether it is to be asked.
const TICK: Duration = Duration::from_secs(1);
/// Time between two rounds of questions while somebody wants to know.
const SOON: Duration = Duration::from_secs(5);
/// The same while nobody does.
const IDLE: Duration = Duration::from_secs(60);
/// Limit of one question, from connecting to the answer's last byte.
const LIMIT: Duration = Duration::from_secs(3);
/// Limit of a round: what was not asked by then is asked in the next one.
const ROUND: Duration = Duration::from_secs(8);
/// Limit of connecting.
const CONNECT: Duration = Duration::from_secs(1);
/// Largest answer. Older istiods list every proxy of the mesh, at about one kilobyte each.
const LARGEST: usize = 8 << 20;
/// Addresses that are asked; behind one name there may be several istiods, and each lists its own proxies.
const ADDRESSES: usize = 8;
/// Pods of gateways that are looked for.
const PODS: usize = 1000;
/// Largest token.
const TOKEN: usize = 16 << 10;

/// What came of a question, as counted.
pub const OUTCOMES: [&str; 8] =
    ["ok", "denied", "refused", "unreachable", "timeout", "too_large", "broken", "unreadable"];

/// Asks istiod, if the administrator named one. Clones share it.
#[derive(Clone, Default)]
pub struct Istiod(Option<Arc<Inner>>);

struct Inner {
    /// Name and port to connect to, and both as they were written.
    host: String,
    port: u16,
    authority: String,
    token_file: Option<String>,
    client: Client<HttpConnector, Empty<Bytes>>,
    known: Mutex<Known>,
    metrics: Metrics,
    clock: Clock,
}

#[derive(Default)]
struct Known {
    view: View,
    pushes: Vec<Push>,
    /// Those of them that anybody is told.
    told: Vec<Push>,
    wanted_until: Option<Timestamp>,
    /// What came of the last round, once there was one.
    outcome: Option<&'static str>,
}

impl fmt::Debug for Istiod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Istiod")
    }
}

/// The host and port that questions go to.
///
/// # Errors
/// What is wrong with the address, and what to do.
pub fn endpoint(url: &str) -> Result<Uri, String> {
    let hint = "write it as http://host:port, as in http://istiod.istio-system:15014";
    let uri: Uri = url.parse().map_err(|_| format!("{url:?} is no address; {hint}"))?;
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(format!("holds a user or password, which istiod does not know; {hint}"));
    }
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if uri.scheme_str() != Some("http") || uri.port_u16().is_none() || !bare {
        return Err(format!("{url:?} is no address of istiod's port for debugging; {hint}"));
    }
    Ok(uri)
}

impl Istiod {
    /// The one that the settings name; none if they name none.
    pub fn new(mesh: &Mesh, metrics: &Metrics, clock: &Clock) -> Self {
        // Settings are checked when they are read.
        let uri = mesh.istiod.as_deref().and_then(|url| endpoint(url).ok());
        let Some(uri) = uri else { return Self::default() };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        metrics.istiod();
        Self(Some(Arc::new(Inner {
            host: uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or_default(),
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            token_file: mesh.istiod_token_file.clone(),
            // No connection is kept: the next one may lead to another istiod of the same name.
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector),
            known: Mutex::default(),
            metrics: metrics.clone(),
            clock: clock.clone(),
        })))
    }

    /// Whether there is one to ask.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Somebody wants to know until then.
    pub fn wanted(&self, until: Timestamp) {
        if let Some(inner) = &self.0 {
            let mut known = inner.known();
            known.wanted_until = known.wanted_until.max(Some(until));
        }
    }

    /// What proxies at gateways have not taken, as far as it is known.
    pub fn pushes(&self) -> Vec<Push> {
        self.0.as_ref().map(|inner| inner.known().pushes.clone()).unwrap_or_default()
    }
}

/// Asks as long as this operator leads, and wakes the releases when there is news. Does nothing without an istiod.
pub async fn run(istiod: Istiod, settings: Arc<Settings>, caches: Caches, mut lead: Lead) {
    let Some(inner) = istiod.0 else { return std::future::pending().await };
    let mut asked: Option<Instant> = None;
    loop {
        lead.becomes(true).await;
        caches.wait_synced().await;
        let gateways = gateways(&settings, &caches);
        if !gateways.is_empty() && inner.due(asked) {
            asked = Some(Instant::now());
            if inner.ask(&gateways).await {
                caches.wake(caches.releases().into_iter().map(|(key, _)| key));
            }
        }
        tokio::time::sleep(TICK).await;
        if !lead.leads() {
            // Whoever leads asks for itself, and tells.
            *inner.known() = Known::default();
            inner.metrics.gateway_pushes(&[], &[]);
        }
    }
}

/// The ready pods of every set of gateways that can be asked: only their Services are watched.
fn gateways(settings: &Settings, caches: &Caches) -> Vec<Gateway> {
    let of = |set: &GatewaySet| {
        let port = set.probe_port.as_deref()?;
        let pods = gateway_pods(caches, &set.namespace, &set.service, port).into_iter();
        let gateway = |pod| Gateway { set: set.name.clone(), namespace: set.namespace.clone(), pod };
        Some(pods.map(|target| gateway(target.pod)).collect::<Vec<_>>())
    };
    settings.gateways.iter().filter_map(of).flatten().take(PODS).collect()
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, asked: Option<Instant>) -> bool {
        let wanted = self.known().wanted_until.is_some_and(|until| until > self.clock.now());
        let wait = if wanted { SOON } else { IDLE };
        asked.is_none_or(|at| at.elapsed() >= wait)
    }

    /// One round. True if there is something else to tell than before.
    async fn ask(&self, gateways: &[Gateway]) -> bool {
        let mut view = self.known().view.clone();
        let outcome = self.round(&mut view, gateways).await;
        let now = self.clock.now();
        view.forget(gateways, now);
        let pushes = view.pushes(gateways);
        let told: Vec<Push> = pushes.iter().filter(|push| worth_telling(push, now)).cloned().collect();
        self.metrics.gateway_pushes(&view.sent(gateways), &told);
        let mut known = self.known();
        let (news, before) = (told != known.told, known.outcome);
        (known.view, known.pushes, known.told, known.outcome) = (view, pushes, told, Some(outcome));
        drop(known);
        match (before, outcome) {
            (Some(before), "ok") if before != "ok" => info!("istiod answers again"),
            (before, bad) if bad != "ok" && before != Some(bad) => warn!(
                istiod = %self.authority, outcome = bad, remedy = remedy(bad),
                "istiod does not tell which pushes gateways refuse; nothing else depends on it",
            ),
            _ => debug!(outcome, "asked istiod"),
        }
        news
    }

    /// Asks each istiod for the proxies of each namespace. The first thing that went wrong, or `ok`.
    async fn round(&self, view: &mut View, gateways: &[Gateway]) -> &'static str {
        let begun = Instant::now();
        let namespaces: BTreeSet<&str> = gateways.iter().map(|gateway| gateway.namespace.as_str()).collect();
        let token = self.token();
        let addresses = self.addresses().await;
        if addresses.is_empty() {
            self.metrics.istiod_question("unreachable");
            return "unreachable";
        }
        let each =
            |address: &SocketAddr| namespaces.iter().map(|n| (*address, (*n).to_owned())).collect::<Vec<_>>();
        let asks: Vec<(SocketAddr, String)> = addresses.iter().flat_map(each).collect();
        let mut wrong = None;
        // One after the other, so that one answer at a time has to be kept.
        for (address, namespace) in asks {
            if begun.elapsed() > ROUND {
                break;
            }
            let page = self.page(address, &namespace, token.as_deref());
            let outcome = match tokio::time::timeout(LIMIT, page).await.unwrap_or(Err("timeout")) {
                Ok(page) if view.take(&page, gateways, self.clock.now()).is_ok() => "ok",
                Ok(_) => "unreadable",
                Err(outcome) => outcome,
            };
            self.metrics.istiod_question(outcome);
            if outcome != "ok" {
                wrong.get_or_insert(outcome);
            }
        }
        wrong.unwrap_or("ok")
    }

    /// Every address of the name, each once.
    async fn addresses(&self) -> BTreeSet<SocketAddr> {
        let looked_up = tokio::net::lookup_host((self.host.as_str(), self.port));
        match tokio::time::timeout(LIMIT, looked_up).await {
            Ok(Ok(found)) => found.take(ADDRESSES).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The token as it is now; none without a file, or if it cannot be read.
    fn token(&self) -> Option<String> {
        let token = std::fs::read_to_string(self.token_file.as_ref()?).ok()?;
        Some(token.trim().to_owned()).filter(|token| (1..=TOKEN).contains(&token.len()))
    }

    async fn page(
        &self,
        address: SocketAddr,
        namespace: &str,
        token: Option<&str>,
    ) -> Result<Vec<u8>, &'static str> {
        // Older istiods do not know the parameter, and list all.
        let mut request = Request::get(format!("http://{address}/debug/syncz?namespace={namespace}"))
            .header(HOST, &self.authority)
            .header(ACCEPT, "application/json");
        if let Some(token) = token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| "broken")?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(Empty::new()).map_err(|_| "broken")?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| if error.is_connect() { "unreachable" } else { "broken" })?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Err("denied"),
            _ => return Err("refused"),
        }
        match Limited::new(answer.into_body(), LARGEST).collect().await {
            Ok(page) => Ok(page.to_bytes().to_vec()),
            Err(error) if error.is::<LengthLimitError>() => Err("too_large"),
            Err(_) => Err("broken"),
        }
    }
}

/// What helps where a question goes wrong.
fn remedy(outcome: &str) -> &'static str {
    match outcome {
        "denied" => {
            "give the operator a token for it (traffic.istiodTokenFile), and allow its namespace by istiod's DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES"
        }
        "too_large" => {
            "ask an istiod of this mesh only, or upgrade it to one that lists a namespace's proxies"
        }
        _ => "check traffic.istiod in the settings: it is istiod's port for debugging, 15014",
    }
}

#[cfg(test)]
mod tests;
