//! Commit, then apply: the status write that makes a decision true, and the writes that it orders.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use model_release_core::api::reasons::Reason;
use model_release_core::api::{FIELD_MANAGER, FINALIZER};
use model_release_core::observed::Refused;
use model_release_core::plan::{Event, Key, Plan, Write};
use serde_json::{Value, json};
use tracing::{debug, error, warn};

use super::error::ApiError;
use super::{Cluster, Read};
use crate::memory::Written;
use crate::observe::live;
use crate::watch::{ReleaseKey, Watched};

/// What a decision on record asks for. Only [`Cluster::commit`] makes one, so no effect can precede its commit.
#[derive(Debug)]
pub struct Committed {
    release: ReleaseKey,
    uid: String,
    resource_version: String,
    finalizers: Vec<String>,
    reference: ObjectReference,
    writes: Vec<Write>,
    events: Vec<Event>,
    /// Whether a status was written.
    pub written: bool,
}

impl Read {
    /// Its namespace and name.
    pub fn key(&self) -> ReleaseKey {
        key_of(&self.object)
    }
}

impl Cluster {
    /// Makes a plan's decision true: writes its status, if it differs, on the condition that the release is still the
    /// one that was read.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it is not; else if the API server refuses, fails or does not answer.
    pub async fn commit(&self, read: &Read, plan: Plan) -> Result<Committed, ApiError> {
        let Plan { status, row: _, decision: _, writes, drifted: _, events, next_look: _ } = plan;
        let wanted = status.map(|status| serde_json::to_value(status).unwrap_or_default());
        let wanted = wanted.filter(|wanted| read.status() != Some(wanted));
        let written = wanted.is_some();
        let stored = match wanted {
            Some(status) => self.write_status(read, status).await?,
            None => read.object.clone(),
        };
        let meta = stored.metadata.clone();
        Ok(Committed {
            release: key_of(&stored),
            uid: meta.uid.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
            finalizers: meta.finalizers.unwrap_or_default(),
            reference: stored.object_ref(&Watched::Release.resource()),
            writes,
            events,
            written,
        })
    }

    /// Queues an event about a release that was read, whatever it holds.
    pub fn tell(&self, read: &Read, event: Event) {
        self.events.send(read.object.object_ref(&Watched::Release.resource()), event);
    }

    /// Writes a status of raw JSON, on the condition that the release is still the one that was read.
    ///
    /// # Errors
    /// As [`Cluster::commit`].
    pub async fn write_status(&self, read: &Read, status: Value) -> Result<DynamicObject, ApiError> {
        let key = key_of(&read.object);
        let (api, _) = self.releases(&key.namespace);
        let object = read.with_status(status);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let what = || format!("status of modelrelease {key}");
        let call = api.replace_status(&key.name, &params, &object);
        let stored = self.call("update", "modelreleases/status", what, call).await?;
        self.memory.committed(&key, stored.metadata.resource_version.as_deref().unwrap_or_default());
        let lost = lost(object.data.get("status"), stored.data.get("status"), "status");
        if !lost.is_empty() {
            error!(
                release = %key, reason = %Reason::CRDOutdated, fields = lost.join(" "),
                remedy = "install this operator's definition: model-release-operator crd | kubectl apply --server-side -f -",
                "the API server dropped fields of the status",
            );
        }
        Ok(stored)
    }

    /// Applies what a commit orders: its writes in their order, then its events. The first failure ends it; nothing is
    /// undone, and the next reconcile computes the rest.
    ///
    /// # Errors
    /// The first failure.
    pub async fn apply(&self, committed: Committed) -> Result<(), ApplyError> {
        let Committed { release, uid, resource_version, finalizers, reference, writes, events, written: _ } =
            committed;
        for write in writes {
            match write {
                Write::Finalizer { present } => {
                    let own = Own {
                        release: &release,
                        uid: &uid,
                        version: &resource_version,
                        finalizers: &finalizers,
                    };
                    self.finalizer(&own, present).await.map_err(|cause| ApplyError {
                        object: None,
                        news: false,
                        cause: Box::new(cause),
                    })?;
                }
                Write::Create { key, body } => {
                    let done = self.create(&key, body).await;
                    self.note(&release, key, done)?;
                }
                Write::Apply { key, body, uid, resource_version, stands } => {
                    let mut done = self.apply_one(&key, &body, &uid, &resource_version).await;
                    if matches!(done, Err(ApiError::Conflict { .. }))
                        && let Some(version) = self.stands_still(&key, &uid, stands).await
                    {
                        done = self.apply_one(&key, &body, &uid, &version).await;
                    }
                    self.note(&release, key, done)?;
                }
                Write::Delete { key, uid, resource_version } => {
                    let done = self.delete(&key, &uid, &resource_version).await;
                    self.note(&release, key, done)?;
                }
            }
        }
        for event in events {
            self.events.send(reference.clone(), event);
        }
        Ok(())
    }

    /// Remembers how a write went.
    fn note(
        &self,
        release: &ReleaseKey,
        key: Key,
        done: Result<Written, ApiError>,
    ) -> Result<(), ApplyError> {
        match done {
            Ok(written) => {
                debug!(%release, object = %key, "written");
                self.memory.accepted(release, &key, written);
                Ok(())
            }
            Err(cause) => {
                let news = match &cause {
                    ApiError::Refused { code, message, .. } => {
                        let refused = Refused { key: key.clone(), code: *code, message: message.clone() };
                        let news = self.memory.refused(release, refused);
                        if news {
                            warn!(%release, object = %key, code, message, "the API server refused a write; the release is told");
                        }
                        news
                    }
                    ApiError::Conflict { .. }
                    | ApiError::Absent { .. }
                    | ApiError::TimedOut { .. }
                    | ApiError::Failed { .. } => {
                        self.memory.doubt(release, &key);
                        false
                    }
                };
                Err(ApplyError { object: Some(key), news, cause: Box::new(cause) })
            }
        }
    }

    /// Deletes an object that no release owns any more, if it is still the one that was seen.
    ///
    /// # Errors
    /// If the API server refuses, fails or does not answer.
    pub async fn remove(&self, key: &Key, uid: &str, version: &str) -> Result<(), ApiError> {
        self.delete(key, uid, version).await.map(drop)
    }

    async fn create(&self, key: &Key, body: Value) -> Result<Written, ApiError> {
        let (api, resource) = self.objects(key);
        let body = named(body, key, &resource.api_version);
        let object = serde_json::from_value::<DynamicObject>(body)
            .map_err(|cause| ApiError::sort("create", key.to_string(), kube::Error::SerdeError(cause)))?;
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let call = api.create(&params, &object);
        let stored = self.call("create", key.kind.api().3, || key.to_string(), call).await?;
        Ok(at(&stored))
    }

    /// The present version of an object whose status alone has changed since it was read: controllers write that all
    /// the time, and a repair need not wait for another look each time they do.
    async fn stands_still(&self, key: &Key, uid: &str, stands: Option<(i64, i64)>) -> Option<String> {
        let now = self.read_object(key).await.ok().flatten()?;
        let live = live(&now, &key.namespace);
        let same = stands.is_some() && live.stands() == stands && live.uid == uid && !live.deleting;
        same.then_some(live.resource_version)
    }

    async fn apply_one(
        &self,
        key: &Key,
        body: &Value,
        uid: &str,
        version: &str,
    ) -> Result<Written, ApiError> {
        let (api, resource) = self.objects(key);
        let mut body = named(body.clone(), key, &resource.api_version);
        if let Some(Value::Object(meta)) = body.get_mut("metadata") {
            meta.insert("uid".into(), uid.into());
            meta.insert("resourceVersion".into(), version.into());
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&body);
        let call = api.patch(&key.name, &params, &patch);
        let stored = self.call("patch", key.kind.api().3, || key.to_string(), call).await?;
        Ok(at(&stored))
    }

    async fn delete(&self, key: &Key, uid: &str, version: &str) -> Result<Written, ApiError> {
        let (api, _) = self.objects(key);
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_owned()),
        });
        let gone = Written::Gone { uid: uid.to_owned() };
        let call = api.delete(&key.name, &params);
        match self.call("delete", key.kind.api().3, || key.to_string(), call).await {
            Ok(_) | Err(ApiError::Absent { .. }) => Ok(gone),
            Err(error) => Err(error),
        }
    }

    async fn finalizer(&self, own: &Own<'_>, present: bool) -> Result<(), ApiError> {
        let there = own.finalizers.iter().any(|f| f == FINALIZER);
        if there == present {
            return Ok(());
        }
        let mut wanted: Vec<&str> =
            own.finalizers.iter().map(String::as_str).filter(|f| *f != FINALIZER).collect();
        if present {
            wanted.push(FINALIZER);
        }
        let patch =
            json!({"metadata": {"uid": own.uid, "resourceVersion": own.version, "finalizers": wanted}});
        let (api, _) = self.releases(&own.release.namespace);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let what = || format!("finalizer of modelrelease {}", own.release);
        let patch = Patch::Merge(&patch);
        let call = api.patch(&own.release.name, &params, &patch);
        match self.call("patch", "modelreleases", what, call).await {
            Ok(stored) => {
                self.memory
                    .committed(own.release, stored.metadata.resource_version.as_deref().unwrap_or_default());
                Ok(())
            }
            // It went with its last finalizer, by another's hand.
            Err(ApiError::Absent { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The release that a finalizer is written on, as it was committed.
struct Own<'a> {
    release: &'a ReleaseKey,
    uid: &'a str,
    version: &'a str,
    finalizers: &'a [String],
}

/// A plan's write that was not done, and ended it.
#[derive(Debug, thiserror::Error)]
#[error("could not follow the decision")]
pub struct ApplyError {
    /// The object; none for the release's finalizer.
    pub object: Option<Key>,
    /// Whether it is a refusal that was not known yet.
    pub news: bool,
    /// What went wrong.
    #[source]
    pub cause: Box<ApiError>,
}

fn key_of(object: &DynamicObject) -> ReleaseKey {
    ReleaseKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

fn at(stored: &DynamicObject) -> Written {
    Written::AtLeast {
        uid: stored.uid().unwrap_or_default(),
        version: stored.resource_version().unwrap_or_default(),
    }
}

/// A body under the name that its key says: a plan cannot write elsewhere than it claims.
fn named(mut body: Value, key: &Key, api_version: &str) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.insert("apiVersion".into(), api_version.into());
        fields.insert("kind".into(), key.kind.api().2.into());
        let meta = fields.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(meta) = meta {
            meta.insert("name".into(), key.name.clone().into());
            meta.insert("namespace".into(), key.namespace.clone().into());
        }
    }
    body
}

/// Paths of what was sent and is not in what was stored; at most 8.
fn lost(sent: Option<&Value>, stored: Option<&Value>, path: &str) -> Vec<String> {
    let mut missing = match (sent, stored) {
        (Some(Value::Object(sent)), Some(Value::Object(stored))) => sent
            .iter()
            .flat_map(|(name, value)| lost(Some(value), stored.get(name), &format!("{path}.{name}")))
            .collect(),
        (Some(Value::Array(sent)), Some(Value::Array(stored))) => sent
            .iter()
            .enumerate()
            .flat_map(|(at, value)| lost(Some(value), stored.get(at), &format!("{path}[{at}]")))
            .collect(),
        (Some(Value::Null) | None, None) | (_, Some(_)) => Vec::new(),
        (Some(_), None) => vec![path.to_owned()],
    };
    missing.truncate(8);
    missing
}

#[cfg(test)]
mod tests {
    use model_release_core::plan::Kind;

    use super::*;

    #[test]
    fn a_field_that_the_server_dropped_is_named() {
        let sent = json!({"a": 1, "b": {"c": [{"d": 1}, {"d": 2}]}, "n": null});
        let stored = json!({"a": 2, "b": {"c": [{"d": 1}, {}]}, "more": 1});
        assert_eq!(lost(Some(&sent), Some(&stored), "status"), ["status.b.c[1].d"]);
        assert_eq!(lost(Some(&sent), None, "status"), ["status"]);
    }

    #[test]
    fn a_body_goes_nowhere_but_where_its_key_says() {
        let key = Key { kind: Kind::EnvoyFilter, namespace: "infra".into(), name: "x".into() };
        let body = json!({"kind": "Secret", "metadata": {"name": "y", "namespace": "kube-system", "labels": {"a": "b"}}});
        let body = named(body, &key, "networking.istio.io/v1alpha3");
        assert_eq!(body["kind"], "EnvoyFilter");
        assert_eq!(body["metadata"], json!({"name": "x", "namespace": "infra", "labels": {"a": "b"}}));
    }
}
