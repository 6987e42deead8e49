//! What a traffic object says, read by its own rules: no line of this is shared with who wrote it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::text;

/// A backend of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Hash of the version; none if its host is no version of the release.
    pub hash: Option<String>,
    /// Its weight, if one is written and a whole number.
    pub weight: Option<i64>,
}

/// A traffic object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The backends of each split.
    pub splits: Vec<Vec<Entry>>,
    /// Versions with a route of their own.
    pub routed: Vec<String>,
    /// Routes that would take requests of everybody before a split does.
    pub before: Vec<String>,
}

impl Traffic {
    /// Reads it.
    pub fn of(body: &Value) -> Self {
        let (release, namespace) = (text(body, "/metadata/name"), text(body, "/metadata/namespace"));
        let prefix = format!("mr.{namespace}.{release}.");
        let mut read = Self { splits: Vec::new(), routed: Vec::new(), before: Vec::new() };
        let list = |value: &'_ Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        for route in list(body, "/spec/http").iter().chain(&list(body, "/spec/rules")) {
            let name = text(route, "/name");
            let own = name.strip_prefix(&prefix).unwrap_or_default();
            // An HTTPRoute's match always has a path, be it all of them.
            let narrow = |one: &Value| one.get("headers").is_some() || one.get("path").is_none();
            let matches = [list(route, "/match"), list(route, "/matches")].concat();
            if matches!(own, "split" | "split-grpc") {
                let entries = [list(route, "/route"), list(route, "/backendRefs")].concat();
                read.splits.push(entries.iter().map(|entry| Entry::of(entry, release, namespace)).collect());
            } else if let Some(hash) = own.strip_prefix("to-") {
                read.routed.push(hash.trim_end_matches("-grpc").to_owned());
            } else if matches.is_empty() || !matches.iter().all(narrow) {
                read.before.push(name.to_owned());
            }
        }
        read
    }

    /// The weight of each version in the first split.
    pub fn weights(&self) -> BTreeMap<String, i64> {
        let mut weights = BTreeMap::new();
        for entry in self.splits.first().into_iter().flatten() {
            if let (Some(hash), Some(weight)) = (&entry.hash, entry.weight) {
                *weights.entry(hash.clone()).or_insert(0) += weight;
            }
        }
        weights
    }

    /// The weight of a version.
    pub fn weight(&self, hash: &str) -> i64 {
        self.weights().get(hash).copied().unwrap_or(0)
    }

    /// In a few words: `5f3c0a9b11 90, 9ab1c2d3e4 10`.
    pub fn words(&self) -> String {
        let entry = |entry: &Entry| {
            let weight = entry.weight.map_or_else(|| "no weight".to_owned(), |weight| weight.to_string());
            format!("{} {weight}", entry.hash.as_deref().unwrap_or("a foreign host"))
        };
        let split = |entries: &Vec<Entry>| entries.iter().map(entry).collect::<Vec<_>>().join(", ");
        let splits: Vec<String> = self.splits.iter().map(split).collect();
        if splits.is_empty() { "no split".to_owned() } else { splits.join(" and ") }
    }
}

impl Entry {
    fn of(entry: &Value, release: &str, namespace: &str) -> Self {
        let host = text(entry, "/destination/host");
        let hash = || {
            let (service, inside) = match host.split_once('.') {
                Some((service, domain)) => (service, domain.strip_prefix(namespace)?.starts_with(".svc.")),
                None => (
                    text(entry, "/name"),
                    text(entry, "/kind") == "Service" && text(entry, "/namespace").is_empty(),
                ),
            };
            let version = service.strip_prefix(release)?.strip_prefix('-')?;
            let version = version.strip_suffix("-app").unwrap_or(version);
            (inside && is_hash(version)).then(|| version.to_owned())
        };
        Self { hash: hash(), weight: entry.get("weight").and_then(Value::as_i64) }
    }
}

/// Whether a text is a version's hash: ten hex digits.
pub fn is_hash(text: &str) -> bool {
    text.len() == 10 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_of_other_namespaces_and_single_services_are_no_versions() {
        let entry =
            |host: &str| Entry::of(&json!({"destination": {"host": host}, "weight": 7}), "fraud", "ml");
        let hash = |host: &str| entry(host).hash;
        assert_eq!(hash("fraud-0123456789.ml.svc.cluster.local").as_deref(), Some("0123456789"));
        assert_eq!(hash("fraud-0123456789-app.ml.svc.cluster.local").as_deref(), Some("0123456789"));
        for other in
            ["fraud.ml.svc.cluster.local", "fraud-0123456789.other.svc.x", "fraud-012345678.ml.svc.x"]
        {
            assert_eq!(hash(other), None, "{other}");
        }
    }

    #[test]
    fn an_http_route_is_read_by_what_its_rules_take() {
        let to = |name: &str, weight: i64| json!({"kind": "Service", "name": name, "weight": weight});
        let all = json!({"path": {"type": "PathPrefix", "value": "/"}});
        let body = json!({
            "metadata": {"name": "fraud", "namespace": "ml"},
            "spec": {"rules": [
                {"name": "mr.ml.fraud.to-0123456789", "matches": [{"path": {}, "headers": [{}]}]},
                {"name": "mine", "matches": [all]},
                {"name": "mr.ml.fraud.split", "matches": [all], "backendRefs": [
                    to("fraud-0123456789", 99), to("fraud-0123456789", 1), to("fraud-abcdefabcd", 0),
                ]},
            ]},
        });
        let read = Traffic::of(&body);
        assert_eq!((read.weight("0123456789"), read.weight("abcdefabcd")), (100, 0));
        assert_eq!((read.routed, read.before), (vec!["0123456789".to_owned()], vec!["mine".to_owned()]));
        let elsewhere =
            json!({"kind": "Service", "name": "fraud-0123456789", "namespace": "other", "weight": 1});
        assert_eq!(Entry::of(&elsewhere, "fraud", "ml").hash, None);
    }
}
