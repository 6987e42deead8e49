//! A hand that edits or deletes what the operator made, and how soon it is as it was: both as one watch shows them.

use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::ApiResource;
use model_release_core::plan::Kind;
use serde_json::{Value, json};
use testbed::audit::object::BY_HAND;
use testbed::{Error, Result};

/// How long it is waited until an object is as it was.
pub const SOON: Duration = Duration::from_secs(30);
/// How soon it has to be, in seconds: on a machine with nothing else to do, and on any.
pub const WITHIN: (f64, f64) = (1.0, 15.0);

/// An object within a hand's reach.
pub struct Hand {
    api: Api<DynamicObject>,
    kind: Kind,
    name: String,
}

impl Hand {
    /// Reaches for one object.
    pub fn on(client: &kube::Client, kind: Kind, namespace: &str, name: &str) -> Self {
        let (group, version, named, plural) = kind.api();
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
            kind: named.to_owned(),
            plural: plural.to_owned(),
        };
        let api = Api::namespaced_with(client.clone(), namespace, &resource);
        Self { api, kind, name: name.to_owned() }
    }

    /// The object as it is.
    pub async fn look(&self) -> Result<Value> {
        let object = self.api.get(&self.name).await.map_err(|error| self.failed("look at", &error))?;
        serde_json::to_value(object).map_err(|error| Error::other(format!("{}: {error}", self.what())))
    }

    /// Edits it by a merge patch; gives the seconds until it is as it was.
    pub async fn edits(&self, patch: Value) -> Result<f64> {
        let params = PatchParams { field_manager: Some("a-hand".into()), ..PatchParams::default() };
        let edited = async { self.api.patch(&self.name, &params, &Patch::Merge(patch)).await.map(drop) };
        self.undone("edit", edited).await
    }

    /// Deletes it; gives the seconds until it is there again as it was.
    pub async fn deletes(&self) -> Result<f64> {
        // Who deletes an object is not told by a watch; the auditor is told beforehand.
        let announced = json!({"metadata": {"annotations": {BY_HAND: "yes"}}});
        let announced = self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(announced)).await;
        announced.map_err(|error| self.failed("announce the end of", &error))?;
        let deleted = async { self.api.delete(&self.name, &DeleteParams::background()).await.map(drop) };
        self.undone("delete", deleted).await
    }

    /// Does it, and watches the object until it says what it said before. The time begins with the change itself, as the watch
    /// tells of it: how long the API server took to store a hand's edit is no concern of the operator's.
    async fn undone(&self, action: &str, act: impl Future<Output = kube::Result<()>>) -> Result<f64> {
        // Of an object that rested for long the API server does not tell from its last change on, but from now on it does.
        let alone = format!("metadata.name={}", self.name);
        let now = self.api.list(&ListParams::default().fields(&alone)).await;
        let now = now.map_err(|error| self.failed("look at", &error))?;
        let from = now.metadata.resource_version.unwrap_or_default();
        let missing = || Error::other(format!("{} is not there for a hand to {action}", self.what()));
        let before = now.items.into_iter().next().ok_or_else(missing)?;
        let params = WatchParams::default().fields(&alone).timeout(60);
        let events = self.api.watch(&params, &from).await.map_err(|error| self.failed("watch", &error))?;
        let mut events = events.boxed();
        let wanted = said(&before);
        let watching = async {
            let mut changed: Option<Instant> = None;
            while let Some(event) = events.next().await {
                match event {
                    Ok(WatchEvent::Deleted(_)) => changed = changed.or_else(|| Some(Instant::now())),
                    Ok(WatchEvent::Added(now) | WatchEvent::Modified(now)) => match changed {
                        Some(since) if said(&now) == wanted => return Ok(since.elapsed().as_secs_f64()),
                        None if said(&now) != wanted => changed = Some(Instant::now()),
                        _ => {}
                    },
                    Ok(WatchEvent::Bookmark(_)) => {}
                    Ok(WatchEvent::Error(status)) => {
                        return Err(Error::other(format!("watch of {}: {}", self.what(), status.message)));
                    }
                    Err(error) => return Err(self.failed("watch", &error)),
                }
            }
            Err(Error::other(format!("the watch of {} ended", self.what())))
        };
        // Both at once: the change is told of while the API server may still be answering the hand.
        let acting = async { act.await.map_err(|error| self.failed(action, &error)) };
        let both = async { tokio::try_join!(acting, watching).map(|((), seconds)| seconds) };
        tokio::time::timeout(SOON, both).await.unwrap_or_else(|_| {
            Err(Error::Timeout {
                what: format!("{} is as it was after a hand had its way ({action})", self.what()),
                seconds: SOON.as_secs_f64(),
                last: "it was not put right".to_owned(),
            })
        })
    }

    fn what(&self) -> String {
        format!("{} {}", self.kind.api().2, self.name)
    }

    fn failed(&self, action: &str, error: &kube::Error) -> Error {
        Error::other(format!("could not {action} {}: {error}", self.what()))
    }
}

/// What an object says, but for what the API server adds.
fn said(object: &DynamicObject) -> Value {
    let labels = object.metadata.labels.clone().unwrap_or_default();
    json!({"labels": labels, "spec": object.data.get("spec"), "data": object.data.get("data")})
}
