//! `spec.analysis`: what counts as good enough.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// What counts as good enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// Name of one of the administrator's Prometheus sources. Default: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub provider: Option<String>,
    /// Time between looks and length of one block of evidence, 5s to 1h; at least a scrape interval. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::interval")]
    pub interval: Option<String>,
    /// Time after the first weight whose evidence is ignored, 0s to 24h. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::initial_delay")]
    pub initial_delay: Option<String>,
    /// One minus the accepted share of wrong decisions, 0.8 to 0.9999. Default: "0.95".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::confidence")]
    pub confidence: Option<String>,
    /// Container restarts of a canary beyond which it is rolled back. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_restarts: Option<i32>,
    /// What a canary must prove before promotion. Default: `model_accuracy`, at most 0.02 worse than stable's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// What rolls a canary back soon. Default: errors, at most twice stable's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub guardrails: Option<Vec<Guardrail>>,
}

/// Whether a check acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckMode {
    /// It decides.
    #[default]
    Enforce,
    /// It is shown and never acted on.
    Observe,
    /// It is not made at all.
    Disabled,
}

/// The quality gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.correctMetric) == has(self.totalMetric)",
        "message": "correctMetric and totalMetric go together",
    },
    {
        "rule": "[has(self.metric), has(self.correctMetric) || has(self.totalMetric), has(self.template)].filter(x, x).size() <= 1",
        "message": "give one of metric, correctMetric with totalMetric, template",
    },
]))]
pub struct Quality {
    /// `Enforce`, `Observe` (shown, never acted on) or `Disabled`. Default: Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CheckMode>,
    /// Name of a gauge from 0 to 1, larger is better, as in `model_accuracy`. Default: the best that
    /// is exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-zA-Z_:][a-zA-Z0-9_:]*$"))]
    pub metric: Option<String>,
    /// Name of a counter of right answers, as in `model_correct_total`, instead of `metric`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-zA-Z_:][a-zA-Z0-9_:]*$"))]
    pub correct_metric: Option<String>,
    /// Name of the counter of all judged answers that goes with it, as in `model_judged_total`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-zA-Z_:][a-zA-Z0-9_:]*$"))]
    pub total_metric: Option<String>,
    /// Name of one of the administrator's queries, as in `toxicity`, instead of `metric`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub template: Option<String>,
    /// How late the labels are by which answers are judged: so much of the beginning is ignored, 0s to 720h. Default:
    /// 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::long")]
    pub label_delay: Option<String>,
    /// How much worse than stable is still good, "0" to "0.5". Default: "0.02".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::max_drop")]
    pub max_drop: Option<String>,
    /// The floor, as in "0.9": promotion also needs the canary proven above it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::min_share")]
    pub min: Option<String>,
    /// Labelled answers of the canary before any decision. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub min_samples: Option<i32>,
    /// What the gauge averages over, where only a gauge is exported; one reading each; 10s to 24h. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quality_window")]
    pub window: Option<String>,
}

/// A share of bad events in all events that must not be exceeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.metric) != has(self.template)",
        "message": "give metric or template",
    },
    {
        "rule": "has(self.max) || has(self.maxRatio)",
        "message": "give max, maxRatio or both",
    },
    {
        "rule": "has(self.bound) == (has(self.metric) && self.metric in ['Latency', 'FirstTokenLatency'])",
        "message": "bound goes with Latency and FirstTokenLatency, and only with them",
    },
]))]
pub struct Guardrail {
    /// Name of the check, as in `errors`.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Which events are bad: `ErrorRate`, requests that failed at the version's entrance; `Latency`, those answered
    /// later than `bound`; `FirstTokenLatency`, those whose first token came later, by the server's own metric.
    /// Default: none, a `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<GuardrailMetric>,
    /// Name of one of the administrator's queries, as in `toxicity`, instead of `metric`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub template: Option<String>,
    /// What is too late, 1ms to 1h, as in `250ms`; must be a bucket's bound of the histogram. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bound")]
    pub bound: Option<String>,
    /// `Enforce`, `Observe` (shown, never acted on) or `Disabled`. Default: Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CheckMode>,
    /// Limit of the share, "0" to "1", as in "0.01". Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::max_share")]
    pub max: Option<String>,
    /// Limit of its ratio to stable's share, "1" to "99.99", as in "1.5". Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::max_ratio")]
    pub max_ratio: Option<String>,
    /// Canary requests needed before promotion. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub min_requests: Option<i32>,
    /// Failing looks in a row until it acts. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub failure_limit: Option<i32>,
}

/// What a guardrail counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardrailMetric {
    /// Requests answered with a server error, of all requests.
    #[default]
    ErrorRate,
    /// Requests answered later than `bound`.
    Latency,
    /// Requests whose first token came later than `bound`.
    FirstTokenLatency,
}
