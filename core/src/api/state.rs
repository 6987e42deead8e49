//! `status.state`: the operator's memory between looks. Its shape goes by its `version`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Grade;
use super::reasons::Reason;
use super::schema;
use super::status::is_zero;

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
    /// The limits at gateways.
    #[serde(skip_serializing_if = "unlimited")]
    pub limits: LimitsState,
    /// Counts of each check, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub checks: BTreeMap<String, Checkpoint>,
    /// The canary's share of the requests, while it is on trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareState>,
    /// Number of the last decision after which everything was found as it is wanted: what differs then was changed by
    /// somebody else.
    pub applied: i64,
    /// Children put right.
    pub drift: Drift,
    /// Hash of the first version, while nothing serves yet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub awaited: String,
    /// When everything was taken down because `ttl` was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expired_at: Option<Timestamp>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: 1,
            candidate: None,
            clocks: Clocks::default(),
            handled: Handled::default(),
            traffic: TrafficState::default(),
            limits: LimitsState::default(),
            checks: BTreeMap::new(),
            share: None,
            applied: 0,
            drift: Drift::default(),
            awaited: String::new(),
            expired_at: None,
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
    /// When each gateway's pod that can be asked was seen to lead to it, or nobody could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub routed_at: Option<Timestamp>,
    /// Until then, a gateway's pod that did not, and what came of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unrouted: String,
    /// Warm-up requests that were answered well.
    #[serde(skip_serializing_if = "is_zero")]
    pub warmed: i32,
    /// When all of them were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub warmed_at: Option<Timestamp>,
    /// Whether no warm-up request could be brought to its pods, so that only `rollout.warmup` counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warmup_unreachable: bool,
    /// Whether its time under copies is behind it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow_passed: bool,
    /// When it passed and began to wait for `promote`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub passed_at: Option<Timestamp>,
    /// When it was found undecided for too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub overdue_at: Option<Timestamp>,
    /// Whether a human promoted it: what cannot be seen does not hold it back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
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
    /// Since when nothing new may happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub paused_since: Option<Timestamp>,
    /// Milliseconds that were paused before that, since the candidate was chosen or took over.
    #[serde(skip_serializing_if = "is_zero")]
    pub paused_milliseconds: i64,
    /// Of these, milliseconds since the present weight was in force.
    #[serde(skip_serializing_if = "is_zero")]
    pub paused_step_milliseconds: i64,
    /// Since when the release is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub suspended_since: Option<Timestamp>,
    /// Milliseconds that it was suspended before that, in all its life.
    #[serde(skip_serializing_if = "is_zero")]
    pub suspended_milliseconds: i64,
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
    /// Digest of a pause annotation's value that cannot be read and was told so; cleared when it is seen absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<String>,
    /// The promote annotation and what it is bound to; cleared when it is seen absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<Bound>,
    /// Digest of the last retry token; stays when the annotation goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Digest of annotations of ours that mean nothing, as they were told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// What a promote annotation is bound to since it was first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Bound {
    /// Digest of the annotation's value.
    pub digest: String,
    /// Hash of the version that bore the name; empty if none did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// Children put right: so that two controllers that fight over one object do not fill the API server with writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Drift {
    /// In all the release's life.
    pub total: i64,
    /// When the present minute of counting began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub minute: Option<Timestamp>,
    /// In that minute.
    pub count: i32,
    /// When the last one was put right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last: Option<Timestamp>,
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
    /// A gateway's pod that was asked and did not say what it has, so that only time speaks for the weights there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub silent: String,
}

fn unlimited(limits: &LimitsState) -> bool {
    *limits == LimitsState::default()
}

/// Memory of the limits at gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitsState {
    /// Digest of the limits that the rest is about; empty if nothing is to be proven.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// When they were first wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub since: Option<Timestamp>,
    /// When every gateway that is to limit clients, and can be asked, was seen to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub proven_at: Option<Timestamp>,
    /// Until then, a gateway's pod that was not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lacking: String,
}

/// Counts of one check in the present attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that depend on each other in no way")]
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
    /// Whether stable's past is known, or was asked for often enough; before that no block counts.
    pub informed: bool,
    /// How often it was asked for in vain.
    #[serde(skip_serializing_if = "is_zero")]
    pub uninformed: i32,
    /// Stable: events counted (right answers, or failed requests).
    pub stable_hits: f64,
    /// Stable: all events.
    pub stable_events: f64,
    /// Canary: events counted.
    pub canary_hits: f64,
    /// Canary: all events.
    pub canary_events: f64,
    /// A failure is latched.
    pub failed: bool,
    /// Record of the test that the counts were put to, in base64; empty before the first block. One that cannot be read
    /// starts the check afresh.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub record: String,
    /// The same of readings of a gauge, while it is not known what both versions export.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub readings: String,
    /// Record of the test whether labels come for the same part of both versions' answers, in base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub coverage: String,
    /// Whether they were found not to: what is counted then compares unlike choices, and is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uneven: bool,
    /// Seconds within which 99 of 100 of stable's labels came before the evidence began, if its server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_delay: Option<f64>,
}

/// Memory of the canary's share of the requests in the present attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ShareState {
    /// Record of the test that holds it against the weight, and how far it got, in base64. One that is of other versions
    /// or another attempt, or that cannot be read, starts afresh.
    #[schemars(length(max = 1024))]
    pub checkpoint: String,
    /// Requests of both versions since that test began, or began anew.
    pub requests: f64,
    /// Weight in percent that the next two are of.
    pub weight: i32,
    /// The canary's requests in the last blocks at that weight; each counts 0.9 of the one after it.
    pub recent_canary: f64,
    /// Requests of both versions in the same blocks.
    pub recent_requests: f64,
    /// Why the last answer brought nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Reason>,
    /// What was proven, until a test that was begun anew has seen 1,000 requests and proves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skewed: Option<Skewed>,
}

/// A share that was proven not to be what its weight says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Skewed {
    /// The weight in percent.
    pub weight: i32,
    /// The canary's share in percent, one place.
    pub percent: String,
    /// About how many requests that is of.
    pub requests: i64,
}
