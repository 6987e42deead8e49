//! Why something was decided: its entry of the record, and what the entries around it tell of it.

use jiff::Timestamp;
use serde::Serialize;

use crate::api::reasons::Reason;
use crate::api::status::{HistoryEntry, Phase};

/// A decision of the past.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Its entry of the record.
    #[serde(flatten)]
    pub entry: HistoryEntry,
    /// Whose word it was.
    pub by: By,
    /// Number of the decision that this one only carries out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries_out: Option<i64>,
    /// What carried it out, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carried_out: Vec<CarriedOut>,
    /// The traffic that its version had had until then; none if it had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
}

/// Whose word a decision was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum By {
    /// Somebody's, by an annotation.
    Hand,
    /// That of the spec, which was changed, or of its end.
    Spec,
    /// The operator's, on what it measured.
    Operator,
}

/// A commit that carried a decision out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedOut {
    /// Its number.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// The phase after it.
    pub to: Phase,
    /// The version's percent after it.
    pub to_percent: i32,
}

/// How long and how much of the traffic a version had.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// When it got its first share; none if that is no longer on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Seconds from then until the decision, or as many as are on record.
    pub seconds: i64,
    /// The most that it had, in percent.
    pub percent: i32,
}

/// A decision on record, by its number. `history` has the newest first, as the status does.
pub fn decided(history: &[HistoryEntry], seq: i64) -> Option<Decided> {
    let place = history.iter().position(|entry| entry.seq == seq)?;
    let (newer, rest) = history.split_at_checked(place)?;
    let (entry, older) = rest.split_first()?;
    let same = |other: &&HistoryEntry| other.hash == entry.hash && other.verdict == entry.verdict;
    let made = entry.decides();
    let origin = if made { None } else { older.iter().filter(same).find(|other| other.decides()) };
    let carries = |other: &&HistoryEntry| same(other) && !other.decides();
    // Nothing of it comes after the next decision about the version.
    let later = newer.iter().rev().filter(|other| other.hash == entry.hash).take_while(carries);
    let carried_out =
        later.map(|by| CarriedOut { seq: by.seq, at: by.at, to: by.to, to_percent: by.to_percent });
    Some(Decided {
        by: by(origin.map_or(entry.reason, |origin| origin.reason)),
        carries_out: origin.map(|origin| origin.seq),
        carried_out: if made { carried_out.collect() } else { Vec::new() },
        exposure: exposure(entry, older),
        entry: entry.clone(),
    })
}

fn by(reason: Reason) -> By {
    match reason {
        Reason::ManualRollback
        | Reason::ManualPromotion
        | Reason::RetryAccepted
        | Reason::NothingToRollBack => By::Hand,
        Reason::StableChanged
        | Reason::CanaryRemoved
        | Reason::Superseded
        | Reason::CanaryStarted
        | Reason::StepsChanged
        | Reason::Expired
        | Reason::Deleted => By::Spec,
        _ => By::Operator,
    }
}

/// The traffic of the version up to a decision, back to the entry that gave it its first share.
fn exposure(entry: &HistoryEntry, older: &[HistoryEntry]) -> Option<Exposure> {
    if entry.from_percent == 0 {
        return None;
    }
    let own = || older.iter().filter(|other| other.hash == entry.hash);
    let first = own().find(|other| other.from_percent == 0);
    let begin = first.or_else(|| own().next_back()).map_or(entry.at, |first| first.at);
    let had = own().take_while(|other| other.at >= begin).map(|other| other.to_percent);
    Some(Exposure {
        since: first.map(|first| first.at),
        seconds: entry.at.duration_since(begin).as_secs(),
        percent: had.max().unwrap_or(0).max(entry.from_percent),
    })
}
