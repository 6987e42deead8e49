//! What is seen of the versions: weights, pods, endpoints, and whether they are enough.

use super::Situation;
use crate::api::status::Track;
use crate::capacity;
use crate::children;
use crate::meta::{self, Component};
use crate::observed::{Live, Observed, Pod};
use crate::plan::{Key, Kind};
use crate::pods;
use crate::release::Release;
use crate::traffic::{self, Entrance};
use crate::version::Hash;

/// The traffic object, if it is there and ours.
fn traffic_object<'a>(release: &Release, observed: &'a Observed) -> Option<&'a Live> {
    let found = observed.children.get(&traffic::traffic_key(release));
    found.filter(|live| live.owner.as_deref() == Some(release.uid.as_str()))
}

/// Weights in the traffic object as read back; none without one that can be relied on.
pub fn weights(release: &Release, observed: &Observed) -> Option<Vec<(Hash, i32)>> {
    traffic_object(release, observed).and_then(|live| traffic::read_back(&live.body))
}

impl Situation<'_> {
    /// The object of a version's Deployment, if it is there and ours.
    pub fn deployment(&self, hash: &Hash) -> Option<&Live> {
        self.observed
            .children
            .get(&children::deployment_key(self.release, hash))
            .filter(|live| live.owner.as_deref() == Some(self.release.uid.as_str()))
    }

    /// How requests enter a version: by what was rendered for it, else by the spec.
    pub fn entrance(&self, hash: &Hash) -> Entrance {
        let record = self.observed.children.get(&children::record_key(self.release, hash));
        let ours = record.filter(|live| live.owner.as_deref() == Some(self.release.uid.as_str()));
        match ours {
            Some(live) => children::entrance_recorded(&live.body),
            None => self.release.version(hash).map(children::entrance).unwrap_or_default(),
        }
    }

    /// Whether a version has an app.
    pub fn has_app(&self, hash: &Hash) -> bool {
        self.entrance(hash).app
    }

    /// Ready endpoints of a version's own Service; with an app of that Service which has fewer.
    pub fn endpoints(&self, hash: &Hash) -> i32 {
        let model = self.behind(&self.release.object_name(hash));
        if self.has_app(hash) { model.min(self.behind(&self.release.app_name(hash))) } else { model }
    }

    /// Names a Service of ours.
    fn service(&self, name: &str) -> Key {
        Key { kind: Kind::Service, namespace: self.release.namespace.clone(), name: name.to_owned() }
    }

    /// Ready endpoints of a Service of ours; those of somebody else's Service of that name are none.
    fn behind(&self, service: &str) -> i32 {
        let count = self.observed.endpoints.get(service).copied().unwrap_or(0);
        let key = self.service(service);
        let ours = |live: &Live| live.owner.as_deref() == Some(self.release.uid.as_str());
        if self.observed.children.get(&key).is_some_and(ours) { count } else { 0 }
    }

    /// Ready(v, n): the Deployment's status is current, at least `n` pods are available, and the version's own Service
    /// has at least `n` ready endpoints; the same of its app, if it has one, for as many of its pods as go with `n`.
    /// Of a version with a role, all of these were written since it got it: what an operator was about to do to them
    /// on older grounds is refused.
    pub fn ready(&self, hash: &Hash, n: i32) -> bool {
        let role = self.status.versions.iter().find(|v| v.hash == hash.as_str());
        let since = role.map_or(0, |v| v.seq);
        let written = |key: &Key| {
            let live = self.observed.children.get(key)?;
            let ours = live.owner.as_deref() == Some(self.release.uid.as_str());
            (ours && live.seq.unwrap_or(0) >= since).then_some(live)
        };
        let up = |deployment: &Key, service: &str, n: i32| {
            let ours = written(deployment);
            let number = |path: [&str; 2]| {
                ours.and_then(|live| meta::at(&live.body, &path))
                    .and_then(serde_json::Value::as_i64)
                    .unwrap_or(0)
            };
            ours.is_some()
                && number(["status", "observedGeneration"]) >= number(["metadata", "generation"])
                && number(["status", "availableReplicas"]) >= i64::from(n)
                && written(&self.service(service)).is_some()
                && self.behind(service) >= n
        };
        let release = self.release;
        up(&children::deployment_key(release, hash), &release.object_name(hash), n)
            && (!self.has_app(hash)
                || up(
                    &children::part_key(release, hash, Component::App, Kind::Deployment),
                    &release.app_name(hash),
                    capacity::app_for(self, hash, n),
                ))
    }

    /// w(v): the weight of a version in the traffic object as read back.
    pub fn weight(&self, hash: &Hash) -> i32 {
        self.weights.into_iter().flatten().filter(|(h, _)| h == hash).map(|(_, w)| w).sum()
    }

    /// The traffic object, if it is there and ours.
    pub fn traffic_object(&self) -> Option<&Live> {
        traffic_object(self.release, self.observed)
    }

    /// Whether every gateway has what was last committed, or has had the time for it.
    pub fn settled(&self) -> bool {
        self.status.state.traffic.settled_at.is_some()
    }

    /// Pods of a version.
    pub fn pods_of(&self, hash: &Hash) -> impl Iterator<Item = &Pod> {
        let hash = hash.as_str().to_owned();
        self.observed.pods.iter().filter(move |pod| pod.hash == hash && !pod.deleting)
    }

    /// What is wrong with a version's pods, the worst first; or what keeps Kubernetes from making them.
    pub fn pod_failure(&self, hash: &Hash) -> Option<crate::api::status::PodFailure> {
        let unmade = |component| {
            let key = children::part_key(self.release, hash, component, Kind::Deployment);
            let live = self.observed.children.get(&key)?;
            let ours = live.owner.as_deref() == Some(self.release.uid.as_str());
            pods::unmade(&key.name, &live.body).filter(|_| ours)
        };
        pods::failure(self.pods_of(hash))
            .or_else(|| unmade(Component::Model))
            .or_else(|| unmade(Component::App))
    }

    /// Whether stable answers now: to the end, weight is where endpoints are. Those of pods that are not ours may be gone
    /// in a moment, so they count only where nobody else answers.
    pub fn stable_reached(&self) -> bool {
        let answers = |track| self.hash(track).is_some_and(|hash| self.endpoints(&hash) > 0);
        let stable = self.hash(Track::Stable);
        stable.is_some_and(|stable| self.ready(&stable, 1))
            || answers(Track::Stable) && !answers(Track::Canary) && !answers(Track::Failed)
    }

    /// An object of a name that we need and that somebody else has.
    pub fn foreign(&self) -> Option<&Key> {
        let theirs = |(_, live): &(&Key, &Live)| live.owner.as_deref() != Some(self.release.uid.as_str());
        let mut theirs = self.observed.children.iter().filter(theirs).map(|(key, _)| key).peekable();
        // Mostly all that is near is ours, and no name has to be made.
        theirs.peek()?;
        let names = self.names();
        theirs.find(|key| names.contains(key))
    }

    /// The names that we need.
    fn names(&self) -> Vec<Key> {
        let mut names: Vec<Key> = Vec::new();
        for version in &self.status.versions {
            let hash = Hash::known(&version.hash);
            let of = |component, kind| children::part_key(self.release, &hash, component, kind);
            names.extend([
                children::deployment_key(self.release, &hash),
                children::service_key(self.release, &hash),
                children::record_key(self.release, &hash),
                of(Component::App, Kind::Deployment),
                of(Component::App, Kind::Service),
                of(Component::Model, Kind::HorizontalPodAutoscaler),
                of(Component::App, Kind::HorizontalPodAutoscaler),
            ]);
        }
        names.extend([children::apex_key(self.release), traffic::traffic_key(self.release)]);
        if self.role(Track::Stable).is_none() {
            let hash = &self.release.stable.hash;
            names.push(children::deployment_key(self.release, hash));
            names.push(children::service_key(self.release, hash));
            if self.release.stable.app().is_some() {
                let of = |kind| children::part_key(self.release, hash, Component::App, kind);
                names.extend([of(Kind::Deployment), of(Kind::Service)]);
            }
        }
        names
    }
}
