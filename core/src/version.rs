//! A version's identity: the hash over what the user wrote for it, and the names that follow from it.

use std::fmt;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::api::pods::{ModelFields, PodFields};
use crate::api::spec::VersionSpec;

/// Identity of a version: the first ten hex digits of the SHA-256 over its canonical content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(String);

impl Hash {
    /// Takes a hash as it stands in a status, a label or a name.
    pub fn known(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The ten digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to run under one hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its identity.
    pub hash: Hash,
    /// Its name for people.
    pub name: String,
    /// `runtime` with the version's own fields on top.
    pub effective: VersionSpec,
}

impl Version {
    /// The version that a block of the spec means.
    pub fn of(runtime: Option<&ModelFields>, block: &VersionSpec) -> Self {
        let effective = effective(runtime, block);
        Self { hash: hash(&effective), name: block.version.clone(), effective }
    }

    /// What is said of the model's pods.
    pub fn pod(&self) -> &PodFields {
        &self.effective.model.pod
    }

    /// What is said of the app's pods, if the version has one.
    pub fn app(&self) -> Option<&PodFields> {
        self.effective.model.app.as_ref()
    }

    /// Pods at 100 % of the traffic.
    pub fn min_replicas(&self) -> i32 {
        self.pod().min_replicas.unwrap_or(1)
    }

    /// The requests to send before the first weight, defaults filled in.
    pub fn warmup(&self) -> Option<Warmup<'_>> {
        self.effective.model.warmup.as_ref().map(|own| Warmup {
            path: &own.path,
            body: own.body.as_deref().filter(|body| !body.is_empty()),
            requests: own.requests.unwrap_or(10),
            timeout: SignedDuration::from_secs(i64::from(own.timeout_seconds.unwrap_or(120))),
        })
    }
}

/// Requests before the first weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warmup<'a> {
    /// Path to ask.
    pub path: &'a str,
    /// Body to send by POST; without one it is a GET.
    pub body: Option<&'a str>,
    /// How many.
    pub requests: i32,
    /// Time in which all must be answered.
    pub timeout: SignedDuration,
}

/// Name of a version's Deployment, Service and record.
pub fn object_name(release: &str, hash: &Hash) -> String {
    format!("{release}-{hash}")
}

/// `runtime` with the version's own fields on top; a field replaces the shared one whole, only `app` is merged.
fn effective(runtime: Option<&ModelFields>, block: &VersionSpec) -> VersionSpec {
    let mut merged = runtime.map_or_else(Map::new, object);
    let shared_app = merged.remove("app");
    merged.extend(object(block));
    if let Some(Value::Object(mut app)) = shared_app {
        if let Some(Value::Object(own)) = merged.remove("app") {
            app.extend(own);
        }
        merged.insert("app".to_owned(), Value::Object(app));
    }
    // Both halves come out of these very types, so the union decodes; if it ever did not, the block alone is meant.
    serde_json::from_value(Value::Object(merged)).unwrap_or_else(|_| block.clone())
}

/// What may change without making another version.
const SIZES: [&str; 3] = ["minReplicas", "maxReplicas", "scaleTarget"];

/// Hash of an effective version. Sizes are left out: changing them is not another version.
fn hash(effective: &VersionSpec) -> Hash {
    let mut content = object(effective);
    for size in SIZES {
        content.remove(size);
        if let Some(Value::Object(app)) = content.get_mut("app") {
            app.remove(size);
        }
    }
    Hash(digest(&Value::Object(content)).chars().take(10).collect())
}

/// Digest of a block alone, as written: tells whether the user has touched it since.
pub fn block_digest(block: &VersionSpec) -> String {
    digest(&Value::Object(object(block))).chars().take(16).collect()
}

/// Hex SHA-256 of a value's canonical JSON: keys sorted, empty values dropped, quantities as strings.
pub fn digest(value: &Value) -> String {
    let mut text = Vec::with_capacity(1024);
    if !canonical(value, &mut text) {
        raw(&Value::Null, &mut text);
    }
    hex(&Sha256::digest(&text))
}

/// Hex SHA-256 of a text.
pub fn text_digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |d| char::from(*d));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn object<T: serde::Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Appends a value's JSON without its empty parts; appends nothing and says so if nothing is left of it.
fn canonical(value: &Value, text: &mut Vec<u8>) -> bool {
    let start = text.len();
    match value {
        Value::Null => return false,
        // A `Map` without the `preserve_order` feature is sorted by key.
        Value::Object(map) => {
            text.push(b'{');
            let first = text.len();
            for (key, inner) in map {
                let before = text.len();
                if before > first {
                    text.push(b',');
                }
                raw(key, text);
                text.push(b':');
                let spelled = matches!(key.as_str(), "requests" | "limits").then(|| quantities(inner));
                if !canonical(spelled.as_ref().unwrap_or(inner), text) {
                    text.truncate(before);
                }
            }
            if text.len() == first {
                text.truncate(start);
                return false;
            }
            text.push(b'}');
        }
        Value::Array(items) if items.is_empty() => return false,
        // A list keeps its empty items: their place has a meaning (an empty argument is an argument).
        Value::Array(items) => {
            text.push(b'[');
            let first = text.len();
            for item in items {
                if text.len() > first {
                    text.push(b',');
                }
                if !canonical(item, text) {
                    raw(item, text);
                }
            }
            text.push(b']');
        }
        Value::String(empty) if empty.is_empty() => return false,
        scalar => raw(scalar, text),
    }
    true
}

/// Appends JSON as it is.
fn raw(value: &impl serde::Serialize, text: &mut Vec<u8>) {
    // A vector takes all that is written to it.
    let _ = serde_json::to_writer(text, value);
}

fn quantities(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| {
                    (k.clone(), if v.is_number() { Value::String(v.to_string()) } else { v.clone() })
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(runtime: &Value, block: Value) -> Version {
        let runtime: ModelFields = serde_json::from_value(runtime.clone()).unwrap();
        Version::of(Some(&runtime), &serde_json::from_value(block).unwrap())
    }

    #[test]
    fn a_versions_own_field_replaces_the_shared_one_whole() {
        let runtime =
            json!({"image": "a", "env": [{"name": "A", "value": "1"}], "ports": {"http": 1, "grpc": 2}});
        let own = version(&runtime, json!({"version": "v", "ports": {"http": 3}})).effective;
        let pod = own.model.pod;
        assert_eq!(pod.image.as_deref(), Some("a"));
        assert_eq!(pod.ports.unwrap().grpc, None);
        assert_eq!(pod.env.unwrap().len(), 1);
    }

    #[test]
    fn an_app_is_merged_field_by_field_and_is_part_of_the_identity_but_for_its_sizes() {
        let runtime = json!({"app": {"image": "a", "ports": {"http": 1}, "minReplicas": 2}});
        let own = version(&runtime, json!({"version": "v", "app": {"image": "b"}}));
        let app = own.app().unwrap();
        assert_eq!(app.image.as_deref(), Some("b"));
        assert_eq!(app.ports.clone().unwrap().http, Some(1));
        let whole = json!({"version": "v", "app": {"image": "b", "ports": {"http": 1}, "maxReplicas": 9}});
        assert_eq!(own.hash, version(&json!({}), whole).hash);
        assert_ne!(own.hash, version(&runtime, json!({"version": "v"})).hash);
        assert_eq!(version(&runtime, json!({"version": "v"})).app().unwrap().image.as_deref(), Some("a"));
    }

    #[test]
    fn a_warm_up_has_ten_requests_in_two_minutes_unless_told_otherwise() {
        let own = version(&json!({"warmup": {"path": "/infer", "body": ""}}), json!({"version": "v"}));
        let warmup = own.warmup().unwrap();
        assert_eq!((warmup.path, warmup.body, warmup.requests), ("/infer", None, 10));
        assert_eq!(warmup.timeout, SignedDuration::from_secs(120));
        assert_eq!(version(&json!({}), json!({"version": "v"})).warmup(), None);
    }

    #[test]
    fn the_hash_is_of_content_wherever_it_stands_and_never_of_sizes() {
        let shared = version(&json!({"image": "a"}), json!({"version": "v"}));
        let own = version(&json!({}), json!({"version": "v", "image": "a"}));
        assert_eq!(shared.hash, own.hash);
        let sized = version(&json!({"image": "a", "minReplicas": 7}), json!({"version": "v", "env": []}));
        assert_eq!(shared.hash, sized.hash);
        assert_eq!(shared.hash.as_str().len(), 10);
        let other = version(&json!({"image": "b"}), json!({"version": "v"}));
        assert_ne!(shared.hash, other.hash);
        let number = version(&json!({}), json!({"version": "v", "resources": {"limits": {"gpu": 1}}}));
        let text = version(&json!({}), json!({"version": "v", "resources": {"limits": {"gpu": "1"}}}));
        assert_eq!(number.hash, text.hash);
    }

    #[test]
    fn canonical_json_is_sorted_without_empty_parts_and_keeps_what_has_a_place() {
        let value = json!({
            "b": {"empty": {"of": {"all": null}}, "text": "", "list": []},
            "a": [null, "", {"x": ""}, {"y": "\"", "z": ""}, []],
            "limits": {"gpu": 1, "memory": "1Gi", "none": ""},
            "limit": {"gpu": 1.5},
        });
        let text = r#"{"a":[null,"",{"x":""},{"y":"\""},[]],"limit":{"gpu":1.5},"limits":{"gpu":"1","memory":"1Gi"}}"#;
        assert_eq!(digest(&value), text_digest(text));
        assert_eq!(digest(&json!({"nothing": [], "at": {"all": null}})), text_digest("null"));
    }

    #[test]
    fn the_hash_of_a_known_version_never_changes() {
        // A later operator that hashes otherwise would restart every model of every user.
        let known = version(
            &json!({"image": "ghcr.io/example/fraud:1", "ports": {"http": 8080}}),
            json!({"version": "v1", "storageUri": "https://models.example.com/fraud/1"}),
        );
        assert_eq!(known.hash.as_str(), "be62a32c61");
    }
}
