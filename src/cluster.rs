//! The only place that calls Kubernetes: reads a release, commits its status, applies a plan's writes, and keeps the
//! Lease. One function sets limit and counters of every call.

mod commit;
mod error;
mod events;
mod leases;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};
use model_release_core::plan::Key;
use serde_json::Value;

pub use commit::{ApplyError, Committed};
pub use error::{ApiError, plain};
pub use events::Events;
pub use leases::{Leases, Record};

use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::watch::{Object, ReleaseKey, Watched, pruned};

/// Limit of every call.
const LIMIT: Duration = Duration::from_secs(5);

/// Calls Kubernetes. Clones share the client.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    metrics: Metrics,
    memory: Memory,
    events: Events,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

/// A release as it was just read.
#[derive(Clone, Debug)]
pub struct Read {
    object: DynamicObject,
}

impl Read {
    /// Its UID.
    pub fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    /// All of it.
    pub fn value(&self) -> Value {
        serde_json::to_value(&self.object).unwrap_or_default()
    }

    /// Its metadata, if its deletion was asked for.
    pub fn deleted(&self) -> Option<&ObjectMeta> {
        Some(&self.object.metadata).filter(|metadata| metadata.deletion_timestamp.is_some())
    }

    /// Its stored status.
    pub fn status(&self) -> Option<&Value> {
        self.object.data.get("status")
    }

    /// The same with another status.
    fn with_status(&self, status: Value) -> DynamicObject {
        let mut object = self.object.clone();
        if let Value::Object(fields) = &mut object.data {
            fields.insert("status".into(), status);
        }
        object
    }
}

impl Cluster {
    /// A cluster behind a client whose own retries are off.
    pub fn new(client: Client, metrics: Metrics, memory: Memory, events: Events) -> Self {
        Self { client, metrics, memory, events }
    }

    fn releases(&self, namespace: &str) -> (Api<DynamicObject>, ApiResource) {
        let resource = Watched::Release.resource();
        (Api::namespaced_with(self.client.clone(), namespace, &resource), resource)
    }

    fn objects(&self, key: &Key) -> (Api<DynamicObject>, ApiResource) {
        let resource = Watched::Child(key.kind).resource();
        (Api::namespaced_with(self.client.clone(), &key.namespace, &resource), resource)
    }

    /// Reads a release from the API server itself. None if there is none.
    ///
    /// # Errors
    /// If the API server refuses, fails or does not answer.
    pub async fn read(&self, key: &ReleaseKey) -> Result<Option<Read>, ApiError> {
        let (api, _) = self.releases(&key.namespace);
        let what = || format!("modelrelease {key}");
        let read = self.call("get", "modelreleases", what, api.get(&key.name)).await;
        error::absent_is_none(read).map(|found| found.map(|object| Read { object }))
    }

    /// Reads one of our objects from the API server itself. None if there is none.
    ///
    /// # Errors
    /// If the API server refuses, fails or does not answer.
    pub async fn read_object(&self, key: &Key) -> Result<Option<Object>, ApiError> {
        let (api, resource) = self.objects(key);
        let read = self.call("get", key.kind.api().3, || key.to_string(), api.get(&key.name)).await;
        error::absent_is_none(read)
            .map(|found| found.map(|object| pruned(object, Watched::Child(key.kind), &resource)))
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        resource: &'static str,
        what: impl Fn() -> String,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ApiError> {
        limited(&self.metrics, (verb, resource), LIMIT, what, request).await
    }
}

/// Makes one call: within its limit, counted, its failure sorted.
async fn limited<T>(
    metrics: &Metrics,
    (verb, resource): (&'static str, &'static str),
    limit: Duration,
    what: impl Fn() -> String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ApiError> {
    let answer = match tokio::time::timeout(limit, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(ApiError::sort(verb, what(), error)),
        Err(_) => Err(ApiError::TimedOut { verb, what: what(), limit }),
    };
    let code = answer.as_ref().err().map_or_else(|| "200".to_owned(), ApiError::code_label);
    metrics.kube_request(verb, resource, &code);
    answer
}

fn lease_api(client: &Client, namespace: &str) -> Api<Lease> {
    Api::namespaced(client.clone(), namespace)
}
