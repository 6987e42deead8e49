//! The releases of one namespace: written, annotated and read as a user would.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kubectl_modelrelease::render::tree::Beside;
use model_release_core::api::status::{Act, HistoryEntry, ModelReleaseStatus, Track, VersionStatus};
use model_release_core::api::{LABEL_NAME, ModelRelease};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Field manager of the specs that demo and tests write.
const MANAGER: &str = "model-release-demo";

/// The releases of one namespace.
#[derive(Debug, Clone)]
pub struct Releases {
    api: Api<ModelRelease>,
    namespace: String,
}

fn values(objects: &[impl Serialize]) -> Vec<Value> {
    objects.iter().filter_map(|object| serde_json::to_value(object).ok()).collect()
}

impl Releases {
    /// Those of `namespace`.
    pub fn new(client: kube::Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), namespace: namespace.to_owned() }
    }

    /// Writes a whole manifest server-side.
    ///
    /// # Errors
    /// What the API server refused, in its own words.
    pub async fn apply(&self, manifest: &Value) -> Result<ModelRelease> {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let how = PatchParams::apply(MANAGER).force();
        self.api
            .patch(name, &how, &Patch::Apply(manifest))
            .await
            .map_err(|error| self.failed("apply", name, &error))
    }

    /// Sets an annotation, or removes it.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn annotate(&self, name: &str, key: &str, value: Option<&str>) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let done = self.api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        done.map(drop).map_err(|error| self.failed("annotate", name, &error))
    }

    /// Reads one release.
    ///
    /// # Errors
    /// If there is none, or the API server does not answer.
    pub async fn get(&self, name: &str) -> Result<ModelRelease> {
        self.api.get(name).await.map_err(|error| self.failed("read", name, &error))
    }

    /// What belongs to a release, as the plugin looks at it.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn beside(&self, name: &str) -> Result<Beside> {
        let own = ListParams::default().labels(&format!("{LABEL_NAME}={name}"));
        let client = self.api.clone().into_client();
        let deployments = Api::<Deployment>::namespaced(client.clone(), &self.namespace);
        let pods = Api::<Pod>::namespaced(client, &self.namespace);
        let failed = |error: kube::Error| self.failed("list what belongs to", name, &error);
        let (deployments, pods) =
            tokio::try_join!(deployments.list(&own), pods.list(&own)).map_err(failed)?;
        Ok(Beside { deployments: Some(values(&deployments.items)), pods: Some(values(&pods.items)) })
    }

    /// Names of all releases that there are.
    ///
    /// # Errors
    /// If the API server does not answer, or knows no such kind.
    pub async fn names(&self) -> Result<Vec<String>> {
        let listed = self.api.list_metadata(&ListParams::default()).await;
        let listed = listed.map_err(|error| self.failed("list", "", &error))?;
        Ok(listed.items.into_iter().filter_map(|release| release.metadata.name).collect())
    }

    /// Deletes one release; that there is none is fine.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self.api.delete(name, &DeleteParams::background()).await {
            // What an operator of another day wrote may not decode; it is deleted all the same.
            Ok(_) | Err(kube::Error::SerdeError(_)) => Ok(()),
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
            Err(error) => Err(self.failed("delete", name, &error)),
        }
    }

    fn failed(&self, action: &str, name: &str, error: &kube::Error) -> Error {
        // The API server's own sentence; the rest of its answer is for programs.
        let why = match error {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        };
        Error::other(format!("could not {action} modelrelease {}/{name}: {why}", self.namespace))
    }
}

/// The version with this role.
pub fn version(status: &ModelReleaseStatus, track: Track) -> Option<&VersionStatus> {
    status.versions.iter().find(|version| version.track == track)
}

/// Status, reason and message of a condition.
pub fn condition<'a>(status: &'a ModelReleaseStatus, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((&found.status, &found.reason, &found.message))
}

/// The decision that made a version leave, not those that carry it out.
pub fn rollback<'a>(status: &'a ModelReleaseStatus, version: &str) -> Option<&'a HistoryEntry> {
    decided(status, |entry| entry.verdict == Act::Rollback && entry.decides() && entry.version == version)
}

/// The decision to promote a version: the one that its evidence led to, not those that carry it out.
pub fn promotion<'a>(status: &'a ModelReleaseStatus, version: &str) -> Option<&'a HistoryEntry> {
    decided(status, |entry| entry.verdict == Act::Promote && entry.decides() && entry.version == version)
}

/// The newest decision on record that fits.
pub fn decided(status: &ModelReleaseStatus, fits: impl Fn(&HistoryEntry) -> bool) -> Option<&HistoryEntry> {
    status.history.iter().find(|entry| fits(entry))
}
