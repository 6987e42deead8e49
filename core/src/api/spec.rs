//! `spec`: what a user writes. No schema defaults: what is stored is what was written.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pods::PodFields;
pub use super::policy::{
    Analysis, CheckMode, Guardrail, GuardrailMetric, OnInconclusive, Quality, Rollout, Step,
};
use super::schema;
use super::status::ModelReleaseStatus;

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
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.runtime) && has(self.runtime.image)) || (has(self.stable.image) && (!has(self.canary) || has(self.canary.image)))",
        "message": "no image: give runtime.image, or an image in each version",
    },
    {
        "rule": "!has(self.canary) || self.canary.version != self.stable.version",
        "message": "must differ from stable.version; after moving the canary's lines to stable, remove the canary block",
        "fieldPath": ".canary.version",
    },
]))]
pub struct ModelReleaseSpec {
    /// What both versions share: image, ports, probes, resources. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<PodFields>,
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
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.verification) || has(self.storageUri)",
        "message": "verification needs storageUri",
    },
    {
        "rule": "!has(self.storageUri) || !self.storageUri.startsWith('http://') || has(self.verification)",
        "message": "http:// is not protected on its way: use https://, or give verification.digest",
    },
    {
        "rule": "!has(self.storageUri) || !self.storageUri.matches('^https?://[^/]*@')",
        "message": "no credentials in storageUri: use storage.credentialsSecret",
    },
]))]
pub struct VersionSpec {
    /// Name of the version for people; also its `app.kubernetes.io/version` label. Quote what looks like a number.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"),
        extend("x-kubernetes-validations" = [{
            "rule": "!(self.lowerAscii() in ['true', 'false', 'stable', 'canary', 'previous'])",
            "message": "true, false, stable, canary and previous are reserved words",
        }])
    )]
    pub version: String,
    /// Where the model is fetched from, by the pod and never by the operator: `https://…`, or `http://…` with a
    /// digest. Default: none, the model is in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^(https|http)://.+$"))]
    pub storage_uri: Option<String>,
    /// What the fetched artifact must be. Default: recorded only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// The model's format, passed on as `MODEL_FORMAT`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_format: Option<ModelFormat>,
    /// Fields that replace those of `runtime`.
    #[serde(flatten)]
    pub pod: PodFields,
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
    /// Its version. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub version: Option<String>,
}

/// How clients reach the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.gateways) && self.gateways.exists(g, g != 'mesh')) == (has(self.hosts) && self.hosts.size() > 0)",
        "message": "hosts and a named gateway go together: give both or neither",
    },
    {
        "rule": "!has(self.rateLimit) || (has(self.gateways) && self.gateways.exists(g, g != 'mesh'))",
        "message": "rateLimit acts in a gateway: name one in gateways",
    },
]))]
pub struct Traffic {
    /// Gateways that the hosts are served on, `[namespace/]name` of the administrator's list, and `mesh` for callers
    /// with a sidecar. Default: `[mesh]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 4),
        inner(length(max = 127), regex(pattern = "^([a-z0-9-]{1,63}/)?[a-z0-9-]{1,63}$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub gateways: Option<Vec<String>>,
    /// Host names at those gateways; no wildcards. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 8),
        inner(length(max = 253), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")),
        extend("x-kubernetes-validations" = [{
            "rule": "self.all(h, !h.endsWith('.svc') && !h.contains('.svc.'))",
            "message": "hosts are for gateways; inside the mesh only the release's own Service name is used",
        }]),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub hosts: Option<Vec<String>>,
    /// Request header that names a client, for the rate limit. Default: the client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub client_header: Option<String>,
    /// How much may be asked, counted at the gateway before the split. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Header by which an answer names its version, and a request may ask for one (`stable`, `canary` or a name).
    /// Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub version_header: Option<String>,
    /// Time for a whole request, 100ms to 24h. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::timeout")]
    pub timeout: Option<String>,
}

/// Limits at the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.perClient) || has(self.total)",
    "message": "give perClient or total",
}]))]
pub struct RateLimit {
    /// Limit of one client over both versions. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_client: Option<Bucket>,
    /// Limit of the release over both versions. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Bucket>,
    /// `Enforce` refuses with 429; `Observe` only counts. Default: Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LimitMode>,
}

/// A token bucket, refilled continuously.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Requests per window.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: i32,
    /// The window, 1s to 1h. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::window")]
    pub window: Option<String>,
    /// Requests at once. Default: `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<i32>,
}

/// Whether a limit refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LimitMode {
    /// Requests above the limit get 429.
    #[default]
    Enforce,
    /// They are only counted.
    Observe,
}
