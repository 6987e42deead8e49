//! `status.state`: the operator's memory between looks. Its shape goes by its `version`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Grade;
use super::reasons::Reason;
use super::schema;

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
