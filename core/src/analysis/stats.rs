//! The stats of an answer that are ours: whose they are, and what they add up to.

use std::collections::BTreeMap;

use super::answer::Row;
use super::check::Rule;
use super::kernel::{Count, Labelled};
use super::promql::{Names, Whose};
use crate::api::reasons::Reason;
use crate::api::status::Grade;

/// Our rows of an answer, by version and stat; Envoy's ports are added up.
pub(super) struct Stats(BTreeMap<(Whose, &'static str, &'static str), f64>);

/// Every stat that is asked for.
const STATS: [&str; 18] =
    ["k", "k1", "k2", "n", "n1", "n2", "w", "ck", "cn", "gk", "gn", "ga", "a", "d", "pb", "pc", "pn", "ps"];

impl Stats {
    /// Of rows.
    ///
    /// # Errors
    /// `NotANumber`, or `AmbiguousSeries` if a version has a stat twice.
    pub fn of(rows: &[Row], names: &Names<'_>, rule: &Rule<'_>) -> Result<Self, Reason> {
        let mut stats = BTreeMap::new();
        for row in rows {
            let whose = match rule {
                Rule::Quality(..) => names.of_pod(&row.labels).map(|whose| (whose, "")),
                Rule::Guardrail(..) => names.of_entrance(&row.labels),
            };
            let stat = STATS.into_iter().find(|stat| *stat == row.stat());
            // Foreign rows are none of our business.
            let Some(((whose, port), stat)) = whose.zip(stat) else { continue };
            let value = row.value.ok_or(Reason::NotANumber)?;
            if stats.insert((whose, stat, port), value).is_some() {
                return Err(Reason::AmbiguousSeries);
            }
        }
        Ok(Self(stats))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sum(&self, whose: Whose, family: &str) -> Option<f64> {
        // `k` and its parts `k1`, `k2`; never `gk`.
        self.0
            .iter()
            .filter(|((w, stat, _), _)| *w == whose && stat.trim_end_matches(['1', '2']) == family)
            .map(|(_, value)| *value)
            .reduce(|a, b| a + b)
    }

    /// Events of a version; none if there is no row of their total. Without a row of hits there were none: a series
    /// that was never raised is absent.
    pub fn count(&self, whose: Whose, hits: &str, events: &str) -> Result<Option<Count>, Reason> {
        let Some(total) = self.sum(whose, events) else {
            return if self.sum(whose, hits).is_some() { Err(Reason::InconsistentCounts) } else { Ok(None) };
        };
        let count = Count { hits: self.sum(whose, hits).unwrap_or(0.0), events: total };
        // A gauge times its samples may be off in the last digit.
        if count.hits > count.events * (1.0 + 1e-9) {
            return Err(Reason::InconsistentCounts);
        }
        Ok(Some(Count { hits: count.hits.min(count.events), ..count }))
    }

    /// Requests of a version that were answered too late; none if there is no row of all of them.
    ///
    /// # Errors
    /// `BoundNotABucket` if nothing tells how many were in time.
    pub fn late(&self, whose: Whose) -> Result<Option<Count>, Reason> {
        let Some(events) = self.sum(whose, "n") else { return Ok(None) };
        let within = self.sum(whose, "w").ok_or(Reason::BoundNotABucket)?;
        Ok(Some(Count { hits: (events - within).max(0.0), events }))
    }

    /// Labels and answers of a version; none if it does not count its answers.
    pub fn labelled(&self, whose: Whose) -> Option<Labelled> {
        let answers = self.sum(whose, "a")?;
        Some(Labelled { labels: self.sum(whose, "n").unwrap_or(0.0), answers })
    }

    /// Within how many seconds stable's labels came.
    pub fn label_delay(&self) -> Option<f64> {
        self.sum(Whose::Stable, "d")
    }

    /// Requests that both versions answered, by who was right: both, the canary alone, stable alone, neither; none if
    /// nobody compares them.
    pub fn pairs(&self) -> Option<[f64; 4]> {
        let told = ["pb", "pc", "ps", "pn"].map(|stat| self.sum(Whose::Canary, stat));
        told.iter().any(Option::is_some).then(|| told.map(Option::unwrap_or_default))
    }

    /// What a version's gauge shows, if it has one.
    ///
    /// # Errors
    /// `InconsistentCounts` if that is no share.
    pub fn value(&self, whose: Whose) -> Result<Option<f64>, Reason> {
        match self.sum(whose, "ga") {
            Some(value) if value > 1.0 + 1e-9 => Err(Reason::InconsistentCounts),
            value => Ok(value),
        }
    }

    /// The best that both versions export, once the canary exports anything. Pairs are asked for only where requests are
    /// copied.
    pub fn grade(&self, with_stable: bool) -> Option<Grade> {
        if self.pairs().is_some() {
            return Some(Grade::Paired);
        }
        let has = |whose, stat| self.sum(whose, stat).is_some();
        // The canary may never have been right; a stable version that never was exports something else.
        let counters = has(Whose::Canary, "cn")
            && (!with_stable || (has(Whose::Stable, "cn") && has(Whose::Stable, "ck")));
        let gauges = has(Whose::Canary, "gn") && (!with_stable || has(Whose::Stable, "gn"));
        let alone = has(Whose::Canary, "ga") && (!with_stable || has(Whose::Stable, "ga"));
        match (counters, gauges, alone) {
            (true, _, _) => Some(Grade::Counts),
            (_, true, _) => Some(Grade::Samples),
            (_, _, alone) => alone.then_some(Grade::Gauge),
        }
    }
}
