//! `spec.rollout`: share, order and times of a release.

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
    /// Copies of requests that the canary gets before its first weight; its answers are dropped. Not for models whose
    /// requests have side effects. Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Percent of the traffic that the canary gets while it is on trial, 0 to 99. With 0 it gets none, and only the
    /// annotation `modelrelease.dev/promote` promotes it. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 99))]
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
    /// What happens then: `Hold` or `Rollback`. Never promotes. Default: Hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_inconclusive: Option<OnInconclusive>,
    /// Whether a canary that passed is promoted by itself, or waits for the annotation `modelrelease.dev/promote`:
    /// `Automatic` or `Manual`. Default: Automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
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

/// Copies of requests before the first weight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// Percent of the requests that are copied. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub mirror_percent: Option<i32>,
    /// Least time of it, 1m to 168h. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::shadow")]
    pub min_duration: Option<String>,
}

/// Who promotes a canary that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Promotion {
    /// The operator.
    #[default]
    Automatic,
    /// The annotation `modelrelease.dev/promote`.
    Manual,
}
