//! `spec`: what a user writes. No schema defaults: what is stored is what was written.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::checks::{Analysis, CheckMode, Guardrail, GuardrailMetric, Quality};
use super::pods::ModelFields;
pub use super::rollout::{OnInconclusive, Promotion, Rollout, Shadow, Step};
use super::status::ModelReleaseStatus;
pub use super::traffic::{Bucket, LimitMode, Provider, RateLimit, Traffic};
use super::{rules, schema};

/// What is to be released, and how.
#[allow(clippy::duplicated_attributes, reason = "each column says its own type and priority")]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "modelrelease.dev",
    version = "v1alpha1",
    kind = "ModelRelease",
    plural = "modelreleases",
    shortname = "mrel",
    category = "serving",
    namespaced,
    status = "ModelReleaseStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A model's stable version and the canary that may replace it. The operator deploys both, splits their \
           traffic, judges the canary by its measured quality, and promotes it or rolls it back.",
    printcolumn(name = "STABLE", type_ = "string", json_path = ".status.stableVersion"),
    printcolumn(name = "CANARY", type_ = "string", json_path = ".status.canaryVersion"),
    printcolumn(name = "WEIGHT", type_ = "integer", json_path = ".status.canaryPercent"),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "QUALITY(S/C)", type_ = "string", json_path = ".status.qualitySummary"),
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = "1"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = "1"),
    printcolumn(name = "MESSAGE", type_ = "string", json_path = ".status.message", priority = "1"),
    selectable = ".status.phase",
    selectable = ".spec.stable.version",
    selectable = ".spec.canary.version",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::spec()))]
pub struct ModelReleaseSpec {
    /// Hands off: while it is true the operator neither moves nor repairs anything, but for the rollback annotation
    /// and deletion. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How long the release lives from its creation, 1m to 8760h, as in `8h`; then all that runs is taken down and the
    /// object stays. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ttl")]
    pub ttl: Option<String>,
    /// What both versions share: image, ports, probes, resources. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<ModelFields>,
    /// The version that is relied on.
    pub stable: VersionSpec,
    /// The version on trial. Without this block there is no canary. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<VersionSpec>,
    /// How clients reach the release, and how much each may ask. Default: inside the mesh only, no limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Share, order and times of a release. Default: 10 %, bake 10m, retention 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What counts as good enough. Default: model accuracy within 0.02 of stable's, errors at most twice stable's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
}

/// One version of the model: its name, its artifact, and any field of `runtime`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::version()))]
pub struct VersionSpec {
    /// Name of the version for people, as in `2026-11-21`; also its `app.kubernetes.io/version` label. Quote what looks
    /// like a number.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"),
        extend("x-kubernetes-validations" = [{
            "rule": "!(self.lowerAscii() in ['true', 'false', 'stable', 'canary', 'previous'])",
            "message": "true, false, stable, canary and previous are reserved words",
        }])
    )]
    pub version: String,
    /// Where the model comes from, opened by the pod and never by the operator: `https://host/file`, `http://host/file`
    /// with a digest, `pvc://claim/folder`, `s3://`, `gs://`, `hf://` or `oci://`. Default: none, the model is in the
    /// image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^(s3|gs|hf|oci|pvc|https|http)://.+$"))]
    pub storage_uri: Option<String>,
    /// What the fetched artifact must be. Default: recorded only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// The model's format, passed on as `MODEL_FORMAT`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_format: Option<ModelFormat>,
    /// Fields that replace those of `runtime`.
    #[serde(flatten)]
    pub model: ModelFields,
}

/// What an artifact must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// SHA-256 of the artifact, as in `sha256:` and 64 hex digits. A mismatch never serves.
    #[schemars(length(max = 71), regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
}

/// Format of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelFormat {
    /// Its name, as in `onnx`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its version, as in `1`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub version: Option<String>,
}
