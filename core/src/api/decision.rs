//! Decisions: what was decided, when, why, and on which numbers.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Numbers;
use super::reasons::Reason;
use super::schema;
use super::status::Phase;

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

impl HistoryEntry {
    /// Whether this commit makes its decision, and does not only carry out one made before: a rollback is committed
    /// three times, as it is decided, drained and done.
    pub fn decides(&self) -> bool {
        let enters = |phase| self.to == phase && self.from != phase;
        match self.verdict {
            Act::Step => self.to_percent != self.from_percent,
            Act::Promote => enters(Phase::Promoting),
            Act::Rollback => enters(Phase::RollingBack),
            Act::Replace => enters(Phase::Replacing),
            Act::Hold | Act::Start | Act::Retire | Act::Delete => true,
        }
    }
}
