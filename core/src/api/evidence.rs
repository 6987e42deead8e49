//! `status.analysis`: what the checks count and say, and the numbers behind a decision.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reasons::Reason;

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
    /// A gauge alone: readings of it, one each window.
    Gauge,
    /// A gauge that never moved, of neither version: what was written down, not measured.
    Declared,
    /// Copied requests that both versions answered, and who was right.
    Paired,
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
    /// What speaks for and against the canary, and how much it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is doubtful about it, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 3))]
    pub doubts: Vec<String>,
}

/// Odds against chance: at `needed` something is proven, whenever one looks. At most 1000000 is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// That the canary is beyond a bound.
    pub worse: String,
    /// That it is within its bounds; none of guardrails, which pass while nothing speaks against them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub good: String,
    /// What either needs.
    pub needed: String,
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
    /// Odds against chance for what was decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// What it took.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub needed: String,
}
