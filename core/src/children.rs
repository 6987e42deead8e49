//! What runs a version: its Deployment, its Service, the record of both, and the release's own Service.

mod artifact;
mod deployment;
mod preset;
mod probes;
mod record;
mod server;
mod service;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::meta;
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::settings::Settings;
use crate::version::{Hash, Version};

pub use record::{record, recorded};
pub use service::apex;

/// What was rendered for a version when it first got a role: whole objects but for replicas and `seq`.
///
/// It is kept in a record and never rendered anew while the version lives, so that an operator upgrade or an edit of
/// the release's policy restarts no pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Its Deployment.
    pub deployment: Value,
    /// Its Service.
    pub service: Value,
}

impl Rendered {
    /// The Deployment at a size, after the decision `seq`.
    pub fn deployment(&self, replicas: i32, seq: i64) -> Value {
        let mut object = meta::with_seq(self.deployment.clone(), seq);
        meta::set(&mut object, &["spec", "replicas"], json!(replicas));
        object
    }

    /// The Service, after the decision `seq`.
    pub fn service(&self, seq: i64) -> Value {
        meta::with_seq(self.service.clone(), seq)
    }
}

/// Renders a version's objects.
pub fn render(release: &Release, version: &Version, settings: &Settings) -> Rendered {
    Rendered {
        deployment: deployment::render(release, version, settings),
        service: service::render(release, version),
    }
}

/// Names a version's Deployment.
pub fn deployment_key(release: &Release, hash: &Hash) -> Key {
    key(release, Kind::Deployment, release.object_name(hash))
}

/// Names a version's Service.
pub fn service_key(release: &Release, hash: &Hash) -> Key {
    key(release, Kind::Service, release.object_name(hash))
}

/// Names a version's record.
pub fn record_key(release: &Release, hash: &Hash) -> Key {
    key(release, Kind::ControllerRevision, release.object_name(hash))
}

/// Names the release's own Service.
pub fn apex_key(release: &Release) -> Key {
    key(release, Kind::Service, release.name.clone())
}

fn key(release: &Release, kind: Kind, name: String) -> Key {
    Key { kind, namespace: release.namespace.clone(), name }
}
