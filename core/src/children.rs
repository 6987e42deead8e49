//! What runs a version: its Deployment, its Service, the record of both, and the release's own Service.

use serde_json::Value;

use crate::plan::Key;
use crate::release::Release;
use crate::settings::Settings;
use crate::version::{Hash, Version};

/// What was rendered for a version when it first got a role: whole objects but for replicas and `seq`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Its Deployment.
    pub deployment: Value,
    /// Its Service.
    pub service: Value,
}

impl Rendered {
    /// The Deployment at a size, after the decision `seq`.
    pub fn deployment(&self, _replicas: i32, _seq: i64) -> Value {
        todo!()
    }

    /// The Service, after the decision `seq`.
    pub fn service(&self, _seq: i64) -> Value {
        todo!()
    }
}

/// Renders a version's objects.
pub fn render(_release: &Release, _version: &Version, _settings: &Settings) -> Rendered {
    todo!()
}

/// The ControllerRevision that keeps what was rendered for a version.
pub fn record(_release: &Release, _hash: &Hash, _name: &str, _rendered: &Rendered, _seq: i64) -> Value {
    todo!()
}

/// The version's name and objects, back from a live ControllerRevision. None if it is not one of ours.
pub fn recorded(_body: &Value) -> Option<(String, Rendered)> {
    todo!()
}

/// The release's own Service, which selects the stable version's pods only.
pub fn apex(_release: &Release, _stable: &Hash, _rendered: &Rendered, _seq: i64) -> Value {
    todo!()
}

/// Names a version's Deployment.
pub fn deployment_key(_release: &Release, _hash: &Hash) -> Key {
    todo!()
}

/// Names a version's Service.
pub fn service_key(_release: &Release, _hash: &Hash) -> Key {
    todo!()
}

/// Names a version's record.
pub fn record_key(_release: &Release, _hash: &Hash) -> Key {
    todo!()
}

/// Names the release's own Service.
pub fn apex_key(_release: &Release) -> Key {
    todo!()
}
