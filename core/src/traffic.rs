//! How requests reach a version: the traffic object with its weights, its roots, and the limits before it.

use serde_json::Value;

use crate::api::reasons::Reason;
use crate::observed::Claim;
use crate::plan::{Key, Probe};
use crate::release::Release;
use crate::settings::Settings;
use crate::version::Hash;

/// What the traffic object is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The two backends in their order; weights sum to 100. The placeholder is the first once more, at weight 0.
    pub entries: [Entry; 2],
    /// The versions that have a route of their own.
    pub routes: Vec<Route>,
}

/// A version and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its hash.
    pub hash: Hash,
    /// Its name for people.
    pub name: String,
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
    /// Values of the version header that ask for it: its name, and `stable` or `canary`.
    pub words: Vec<String>,
}

/// The VirtualService that carries the weights.
pub fn traffic_object(_release: &Release, _settings: &Settings, _split: &Split, _seq: i64) -> (Key, Value) {
    todo!()
}

/// The VirtualServices that bind hosts to the traffic object: one for gateways, one for the mesh, as named.
pub fn roots(_release: &Release, _settings: &Settings, _seq: i64) -> Vec<(Key, Value)> {
    todo!()
}

/// The EnvoyFilters that limit clients, one per set of gateways.
pub fn limits(_release: &Release, _settings: &Settings, _seq: i64) -> Vec<(Key, Value)> {
    todo!()
}

/// Whether an object lies outside the release's namespace.
pub fn owned_elsewhere(_release: &Release, _key: &Key) -> bool {
    todo!()
}

/// The weights that a traffic object gives, by version in the order of its entries. None if they cannot be relied on.
pub fn read_back(_body: &Value) -> Option<Vec<(Hash, i32)>> {
    todo!()
}

/// The versions that have a route of their own in a traffic object.
pub fn routes_read(_body: &Value) -> Vec<Hash> {
    todo!()
}

/// The number of the decision that a traffic object tells to who probes.
pub fn seq_read(_body: &Value) -> Option<i64> {
    todo!()
}

/// What to ask the gateways' pods.
pub fn probes(_release: &Release) -> Vec<Probe> {
    todo!()
}

/// Why the release may not have its hosts, if somebody else has one of them.
pub fn conflict(_release: &Release, _claims: &[Claim]) -> Option<(Reason, String)> {
    todo!()
}

/// Where the release is reached.
pub fn url(_release: &Release, _settings: &Settings) -> String {
    todo!()
}
