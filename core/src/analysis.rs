//! Evidence: what to ask Prometheus, what its answers count for, and what the counts prove.
//!
//! One attempt of one version is judged by checks: the quality gate and the guardrails. Each keeps a
//! [`Checkpoint`] with the totals of both versions since evidence began. Events come in blocks of
//! `analysis.interval`, ending at multiples of it in Unix time, so that it does not matter who looks, when, or how
//! often: each block is used once and in order, and the verdict after each is a function of the totals alone.
//! Whatever is not there (no series, no provider, no number) decides nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::conditions::Is;
use crate::api::reasons::Reason;
use crate::api::status::{AnalysisStatus, Checkpoint, Numbers};
use crate::observed::Answer;
use crate::plan::Query;
use crate::release::Release;
use crate::version::Hash;

/// Who is judged, against whom, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The live version; without it only absolute bounds can be judged.
    pub stable: Option<&'a Hash>,
    /// The version on trial; while baking the new stable.
    pub canary: &'a Hash,
    /// Number of the trial: another one starts at zero.
    pub attempt: i64,
    /// Only blocks that begin at or after this count: the present weight settled, for the first weight plus
    /// `analysis.initialDelay`. Moving it forward skips blocks and keeps what was counted.
    pub evidence_from: Timestamp,
    /// Only absolute bounds (`min`, `max`) are judged, with counts of their own that start afresh.
    pub baking: bool,
    /// Whether this is the last step, where a pass promotes. Only the wording depends on it.
    pub last_step: bool,
}

/// What all checks together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Proven too bad. Latched: every later look of this attempt says so too.
    Fail {
        /// `ErrorRateExceeded` of a guardrail, or `QualityRegression`. A guardrail goes first.
        reason: Reason,
        /// The numbers in a sentence.
        message: String,
        /// The same as data, the deciding one first; at most 3.
        numbers: Vec<Numbers>,
    },
    /// Every enforced check passes at this look. Not latched.
    Pass {
        /// `QualityPassed`, or `GuardrailsPassed` if quality is not enforced.
        reason: Reason,
        /// The numbers in a sentence.
        message: String,
        /// The same as data, quality first; at most 3.
        numbers: Vec<Numbers>,
    },
    /// Neither: hold.
    Undecided {
        /// What is awaited, with the numbers so far.
        message: String,
    },
}

/// What one look at the evidence brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Counts to keep for the next look: `status.state.checks`.
    pub checks: BTreeMap<String, Checkpoint>,
    /// What to show: `status.analysis`.
    pub status: AnalysisStatus,
    /// What all checks together say.
    pub outcome: Outcome,
    /// Enough for a step that is not the last: nothing failed, the canary has `minSamples` labelled answers, and the
    /// guardrails pass.
    pub step_gate: bool,
    /// The condition AnalysisAvailable.
    pub available: (Is, Reason, String),
    /// An enforced check has had no usable answer for more than three intervals: nothing may rise.
    pub blind: bool,
    /// Numbers of all checks, quality first; at most 3.
    pub numbers: Vec<Numbers>,
    /// When there is something to ask for again.
    pub next_at: Timestamp,
}

/// The questions that are due: each block of each check whose end is at least the source's lag ago, oldest first, at
/// most eight a check.
pub fn queries(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
    now: Timestamp,
) -> Vec<Query> {
    let _ = (release, subject, checks, now);
    Vec::new()
}

/// Adds the answers to the counts and judges them.
///
/// Without answers it judges what is already counted, so it may be called at any time and as often as one likes.
pub fn look(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
    answers: &[Answer],
    now: Timestamp,
) -> Look {
    let _ = (release, subject, answers);
    Look {
        checks: checks.clone(),
        status: AnalysisStatus::default(),
        outcome: Outcome::Undecided { message: String::new() },
        step_gate: false,
        available: (Is::Unknown, Reason::InitialDelay, String::new()),
        blind: false,
        numbers: Vec::new(),
        next_at: now,
    }
}

/// Quality of stable and canary as in `0.9340/0.9210`; empty until both are known.
pub fn quality_summary(status: &AnalysisStatus) -> String {
    match status.quality.as_ref().map(|q| (q.stable.as_ref(), q.canary.as_ref())) {
        Some((Some(stable), Some(canary))) => format!("{}/{}", stable.value, canary.value),
        _ => String::new(),
    }
}
