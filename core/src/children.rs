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

use std::borrow::Cow;

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
pub struct Rendered<'a> {
    /// Its Deployment.
    pub deployment: Cow<'a, Value>,
    /// Its Service.
    pub service: Cow<'a, Value>,
}

/// What was rendered as it is sent: after the decision `seq`, and of a Deployment with its size.
pub fn sent(rendered: Value, replicas: Option<i32>, seq: i64) -> Value {
    let mut object = meta::with_seq(rendered, seq);
    if let Some(replicas) = replicas {
        meta::set(&mut object, &["spec", "replicas"], json!(replicas));
    }
    object
}

/// Renders a version's objects.
pub fn render(release: &Release, version: &Version, settings: &Settings) -> Rendered<'static> {
    Rendered {
        deployment: Cow::Owned(deployment::render(release, version, settings)),
        service: Cow::Owned(service::render(release, version)),
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
