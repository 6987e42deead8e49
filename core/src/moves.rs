//! The moves, in their order: the first row that answers wins. This list is the specification, row by row.
//!
//! A row is pure: one condition, one result. What a result does to the status is in [`crate::effects`], and nowhere
//! else. What keeps a release waiting without a move (rows 17, 25 and 29 of the design) is said in [`crate::tell`].

mod advance;
pub(crate) mod human;
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
    /// Only notes that an annotation was read and comes to nothing.
    Note,
    /// The last decision: stable keeps all traffic.
    Delete,
    /// The quarantine of the versions in the spec is lifted.
    Retry,
    /// Every role ends: the release's time is over.
    Expire,
    /// Another first version is made ready.
    Await,
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
    /// The candidate gets copies of requests.
    Shadow,
    /// The candidate passed; a human is to say the word.
    Passed,
    /// The candidate was undecided for too long; it keeps its weight.
    Overdue,
    /// The candidate is to grow to full size.
    Promote {
        /// Whether a human said so.
        by_hand: bool,
    },
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
#[derive(Clone, Copy)]
enum Row {
    /// Makes a move.
    Moves(fn(&Situation) -> Option<Move>),
    /// While the first holds, nothing below is looked at; the second is the move with which that begins, if any.
    Ends(fn(&Situation) -> bool, fn(&Situation) -> Option<Move>),
    /// While it holds, of the rows below only those of [`SAFETY`] are looked at.
    Narrows(fn(&Situation) -> bool),
}

use Row::{Ends, Moves, Narrows};

/// Rows that remain while a spec is refused: what happens to pods, and guardrails.
const SAFETY: &[&str] = &["18", "19", "20", "21", "22", "23", "24", "26"];

/// The rows, by their numbers in the design.
const ROWS: &[(&str, Row)] = &[
    ("1", Ends(human::deleting, human::deleted)),
    ("2", Moves(human::candidate_held)),
    ("3", Moves(human::stable_held)),
    ("4", Moves(human::nothing_to_roll_back)),
    ("4b", Moves(human::malformed)),
    ("5", Ends(human::suspended, |_| None)),
    ("6", Narrows(spec::refused)),
    ("6b", Moves(human::retried)),
    ("7", Ends(spec::over, spec::expired)),
    ("8", Moves(spec::first_changed)),
    ("9", Moves(spec::candidate_is_wanted_stable)),
    ("10", Moves(spec::candidate_not_wanted)),
    ("10b", Moves(spec::steps_changed)),
    ("11", Moves(spec::replacement_not_wanted)),
    ("12", Moves(spec::previous_wanted)),
    ("13", Moves(spec::quarantined)),
    ("14", Moves(spec::nothing_on_trial)),
    ("15", Moves(spec::replace)),
    ("16", Moves(spec::canary_started)),
    ("18", Moves(pods::fatal)),
    ("19", Moves(pods::restarts)),
    ("20", Moves(pods::deadline)),
    ("21", Moves(pods::unstable)),
    ("22", Moves(pods::candidate_lost)),
    ("23", Moves(pods::new_version_lost)),
    ("24", Moves(pods::warmup_failed)),
    ("26", Moves(judged::guardrail_failed)),
    ("27", Moves(judged::undecided_for_too_long)),
    ("28", Moves(judged::undecided_and_held)),
    ("30", Moves(advance::retire)),
    ("31", Moves(judged::quality_failed)),
    ("32", Moves(human::promoted)),
    ("33", Moves(advance::stable_ready)),
    ("34", Moves(advance::candidate_ready)),
    ("35", Moves(advance::copies)),
    ("36", Moves(advance::first_weight)),
    ("37", Moves(advance::next_step)),
    ("38", Moves(judged::passed)),
    ("39", Moves(advance::all_traffic)),
    ("40", Moves(advance::promoted)),
    ("41", Moves(advance::replaced)),
    ("42", Moves(advance::baked)),
    ("43", Moves(advance::drained)),
    ("43b", Moves(advance::left)),
];

/// The first move whose guard holds, with the number of its row.
pub fn first_move(s: &Situation) -> Option<(&'static str, Move)> {
    let mut narrowed = false;
    for &(number, row) in ROWS {
        match row {
            _ if narrowed && !SAFETY.contains(&number) => {}
            Moves(row) => {
                if let Some(found) = row(s) {
                    return Some((number, found));
                }
            }
            Ends(holds, row) if holds(s) => return row(s).map(|found| (number, found)),
            Narrows(holds) if holds(s) => narrowed = true,
            Ends(..) | Narrows(_) => {}
        }
    }
    None
}

/// Numbers of all rows, in their order.
pub fn numbers() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(number, _)| *number)
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
