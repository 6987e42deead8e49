//! `status`: what is true and what was decided. The operator alone writes it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reasons::Reason;
use super::schema;

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
            Self::Analyzing => "Analyzing",
            Self::Promoting => "Promoting",
            Self::Baking => "Baking",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Replacing => "Replacing",
        }
    }

    /// Every phase, in the order of a release's life.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Stable,
        Self::Starting,
        Self::Warming,
        Self::Analyzing,
        Self::Promoting,
        Self::Baking,
        Self::RollingBack,
        Self::RolledBack,
        Self::Replacing,
    ];
}

/// What a decision does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Act {
    /// Nothing moves.
    #[default]
    Hold,
    /// A version begins.
    Start,
    /// A rung of the rollout.
    Step,
    /// The canary becomes stable.
    Promote,
    /// A version leaves.
    Rollback,
    /// `spec.stable` takes over.
    Replace,
    /// An old version ends.
    Retire,
    /// The release ends.
    Delete,
}

impl Act {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "Hold",
            Self::Start => "Start",
            Self::Step => "Step",
            Self::Promote => "Promote",
            Self::Rollback => "Rollback",
            Self::Replace => "Replace",
            Self::Retire => "Retire",
            Self::Delete => "Delete",
        }
    }
}

/// A committed move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Its number; every effect carries it.
    pub seq: i64,
    /// What it does.
    pub verdict: Act,
    /// Hash of the version it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Phase before.
    pub from: Phase,
    /// Phase after.
    pub to: Phase,
    /// Percent of the traffic that the version is to have from now on.
    pub weight: i32,
    /// Why.
    pub reason: Reason,
    /// Generation of the spec that it rests on.
    pub generation: i64,
    /// When.
    #[schemars(schema_with = "schema::time")]
    pub at: Timestamp,
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
    /// Pods ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// When it got this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub since: Option<Timestamp>,
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

/// Verdict of a check, or of all together.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Verdict {
    /// Proven good enough.
    Pass,
    /// Proven too bad.
    Fail,
    /// Neither: no data, too little, or in between.
    #[default]
    Inconclusive,
}

impl Verdict {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Fail => "Fail",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

/// Evidence and verdicts of the present attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisStatus {
    /// All checks together.
    pub verdict: Verdict,
    /// The quality gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<CheckStatus>,
    /// The guardrails, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub guardrails: Vec<CheckStatus>,
}

/// What a check's counts are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Grade {
    /// Counters of events.
    #[default]
    Counts,
    /// A gauge, and how many answers it averages over.
    Samples,
}

/// One check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// Its name: `model_accuracy`, or the guardrail's.
    pub name: String,
    /// What its counts are made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// What it says.
    pub verdict: Verdict,
    /// Why it is inconclusive or fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Stable's share and events in this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Share>,
    /// The canary's share and events in this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Share>,
    /// Canary's share less stable's, with bounds that hold at every look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// The bound in words, as in `loss <= 0.0200`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bound: String,
}

/// A share of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The share, four places.
    pub value: String,
    /// How many events it rests on.
    pub events: i64,
}

/// A difference of two shares, four places each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The difference itself.
    pub estimate: String,
    /// It is not smaller than this.
    pub lower: String,
    /// It is not larger than this.
    pub upper: String,
}

/// A decision on record, with what repeats it by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Number of the decision.
    pub seq: i64,
    /// When.
    #[schemars(schema_with = "schema::time")]
    pub at: Timestamp,
    /// What it did.
    pub verdict: Act,
    /// The version it was about.
    pub version: String,
    /// Its hash.
    pub hash: String,
    /// Phase before.
    pub from: Phase,
    /// Phase after.
    pub to: Phase,
    /// The version's percent before.
    pub from_percent: i32,
    /// The version's percent after.
    pub to_percent: i32,
    /// Why.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
    /// The numbers it rests on, the deciding one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub numbers: Vec<Numbers>,
}

/// Numbers behind a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Numbers {
    /// The check.
    pub metric: String,
    /// Stable's share.
    pub stable: String,
    /// The canary's share.
    pub canary: String,
    /// Stable's events.
    pub stable_events: i64,
    /// The canary's events.
    pub canary_events: i64,
    /// Bounds of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// The bound.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bound: String,
}

/// The operator's memory between looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// Version of this shape.
    pub version: i32,
    /// The version on trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// Clocks that survive restarts.
    pub clocks: Clocks,
    /// What was already acted on.
    pub handled: Handled,
    /// The traffic object.
    pub traffic: TrafficState,
    /// Counts of each check, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub checks: BTreeMap<String, Checkpoint>,
    /// Children put right so far.
    pub drift: i64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: 1,
            candidate: None,
            clocks: Clocks::default(),
            handled: Handled::default(),
            traffic: TrafficState::default(),
            checks: BTreeMap::new(),
            drift: 0,
        }
    }
}

/// Memory of the version on trial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Candidate {
    /// How many trials this release has had.
    pub attempt: i64,
    /// R: replicas that stable was asked for when the canary was chosen.
    pub stable_replicas: i32,
    /// When it was first ready with its Service in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub ready_at: Option<Timestamp>,
    /// When it first had weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub exposed_at: Option<Timestamp>,
    /// When it became unready, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub unready_since: Option<Timestamp>,
    /// Seconds that it was unready before that.
    pub unready_seconds: i64,
    /// Evidence counts from here: the first weight settled, and the initial delay over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub evidence_from: Option<Timestamp>,
    /// Times that it lost its endpoints while it had weight.
    pub returns: i32,
    /// Restarts and OOM kills seen, by pod UID; at most 64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub pods: BTreeMap<String, PodCounts>,
}

/// What was seen of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCounts {
    /// Container restarts.
    pub restarts: i32,
    /// Of these, OOM kills seen.
    pub oom_kills: i32,
}

/// Clocks that survive restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Clocks {
    /// Since when an enforced check is blind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub blind_since: Option<Timestamp>,
    /// Milliseconds of bake so far, blind time left out, up to `bakeCountedAt`.
    pub baked_milliseconds: i64,
    /// Until when bake time was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub bake_counted_at: Option<Timestamp>,
    /// Since when stable has no ready endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub stable_empty_since: Option<Timestamp>,
    /// Since when the candidate has no ready endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub candidate_empty_since: Option<Timestamp>,
}

/// What was already acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Handled {
    /// Digest of the rollback annotation's value that was acted on; cleared when it is seen absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
}

/// Memory of the traffic object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficState {
    /// Number of the decision that last changed it.
    pub seq: i64,
    /// When that decision was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub changed_at: Option<Timestamp>,
    /// When it was first read back as wanted, for that `seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub read_at: Option<Timestamp>,
    /// When every gateway had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub settled_at: Option<Timestamp>,
    /// Digest of what it is to say, its number aside; another digest is another number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// Counts of one check in the present attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Checkpoint {
    /// Digest of what the counts belong to: release, attempt, hashes, query, bounds. Another digest starts afresh.
    pub digest: String,
    /// What they are made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Evidence begins with blocks that begin at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub begin: Option<Timestamp>,
    /// End of the last block that was used or passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_block_end: Option<Timestamp>,
    /// When an answer was last usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_answer_at: Option<Timestamp>,
    /// End of the last block that had events of the canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_evidence_at: Option<Timestamp>,
    /// Why the last look brought nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Reason>,
    /// Whether there has been any series of either version.
    pub seen: bool,
    /// Stable: events counted (right answers, or failed requests).
    pub stable_hits: f64,
    /// Stable: all events.
    pub stable_events: f64,
    /// Canary: events counted.
    pub canary_hits: f64,
    /// Canary: all events.
    pub canary_events: f64,
    /// Failing looks in a row.
    pub failing: i32,
    /// A failure is latched.
    pub failed: bool,
}
