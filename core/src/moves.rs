//! The moves, in their order: the first row that answers wins. This list is the specification, row by row.
//!
//! A row is pure: one condition, one result. What a result does to the status is in [`crate::effects`], and nowhere
//! else. Rows of the design that arrive later (suspend, pause, promote, retry, shadow, TTL) have their place by number.

mod advance;
mod human;
mod judged;
mod pods;
mod spec;

use crate::api::reasons::Reason;
use crate::api::status::{Act, Numbers, Phase, Track};
use crate::situation::{Fallback, Situation};
use crate::version::Hash;

/// A move that a row asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// What it does, in a word.
    pub act: Act,
    /// The version that it is about.
    pub hash: Hash,
    /// The phase that follows.
    pub to: Phase,
    /// Why.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
    /// The numbers that it rests on.
    pub numbers: Vec<Numbers>,
    /// What it does to the status.
    pub effect: Effect,
}

/// What a move does to the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Only notes that the rollback annotation was acted on.
    Note,
    /// Notes that a version begins to serve: the first stable one.
    Serve,
    /// Chooses a candidate: for a trial, or to replace stable.
    Choose,
    /// The candidate's own route and warm-up begin.
    Warm,
    /// The candidate's weight, rung and target.
    Step {
        /// Rung, from 0.
        index: i32,
        /// Percent from now on.
        weight: i32,
        /// Percent that its size is for.
        target: i32,
    },
    /// The candidate lost its endpoints: weight 0, rung and evidence kept.
    Lose,
    /// The candidate is dropped without having been seen by anybody.
    Drop,
    /// The candidate goes on, but is no longer judged.
    Replace,
    /// The candidate is to grow to full size.
    Promote,
    /// The candidate becomes the live version; the live one stays warm.
    TakeOver {
        /// Whether it was promoted out of the `stable` block, rather than named there.
        promoted: bool,
    },
    /// A version leaves: weight 0, drain, scale down.
    Leave {
        /// Its role.
        who: Track,
        /// Whether it may not come back by itself.
        quarantine: bool,
        /// Where traffic goes if it is the live one.
        fallback: Option<Fallback>,
        /// Whether this is the answer to the rollback annotation.
        handled: bool,
    },
    /// The leaving version is drained; its own route goes.
    Drain,
    /// The leaving version ends.
    Left,
    /// The bake is over.
    Bake,
    /// A version's role ends, and with it the version.
    Retire(Track),
    /// Only the phase changes.
    Phase,
}

/// A row of the table.
type Row = fn(&Situation) -> Option<Move>;

/// The rows, by their numbers in the design. While a spec is refused only those marked `true` are looked at.
const ROWS: &[(&str, bool, Row)] = &[
    ("2", true, human::candidate_held),
    ("3", true, human::stable_held),
    ("4", true, human::nothing_to_roll_back),
    ("9", false, spec::candidate_is_wanted_stable),
    ("10", false, spec::candidate_not_wanted),
    ("11", false, spec::replacement_not_wanted),
    ("12", false, spec::previous_wanted),
    ("13", false, spec::quarantined),
    ("14", false, spec::nothing_on_trial),
    ("15", false, spec::replace),
    ("16", false, spec::canary_started),
    ("18", true, pods::fatal),
    ("19", true, pods::restarts),
    ("20", true, pods::deadline),
    ("21", true, pods::unstable),
    ("22", true, pods::candidate_lost),
    ("23", true, pods::new_version_lost),
    ("26", true, judged::guardrail_failed),
    ("27", true, judged::undecided_for_too_long),
    ("30", true, advance::retire),
    ("31", true, judged::quality_failed),
    ("33", false, advance::stable_ready),
    ("34", false, advance::candidate_ready),
    ("36", false, advance::first_weight),
    ("37", false, advance::next_step),
    ("38", false, judged::passed),
    ("39", true, advance::all_traffic),
    ("40", true, advance::promoted),
    ("41", true, advance::replaced),
    ("42", true, advance::baked),
    ("43", true, advance::drained),
    ("43b", true, advance::left),
];

/// The first move whose guard holds, with the number of its row.
pub fn first_move(s: &Situation) -> Option<(&'static str, Move)> {
    let accepted = s.release.refused.is_none();
    ROWS.iter()
        .filter(|(_, always, _)| accepted || *always)
        .find_map(|&(number, _, row)| row(s).map(|m| (number, m)))
}

/// Numbers of all rows, in their order.
pub fn numbers() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(number, _, _)| *number)
}

impl Move {
    fn new(act: Act, hash: Hash, to: Phase, reason: Reason, message: String, effect: Effect) -> Self {
        Self { act, hash, to, reason, message, numbers: Vec::new(), effect }
    }

    /// A candidate that leaves, quarantined.
    fn rolls_back(s: &Situation, reason: Reason, message: String) -> Option<Self> {
        let effect = Effect::Leave { who: Track::Canary, quarantine: true, fallback: None, handled: false };
        Some(Self::new(Act::Rollback, s.hash(Track::Canary)?, Phase::RollingBack, reason, message, effect))
    }
}
