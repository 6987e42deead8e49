//! What the shell remembers of each release between reconciles. None of it is needed for safety: a restart may lose
//! it all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model_release_core::observed::Refused;
use model_release_core::plan::Key;

use crate::watch::{Object, ReleaseKey};

/// What our own last write of an object lets the cache be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The object exists, at least at this revision.
    AtLeast {
        /// Its UID.
        uid: String,
        /// Its resourceVersion.
        version: String,
    },
    /// The object of this UID is gone, or going.
    Gone {
        /// Its UID.
        uid: String,
    },
    /// Nothing: there was no answer, or a conflict. Only a live read tells.
    Unknown,
}

impl Written {
    /// Whether what the cache holds is as new as our write.
    pub fn seen_in(&self, cached: Option<&Object>) -> bool {
        match (self, cached) {
            (Self::AtLeast { uid, version }, Some(object)) => {
                object.uid == *uid && at_least(&object.resource_version, version)
            }
            (Self::Gone { uid }, Some(object)) => {
                object.uid != *uid || object.body.pointer("/metadata/deletionTimestamp").is_some()
            }
            (Self::Gone { .. }, None) => true,
            (Self::AtLeast { .. }, None) | (Self::Unknown, _) => false,
        }
    }
}

/// Whether a resourceVersion is not older than another. Since Kubernetes 1.35 they are numbers that may be compared;
/// where they are not, only the same one will do.
pub fn at_least(version: &str, wanted: &str) -> bool {
    match (version.parse::<u128>(), wanted.parse::<u128>()) {
        (Ok(version), Ok(wanted)) => version >= wanted,
        _ => version == wanted,
    }
}

/// An object whose cached state is not to be trusted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What our write says.
    pub written: Written,
    /// Whether waiting for the cache has failed before, so that it is read live at once.
    pub waited: bool,
}

#[derive(Debug, Default)]
struct OfRelease {
    uid: String,
    version: Option<String>,
    doubts: BTreeMap<Key, Doubt>,
    refused: BTreeMap<Key, Refused>,
}

/// What is remembered. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<HashMap<ReleaseKey, OfRelease>>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<ReleaseKey, OfRelease>> {
        // What is remembered is only ever replaced whole, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, key: &ReleaseKey, act: impl FnOnce(&mut OfRelease) -> T) -> T {
        act(self.lock().entry(key.clone()).or_default())
    }

    /// A release of another UID is another release.
    pub fn meet(&self, key: &ReleaseKey, uid: &str) {
        self.with(key, |known| {
            if known.uid != uid {
                *known = OfRelease { uid: uid.to_owned(), ..OfRelease::default() };
            }
        });
    }

    /// Drops everything known of a release.
    pub fn forget(&self, key: &ReleaseKey) {
        self.lock().remove(key);
    }

    /// Notes our own write of the release itself.
    pub fn committed(&self, key: &ReleaseKey, version: &str) {
        self.with(key, |known| known.version = Some(version.to_owned()));
    }

    /// The revision that our own last write of the release made.
    pub fn version(&self, key: &ReleaseKey) -> Option<String> {
        self.lock().get(key)?.version.clone()
    }

    /// Notes a write that the API server took.
    pub fn accepted(&self, key: &ReleaseKey, object: &Key, written: Written) {
        self.with(key, |known| {
            known.refused.remove(object);
            known.doubts.insert(object.clone(), Doubt { written, waited: false });
        });
    }

    /// Notes that only a live read tells how an object is.
    pub fn doubt(&self, key: &ReleaseKey, object: &Key) {
        self.with(key, |known| {
            known.doubts.insert(object.clone(), Doubt { written: Written::Unknown, waited: true });
        });
    }

    /// Notes what a live read found, until the cache has it too.
    pub fn read_live(&self, key: &ReleaseKey, object: &Key, found: Option<&Object>, cached: Option<&Object>) {
        let written = match (found, cached) {
            (Some(o), _) => Written::AtLeast { uid: o.uid.clone(), version: o.resource_version.clone() },
            (None, Some(o)) => Written::Gone { uid: o.uid.clone() },
            (None, None) => return self.trust(key, object),
        };
        self.with(key, |known| {
            known.doubts.insert(object.clone(), Doubt { written, waited: true });
        });
    }

    /// The cache has caught up with an object.
    pub fn trust(&self, key: &ReleaseKey, object: &Key) {
        self.with(key, |known| {
            known.doubts.remove(object);
        });
    }

    /// Objects whose cached state is not to be trusted yet.
    pub fn doubts(&self, key: &ReleaseKey) -> Vec<(Key, Doubt)> {
        let all = self.lock();
        all.get(key)
            .into_iter()
            .flat_map(|known| &known.doubts)
            .map(|(k, d)| (k.clone(), d.clone()))
            .collect()
    }

    /// Notes a refusal. True if it is news.
    pub fn refused(&self, key: &ReleaseKey, refused: Refused) -> bool {
        self.with(key, |known| known.refused.insert(refused.key.clone(), refused.clone()) != Some(refused))
    }

    /// Refusals since the last accepted write of each object.
    pub fn refusals(&self, key: &ReleaseKey) -> Vec<Refused> {
        self.lock().get(key).into_iter().flat_map(|known| known.refused.values().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use model_release_core::plan::Kind;
    use serde_json::json;

    use super::*;

    fn object(uid: &str, version: &str) -> Object {
        Object {
            namespace: "n".into(),
            name: "o".into(),
            uid: uid.into(),
            resource_version: version.into(),
            scaled_by_others: false,
            body: json!({"metadata": {}}),
        }
    }

    #[test]
    fn a_cache_older_than_our_own_write_is_not_trusted() {
        let wrote = Written::AtLeast { uid: "u".into(), version: "10".into() };
        for (cached, want) in [
            (None, false),
            (Some(object("u", "9")), false),
            (Some(object("u", "10")), true),
            (Some(object("u", "101")), true),
            (Some(object("other", "101")), false),
        ] {
            assert_eq!(wrote.seen_in(cached.as_ref()), want, "{cached:?}");
        }
        let deleted = Written::Gone { uid: "u".into() };
        let mut going = object("u", "11");
        assert!(!deleted.seen_in(Some(&going)));
        going.body = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert!(deleted.seen_in(Some(&going)) && deleted.seen_in(None));
        assert!(!Written::Unknown.seen_in(Some(&object("u", "1"))));
        assert!(at_least("abc", "abc") && !at_least("abd", "abc"));
    }

    #[test]
    fn a_refusal_lasts_until_that_object_is_accepted_and_is_news_once() {
        let memory = Memory::default();
        let release = ReleaseKey { namespace: "n".into(), name: "r".into() };
        let key = Key { kind: Kind::Service, namespace: "n".into(), name: "r".into() };
        let refused = Refused { key: key.clone(), code: 403, message: "no".into() };
        memory.meet(&release, "u");
        assert!(memory.refused(&release, refused.clone()));
        assert!(!memory.refused(&release, refused));
        assert_eq!(memory.refusals(&release).len(), 1);
        memory.accepted(&release, &key, Written::Unknown);
        assert!(memory.refusals(&release).is_empty());
        memory.meet(&release, "another");
        assert!(memory.doubts(&release).is_empty());
    }
}
