//! What a user may say about a version's pods: a closed, bounded subset of a Kubernetes pod.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::placement::{
    Affinity, LabelSelector, LabelSelectorRequirement, NodeAffinity, NodeSelector, NodeSelectorRequirement,
    NodeSelectorTerm, PodAffinity, PodAffinityTerm, PreferredNodes, PreferredPods, SpreadConstraint,
    Toleration,
};
pub use super::probes::{Exec, HttpGet, PortOnly, Probe};
pub use super::volumes::{ClaimVolume, ConfigMapVolume, EmptyDirVolume, SecretVolume, Volume, VolumeMount};
use super::{rules, schema};

/// A model server whose ports, probes and metric names are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Ports 8080 and metrics 8080; ready when the port accepts a connection.
    #[default]
    Custom,
    /// NVIDIA Triton: 8000, 8001, 8002; ready when the model is.
    Triton,
    /// vLLM: 8000, metrics 8000; `/health`.
    Vllm,
    /// TensorFlow Serving: 8501, 8500, 8501; `/v1/models/<modelName>`.
    Tfserving,
    /// TorchServe: 8080, metrics 8082; `/ping`.
    Torchserve,
    /// MLServer: 8080, 8081, 8082; ready when the model is.
    Mlserver,
    /// KServe's servers: 8080, 8081, 8080; ready when the model is.
    Kserve,
    /// BentoML: 3000, metrics 3000; `/readyz`.
    Bentoml,
}

/// The fields that `runtime`, `stable` and `canary` share. A field of a version replaces the shared one whole; only
/// `app` is merged field by field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::pods()))]
pub struct ModelFields {
    /// The model server: custom, triton, vllm, tfserving, torchserve, mlserver, kserve or bentoml. Decides default
    /// ports, probes and metric names. Default: custom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The model's name within its server: `MODEL_NAME`, and part of some probe paths, as in `fraud`. Default: the
    /// release's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub model_name: Option<String>,
    /// Requests that the operator sends before the version gets its first traffic. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
    /// Where the fetched model lies in the pod. Default: `/mnt/models`, no size limit, no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// An application that calls the model and is released with it, as one version: its own Deployment, and the
    /// version's entrance. `MODEL_URL` is set to the model of the same version. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::app")]
    pub app: Option<PodFields>,
    /// The fields that an `app` has too.
    #[serde(flatten)]
    pub pod: PodFields,
}

/// What may be said of the pods of a model and of an app alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodFields {
    /// Container image, as in `ghcr.io/example/fraud:1`. Needed in the effective version. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Entry point of the container, as in `[python, serve.py]`. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 1024)))]
    pub command: Option<Vec<String>>,
    /// Arguments of the container, as in `[--workers=4]`. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), inner(length(max = 4096)))]
    pub args: Option<Vec<String>>,
    /// Environment, after `MODEL_NAME`, `MODEL_VERSION`, `MODEL_PATH` and `MODEL_FORMAT`, in `app` also `MODEL_URL`.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvVar>>,
    /// Container ports. Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// CPU, memory and devices. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// When it can answer. Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// When the container is to be restarted. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// How long loading may take. Default: the readiness probe, for 1800 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Volumes of the pod, besides the model's own. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Option<Vec<Volume>>,
    /// Where the container sees them. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mountPath"])
    )]
    pub volume_mounts: Option<Vec<VolumeMount>>,
    /// Labels that a node must have, as in `{gpu: l4}`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::labels")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints that the pods tolerate. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
    /// Which nodes are wanted, and which pods beside or apart, as in a Pod. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How the version's own pods are spread. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 4),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["topologyKey", "whenUnsatisfiable"])
    )]
    pub topology_spread_constraints: Option<Vec<SpreadConstraint>>,
    /// Service account of this namespace, of the administrator's list; its token is not mounted. Default: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Secrets of this namespace that hold registry credentials; resolved by the kubelet. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Option<Vec<LocalName>>,
    /// User id of the containers, as in `1000`; never root. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_as_user: Option<i64>,
    /// Group id that volumes belong to, as in `2000`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fs_group: Option<i64>,
    /// Seconds that a pod may take to end. Default: `traffic.timeout` and 15 more, else 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub termination_grace_period_seconds: Option<i64>,
    /// Pods at 100 % of the traffic. Not part of a version's identity. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: Option<i32>,
    /// Pods at the most, as in `10`; above `minReplicas` each version gets an autoscaler. Default: minReplicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: Option<i32>,
    /// Percent of the requested CPU that the autoscaler aims at. Default: 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub scale_target: Option<i32>,
}

/// Requests before the first weight: each must be answered 2xx. They are no evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Warmup {
    /// Path to ask, as in `/v2/models/fraud/infer`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/[!-~]*$"))]
    pub path: String,
    /// Body to send, by POST, as in `{"inputs": [[1, 2]]}`. Default: none, by GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub body: Option<String>,
    /// How many requests. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub requests: Option<i32>,
    /// Seconds in which all must be answered; after them the canary is rolled back. Default: 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
}

/// One environment variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!(has(self.value) && has(self.valueFrom))",
    "message": "give value or valueFrom, not both",
}]))]
pub struct EnvVar {
    /// Name of the variable, as in `LOG_LEVEL`.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Its value, as in `info`; `$(NAME)` stands for an earlier variable. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// A key of a ConfigMap or Secret of this namespace; resolved by the kubelet, never read by the operator.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.configMapKeyRef) != has(self.secretKeyRef)",
    "message": "give exactly one of configMapKeyRef and secretKeyRef",
}]))]
pub struct EnvSource {
    /// A key of a ConfigMap. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A key of a Secret. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// One key of an object of this namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object, as in `tuning`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within it, as in `batch-size`.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// Whether the pod may start without it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Name of an object of this namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocalName {
    /// Name of the object, as in `tuning`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Ports of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// HTTP, as in `8080`: port 80 of the version's Service. Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub http: Option<i32>,
    /// gRPC, as in `9000`: port 9000 of the version's Service. Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub grpc: Option<i32>,
    /// Where Prometheus scrapes `/metrics`, as in `9090`. Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub metrics: Option<i32>,
}

/// Compute resources, as in a Pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// What the scheduler sets aside, as in `{cpu: 500m, memory: 2Gi}`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantities")]
    pub requests: Option<BTreeMap<String, Value>>,
    /// What the pod may not exceed, as in `{memory: 4Gi, nvidia.com/gpu: 1}`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantities")]
    pub limits: Option<BTreeMap<String, Value>>,
}

/// Where the fetched model is put.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Limit of the volume, as in `20Gi`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub size: Option<Value>,
    /// Secret of this namespace, as in `s3-reader`, whose keys become the environment of the fetching init container, and of nothing
    /// else. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_secret: Option<String>,
    /// Folder in the server's container; read-only there. Default: `/mnt/models`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub mount_path: Option<String>,
}
