//! `spec.traffic`: how clients reach the release, and how much each may ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// How clients reach the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.gateways) && self.gateways.exists(g, g != 'mesh')) == (has(self.hosts) && self.hosts.size() > 0)",
        "message": "hosts and a named gateway go together: give both or neither",
    },
    {
        "rule": "(has(self.gateways) && self.gateways.exists(g, g != 'mesh')) || !(has(self.sticky) && self.sticky) && !(has(self.rateLimit) && (has(self.rateLimit.perClient) || has(self.rateLimit.total)))",
        "message": "rateLimit and sticky act in a gateway: name one in gateways",
    },
    {
        "rule": "!(has(self.sticky) && self.sticky) || has(self.clientHeader)",
        "message": "sticky needs clientHeader",
    },
    {
        "rule": "!has(self.path) || self.path == '/' || has(self.gateways) && self.gateways.exists(g, g != 'mesh') && !(has(self.provider) && self.provider == 'GatewayAPI' && 'mesh' in self.gateways)",
        "message": "path needs a named gateway, and with GatewayAPI no mesh beside it",
    },
]))]
pub struct Traffic {
    /// Whose objects carry the weights: `Istio` a VirtualService, `GatewayAPI` an HTTPRoute. Default: Istio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// Gateways that the hosts are served on, `[namespace/]name` of the administrator's list, and `mesh` for callers
    /// with a sidecar. Default: `[mesh]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 4),
        inner(length(max = 127), regex(pattern = "^([a-z0-9-]{1,63}/)?[a-z0-9-]{1,63}$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub gateways: Option<Vec<String>>,
    /// Host names at those gateways, as in `fraud.example.com`; no wildcards. Default: none.
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
    /// Path at the gateways below which the release answers; the model sees it without. Segments of a-z, 0-9 and -,
    /// or `{uid}` for 20 digits that nobody guesses, as in `/fraud/{uid}`. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = "^/(([a-z0-9-]+|[{]uid[}])(/([a-z0-9-]+|[{]uid[}]))*)?$")
    )]
    pub path: Option<String>,
    /// Request header that names a client, as in `x-user-id`, for the rate limit and `sticky`. Default: the client's
    /// address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub client_header: Option<String>,
    /// Whether a client keeps its version, moving only towards the canary as the weight rises. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<bool>,
    /// How much may be asked, counted at the gateway before the split. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Header by which an answer names its version, as in `x-model-version`, and a request may ask for one (`stable`,
    /// `canary` or a name).
    /// Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub version_header: Option<String>,
    /// Time for a whole request, 100ms to 24h, as in `60s`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::timeout")]
    pub timeout: Option<String>,
}

/// Whose objects carry the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Provider {
    /// Istio's VirtualService.
    #[default]
    Istio,
    /// The Gateway API's HTTPRoute.
    #[serde(rename = "GatewayAPI")]
    GatewayApi,
}

/// Limits at the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.perClient) || has(self.total) || has(self.perPod)",
    "message": "give perClient, total or perPod",
}]))]
pub struct RateLimit {
    /// Limit of one client over both versions. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_client: Option<Bucket>,
    /// Limit of the release over both versions. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Bucket>,
    /// Limit of each pod, behind the split: set it above what a pod can do. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_pod: Option<Bucket>,
    /// `Enforce` refuses with 429; `Observe` only counts. Default: Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<LimitMode>,
}

/// A token bucket, refilled continuously.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Requests per window, as in `20`.
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
