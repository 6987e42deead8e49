//! Volumes of a pod, and where a container sees them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema;

/// A volume: one kind of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.persistentVolumeClaim), has(self.emptyDir), has(self.configMap), has(self.secret)].filter(x, x).size() == 1",
    "message": "give exactly one of persistentVolumeClaim, emptyDir, configMap and secret",
}]))]
pub struct Volume {
    /// Name of the volume, as in `shm`; `model` is the operator's own.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// A claim of this namespace. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimVolume>,
    /// A folder that begins empty with the pod. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolume>,
    /// A ConfigMap of this namespace, a file a key. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolume>,
    /// A Secret of this namespace, a file a key; resolved by the kubelet, never read by the operator. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolume>,
}

/// A claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimVolume {
    /// Name of the claim, as in `models`.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
    /// Whether nobody may write to it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// A folder that begins empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDirVolume {
    /// `Memory` keeps it in memory, which counts against the limit. Default: the node's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    /// How much it may hold, as in `1Gi`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub size_limit: Option<Value>,
}

/// What an empty folder is kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Medium {
    /// The node's memory.
    #[default]
    Memory,
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapVolume {
    /// Name of the ConfigMap, as in `labels`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether the pod may start without it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume {
    /// Name of the Secret, as in `license`.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// Whether the pod may start without it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Where a container sees a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// Name of one of `volumes`, as in `shm`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Folder in the container, as in `/dev/shm`.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[^:]+$"))]
    pub mount_path: String,
    /// Whether the container may not write. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Folder or file within the volume, as in `cache/models`. Default: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[^/].*$"))]
    pub sub_path: Option<String>,
}
