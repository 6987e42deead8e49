//! Tells the auditor a history, change by change, as an API server would: revisions, times, and who owns which field.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::audit::world::{Event, Key, Kind, Verb};
use crate::audit::{Auditor, Gateway, Options, Rule};

pub const US: &str = "model-release-operator";
pub const USER: &str = "kubectl-client-side-apply";
pub const NS: &str = "ml";
pub const RELEASE: &str = "fraud";
pub const UID: &str = "release-1";
/// The stable version's hash, and the canary's.
pub const S: &str = "aaaaaaaaaa";
pub const C: &str = "bbbbbbbbbb";

/// A history under way.
pub struct Told {
    auditor: Auditor,
    pub now: Timestamp,
    revision: u64,
    objects: BTreeMap<Key, Value>,
}

impl Told {
    pub fn new() -> Self {
        let selector = BTreeMap::from([("istio".to_owned(), "ingressgateway".to_owned())]);
        let gateways = vec![Gateway { namespace: "istio-system".into(), selector }];
        Self {
            auditor: Auditor::new(&Options { gateways, ..Options::default() }),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
            revision: 100,
            objects: BTreeMap::new(),
        }
    }

    pub fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self.auditor.tick(self.now).unwrap();
        self
    }

    /// The rules that are broken once so much time has passed.
    pub fn waiting_breaks(&mut self, seconds: i64) -> Vec<Rule> {
        self.now += SignedDuration::from_secs(seconds);
        self.auditor.tick(self.now).err().into_iter().flatten().map(|violation| violation.rule).collect()
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Value {
        let key = Key { kind, namespace: namespace.into(), name: name.into() };
        self.objects.get(&key).cloned().unwrap_or_else(|| panic!("{key} is not there"))
    }

    /// An object as `by` writes it; gives the rules that this breaks.
    pub fn write(&mut self, by: &str, kind: Kind, mut object: Value) -> Vec<Rule> {
        let key = Key::of(kind, &object);
        let old = self.objects.get(&key).cloned();
        self.revision += 1;
        self.now += SignedDuration::from_millis(10);
        let uid = object.pointer("/metadata/uid").cloned().unwrap_or_else(|| json!(format!("{key}")));
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        object["metadata"]["managedFields"] = self.managed(by, old.as_ref(), &object);
        self.objects.insert(key, object.clone());
        self.tell(if old.is_some() { Verb::Modified } else { Verb::Added }, kind, object)
    }

    pub fn delete(&mut self, kind: Kind, namespace: &str, name: &str) -> Vec<Rule> {
        let key = Key { kind, namespace: namespace.into(), name: name.into() };
        let mut object = self.objects.remove(&key).unwrap_or_else(|| panic!("{key} is not there"));
        self.revision += 1;
        self.now += SignedDuration::from_millis(10);
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.tell(Verb::Deleted, kind, object)
    }

    fn tell(&mut self, verb: Verb, kind: Kind, object: Value) -> Vec<Rule> {
        let event = Event { revision: self.revision, at: self.now, verb, kind, object };
        let broken = self.auditor.take(event).err().unwrap_or_default();
        for violation in &broken {
            println!("{violation}");
        }
        broken.into_iter().map(|violation| violation.rule).collect()
    }

    /// Who owns what after a write: the writer takes over the fields that it changes.
    fn managed(&self, by: &str, old: Option<&Value>, new: &Value) -> Value {
        let subresource =
            if old.is_some_and(|old| old.get("status") != new.get("status")) { "status" } else { "" };
        let mut entries: Vec<Value> = old
            .and_then(|old| old.pointer("/metadata/managedFields"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut taken: Vec<(&str, String)> = Vec::new();
        if subresource == "status" {
            taken.push(("f:status", String::new()));
        } else {
            for (part, prefix) in [("/spec", "f:spec"), ("/metadata", "f:metadata")] {
                let fields = new.pointer(part).and_then(Value::as_object).into_iter().flatten();
                let set_by_server = ["uid", "resourceVersion", "managedFields", "name", "namespace"];
                for (name, value) in fields.filter(|(name, _)| !set_by_server.contains(&name.as_str())) {
                    if old.and_then(|old| old.pointer(part)?.get(name)) != Some(value) {
                        taken.push((prefix, format!("f:{name}")));
                    }
                }
            }
        }
        for entry in &mut entries {
            for (part, field) in taken.iter().filter(|(_, field)| !field.is_empty()) {
                if let Some(fields) = entry["fieldsV1"].get_mut(part).and_then(Value::as_object_mut) {
                    fields.remove(field);
                }
            }
        }
        let mine = entries.iter_mut().find(|entry| {
            entry["manager"] == by && entry["subresource"].as_str().unwrap_or("") == subresource
        });
        let time = json!(self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let mut entry = mine.map_or_else(
            || json!({"manager": by, "operation": "Update", "subresource": subresource, "fieldsV1": {}}),
            Value::take,
        );
        entry["time"] = time;
        for (part, field) in taken {
            if field.is_empty() {
                entry["fieldsV1"][part] = json!({});
            } else {
                entry["fieldsV1"][part][field] = json!({});
            }
        }
        entries.retain(|entry| !entry.is_null());
        entries.push(entry);
        Value::Array(entries)
    }

    /// The release as the user changes it.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) -> Vec<Rule> {
        let mut release = self.get(Kind::ModelRelease, NS, RELEASE);
        change(&mut release);
        self.write(USER, Kind::ModelRelease, release)
    }

    pub fn annotate(&mut self, key: &str, value: &str) -> Vec<Rule> {
        self.edit(|release| {
            release["metadata"]["annotations"][format!("modelrelease.dev/{key}")] = json!(value);
        })
    }

    /// The status as the operator changes it.
    pub fn status(&mut self, change: impl FnOnce(&mut Value)) -> Vec<Rule> {
        let mut release = self.get(Kind::ModelRelease, NS, RELEASE);
        change(&mut release["status"]);
        // A look that writes at all also writes something that differs.
        let looks = release["status"]["state"]["drift"]["total"].as_i64().unwrap_or(0);
        release["status"]["state"]["drift"]["total"] = json!(looks + 1);
        self.write(US, Kind::ModelRelease, release)
    }

    /// A decision: what it does, the phase that follows, why, the versions with their roles, and the canary's weight.
    pub fn decide(
        &mut self,
        (verdict, to, reason): (&str, &str, &str),
        versions: &[(&str, &str)],
        weight: i64,
    ) -> Vec<Rule> {
        let at = self.now.to_string();
        self.status(|status| {
            let from = status["phase"].as_str().unwrap_or("Pending").to_owned();
            let seq = status["decision"]["seq"].as_i64().unwrap_or(0) + 1;
            let about = versions.last().map_or("", |(hash, _)| hash);
            status["decision"] = json!({
                "seq": seq, "verdict": verdict, "hash": about, "from": from, "to": to, "weight": weight,
                "reason": reason, "generation": 1, "at": at,
            });
            let numbers = json!([{
                "metric": "model_accuracy", "stable": "0.80", "canary": "0.85", "stableEvents": 900,
                "canaryEvents": 300, "bound": "loss <= 0.02",
            }]);
            let entry = json!({
                "seq": seq, "at": at, "verdict": verdict, "version": about, "hash": about, "from": from, "to": to,
                "fromPercent": 0, "toPercent": weight, "reason": reason, "message": "",
                "numbers": if reason == "QualityPassed" { numbers } else { json!([]) },
            });
            let mut history = vec![entry];
            history.extend(status["history"].as_array().cloned().unwrap_or_default());
            status["history"] = json!(history);
            status["phase"] = json!(to);
            status["versions"] = versions
                .iter()
                .map(|(hash, track)| json!({"hash": hash, "version": name(hash), "track": track}))
                .collect();
            status["step"] = json!({"index": 0, "weight": weight, "target": weight});
            status["state"]["traffic"]["seq"] = json!(seq);
            status["state"]["candidate"]["stableReplicas"] = json!(2);
        })
    }

    pub fn seq(&self) -> i64 {
        self.get(Kind::ModelRelease, NS, RELEASE)["status"]["decision"]["seq"].as_i64().unwrap_or(0)
    }

    /// The objects of a version, as the operator makes them.
    pub fn version(&mut self, hash: &str, replicas: i64) -> Vec<Rule> {
        let mut broken = Vec::new();
        for kind in [Kind::ControllerRevision, Kind::Service] {
            let object =
                self.child(&format!("{RELEASE}-{hash}"), Some(hash), &json!({"selector": {"version": hash}}));
            broken.extend(self.write(US, kind, object));
        }
        let template =
            json!({"metadata": {"labels": {"version": hash}}, "spec": {"containers": [{"image": hash}]}});
        let spec = json!({"replicas": replicas, "template": template});
        let object = self.child(&format!("{RELEASE}-{hash}"), Some(hash), &spec);
        broken.extend(self.write(US, Kind::Deployment, object));
        broken
    }

    /// An object that the release owns, after the last decision.
    pub fn child(&self, name: &str, hash: Option<&str>, spec: &Value) -> Value {
        let mut labels = json!({"modelrelease.dev/name": RELEASE});
        if let Some(hash) = hash {
            labels["modelrelease.dev/version"] = json!(hash);
        }
        json!({
            "metadata": {
                "name": name,
                "namespace": NS,
                "creationTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "labels": labels,
                "annotations": {"modelrelease.dev/seq": self.seq().to_string()},
                "ownerReferences": [{
                    "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease", "name": RELEASE, "uid": UID,
                    "controller": true,
                }],
            },
            "spec": spec,
        })
    }

    /// So many ready endpoints of a version.
    pub fn endpoints(&mut self, hash: &str, ready: usize) -> Vec<Rule> {
        let endpoints: Vec<Value> = (0..ready).map(|_| json!({"conditions": {"ready": true}})).collect();
        let object = json!({
            "metadata": {
                "name": format!("{RELEASE}-{hash}-x"),
                "namespace": NS,
                "labels": {
                    "kubernetes.io/service-name": format!("{RELEASE}-{hash}"),
                    "modelrelease.dev/name": RELEASE,
                },
            },
            "endpoints": endpoints,
        });
        self.write("kube-controller-manager", Kind::EndpointSlice, object)
    }

    /// A pod of a version.
    pub fn pod(&mut self, hash: &str) -> Vec<Rule> {
        let labels = json!({"modelrelease.dev/name": RELEASE, "modelrelease.dev/version": hash});
        let object = json!({"metadata": {"name": format!("pod-{hash}"), "namespace": NS, "labels": labels}});
        self.write("kube-controller-manager", Kind::Pod, object)
    }

    /// The traffic object that gives these weights, with a route of its own for each of `routed`.
    pub fn traffic_object(&self, weights: &[(&str, i64)], routed: &[&str]) -> Value {
        let to = |hash: &str| json!({"host": format!("{RELEASE}-{hash}.{NS}.svc.cluster.local"), "port": {"number": 80}});
        let prefix = format!("mr.{NS}.{RELEASE}");
        let own = routed.iter().map(|hash| {
            json!({"name": format!("{prefix}.to-{hash}"), "match": [{}], "route": [{"destination": to(hash)}]})
        });
        let entries: Vec<Value> =
            weights.iter().map(|(hash, weight)| json!({"destination": to(hash), "weight": weight})).collect();
        let split = json!({"name": format!("{prefix}.split"), "route": entries});
        let http: Vec<Value> = own.chain([split]).collect();
        let existing = Key { kind: Kind::VirtualService, namespace: NS.into(), name: RELEASE.into() };
        let mut object = self.child(RELEASE, None, &json!({"http": http}));
        if let Some(live) = self.objects.get(&existing) {
            object["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
        }
        object
    }

    /// The operator writes that.
    pub fn route(&mut self, weights: &[(&str, i64)], routed: &[&str]) -> Vec<Rule> {
        let object = self.traffic_object(weights, routed);
        self.write(US, Kind::VirtualService, object)
    }

    pub fn scale(&mut self, by: &str, hash: &str, replicas: i64) -> Vec<Rule> {
        let mut object = self.get(Kind::Deployment, NS, &format!("{RELEASE}-{hash}"));
        object["spec"]["replicas"] = json!(replicas);
        object["metadata"]["annotations"]["modelrelease.dev/seq"] = json!(self.seq().to_string());
        self.write(by, Kind::Deployment, object)
    }

    pub fn applied(&self, rule: Rule) -> u64 {
        self.auditor.summary().applied.get(&rule).copied().unwrap_or(0)
    }
}

/// A version's name by its hash.
pub fn name(hash: &str) -> &'static str {
    if hash == S { "v1" } else { "v2" }
}
