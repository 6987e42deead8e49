//! Why a release waits: the rules of this crate asked by a reader, who sees the stored object and acts on nothing.
//!
//! What it says is what the operator decides by: the same moves, in the same order, on the same counts. Only what has not
//! been asked yet is missing, such as the next answer of Prometheus.

mod asks;
mod basis;
mod decided;
mod gates;
mod outcome;
mod says;
mod trial;

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::outlook::{Outlook, outlook};
use crate::api::conditions::{self, Type};
use crate::api::reasons::Reason;
use crate::api::spec::ModelRelease;
use crate::api::status::{ModelReleaseStatus, Phase, Track};
use crate::facts;
use crate::moves::first_move;
use crate::observed::Observed;
use crate::release::Release;
use crate::settings::Settings;
use crate::situation::Situation;
use crate::step::{STATE, not_before};

pub use crate::span::span;
pub use asks::{Answer, Refusal, answered, promote, resume, retry, roll_back};
pub use basis::{Seen, sense};
pub use decided::{By, CarriedOut, Decided, Exposure, decided};
pub use outcome::{Followed, Outcome, Standing, follow, outcome};

use basis::Basis;

/// Why a release waits, and for what.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The phase.
    pub phase: Phase,
    /// What kind of waiting it is.
    pub state: State,
    /// Since when the phase lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What the operator said last, in a sentence.
    pub message: String,
    /// The version that it is about: the one on trial, the one that leaves, else the live one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What the next step forward waits for, all of it; empty where nothing is to come.
    pub gates: Vec<Gate>,
    /// The move that the next look makes by what is known now, if it makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// What happens once every gate is open; empty where nothing is to come.
    pub forward: String,
    /// What would bring it back; empty where nothing would.
    pub back: String,
    /// What happens at the latest, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// When the operator looks again at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_look: Option<Timestamp>,
    /// The latest spec is not yet looked at: what is said here is of the one before.
    pub unseen: bool,
    /// Every check as it stands, while a version is judged.
    pub checks: Vec<Outlook>,
}

/// What kind of waiting it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// The operator has not looked at it yet.
    Unseen,
    /// Something is on its way.
    Waiting,
    /// Only a human's word is missing, or a human's word keeps it.
    Held,
    /// It cannot go on alone.
    Stalled,
    /// Nothing is left to do.
    AtRest,
    /// It is being deleted.
    Deleted,
}

/// A version, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its name.
    pub version: String,
    /// Its hash.
    pub hash: String,
    /// Its role.
    pub track: Track,
    /// Percent of the traffic that it has, as read back; none if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<i32>,
}

/// One thing that the next step forward waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// What it is, in a word or two: `readiness`, or the name of a check.
    pub name: String,
    /// Whether it is open.
    pub state: GateState,
    /// How far it is, in a sentence without its name.
    pub detail: String,
    /// When it opens, where that is a matter of time alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Whether a gate is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum GateState {
    /// It is.
    Pass,
    /// Not yet.
    Waiting,
    /// It was proven that it must not.
    Fail,
}

/// Every check as it stands by what is counted, quality first, for who knows the settings that it is counted under; none
/// unless a version is judged.
pub fn checks(
    release: &Release,
    status: &ModelReleaseStatus,
    settings: &Settings,
    now: Timestamp,
) -> Vec<Outlook> {
    let now = not_before(status, now);
    let observed = Observed::default();
    let s = Situation { release, status, observed: &observed, weights: None, settings, now, look: None };
    if s.suspended() || s.expired() {
        return Vec::new();
    }
    let (stable, canary) = (s.hash(Track::Stable), s.hash(Track::Canary));
    let subject = facts::subject(&s, stable.as_ref(), canary.as_ref());
    subject.map_or_else(Vec::new, |subject| outlook(release, &subject, &status.state.checks, now))
}

/// A move that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// Number of its row in the table of moves.
    pub row: &'static str,
    /// The phase that follows.
    pub to: Phase,
    /// Why.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
}

/// What happens at the latest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// What, in a sentence without the time.
    pub then: String,
}

/// Why a release cannot be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A later operator has written its memory.
    #[error(
        "a later operator has written its memory (status.state version {version}, known here is {known}); take the plugin of \
         the operator's version",
        known = STATE
    )]
    Later {
        /// The version of the memory's shape.
        version: i32,
    },
}

/// Says whether the memory of a status can be read here.
///
/// # Errors
/// [`Unreadable::Later`] if a later operator has written it.
pub fn readable(status: &ModelReleaseStatus) -> Result<(), Unreadable> {
    let version = status.state.version;
    if version > STATE { Err(Unreadable::Later { version }) } else { Ok(()) }
}

/// Why a release waits, by the rules that move it.
///
/// `object` is the release as stored, `seen` what was seen of its pods, `now` the time; a clock that is behind the last
/// decision counts as being at it.
///
/// # Errors
/// [`Unreadable`] if the status was written by a later operator.
pub fn explain(object: &ModelRelease, seen: &Seen, now: Timestamp) -> Result<Explanation, Unreadable> {
    let none = ModelReleaseStatus::default();
    readable(object.status.as_ref().unwrap_or(&none))?;
    let basis = Basis::of(object, seen, now);
    let s = basis.situation();
    let state = state(&s);
    let at_rest = matches!(state, State::AtRest | State::Deleted | State::Unseen);
    let due = first_move(&s).filter(|_| state != State::Unseen);
    Ok(Explanation {
        phase: s.phase(),
        state,
        since: s.status.phase_started_at,
        message: s.status.message.clone(),
        subject: subject(&s),
        gates: if at_rest { Vec::new() } else { gates::gates(&s, &basis.outlook) },
        due: due.map(|(row, found)| Due { row, to: found.to, reason: found.reason, message: found.message }),
        forward: if at_rest { String::new() } else { says::forward(&s) },
        back: if at_rest { String::new() } else { says::back(&s) },
        deadline: says::deadline(&s),
        next_look: s.status.next_look_at,
        unseen: s.status.observed_generation != s.release.generation,
        checks: basis.outlook.clone(),
    })
}

/// What the operator says of it: its own conditions.
fn state(s: &Situation) -> State {
    let is = |kind: Type| conditions::is_true(&s.status.conditions, kind);
    if s.release.deleted_at.is_some() {
        State::Deleted
    } else if s.status.conditions.is_empty() {
        State::Unseen
    } else if is(Type::Stalled) {
        State::Stalled
    } else if is(Type::Held) {
        State::Held
    } else if is(Type::Ready) {
        State::AtRest
    } else {
        State::Waiting
    }
}

/// The version that a reader wants to know of.
fn subject(s: &Situation) -> Option<Subject> {
    let leaving = s.role(Track::Failed).filter(|_| s.phase() == Phase::RollingBack);
    let version = s.role(Track::Canary).or(leaving).or(s.role(Track::Stable))?;
    let percent = s.status.traffic.iter().find(|entry| entry.hash == version.hash);
    Some(Subject {
        version: version.version.clone(),
        hash: version.hash.clone(),
        track: version.track,
        percent: percent.map(|entry| entry.percent),
    })
}
