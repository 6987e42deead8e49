//! `status`: what is true and what was decided. The operator alone writes it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::decision::{Act, Decision, HistoryEntry};
pub use super::evidence::{
    AnalysisStatus, CheckStatus, Difference, Evidence, Grade, Numbers, Share, Verdict,
};
use super::reasons::Reason;
use super::schema;
pub use super::state::{
    Bound, Candidate, Checkpoint, Clocks, Drift, Handled, LimitsState, PodCounts, ShareState, Skewed, State,
    TrafficState,
};

/// What is true of the release, what was decided and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelReleaseStatus {
    /// Generation of the spec that this status answers to; -1 before the first look.
    pub observed_generation: i64,
    /// Where the release is in its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// When that phase began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub phase_started_at: Option<Timestamp>,
    /// When the operator looks again at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub next_look_at: Option<Timestamp>,
    /// When everything is taken down, by `ttl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expires_at: Option<Timestamp>,
    /// One sentence: what happens, or what is awaited.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Where clients reach the release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Name of the live stable version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_version: String,
    /// Name of the version on trial, or leaving.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub canary_version: String,
    /// Percent of the traffic that it has, as read back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_percent: Option<i32>,
    /// Quality of stable and canary, as in `0.9340/0.9210`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quality_summary: String,
    /// The last decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Versions with a role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub versions: Vec<VersionStatus>,
    /// The rung of the rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepStatus>,
    /// Weights as read back from the traffic object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub traffic: Vec<TrafficStatus>,
    /// Versions that were rolled back, and are not tried again until they change; at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub quarantine: Vec<Quarantined>,
    /// Evidence and verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisStatus>,
    /// Decisions that moved something, newest first, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub history: Vec<HistoryEntry>,
    /// Standard conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The operator's own memory. Internal: its shape goes by its `version`.
    pub state: State,
}

impl Default for ModelReleaseStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            phase: None,
            phase_started_at: None,
            next_look_at: None,
            expires_at: None,
            message: String::new(),
            url: String::new(),
            stable_version: String::new(),
            canary_version: String::new(),
            canary_percent: None,
            quality_summary: String::new(),
            decision: None,
            versions: Vec::new(),
            step: None,
            traffic: Vec::new(),
            quarantine: Vec::new(),
            analysis: None,
            history: Vec::new(),
            conditions: Vec::new(),
            state: State::default(),
        }
    }
}

/// Where a release is in its life.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Nothing serves yet.
    #[default]
    Pending,
    /// One version has all traffic; nothing is on trial.
    Stable,
    /// The canary is being made ready, at weight 0.
    Starting,
    /// It is ready; its route is being proven, at weight 0.
    Warming,
    /// It gets copies of requests, at weight 0.
    Shadowing,
    /// It has a step's weight; evidence gathers.
    Analyzing,
    /// Proven: to full size, then to 100 %.
    Promoting,
    /// At 100 %, the previous version warm, guardrails on.
    Baking,
    /// A version leaves: weight to 0, drain, scale down.
    RollingBack,
    /// Stable has all traffic; the canary is quarantined.
    RolledBack,
    /// `spec.stable` is to serve and does not run: made ready, then 100 %, without analysis.
    Replacing,
}

impl Phase {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Stable => "Stable",
            Self::Starting => "Starting",
            Self::Warming => "Warming",
            Self::Shadowing => "Shadowing",
            Self::Analyzing => "Analyzing",
            Self::Promoting => "Promoting",
            Self::Baking => "Baking",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Replacing => "Replacing",
        }
    }

    /// Every phase, in the order of a release's life.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Stable,
        Self::Starting,
        Self::Warming,
        Self::Shadowing,
        Self::Analyzing,
        Self::Promoting,
        Self::Baking,
        Self::RollingBack,
        Self::RolledBack,
        Self::Replacing,
    ];
}

/// Role of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// Live.
    Stable,
    /// On trial, or the target of a replacement.
    Canary,
    /// The stable before, kept warm.
    Previous,
    /// Leaving, or left.
    Failed,
}

impl Track {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
            Self::Previous => "previous",
            Self::Failed => "failed",
        }
    }
}

/// A version with a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    /// Its identity; names its Deployment and Service.
    pub hash: String,
    /// Its name for people.
    pub version: String,
    /// Its role.
    pub track: Track,
    /// Pods wanted.
    #[serde(default)]
    pub replicas: i32,
    /// Pods of its app wanted, if it has one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub app_replicas: i32,
    /// Pods ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// When it got this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub since: Option<Timestamp>,
    /// Number of the decision that gave it a role when it had none. What it runs in bears at least this number before
    /// it gets weight.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seq: i64,
    /// Whether it has ever had weight.
    #[serde(default)]
    pub exposed: bool,
    /// Whether it leaves for good: it was rolled back, not merely replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
    /// Of a promoted stable: digest of the `stable` block that it was promoted out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted_from: Option<String>,
    /// Of a failed version: when its weight was read as 0 and settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub zero_since: Option<Timestamp>,
    /// Of a failed version: when it had been drained; its own route goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub drained_at: Option<Timestamp>,
    /// Of a previous version: when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub retire_at: Option<Timestamp>,
    /// Of a rolled-back version: when its objects go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub delete_at: Option<Timestamp>,
    /// What its init container said of the artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactStatus>,
    /// What is wrong with one of its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PodFailure>,
}

/// Whether a number is the one that need not be told.
pub(super) fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactStatus {
    /// Digest of what was fetched.
    pub digest: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size_bytes: i64,
    /// How long fetching took, in seconds.
    #[serde(default)]
    pub fetch_seconds: i64,
    /// Whether a digest was given, and matched.
    #[serde(default)]
    pub verified: bool,
}

/// What is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodFailure {
    /// The word for it.
    pub reason: Reason,
    /// A sentence with the container, without foreign text beyond Kubernetes' own reason.
    pub message: String,
    /// The pod.
    pub pod: String,
    /// Exit code of the container, if it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// The rung of the rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// Its place in `rollout.steps`, from 0.
    pub index: i32,
    /// The canary's committed percent.
    pub weight: i32,
    /// The percent that it is to get once it has the capacity.
    pub target: i32,
    /// When every gateway was seen to have the weight; evidence counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub settled_at: Option<Timestamp>,
}

/// One weight, as read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficStatus {
    /// The version's hash.
    pub hash: String,
    /// Its name.
    pub version: String,
    /// Its percent of the traffic.
    pub percent: i32,
    /// Its share of the requests that were counted at the entrance in about the last ten blocks of `analysis.interval`,
    /// from 0 to 1, four places. Only beside a canary that has weight, where Prometheus tells.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share: String,
}

/// A version that is not tried again until it changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantined {
    /// Its hash.
    pub hash: String,
    /// Its name.
    pub version: String,
    /// Why it was rolled back.
    pub reason: Reason,
    /// By which decision.
    pub seq: i64,
    /// When.
    #[schemars(schema_with = "schema::time")]
    pub at: Timestamp,
}
