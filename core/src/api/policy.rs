//! `spec.rollout` and `spec.analysis`: share, order and times of a release, and what counts as good enough.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Share, order and times of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.trafficPercent) && has(self.steps))",
        "message": "give trafficPercent or steps",
    },
    {
        "rule": "!has(self.steps) || self.steps.all(s, self.steps.filter(t, t.trafficPercent == s.trafficPercent).size() == 1) && self.steps.map(s, s.trafficPercent).isSorted()",
        "message": "each trafficPercent must be larger than the one before",
        "fieldPath": ".steps",
    },
]))]
pub struct Rollout {
    /// Percent of the traffic that the canary gets while it is on trial, 1 to 99. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 99))]
    pub traffic_percent: Option<i32>,
    /// Rungs on the way, instead of `trafficPercent`; promotion is the step to 100. Default: one, of `trafficPercent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10))]
    pub steps: Option<Vec<Step>>,
    /// Least number of canary pods before promotion. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub canary_replicas: Option<i32>,
    /// Seconds that a version may be unready in all before it is given up. Default: 1200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 86400))]
    pub progress_deadline_seconds: Option<i32>,
    /// Time from the first weight after which an undecided canary is held or rolled back, 1m to 2160h. Default: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::max_duration")]
    pub max_duration: Option<String>,
    /// What happens then. Never promotes. Default: Hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_inconclusive: Option<OnInconclusive>,
    /// Least time from ready to the first weight, 0s to 1h. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::warmup")]
    pub warmup: Option<String>,
    /// Guarded time after promotion, 0s to 168h. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bake")]
    pub bake: Option<String>,
    /// How long the previous version stays warm after promotion, at least for `bake`; 0s to 720h. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::long")]
    pub retention: Option<String>,
    /// Time between weight 0 and scale down, 5s to 24h; `traffic.timeout` if that is longer. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::drain")]
    pub drain: Option<String>,
    /// How long the objects of a rolled-back version are kept, at 0 pods; 0s to 720h. Default: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::long")]
    pub ttl_after_failure: Option<String>,
}

/// One rung of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Percent of the traffic that the canary gets, 1 to 99.
    #[schemars(range(min = 1, max = 99))]
    pub traffic_percent: i32,
    /// Least time at this weight, 10s to 168h. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::min_duration")]
    pub min_duration: Option<String>,
}

/// What to do with a canary that stays undecided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnInconclusive {
    /// Keep its weight, say so, go on looking.
    #[default]
    Hold,
    /// Roll it back.
    Rollback,
}

/// What counts as good enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// Name of one of the administrator's Prometheus sources. Default: default.
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
}

/// The quality gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// `Enforce` or `Observe`. Default: Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CheckMode>,
    /// How much worse than stable is still good, "0" to "0.5". Default: "0.02".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::max_drop")]
    pub max_drop: Option<String>,
    /// The floor: promotion also needs the canary proven above it. Default: none.
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
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.max) || has(self.maxRatio)",
    "message": "give max, maxRatio or both",
}]))]
pub struct Guardrail {
    /// Name of the check.
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// What is counted: `ErrorRate`, failed requests at the version's entrance.
    pub metric: GuardrailMetric,
    /// `Enforce` or `Observe`. Default: Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CheckMode>,
    /// Limit of the share, "0" to "1". Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::max_share")]
    pub max: Option<String>,
    /// Limit of its ratio to stable's share, "1" to "99.99". Default: none.
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
}
