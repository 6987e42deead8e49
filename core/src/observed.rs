//! Everything that the core may know of the world, as plain data. The shell fills it in; nothing here asks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::spec::Provider;
use crate::plan::Key;
use crate::version::Hash;

/// The world at one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Objects that bear our names or labels, ours or not.
    pub children: BTreeMap<Key, Live>,
    /// Pods of the release.
    pub pods: Vec<Pod>,
    /// Ready endpoints by name of Service, in the release's namespace.
    pub endpoints: BTreeMap<String, i32>,
    /// What each gateway pod answered, if any was asked.
    pub gateways: Vec<GatewayAnswer>,
    /// What proxies at gateways have not taken of what istiod sent them, as istiod tells it. Nothing if nobody asks it.
    pub pushes: Vec<Push>,
    /// What Prometheus answered, if it was asked.
    pub answers: Vec<Answer>,
    /// How far the warm-up of the version on the way has come, if one was asked for.
    pub warmup: Option<WarmupAnswer>,
    /// Routes of others: who else claims a host at a gateway.
    pub claims: Vec<Claim>,
    /// Whether the API server serves Istio's kinds.
    pub istio: bool,
    /// Whether it serves the Gateway API's HTTPRoute.
    pub gateway_api: bool,
    /// Writes of ours that the API server refused since the last one that it took.
    pub refused: Vec<Refused>,
}

/// An object as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// UID of the controlling owner; for objects in a gateway's namespace the value of our UID label.
    pub owner: Option<String>,
    /// Number of the decision that it follows, from its annotation.
    pub seq: Option<i64>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether another manager than ours owns `spec.replicas`: an autoscaler, or a person who scaled.
    pub scaled_by_others: bool,
    /// The whole object as JSON, without managedFields.
    pub body: Value,
}

impl Live {
    /// What tells that only its status has changed: its generation, if its kind has one, and the number that it bears.
    pub fn stands(&self) -> Option<(i64, i64)> {
        let generation = crate::meta::at(&self.body, &["metadata", "generation"])?.as_i64()?;
        Some((generation, self.seq.unwrap_or(0)))
    }
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Hash of its version, from its label.
    pub hash: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Message of the scheduler, if it found no node.
    pub unschedulable: Option<String>,
    /// Its containers, init containers first.
    pub containers: Vec<Container>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub init: bool,
    /// How often it was restarted.
    pub restarts: i32,
    /// Why it waits, in Kubernetes' word: `ImagePullBackOff`, `CrashLoopBackOff` and the like.
    pub waiting: Option<String>,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
    /// How its run before this one ended.
    pub ended_before: Option<Ended>,
}

/// How a container's run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Kubernetes' word: `OOMKilled`, `Error`, `Completed`.
    pub reason: String,
    /// Exit code.
    pub exit_code: i32,
    /// Termination message, at most 4 KiB; only our own fetcher's is read.
    pub message: String,
}

/// What one gateway pod answered to the route check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAnswer {
    /// Name of the set of gateways.
    pub set: String,
    /// The pod.
    pub pod: String,
    /// The number of the decision that its routes follow; none if it did not say.
    pub seq: Option<i64>,
    /// Whether it was seen to refuse what the limits of now refuse; none if it was not asked, or did not say.
    pub limited: Option<bool>,
    /// Status code of the version that was asked for by its own route; none if none was, or it did not answer.
    pub route: Option<u16>,
}

/// What istiod sent to a gateway's pod and the proxy there has not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Name of the set of gateways.
    pub set: String,
    /// The pod.
    pub pod: String,
    /// What was sent.
    pub part: Part,
    /// Whether the proxy refused it; else it has not said anything yet.
    pub refused: bool,
    /// Since when.
    pub since: Timestamp,
}

/// A part of a proxy's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Where requests go.
    Clusters,
    /// Which ports are open, and the filters there.
    Listeners,
    /// Which requests go where.
    Routes,
    /// The pods behind a cluster.
    Endpoints,
    /// Filters that are sent by themselves.
    Extensions,
    /// Certificates.
    Secrets,
}

impl Part {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Clusters, Self::Listeners, Self::Routes, Self::Endpoints, Self::Extensions, Self::Secrets];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Listeners => "listeners",
            Self::Routes => "routes",
            Self::Endpoints => "endpoints",
            Self::Extensions => "extensions",
            Self::Secrets => "secrets",
        }
    }
}

/// How far a warm-up has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmupAnswer {
    /// Hash of the version.
    pub hash: Hash,
    /// Requests that were answered 2xx so far, since the warm-up was first asked for.
    pub good: i32,
    /// Status code of the last answer that was not, if any.
    pub last_status: Option<u16>,
    /// Whether no request could be brought to any pod: no connection, or one that was cut without an answer.
    pub unreachable: bool,
}

/// An answer of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub id: QueryId,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Status code and body, at most 1 MiB; or that there was none.
    pub outcome: Result<(u16, Vec<u8>), Unanswered>,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// No connection.
    Unreachable,
    /// Not in time.
    TimedOut,
    /// More than 1 MiB.
    TooLarge,
    /// Not even HTTP, or cut off.
    Broken,
}

/// Names a question, so that its answer finds back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId {
    /// The check that asks.
    pub check: String,
    /// End of the block.
    pub at: Timestamp,
}

/// A route of somebody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Kind, namespace and name, for people.
    pub object: String,
    /// Whose object it is: each provider has gateways of its own, which may share names.
    pub provider: Provider,
    /// Its namespace.
    pub namespace: String,
    /// UID of the release that owns it, if one does.
    pub release: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Of a release: the path at its gateways below which it answers; empty for all.
    pub path: String,
    /// Its gateways, each `namespace/name` or `mesh`.
    pub gateways: Vec<String>,
}

/// A write that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The object.
    pub key: Key,
    /// HTTP status code.
    pub code: u16,
    /// The API server's reason, at most 256 characters, control characters removed.
    pub message: String,
}
