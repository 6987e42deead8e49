//! Reads and writes of the Lease, over a connection of its own: a flood of other calls must not cost the lead.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, PostParams};
use model_release_core::api::FIELD_MANAGER;

use super::error::{ApiError, absent_is_none};
use super::{lease_api, limited};
use crate::clock::Clock;
use crate::metrics::Metrics;

/// Name of the Lease.
pub const NAME: &str = "model-release-operator";
/// How long a lead lasts without renewal, for those who want it. Seconds.
pub const DURATION_SECONDS: i32 = 15;

/// The Lease as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Who leads; empty if nobody does.
    pub holder: String,
    /// Its revision.
    pub resource_version: String,
    /// All of it: what others wrote into it stays.
    object: Lease,
}

impl Record {
    /// A record of a holder at a revision.
    pub fn new(holder: &str, resource_version: &str) -> Self {
        Self {
            holder: holder.to_owned(),
            resource_version: resource_version.to_owned(),
            object: Lease::default(),
        }
    }
}

/// The Lease.
#[derive(Clone)]
pub struct Leases {
    api: Api<Lease>,
    namespace: String,
    metrics: Metrics,
    clock: Clock,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leases")
    }
}

impl Leases {
    /// The Lease of a namespace, behind a client of its own.
    pub fn new(client: &Client, namespace: &str, metrics: Metrics, clock: Clock) -> Self {
        Self { api: lease_api(client, namespace), namespace: namespace.to_owned(), metrics, clock }
    }

    /// Name and namespace, for people.
    pub fn what(&self) -> String {
        format!("lease {}/{NAME}", self.namespace)
    }

    /// Reads it.
    ///
    /// # Errors
    /// If the API server refuses, fails or does not answer within `limit`.
    pub async fn read(&self, limit: Duration) -> Result<Option<Record>, ApiError> {
        let call = self.api.get(NAME);
        let read = limited(&self.metrics, ("get", "leases"), limit, || self.what(), call).await;
        Ok(absent_is_none(read)?.map(record))
    }

    /// Writes a holder into it: creates it if `over` is none, else replaces that very revision. An empty holder gives
    /// it free.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it changed meanwhile; else if the API server refuses, fails or does not answer within
    /// `limit`.
    pub async fn write(
        &self,
        over: Option<&Record>,
        holder: &str,
        limit: Duration,
    ) -> Result<Record, ApiError> {
        let now = MicroTime(self.clock.now());
        let mut lease = over.map_or_else(Lease::default, |old| old.object.clone());
        lease.metadata.name = Some(NAME.into());
        lease.metadata.managed_fields = None;
        let spec = lease.spec.get_or_insert_default();
        if over.is_none_or(|old| old.holder != holder) {
            spec.acquire_time = Some(now.clone());
            let others = spec.lease_transitions.unwrap_or(0);
            spec.lease_transitions =
                Some(others.saturating_add(i32::from(over.is_some() && !holder.is_empty())));
        }
        spec.holder_identity = Some(holder.to_owned());
        spec.lease_duration_seconds = Some(DURATION_SECONDS);
        spec.renew_time = Some(now);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let stored = if let Some(old) = over {
            lease.metadata.resource_version = Some(old.resource_version.clone());
            let call = self.api.replace(NAME, &params, &lease);
            limited(&self.metrics, ("update", "leases"), limit, || self.what(), call).await?
        } else {
            let call = self.api.create(&params, &lease);
            limited(&self.metrics, ("create", "leases"), limit, || self.what(), call).await?
        };
        Ok(record(stored))
    }
}

fn record(object: Lease) -> Record {
    Record {
        holder: object.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
        resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
        object,
    }
}
