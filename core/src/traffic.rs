//! How requests reach a version: the traffic object with its weights, its roots, and the limits before it.

mod claims;
mod filter;
mod httproute;
mod istio;
mod limits;
mod read;
mod sticky;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::api::spec::Provider;
use crate::observed::Observed;
use crate::plan::{DirectProbe, Key, Kind, LimitProbe, Probe};
use crate::release::Release;
use crate::settings::{GatewaySet, Settings};
use crate::version::Hash;

pub use claims::{conflict, dispute};
pub use filter::takes as takes_filters;
pub use httproute::SEQ_PATH;
pub use istio::roots;
pub(crate) use istio::{GRPC, HTTP};
pub use limits::{has_limits, limit_proof, limits, pod_limit};
pub use read::{mirror_read, read_back, refusal_read, routes_read, seq_read};
pub use sticky::sticky;

/// Header by which the operator asks gateways for their state; its value is secret.
pub const PROBE_HEADER: &str = "x-modelrelease-probe";
/// Header that an answer to it tells `seq` in.
pub const SEQ_HEADER: &str = "x-modelrelease-seq";
/// Header of an answer that a limit refused; says where.
const LIMIT_HEADER: &str = "x-local-rate-limit";
/// Its value of a refusal by a gateway.
pub(crate) const AT_GATEWAY: &str = "gateway";
/// Header of a gateway's refusal that tells by which limits.
pub const PROOF_HEADER: &str = "x-modelrelease-limits";
/// Header by which the operator asks for one version.
pub const VERSION_HEADER: &str = "x-modelrelease-version";

/// What the traffic object is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The two backends in their order; weights sum to 100. The placeholder is the first once more, at weight 0.
    pub entries: [Entry; 2],
    /// The versions that have a route of their own.
    pub routes: Vec<Route>,
    /// Who gets copies of requests, if anybody does; the answers are dropped.
    pub mirror: Option<Mirror>,
}

/// How requests enter a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entrance {
    /// Whether by its app.
    pub app: bool,
    /// Whether gRPC is served there, beside HTTP.
    pub grpc: bool,
}

/// A version that gets copies of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its hash.
    pub hash: Hash,
    /// Where requests enter it.
    pub entrance: Entrance,
    /// Percent of the requests that are copied, 1 to 100.
    pub percent: i32,
}

/// A version and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its hash.
    pub hash: Hash,
    /// Its name for people.
    pub name: String,
    /// Where requests enter it.
    pub entrance: Entrance,
    /// Its percent, 0 to 100.
    pub weight: i32,
}

/// A version's own route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its hash.
    pub hash: Hash,
    /// Its name for people.
    pub name: String,
    /// Where requests enter it.
    pub entrance: Entrance,
    /// Values of the version header that ask for it: its name, and `stable` or `canary`.
    pub words: Vec<String>,
}

/// Kind of the traffic object.
pub fn kind(provider: Provider) -> Kind {
    match provider {
        Provider::Istio => Kind::VirtualService,
        Provider::GatewayApi => Kind::HttpRoute,
    }
}

/// Names the traffic object.
pub fn traffic_key(release: &Release) -> Key {
    key(release, release.traffic.provider)
}

fn key(release: &Release, provider: Provider) -> Key {
    Key { kind: kind(provider), namespace: release.namespace.clone(), name: release.name.clone() }
}

/// The provider by which the release is routed already, if it is another one than the spec's. What carries the weights
/// does not change hands: in between they would be nobody's.
pub fn other_provider(release: &Release, observed: &Observed) -> Option<Provider> {
    let other = match release.traffic.provider {
        Provider::Istio => Provider::GatewayApi,
        Provider::GatewayApi => Provider::Istio,
    };
    let there = observed.children.get(&key(release, other))?;
    (there.owner.as_deref() == Some(release.uid.as_str())).then_some(other)
}

/// The object that carries the weights; `live`: what is stored of it. Its number is missing: see [`numbered`].
pub fn traffic_object(
    release: &Release,
    settings: &Settings,
    split: &Split,
    live: Option<&Value>,
) -> (Key, Value) {
    match release.traffic.provider {
        Provider::Istio => istio::traffic_object(release, settings, split),
        Provider::GatewayApi => httproute::traffic_object(release, split, live),
    }
}

/// The traffic object with its number: in its annotation, and in what its probe route answers.
pub fn numbered(object: Value, seq: i64) -> Value {
    if object.pointer("/spec/rules").is_some() {
        httproute::numbered(object, seq)
    } else {
        istio::numbered(object, seq)
    }
}

/// Whether an object lies outside the release's namespace, so that deleting the release does not delete it.
pub fn owned_elsewhere(release: &Release, key: &Key) -> bool {
    key.namespace != release.namespace
}

/// What to ask the gateways' pods: which decision their routes follow. Nothing of sets that are not to be asked.
pub fn probes(release: &Release, settings: &Settings) -> Vec<Probe> {
    let Some(host) = release.traffic.hosts.first() else { return Vec::new() };
    let proof = limit_proof(release, settings);
    let ask = |set: &GatewaySet| {
        set.probe_port.as_ref().map(|port| Probe {
            set: set.name.clone(),
            namespace: set.namespace.clone(),
            service: set.service.clone(),
            port: port.clone(),
            tls: set.probe_tls,
            host: host.clone(),
            path: format!("{}/", release.traffic.path),
            token: release.probe_token(),
            limit: proof
                .clone()
                .filter(|_| filter::takes(release, set))
                .map(|proof| LimitProbe { token: limits::limit_token(release), proof }),
            direct: None,
        })
    };
    release.traffic.sets.iter().filter_map(ask).collect()
}

/// Whether there is a gateway's pod that can be asked at all.
pub fn askable(release: &Release) -> bool {
    !release.traffic.hosts.is_empty() && release.traffic.sets.iter().any(|set| set.probe_port.is_some())
}

/// The same pods, asked besides for an answer of one version by its own route. `path` is the version's own.
pub fn probes_of(release: &Release, settings: &Settings, hash: &Hash, path: &str) -> Vec<Probe> {
    let direct = DirectProbe {
        token: format!("{}-direct", release.probe_token()),
        version: hash.to_string(),
        path: format!("{}{path}", release.traffic.path),
    };
    let ask = |probe| Probe { direct: Some(direct.clone()), ..probe };
    probes(release, settings).into_iter().map(ask).collect()
}

/// Where the release is reached: its first host, or its name in the mesh.
pub fn url(release: &Release, settings: &Settings) -> String {
    match release.traffic.hosts.first() {
        Some(host) => format!("http://{host}{}/", release.traffic.path),
        None => format!("http://{}/", istio::mesh_host(release, settings)),
    }
}
