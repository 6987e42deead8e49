//! One check's verdict at one look, from its counts and from what is wrong with them.

use jiff::{SignedDuration, Timestamp};

use super::blocks::Grid;
use super::check::{Check, Rule, next_end, totals};
use super::evidence::Finding;
use super::kernel::{Count, Interval};
use super::words;
use crate::api::reasons::Reason;
use crate::api::status::{CheckStatus, Checkpoint, Difference, Evidence, Numbers, Share, Verdict};
use crate::release::{Counted, Release};

/// Intervals without a usable answer after which a check is blind.
const BLIND_AFTER: i64 = 3;
/// Intervals without a row after which their absence is said aloud: a new pod's first block has none.
const MISSED_AFTER: i64 = 2;
/// Intervals after which the last evidence is too old to pass by; at least two windows.
const FRESH_FOR: i32 = 20;

/// A check, judged.
pub(super) struct Judged<'a> {
    /// The check.
    pub check: &'a Check<'a>,
    /// Its counts.
    pub kept: &'a Checkpoint,
    /// What they prove; none if they cannot be read.
    pub finding: Option<Finding>,
    /// What it says.
    pub verdict: Verdict,
    /// Why it does not pass.
    pub reason: Option<Reason>,
    /// What is wrong with the answers.
    pub trouble: Option<Reason>,
    /// The user's guardrails are the default one, and no version has ever had a series: it does not hold.
    pub exempt: bool,
    /// No usable answer for more than three intervals.
    pub blind: bool,
    /// Rows have been missing for long enough to say so, or the answer was unusable.
    pub unavailable: bool,
}

impl<'a> Judged<'a> {
    /// Judges a check at a time.
    pub fn new(check: &'a Check<'a>, kept: &'a Checkpoint, release: &Release, now: Timestamp) -> Self {
        let analysis = &release.analysis;
        let grid = Grid::of(analysis);
        let uneven = kept.uneven.then_some(Reason::PartialData);
        let trouble = match analysis.source {
            None => Some(Reason::UnknownProvider),
            Some(_) => kept.trouble.or(uneven),
        };
        let finding = check.finding(kept);
        let first = next_end(&Checkpoint::default(), grid, check.from, check.from);
        let heard = kept.last_answer_at.map_or(first, |at| at.max(first));
        let exempt = matches!(check.rule, Rule::Guardrail(..))
            && analysis.default_guardrails
            && trouble == Some(Reason::NoData)
            && !kept.seen;
        let armed = !kept.failed && !exempt;
        let silent = trouble == Some(Reason::UnknownProvider) || now > grid.widths_after(heard, BLIND_AFTER);
        let unavailable = match trouble {
            Some(Reason::NoData) => now > grid.widths_after(heard, MISSED_AFTER),
            Some(_) => true,
            None => silent,
        };
        let window =
            analysis.interval.saturating_mul(FRESH_FOR).max(analysis.quality.window.saturating_mul(2));
        let fresh = kept.last_evidence_at.is_some_and(|at| now.duration_since(at) <= window);
        let (verdict, reason) = if kept.failed {
            let reason = match check.rule {
                Rule::Quality(..) => Reason::QualityRegression,
                Rule::Guardrail(guardrail, _) => match guardrail.metric {
                    Counted::ErrorRate => Reason::ErrorRateExceeded,
                    Counted::Latency { .. } | Counted::FirstToken { .. } => Reason::LatencyExceeded,
                    Counted::Template(_) => Reason::GuardrailExceeded,
                },
            };
            (Verdict::Fail, Some(reason))
        } else {
            let enough = finding.is_some_and(|found| found.enough);
            let passes = finding.is_some_and(|found| found.passes());
            let missing = trouble
                .or_else(|| (!enough).then_some(Reason::TooFewSamples))
                .or_else(|| (!fresh || silent).then_some(Reason::StaleData))
                .or_else(|| (!passes).then_some(Reason::NotProven));
            (if missing.is_none() { Verdict::Pass } else { Verdict::Inconclusive }, missing)
        };
        Self {
            check,
            kept,
            finding,
            verdict,
            reason,
            trouble,
            exempt,
            blind: armed && silent,
            unavailable: armed && unavailable,
        }
    }

    /// Whether it is the quality gate.
    pub fn is_quality(&self) -> bool {
        matches!(self.check.rule, Rule::Quality(..))
    }

    /// Enough for a step that is not the last.
    pub fn opens_step(&self) -> bool {
        let near =
            self.reason == Some(Reason::NotProven) && self.finding.is_some_and(|found| found.opens_step());
        self.verdict == Verdict::Pass || near
    }

    /// By how much its evidence against the canary exceeds what it takes, as a ratio.
    pub fn excess(&self) -> f64 {
        self.finding.map_or(0.0, |found| found.worse / found.needed)
    }

    /// When there is something to ask for it again; none once it has failed.
    pub fn next_at(&self, release: &Release, now: Timestamp) -> Option<Timestamp> {
        if self.kept.failed {
            return None;
        }
        let grid = Grid::of(&release.analysis);
        let end = next_end(self.kept, grid, self.check.from, now);
        let wanted = if self.check.wants_the_past(self.kept) { grid.beginning(end) } else { end };
        let due = grid.asked_at(wanted);
        if due > now {
            return Some(due);
        }
        // A block is still open: more of them than fit into one look, or nobody answered.
        let pause = if self.trouble.is_some() || self.kept.uninformed > 0 {
            release.analysis.interval.clamp(SignedDuration::from_secs(1), SignedDuration::from_secs(30))
        } else {
            SignedDuration::from_secs(1)
        };
        Some(now.saturating_add(pause).unwrap_or(now))
    }

    /// What `status.analysis` shows of it.
    pub fn status(&self, release: &Release) -> CheckStatus {
        let totals = totals(self.kept);
        CheckStatus {
            name: self.check.name.to_owned(),
            grade: self.kept.grade.filter(|_| self.is_quality()),
            verdict: self.verdict,
            reason: self.reason,
            stable: share(totals.stable),
            canary: share(totals.canary),
            difference: self.difference(),
            bound: words::bound(&self.check.rule),
            evidence: self.finding.map(|found| Evidence {
                worse: words::odds(found.worse),
                good: found.good.map(words::odds).unwrap_or_default(),
                needed: words::odds(found.needed),
            }),
            doubts: words::doubts(self, release),
        }
    }

    fn difference(&self) -> Option<Difference> {
        self.finding.and_then(|found| found.difference).map(difference)
    }

    /// The numbers behind it; none without events of the canary.
    pub fn numbers(&self) -> Option<Numbers> {
        let totals = totals(self.kept);
        let canary = share(totals.canary)?;
        let stable = share(totals.stable).unwrap_or_default();
        Some(Numbers {
            metric: self.check.name.to_owned(),
            stable: stable.value,
            canary: canary.value,
            stable_events: stable.events,
            canary_events: canary.events,
            difference: self.difference(),
            bound: words::bound(&self.check.rule),
            evidence: self
                .finding
                .map(|found| match found.good.filter(|_| self.verdict != Verdict::Fail) {
                    Some(good) => words::odds(good),
                    None => words::odds(found.worse),
                })
                .unwrap_or_default(),
            needed: self.finding.map(|found| words::odds(found.needed)).unwrap_or_default(),
        })
    }
}

fn share(count: Count) -> Option<Share> {
    Some(Share { value: words::four(count.share()?), events: words::whole(count.events) })
}

fn difference(interval: Interval) -> Difference {
    Difference {
        estimate: words::four(interval.estimate),
        lower: words::four(interval.lower),
        upper: words::four(interval.upper),
    }
}
