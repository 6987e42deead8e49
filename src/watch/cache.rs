//! What the watches have seen: objects by kind and name, found by release; and what they wake.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use model_release_core::api::{LABEL_NAME, LABEL_NAMESPACE, ModelRelease};
use model_release_core::plan::Kind;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::{Scope, Watched};

/// Names a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An object as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Of a Deployment: whether another manager than ours owns `spec.replicas`.
    pub scaled_by_others: bool,
    /// All of it that is kept, as JSON.
    pub body: Value,
}

impl Object {
    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.body.get("metadata")?.get("labels")?.get(name)?.as_str()
    }

    /// The release that its labels name.
    fn release(&self) -> Option<ReleaseKey> {
        let name = self.label(LABEL_NAME)?.to_owned();
        let namespace = self.label(LABEL_NAMESPACE).unwrap_or(&self.namespace).to_owned();
        Some(ReleaseKey { namespace, name })
    }
}

/// News of one watch.
#[derive(Clone, Debug)]
pub enum Change {
    /// It lists everything anew.
    Restart,
    /// One object of that list.
    Listed(Object),
    /// The list is complete.
    Synced,
    /// An object is new or changed.
    Set(Object),
    /// An object is gone.
    Removed(Object),
}

/// A release as it is kept.
#[derive(Clone, Debug)]
pub struct CachedRelease {
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// The object; or why it cannot be decoded.
    pub decoded: Result<ModelRelease, String>,
}

type Place = (String, String);

#[derive(Default)]
struct State {
    objects: BTreeMap<Watched, BTreeMap<Place, Arc<Object>>>,
    releases: BTreeMap<ReleaseKey, Arc<CachedRelease>>,
    by_release: HashMap<ReleaseKey, BTreeSet<(Watched, Place)>>,
    /// What a running list has named so far.
    listing: BTreeMap<Scope, BTreeSet<Place>>,
    kinds: BTreeMap<Scope, Kept>,
}

/// How far a watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It has not listed yet.
    Waiting,
    /// It has.
    Whole,
    /// The API server lacks its kind, which is known as well.
    Lacking,
}

struct Shared {
    state: RwLock<State>,
    version: watch::Sender<u64>,
    wakes: mpsc::UnboundedSender<ReleaseKey>,
}

/// What the watches have seen. Clones share it.
#[derive(Clone)]
pub struct Caches(Arc<Shared>);

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caches")
    }
}

impl Caches {
    /// Empty caches that expect these watches, and where the names of releases to look at arrive.
    pub fn new(scopes: &[Scope]) -> (Self, mpsc::UnboundedReceiver<ReleaseKey>) {
        let (wakes, woken) = mpsc::unbounded_channel();
        let state =
            State { kinds: scopes.iter().map(|s| (s.clone(), Kept::Waiting)).collect(), ..State::default() };
        (Self(Arc::new(Shared { state: RwLock::new(state), version: watch::Sender::new(0), wakes })), woken)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // A poisoned lock means a panic between two plain assignments; the data is still what was last seen.
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes news of a watch and wakes the releases that it concerns.
    pub fn take(&self, scope: &Scope, change: Change) {
        let woken = {
            let mut state = self.write();
            match change {
                Change::Restart => {
                    state.listing.insert(scope.clone(), BTreeSet::new());
                    Vec::new()
                }
                Change::Listed(object) => {
                    let place = (object.namespace.clone(), object.name.clone());
                    state.listing.entry(scope.clone()).or_default().insert(place);
                    state.set(scope.watched, object)
                }
                Change::Synced => {
                    let seen = state.listing.remove(scope).unwrap_or_default();
                    let mut woken = state.keep_only(scope, &seen);
                    woken.extend(state.comes(scope, Kept::Whole));
                    woken
                }
                Change::Set(object) => state.set(scope.watched, object),
                Change::Removed(object) => {
                    state.remove(scope.watched, &(object.namespace.clone(), object.name.clone()))
                }
            }
        };
        self.tell(woken);
    }

    /// Notes that the API server lacks a watch's kind.
    pub fn absent(&self, scope: &Scope) {
        let woken = {
            let mut state = self.write();
            state.listing.remove(scope);
            let mut woken = state.keep_only(scope, &BTreeSet::new());
            woken.extend(state.comes(scope, Kept::Lacking));
            woken
        };
        self.tell(woken);
    }

    fn tell(&self, woken: Vec<ReleaseKey>) {
        self.0.version.send_modify(|version| *version = version.wrapping_add(1));
        for key in woken {
            // Without a controller there is nobody to wake.
            let _ = self.0.wakes.send(key);
        }
    }

    /// Wakes releases for what no watch tells.
    pub fn wake(&self, releases: impl IntoIterator<Item = ReleaseKey>) {
        for key in releases {
            let _ = self.0.wakes.send(key);
        }
    }

    /// Whether every watch has listed once.
    pub fn synced(&self) -> bool {
        self.read().kinds.values().all(|kept| *kept != Kept::Waiting)
    }

    /// Whether the API server serves a kind, as far as its watches know.
    pub fn serves(&self, watched: Watched) -> bool {
        self.read().kinds.iter().any(|(scope, kept)| scope.watched == watched && *kept == Kept::Whole)
    }

    /// Waits until every watch has listed once.
    pub async fn wait_synced(&self) {
        let mut version = self.0.version.subscribe();
        while !self.synced() {
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until `holds`, at most for `limit`. True if it holds.
    pub async fn wait_until(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let mut version = self.0.version.subscribe();
        let waiting = async {
            while !holds(self) {
                if version.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    /// One object.
    pub fn get(&self, watched: Watched, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let place = (namespace.to_owned(), name.to_owned());
        self.read().objects.get(&watched)?.get(&place).cloned()
    }

    /// A release.
    pub fn release(&self, key: &ReleaseKey) -> Option<Arc<CachedRelease>> {
        self.read().releases.get(key).cloned()
    }

    /// Every release.
    pub fn releases(&self) -> Vec<(ReleaseKey, Arc<CachedRelease>)> {
        self.read().releases.iter().map(|(key, release)| (key.clone(), release.clone())).collect()
    }

    /// Objects whose labels name a release.
    pub fn of_release(&self, key: &ReleaseKey) -> Vec<(Watched, Arc<Object>)> {
        let state = self.read();
        let places = state.by_release.get(key);
        places
            .into_iter()
            .flatten()
            .filter_map(|(watched, place)| Some((*watched, state.objects.get(watched)?.get(place)?.clone())))
            .collect()
    }

    /// Every object of a kind.
    pub fn all(&self, watched: Watched) -> Vec<Arc<Object>> {
        self.read().objects.get(&watched).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }
}

impl State {
    /// Notes how far a watch has come. Whether a kind is served concerns every release.
    fn comes(&mut self, scope: &Scope, kept: Kept) -> Vec<ReleaseKey> {
        let before = self.kinds.insert(scope.clone(), kept);
        if before.is_none_or(|before| before == kept || before == Kept::Waiting && kept == Kept::Whole) {
            return Vec::new();
        }
        self.releases.keys().cloned().collect()
    }

    fn set(&mut self, watched: Watched, object: Object) -> Vec<ReleaseKey> {
        let place = (object.namespace.clone(), object.name.clone());
        if watched == Watched::Release {
            return self.set_release(object);
        }
        let old = self.objects.get(&watched).and_then(|all| all.get(&place)).cloned();
        if old.as_ref().is_some_and(|old| old.resource_version == object.resource_version) {
            return Vec::new();
        }
        let mut woken = self.concerned(watched, Some(&object));
        woken.extend(self.concerned(watched, old.as_deref()));
        if let Some(key) = old.and_then(|old| old.release()) {
            self.unlink(&key, watched, &place);
        }
        if let Some(key) = object.release() {
            self.by_release.entry(key).or_default().insert((watched, place.clone()));
        }
        self.objects.entry(watched).or_default().insert(place, Arc::new(object));
        woken
    }

    fn set_release(&mut self, object: Object) -> Vec<ReleaseKey> {
        let key = ReleaseKey { namespace: object.namespace, name: object.name };
        if self.releases.get(&key).is_some_and(|old| old.resource_version == object.resource_version) {
            return Vec::new();
        }
        let decoded = serde_json::from_value(object.body).map_err(|error| error.to_string());
        if let Err(error) = &decoded {
            warn!(release = %key, error, remedy = "correct or delete it", "a ModelRelease cannot be decoded; the others are served");
        }
        let release = CachedRelease { uid: object.uid, resource_version: object.resource_version, decoded };
        self.releases.insert(key.clone(), Arc::new(release));
        vec![key]
    }

    fn remove(&mut self, watched: Watched, place: &Place) -> Vec<ReleaseKey> {
        if watched == Watched::Release {
            let key = ReleaseKey { namespace: place.0.clone(), name: place.1.clone() };
            return if self.releases.remove(&key).is_some() { vec![key] } else { Vec::new() };
        }
        let Some(old) = self.objects.get_mut(&watched).and_then(|all| all.remove(place)) else {
            return Vec::new();
        };
        if let Some(key) = old.release() {
            self.unlink(&key, watched, place);
        }
        self.concerned(watched, Some(&old))
    }

    fn unlink(&mut self, key: &ReleaseKey, watched: Watched, place: &Place) {
        if let Some(places) = self.by_release.get_mut(key) {
            places.remove(&(watched, place.clone()));
            if places.is_empty() {
                self.by_release.remove(key);
            }
        }
    }

    /// Drops what a complete list did not name.
    fn keep_only(&mut self, scope: &Scope, seen: &BTreeSet<Place>) -> Vec<ReleaseKey> {
        let inside =
            |place: &Place| scope.namespace.as_ref().is_none_or(|n| *n == place.0) && !seen.contains(place);
        let gone: Vec<Place> = if scope.watched == Watched::Release {
            let places = self.releases.keys().map(|key| (key.namespace.clone(), key.name.clone()));
            places.filter(inside).collect()
        } else {
            let places = self.objects.get(&scope.watched).into_iter().flat_map(BTreeMap::keys);
            places.filter(|place| inside(place)).cloned().collect()
        };
        gone.iter().flat_map(|place| self.remove(scope.watched, place)).collect()
    }

    /// The releases that a changed object concerns.
    fn concerned(&self, watched: Watched, object: Option<&Object>) -> Vec<ReleaseKey> {
        let Some(object) = object else { return Vec::new() };
        let mut keys: Vec<ReleaseKey> = object.release().into_iter().collect();
        if matches!(watched, Watched::Child(Kind::VirtualService | Kind::HttpRoute)) {
            // Who claims a host decides whether another may.
            let listed = |path| strings(object.body.pointer(path));
            let hosts = [listed("/spec/hosts"), listed("/spec/hostnames")].concat();
            keys.extend(
                self.releases
                    .iter()
                    .filter(|(key, release)| {
                        key.namespace == object.namespace && key.name == object.name
                            || release.names_any(&hosts)
                    })
                    .map(|(key, _)| key.clone()),
            );
        }
        keys
    }
}

impl CachedRelease {
    /// Whether it claims a host that one of these covers.
    fn names_any(&self, hosts: &[&str]) -> bool {
        let Ok(release) = &self.decoded else { return false };
        let own = release.spec.traffic.as_ref().and_then(|t| t.hosts.as_ref());
        own.into_iter().flatten().any(|own| hosts.iter().any(|host| covers(host, own) || covers(own, host)))
    }
}

/// Whether a host, perhaps `*` or `*.example.com`, covers another.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => pattern == host,
    }
}

/// The strings of a JSON list.
pub fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests;
