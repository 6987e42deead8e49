//! The objects of the server in memory: revisions, UIDs, preconditions, finalizers, and the history that watches read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// A request as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// get, list, watch, create, update, apply, patch or delete.
    pub verb: &'static str,
    /// Plural, with the subresource after a slash.
    pub resource: String,
    /// Name of the object; empty for a list.
    pub name: String,
    /// Number of the decision that the body follows, if it is a child's.
    pub seq: Option<i64>,
}

impl Asked {
    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }

    /// Whether it changes a child of a release.
    pub fn writes_child(&self) -> bool {
        self.writes()
            && !self.resource.starts_with("modelreleases")
            && !["leases", "events"].contains(&&*self.resource)
    }
}

/// Why a request is not served.
pub type Denied = (u16, &'static str, String);

type Place = (String, String, String);

/// One change, as watches see it.
#[derive(Clone, Debug)]
pub struct Past {
    pub revision: u64,
    pub resource: String,
    pub kind: &'static str,
    pub object: Value,
}

/// All objects.
#[derive(Debug, Default)]
pub struct Store {
    pub revision: u64,
    pub objects: BTreeMap<Place, Value>,
    pub past: Vec<Past>,
    /// Resources that are not served.
    pub lacking: BTreeSet<String>,
    /// Whether Deployments become ready at once.
    pub ready: bool,
    pub uids: u64,
}

fn place(resource: &str, namespace: &str, name: &str) -> Place {
    (resource.to_owned(), namespace.to_owned(), name.to_owned())
}

fn conflict(why: &str) -> Denied {
    (409, "Conflict", why.to_owned())
}

impl Store {
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Value, Denied> {
        let found = self.objects.get(&place(resource, namespace, name)).cloned();
        found.ok_or((404, "NotFound", format!("{resource} {name} not found")))
    }

    pub fn create(&mut self, resource: &str, namespace: &str, mut object: Value) -> Result<Value, Denied> {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if self.objects.contains_key(&place(resource, namespace, &name)) {
            return Err((409, "AlreadyExists", format!("{resource} {name} already exists")));
        }
        self.uids += 1;
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        if resource == "modelreleases" {
            object.as_object_mut().unwrap().remove("status");
        }
        Ok(self.put(resource, "ADDED", object))
    }

    /// Replaces an object, or only its status.
    pub fn update(
        &mut self,
        resource: &str,
        namespace: &str,
        new: &Value,
        status: bool,
    ) -> Result<Value, Denied> {
        let name = new["metadata"]["name"].as_str().unwrap();
        let old = self.get(resource, namespace, name)?;
        check(&old, &new["metadata"])?;
        let mut object = old.clone();
        if status {
            object["status"] = new["status"].clone();
        } else {
            let meta = old["metadata"].clone();
            object = new.clone();
            for kept in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "namespace"] {
                if let Some(value) = meta.get(kept) {
                    object["metadata"][kept] = value.clone();
                }
            }
        }
        Ok(self.change(resource, &old, object))
    }

    /// Server-side apply or merge patch: maps are merged, lists replaced; of a merge patch, null removes.
    pub fn patch(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Denied> {
        let old = self.get(resource, namespace, name)?;
        check(&old, &patch["metadata"])?;
        let mut object = old.clone();
        merge(&mut object, patch);
        Ok(self.change(resource, &old, object))
    }

    pub fn delete(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        wanted: &Value,
    ) -> Result<Value, Denied> {
        let mut object = self.get(resource, namespace, name)?;
        check(&object, wanted)?;
        let finalizers = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if finalizers {
            let old = object.clone();
            // When the operators' virtual clocks begin: a test that deletes soon after has deleted just now.
            object["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
            return Ok(self.change(resource, &old, object));
        }
        Ok(self.remove(resource, object))
    }

    fn change(&mut self, resource: &str, old: &Value, mut object: Value) -> Value {
        object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if object == *old {
            return object;
        }
        if object["spec"] != old["spec"] {
            object["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        let leaving = object["metadata"].get("deletionTimestamp").is_some();
        let held = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if leaving && !held {
            return self.remove(resource, object);
        }
        self.put(resource, "MODIFIED", object)
    }

    fn remove(&mut self, resource: &str, mut object: Value) -> Value {
        let meta = object["metadata"].clone();
        let (namespace, name) = (meta["namespace"].as_str().unwrap(), meta["name"].as_str().unwrap());
        self.objects.remove(&place(resource, namespace, name));
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.past.push(Past {
            revision: self.revision,
            resource: resource.into(),
            kind: "DELETED",
            object: object.clone(),
        });
        if resource == "deployments" {
            let _ = self.delete("endpointslices", namespace, &format!("{name}-slice"), &Value::Null);
        }
        object
    }

    fn put(&mut self, resource: &str, kind: &'static str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let meta = &object["metadata"];
        let key = place(resource, meta["namespace"].as_str().unwrap(), meta["name"].as_str().unwrap());
        self.objects.insert(key, object.clone());
        self.past.push(Past {
            revision: self.revision,
            resource: resource.into(),
            kind,
            object: object.clone(),
        });
        if resource == "deployments" && self.ready {
            self.make_ready(&object);
        }
        object
    }

    /// Does what the cluster's controllers and nodes do for a Deployment.
    fn make_ready(&mut self, deployment: &Value) {
        let meta = &deployment["metadata"];
        let (namespace, name) = (meta["namespace"].as_str().unwrap(), meta["name"].as_str().unwrap());
        let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
        let status = json!({"observedGeneration": meta["generation"], "replicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas});
        if deployment["status"] == status {
            return;
        }
        let mut object = deployment.clone();
        object["status"] = status;
        self.put("deployments", "MODIFIED", object);
        let endpoints: Vec<Value> = (0..replicas)
            .map(|n| json!({"addresses": [format!("10.0.0.{n}")], "conditions": {"ready": true}}))
            .collect();
        let labels = json!({"kubernetes.io/service-name": name, "modelrelease.dev/name": meta["labels"]["modelrelease.dev/name"]});
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": format!("{name}-slice"), "namespace": namespace, "labels": labels}, "endpoints": endpoints});
        if self.create("endpointslices", namespace, slice.clone()).is_err() {
            self.patch("endpointslices", namespace, &format!("{name}-slice"), &slice).unwrap();
        }
    }
}

/// Holds an object against the UID and resourceVersion that a writer expects.
fn check(stored: &Value, wanted: &Value) -> Result<(), Denied> {
    for field in ["uid", "resourceVersion"] {
        if let Some(expected) = wanted.get(field).and_then(Value::as_str)
            && stored["metadata"][field] != expected
        {
            return Err(conflict(&format!("{field} differs")));
        }
    }
    Ok(())
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}
