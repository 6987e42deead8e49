//! What became of requests, each way and between two moments: what a story tells of a transition.

use crate::snapshot::Snapshot;
use crate::way::Way;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of requests for predictions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Sent.
    pub sent: u64,
    /// Answered with 2xx, over gRPC with status 0.
    pub ok: u64,
    /// Refused by a limit.
    pub limited: u64,
    /// Answered otherwise: 4xx, 5xx, or a status of gRPC other than 0.
    pub failed: u64,
    /// Not answered: no connection, it broke, or the time was over.
    pub lost: u64,
}

impl Counts {
    /// Neither answered well nor refused by a limit.
    pub fn wrong(&self) -> u64 {
        self.failed + self.lost
    }

    fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    fn minus(self, other: Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    fn each(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: of(self.sent, other.sent),
            ok: of(self.ok, other.ok),
            limited: of(self.limited, other.limited),
            failed: of(self.failed, other.failed),
            lost: of(self.lost, other.lost),
        }
    }
}

/// What happened between two moments of a load. What was under way at one of them is sent before it and answered after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Milliseconds between the two.
    pub ms: u64,
    /// Requests each way.
    pub ways: BTreeMap<Way, Counts>,
    /// Not asked for, since too many were still unanswered.
    pub skipped: u64,
    /// Good answers of each version.
    pub answers: BTreeMap<String, u64>,
    /// Answers that told both what the gateway chose and what computed them.
    pub pairs: u64,
    /// Those of them in which the two were of different versions.
    pub mismatched: u64,
}

impl Change {
    /// Requests all ways together.
    pub fn all(&self) -> Counts {
        sum(&self.ways)
    }
}

impl Snapshot {
    /// Requests all ways together.
    pub fn all(&self) -> Counts {
        sum(&self.ways)
    }

    /// What happened since an earlier moment of the same load; since its start, if that is the default.
    pub fn since(&self, earlier: &Self) -> Change {
        let before = |way| earlier.ways.get(way).copied().unwrap_or_default();
        let answered = |name| earlier.versions.get(name).map_or(0, |version| version.answers.ok);
        let answers = self
            .versions
            .iter()
            .map(|(name, version)| (name.clone(), version.answers.ok.saturating_sub(answered(name))));
        Change {
            ms: self.at_ms.saturating_sub(earlier.at_ms),
            ways: self.ways.iter().map(|(way, counts)| (*way, counts.minus(before(way)))).collect(),
            skipped: self.skipped.saturating_sub(earlier.skipped),
            answers: answers.collect(),
            pairs: self.pairs.saturating_sub(earlier.pairs),
            mismatched: self.mismatched.saturating_sub(earlier.mismatched),
        }
    }
}

fn sum(ways: &BTreeMap<Way, Counts>) -> Counts {
    ways.values().fold(Counts::default(), |all, one| all.plus(*one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Answers, Version};

    #[test]
    fn a_change_is_what_came_between_its_moments() {
        let at = |at_ms, [kept, grpc, failed, answers, mismatched]: [u64; 5]| {
            let ok = |sent, failed| Counts { sent, ok: sent - failed, failed, ..Counts::default() };
            let version =
                Version { answers: Answers { ok: answers, ..Answers::default() }, ..Version::default() };
            let ways = [(Way::KeepAlive, ok(kept, 0)), (Way::Grpc, ok(grpc, failed))];
            Snapshot {
                at_ms,
                ways: ways.into_iter().filter(|(_, counts)| counts.sent > 0).collect(),
                versions: BTreeMap::from([("v1".to_owned(), version)]),
                pairs: kept + grpc,
                mismatched,
                ..Snapshot::default()
            }
        };
        let (before, after) = (at(1000, [10, 0, 0, 10, 1]), at(3500, [25, 5, 2, 28, 4]));
        let change = after.since(&before);
        assert_eq!((change.ms, change.pairs, change.mismatched, change.answers["v1"]), (2500, 20, 3, 18));
        assert_eq!(change.ways[&Way::Grpc], Counts { sent: 5, ok: 3, failed: 2, ..Counts::default() });
        assert_eq!(change.all(), Counts { sent: 20, ok: 18, failed: 2, ..Counts::default() });
        assert_eq!(change.all().wrong(), 2);
        assert_eq!(after.since(&Snapshot::default()).all(), after.all());
        assert_eq!(after.since(&after).all(), Counts::default());
    }
}
