//! Removes what a release left beside a gateway: an owner reference cannot reach there, and a finalizer can be taken off
//! by hand.

use std::time::Duration;

use model_release_core::api::{LABEL_NAME, LABEL_NAMESPACE, LABEL_UID};
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
                && let Some(owner) = owner(&object)
                && let Err(error) = sweep(&cluster, &object, &owner).await
            {
                warn!(object = %key(&object), release = %owner.0, %error, "whether its release is gone could not be told; asked again in an hour");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The release that an object beside a gateway belongs to, and that release's UID.
fn owner(object: &Object) -> Option<(ReleaseKey, String)> {
    let label = |name| object.label(name).map(str::to_owned);
    let namespace = label(LABEL_NAMESPACE)?;
    // In the release's own namespace the owner reference does it.
    (namespace != object.namespace)
        .then(|| Some((ReleaseKey { namespace, name: label(LABEL_NAME)? }, label(LABEL_UID)?)))?
}

/// Deletes an object whose release is gone, on a live answer that says so. A release that may not be read is no answer.
async fn sweep(
    cluster: &Cluster,
    object: &Object,
    (release, uid): &(ReleaseKey, String),
) -> Result<(), ApiError> {
    if cluster.read(release).await?.is_some_and(|found| found.uid() == *uid) {
        return Ok(());
    }
    cluster.remove(&key(object), &object.uid, &object.resource_version).await?;
    info!(object = %key(object), %release, %uid, "its release is gone; removed");
    Ok(())
}

fn key(object: &Object) -> Key {
    Key { kind: Kind::EnvoyFilter, namespace: object.namespace.clone(), name: object.name.clone() }
}
