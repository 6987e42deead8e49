//! Removes what releases left beside gateways, as the core judges it.

use std::time::Duration;

use model_release_core::orphans::Owner;
use model_release_core::plan::{Key, Kind};
use tracing::{info, warn};

use crate::cluster::{ApiError, Cluster};
use crate::lease::Lead;
use crate::watch::cache::Object;
use crate::watch::{Caches, ReleaseKey, Watched};

/// Time between two searches.
const EVERY: Duration = Duration::from_secs(3600);

/// Searches when it begins to lead, and every hour.
pub async fn run(caches: Caches, cluster: Cluster, mut lead: Lead) {
    loop {
        lead.becomes(true).await;
        caches.wait_synced().await;
        for object in caches.all(Watched::Child(Kind::EnvoyFilter)) {
            if lead.leads()
                && let Some(owner) = Owner::of(&object.namespace, |name| object.label(name))
                && let Err(error) = sweep(&cluster, &object, &owner).await
            {
                warn!(object = %key(&object), namespace = owner.namespace, release = owner.name, %error, "whether its release is gone could not be told; asked again in an hour");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Deletes an object whose release is gone, on a live answer that says so. A release that may not be read is no answer.
async fn sweep(cluster: &Cluster, object: &Object, owner: &Owner) -> Result<(), ApiError> {
    let release = ReleaseKey { namespace: owner.namespace.clone(), name: owner.name.clone() };
    let found = cluster.read(&release).await?.map(|found| found.uid());
    if owner.is_gone(found.as_deref()) {
        cluster.remove(&key(object), &object.uid, &object.resource_version).await?;
        info!(object = %key(object), %release, uid = owner.uid, "its release is gone; removed");
    }
    Ok(())
}

fn key(object: &Object) -> Key {
    Key { kind: Kind::EnvoyFilter, namespace: object.namespace.clone(), name: object.name.clone() }
}
