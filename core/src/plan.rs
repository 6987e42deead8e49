//! What `step` returns: a status to commit, then writes in their order, events, and when to look again.

use jiff::Timestamp;
use serde_json::Value;

use crate::analysis::{About, Question};
use crate::api::reasons::Reason;
use crate::api::status::{HistoryEntry, ModelReleaseStatus};
use crate::observed::QueryId;
use crate::version::Hash;

/// A kind of object that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Kubernetes' and Istio's own names")]
pub enum Kind {
    Deployment,
    HorizontalPodAutoscaler,
    Service,
    ControllerRevision,
    VirtualService,
    HttpRoute,
    EnvoyFilter,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
        Self::Service,
        Self::ControllerRevision,
        Self::VirtualService,
        Self::HttpRoute,
        Self::EnvoyFilter,
    ];

    /// Group, version, kind and plural.
    pub fn api(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::HorizontalPodAutoscaler => {
                ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            }
            Self::Service => ("", "v1", "Service", "services"),
            Self::ControllerRevision => ("apps", "v1", "ControllerRevision", "controllerrevisions"),
            Self::VirtualService => ("networking.istio.io", "v1", "VirtualService", "virtualservices"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
            Self::EnvoyFilter => ("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
        }
    }
}

/// How a gateway's pod is seen to keep the limits of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitProbe {
    /// Value of the header `x-modelrelease-probe` to which the pod refuses the second request in a second.
    pub token: String,
    /// Value of the header `x-modelrelease-limits` in that refusal.
    pub proof: String,
}

/// How one version is asked for an answer of its own, through a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectProbe {
    /// Value of the header `x-modelrelease-probe`.
    pub token: String,
    /// Value of the header `x-modelrelease-version`: the version's hash.
    pub version: String,
    /// Path to ask for, that of the release included.
    pub path: String,
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.api().2, self.namespace, self.name)
    }
}

/// One write, with what it was decided on. A conflict ends the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Adds our finalizer to the release, or removes it.
    Finalizer {
        /// Whether it is to be there.
        present: bool,
    },
    /// Creates an object that was seen absent; refused if it exists meanwhile.
    Create {
        /// The object.
        key: Key,
        /// All of it.
        body: Value,
    },
    /// Applies our fields to an object, server-side and forced, if it is still the one that was read.
    Apply {
        /// The object.
        key: Key,
        /// Our fields.
        body: Value,
        /// UID as read.
        uid: String,
        /// resourceVersion as read.
        resource_version: String,
        /// Generation and number as read, of a kind whose generation counts changes of its spec: while they are the
        /// same, only its status has changed since, which nothing here was decided on.
        stands: Option<(i64, i64)>,
    },
    /// Deletes an object, if it is still the one that was read.
    Delete {
        /// The object.
        key: Key,
        /// UID as read.
        uid: String,
        /// resourceVersion as read.
        resource_version: String,
    },
}

/// An Event about the release.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// Whether it is a Warning; else Normal.
    pub warning: bool,
    /// The word for it.
    pub reason: Reason,
    /// What was done: `Promote`, `Rollback` and the like.
    pub action: &'static str,
    /// A sentence.
    pub message: String,
}

/// What is to be done. Nothing of it has been.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The whole new status, if it is to be written.
    pub status: Option<Box<ModelReleaseStatus>>,
    /// Number of the row that answered, if one did.
    pub row: Option<&'static str>,
    /// The decision that this status commits, if it is a new one.
    pub decision: Option<HistoryEntry>,
    /// Effects, in this order; the first refusal ends the plan.
    pub writes: Vec<Write>,
    /// Of what they write, what others had changed and is put right.
    pub drifted: Vec<Key>,
    /// Events, last; their failure fails nothing.
    pub events: Vec<Event>,
    /// When to look again at the latest.
    pub next_look: Timestamp,
}

/// What is to be asked before the next look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asks {
    /// Of Prometheus.
    pub queries: Vec<Query>,
    /// Of every ready pod of each set of gateways.
    pub probes: Vec<Probe>,
    /// Of a version that is to be warmed up. It takes its time: the shell goes on with it while it is asked for again,
    /// and tells at each look how far it has come.
    pub warmup: Option<Warmup>,
    /// Until when istiod's view of the gateways is wanted as new as may be; else now and then will do.
    pub pushes_until: Option<Timestamp>,
}

/// Requests that warm a version up. They are no evidence, and only the status of an answer is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warmup {
    /// Hash of the version.
    pub hash: Hash,
    /// Number of the trial: another one begins anew.
    pub attempt: i64,
    /// Times that the version came back: each time its pods are new.
    pub returns: i32,
    /// Questions to gateways whose route leads to that version: each a pod to send to. Without any, the pods of the
    /// version's own Service are asked.
    pub probes: Vec<Probe>,
    /// Namespace of the version's own Service.
    pub namespace: String,
    /// Name of the version's own Service; its port is named `http`.
    pub service: String,
    /// Path at the version.
    pub path: String,
    /// Body to post as JSON; none is a GET.
    pub body: Option<String>,
    /// Requests that have to be answered 2xx in all.
    pub requests: i32,
}

/// A question to Prometheus: one that others may have too, and what of it is this release's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Names it.
    pub id: QueryId,
    /// Name of the source.
    pub source: String,
    /// What is asked.
    pub question: Question,
    /// About whom.
    pub about: About,
    /// Evaluation time.
    pub time: Timestamp,
}

impl Query {
    /// In `PromQL`, for this release alone.
    pub fn promql(&self) -> String {
        self.question.promql(&[&self.about])
    }

    /// The same at another time.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> Self {
        Self { id: QueryId { check: self.id.check.clone(), at: time }, time, ..self.clone() }
    }
}

/// A question to each ready pod of a set of gateways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Name of the set.
    pub set: String,
    /// Namespace of its Service.
    pub namespace: String,
    /// Name of its Service.
    pub service: String,
    /// Name of the Service's port.
    pub port: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// `Host` to ask for.
    pub host: String,
    /// Path to ask for.
    pub path: String,
    /// Value of the header `x-modelrelease-probe`.
    pub token: String,
    /// How the limits are proven; none if there are none to be.
    pub limit: Option<LimitProbe>,
    /// What a version is asked besides, once the pod says that it knows the present routes; none: nothing.
    pub direct: Option<DirectProbe>,
}
