//! The world at one revision, as the watches tell it: every object, the releases decoded, weights and endpoints.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::ModelReleaseStatus;
use model_release_core::api::status::{Track, VersionStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::{self, text};
use super::traffic::Traffic;

/// A kind that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "Kubernetes', Istio's and our own names")]
pub enum Kind {
    ModelRelease,
    Deployment,
    Service,
    ControllerRevision,
    VirtualService,
    HttpRoute,
    EnvoyFilter,
    EndpointSlice,
    Pod,
    HorizontalPodAutoscaler,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::ModelRelease,
        Self::Deployment,
        Self::Service,
        Self::ControllerRevision,
        Self::VirtualService,
        Self::HttpRoute,
        Self::EnvoyFilter,
        Self::EndpointSlice,
        Self::Pod,
        Self::HorizontalPodAutoscaler,
    ];

    /// Group, version and plural.
    pub fn api(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ModelRelease => ("modelrelease.dev", "v1alpha1", "modelreleases"),
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::Service => ("", "v1", "services"),
            Self::ControllerRevision => ("apps", "v1", "controllerrevisions"),
            Self::VirtualService => ("networking.istio.io", "v1", "virtualservices"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "httproutes"),
            Self::EnvoyFilter => ("networking.istio.io", "v1alpha3", "envoyfilters"),
            Self::EndpointSlice => ("discovery.k8s.io", "v1", "endpointslices"),
            Self::Pod => ("", "v1", "pods"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2", "horizontalpodautoscalers"),
        }
    }
}

/// Names an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// Of an object of this kind.
    pub fn of(kind: Kind, body: &Value) -> Self {
        let field = |pointer| text(body, pointer).to_owned();
        Self { kind, namespace: field("/metadata/namespace"), name: field("/metadata/name") }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.api().2, self.namespace, self.name)
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// It was there when watching began.
    Found,
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change, as a watch told it. A line of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// The revision that it made.
    pub revision: u64,
    /// When it was heard of: at or after it happened.
    pub at: Timestamp,
    /// What happened.
    pub verb: Verb,
    /// To an object of which kind.
    pub kind: Kind,
    /// The object afterwards; one that is gone as it was last.
    pub object: Value,
}

/// One change in the world.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision that it made.
    pub revision: u64,
    /// When it was heard of: at or after it happened.
    pub at: Timestamp,
    /// The object.
    pub key: Key,
    /// As it was; none if it was created.
    pub old: Option<Arc<Value>>,
    /// As it is; none if it is gone.
    pub new: Option<Arc<Value>>,
    /// For a release: as it was.
    pub old_release: Option<Arc<Release>>,
    /// For a release: as it is.
    pub new_release: Option<Arc<Release>>,
}

impl Change {
    /// The object as it is, or as it was last.
    pub fn body(&self) -> &Value {
        static NOTHING: Value = Value::Null;
        self.new.as_deref().or(self.old.as_deref()).unwrap_or(&NOTHING)
    }
}

/// A release, decoded.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The whole object.
    pub body: Arc<Value>,
    /// Its status; none if it does not decode.
    pub status: Option<ModelReleaseStatus>,
}

impl Release {
    /// Decodes it.
    pub fn of(body: &Arc<Value>) -> Self {
        let status = body.get("status").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Self {
            uid: object::uid(body).to_owned(),
            namespace: text(body, "/metadata/namespace").to_owned(),
            name: text(body, "/metadata/name").to_owned(),
            status: serde_json::from_value(status).ok(),
            body: Arc::clone(body),
        }
    }

    /// The version in a role.
    pub fn role(&self, track: Track) -> Option<&VersionStatus> {
        self.status.as_ref()?.versions.iter().find(|version| version.track == track)
    }

    /// The role of a version.
    pub fn track(&self, hash: &str) -> Option<Track> {
        self.status
            .as_ref()?
            .versions
            .iter()
            .find(|version| version.hash == hash)
            .map(|version| version.track)
    }

    /// The committed phase.
    pub fn phase(&self) -> &'static str {
        self.status.as_ref().and_then(|status| status.phase).unwrap_or_default().as_str()
    }

    /// Whether it is being deleted.
    pub fn deleting(&self) -> bool {
        !text(&self.body, "/metadata/deletionTimestamp").is_empty()
    }

    /// The number of the last decision, or of the traffic object if that is higher.
    pub fn seq(&self) -> i64 {
        let Some(status) = &self.status else { return 0 };
        status.decision.as_ref().map_or(0, |decision| decision.seq).max(status.state.traffic.seq)
    }

    /// How long a version must have had no weight before it may end.
    pub fn drain(&self) -> SignedDuration {
        let read = |pointer, default| {
            object::duration(text(&self.body, pointer)).unwrap_or(SignedDuration::from_secs(default))
        };
        let drain = text(&self.body, "/spec/rollout/drain");
        let drain = if drain.is_empty() { None } else { object::duration(drain) };
        drain.unwrap_or(SignedDuration::from_secs(30)).max(read("/spec/traffic/timeout", 0))
    }

    /// R: the replicas of stable when the candidate was chosen.
    pub fn stable_replicas(&self) -> i64 {
        let candidate = self.status.as_ref().and_then(|status| status.state.candidate.as_ref());
        candidate.map_or(1, |candidate| i64::from(candidate.stable_replicas)).max(1)
    }

    /// The size that the spec gives a version of this name at 100 %.
    pub fn minimum(&self, version: &str) -> i64 {
        let shared = object::number(&self.body, "/spec/runtime/minReplicas").unwrap_or(1);
        ["/spec/stable", "/spec/canary"]
            .iter()
            .filter_map(|block| self.body.pointer(block))
            .find(|block| text(block, "/version") == version)
            .and_then(|block| object::number(block, "/minReplicas"))
            .unwrap_or(shared)
    }
}

/// How long endpoints that were ready still count as what a write rested on.
const LATELY: SignedDuration = SignedDuration::from_secs(3);

/// The world at one revision.
#[derive(Debug, Default)]
pub struct World {
    objects: BTreeMap<Key, Arc<Value>>,
    releases: BTreeMap<(String, String), Arc<Release>>,
    /// Ready endpoints of each Service over the last seconds.
    ready: BTreeMap<(String, String), VecDeque<(Timestamp, usize)>>,
}

impl World {
    /// Takes a change in.
    pub fn take(&mut self, event: Event) -> Change {
        let key = Key::of(event.kind, &event.object);
        let body = Arc::new(event.object);
        let gone = event.verb == Verb::Deleted;
        let old = self.objects.remove(&key);
        let new = (!gone).then(|| Arc::clone(&body));
        if let Some(new) = &new {
            self.objects.insert(key.clone(), Arc::clone(new));
        }
        let mut change = Change {
            revision: event.revision,
            at: event.at,
            key,
            // The last state as the watch gives it may be newer than what was seen before.
            old: if gone { Some(body) } else { old },
            new,
            old_release: None,
            new_release: None,
        };
        match event.kind {
            Kind::ModelRelease => {
                let id = (change.key.namespace.clone(), change.key.name.clone());
                change.old_release = self.releases.remove(&id);
                if let Some(new) = &change.new {
                    let release = Arc::new(Release::of(new));
                    self.releases.insert(id, Arc::clone(&release));
                    change.new_release = Some(release);
                }
            }
            Kind::EndpointSlice => {
                let service = object::label(change.body(), "kubernetes.io/service-name").unwrap_or_default();
                let id = (change.key.namespace.clone(), service.to_owned());
                let now = self.count(&id.0, &id.1);
                let history = self.ready.entry(id).or_default();
                history.push_back((change.at, now));
                while history.get(1).is_some_and(|(since, _)| change.at.duration_since(*since) > LATELY) {
                    history.pop_front();
                }
            }
            _ => {}
        }
        change
    }

    /// An object.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(&Key { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// All objects of a kind in a namespace.
    pub fn all(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Arc<Value>> {
        let from = Key { kind, namespace: namespace.to_owned(), name: String::new() };
        let namespace = namespace.to_owned();
        self.objects
            .range(from..)
            .take_while(move |(key, _)| key.kind == kind && key.namespace == namespace)
            .map(|(_, body)| body)
    }

    /// A release.
    pub fn release(&self, namespace: &str, name: &str) -> Option<&Arc<Release>> {
        self.releases.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The live release that owns an object.
    pub fn owner(&self, body: &Value) -> Option<&Arc<Release>> {
        let owner = object::owner(body)?;
        self.release(&owner.namespace, &owner.name).filter(|release| release.uid == owner.uid)
    }

    /// The traffic object of a release, if it is there and its own.
    pub fn traffic(&self, release: &Release) -> Option<Traffic> {
        let of = |kind| {
            let body = self.get(kind, &release.namespace, &release.name)?;
            let own = object::owner(body).is_some_and(|owner| owner.uid == release.uid);
            own.then(|| Traffic::of(body))
        };
        of(Kind::VirtualService).or_else(|| of(Kind::HttpRoute))
    }

    /// Ready endpoints of a Service.
    pub fn ready(&self, namespace: &str, service: &str) -> usize {
        let id = (namespace.to_owned(), service.to_owned());
        self.ready.get(&id).and_then(|history| history.back()).map_or(0, |(_, count)| *count)
    }

    /// The most endpoints that a Service had ready within the last seconds: what a write now can rest on.
    pub fn ready_lately(&self, namespace: &str, service: &str, now: Timestamp) -> usize {
        let id = (namespace.to_owned(), service.to_owned());
        let Some(history) = self.ready.get(&id) else { return 0 };
        let old = history.iter().rposition(|(since, _)| now.duration_since(*since) > LATELY).unwrap_or(0);
        history.iter().skip(old).map(|(_, count)| *count).max().unwrap_or(0)
    }

    /// Pods of a version that are there.
    pub fn pods(&self, namespace: &str, release: &str, hash: &str) -> usize {
        let name = |pod: &&Arc<Value>| {
            object::label(pod, model_release_core::api::LABEL_NAME) == Some(release)
                && object::hash(pod) == Some(hash)
        };
        self.all(Kind::Pod, namespace).filter(name).count()
    }

    fn count(&self, namespace: &str, service: &str) -> usize {
        let of_it = |slice: &&Arc<Value>| object::label(slice, "kubernetes.io/service-name") == Some(service);
        let ready = |endpoint: &&Value| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
        let endpoints = |slice: &Arc<Value>| {
            slice.get("endpoints").and_then(Value::as_array).map_or(0, |all| all.iter().filter(ready).count())
        };
        self.all(Kind::EndpointSlice, namespace).filter(of_it).map(endpoints).sum()
    }
}
