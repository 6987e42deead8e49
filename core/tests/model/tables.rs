//! Contents by number: the same content has the same number, and what was found out about it is found out once.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Number of a content.
pub type Id = u32;

/// Contents by number. They live as long as the test, and are read without a lock.
pub struct Table<T: 'static> {
    numbers: Mutex<HashMap<[u8; 16], Id>>,
    chunks: Vec<OnceLock<Vec<OnceLock<&'static T>>>>,
}

/// Contents in a chunk: the first has so many, each further one twice as many as the one before.
const FIRST: usize = 1024;

/// The chunk of a number, and the place in it.
fn place(id: Id) -> (usize, usize) {
    let at = id as usize + FIRST;
    let chunk = (at / FIRST).ilog2() as usize;
    (chunk, at - (FIRST << chunk))
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { numbers: Mutex::default(), chunks: (0..22).map(|_| OnceLock::new()).collect() }
    }
}

impl<T> Table<T> {
    /// The number of a content, which `make` brings if it is a new one. `text` tells it from all others.
    pub fn intern(&self, text: &[u8], make: impl FnOnce() -> T) -> Id {
        let digest: [u8; 16] = Sha256::digest(text)[..16].try_into().unwrap();
        if let Some(id) = self.numbers.lock().unwrap().get(&digest) {
            return *id;
        }
        let made = make();
        let mut numbers = self.numbers.lock().unwrap();
        if let Some(id) = numbers.get(&digest) {
            return *id;
        }
        let id = Id::try_from(numbers.len()).unwrap();
        let (chunk, at) = place(id);
        let empty = || (0..FIRST << chunk).map(|_| OnceLock::new()).collect();
        self.chunks[chunk].get_or_init(empty)[at].get_or_init(|| Box::leak(Box::new(made)));
        numbers.insert(digest, id);
        id
    }

    /// A content.
    pub fn get(&self, id: Id) -> &'static T {
        let (chunk, at) = place(id);
        self.chunks[chunk].get().and_then(|chunk| chunk[at].get()).expect("a number that was given")
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.lock().unwrap().len()
    }
}

/// What was found out, by what it was found out of.
pub struct Memo<K, V> {
    shards: Vec<Mutex<HashMap<K, V>>>,
    hasher: RandomState,
}

impl<K: Hash + Eq, V: Clone> Default for Memo<K, V> {
    fn default() -> Self {
        let shards = (0..64).map(|_| Mutex::new(HashMap::new())).collect();
        Self { shards, hasher: RandomState::new() }
    }
}

impl<K: Hash + Eq, V: Clone> Memo<K, V> {
    fn shard(&self, key: &K) -> &Mutex<HashMap<K, V>> {
        &self.shards[(self.hasher.hash_one(key) as usize) % self.shards.len()]
    }

    /// What is known of a key.
    pub fn known(&self, key: &K) -> Option<V> {
        self.shard(key).lock().unwrap().get(key).cloned()
    }

    /// Notes what was found out.
    pub fn note(&self, key: K, value: V) {
        self.shard(&key).lock().unwrap().insert(key, value);
    }

    /// What is known of a key, or is found out now.
    pub fn of(&self, key: K, find: impl FnOnce(&K) -> V) -> V {
        if let Some(known) = self.known(&key) {
            return known;
        }
        let found = find(&key);
        self.note(key, found.clone());
        found
    }

    /// Something of everything that is known.
    pub fn values<T>(&self, of: impl Fn(&V) -> T) -> Vec<T> {
        self.shards.iter().flat_map(|s| s.lock().unwrap().values().map(&of).collect::<Vec<_>>()).collect()
    }

    /// How much is known.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

/// Bytes that tell a value from all others.
pub fn text(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}
