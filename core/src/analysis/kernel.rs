//! The kernel of evidence: what blocks of counted events prove about two versions, at every look at once.
//!
//! **Idea.** A bound is a *line* `θ_c = a·θ_s + b` between stable's share and the canary's. For each block of events,
//! and an alternative `(p, q)` fixed before it, the likelihood of the block under the alternative is divided by its
//! likelihood under the point of the line that is nearest to the alternative. Such a ratio has a mean of at most 1
//! whatever the truth on the wrong side of the line, so it is an e-value, and the product over blocks is a test
//! martingale or falls: it ever reaches 1/α with a probability of at most α (Ville, Étude critique de la notion de
//! collectif, 1939). This is Wald's sequential probability ratio (Sequential tests of statistical hypotheses, Annals
//! of Mathematical Statistics 16, 1945) without his second boundary. One may look as often as one likes, blocks may
//! have any size, and both shares may drift together.
//!
//! **Why the nearest point.** Nearest is meant in relative entropy, weighted with the block's events: of all points of
//! a convex hypothesis it makes the worst case exactly fair, and evidence grows fastest if the alternative is true
//! (Grünwald, de Heide and Koolen, Safe testing, Journal of the Royal Statistical Society B 86, 2024; for two groups
//! Turner, Ly and Grünwald, Generic E-variables for exact sequential k-sample tests, 2024).
//!
//! **Why several alternatives.** Nobody knows how bad a bad version is. A weighted mean of e-values is one too, so each
//! line bets on four to six distances. Where evidence must rise fast although a version was good for hours, it is
//! also a mean over the block at which betting began.
//!
//! **What is not independent.** Outcomes in clusters make counts vary more than binomial ones. Evidence is divided by
//! their dispersion φ, Pearson's statistic of stable's own blocks (Wedderburn, Quasi-likelihood functions, generalized
//! linear models, and the Gauss–Newton method, Biometrika 61, 1974), on three scales of time.
//!
//! Whether labels come for the same part of both versions' answers is a line of the same kind, between labels and answers
//! ([`Coverage`]). Gauges of unknown size are read as signs, and pairs of answers to one request as bets on a bounded mean
//! (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal Statistical
//! Society B 86, 2024).
//!
//! All evidence is a natural logarithm, shares are between 0 and 1, counts are real numbers. Nothing here allocates,
//! but for [`checkpoint::save`]; a look that is refused leaves its check as it was.

mod baseline;
mod bets;
pub mod checkpoint;
mod combine;
mod counted;
mod coverage;
mod dispersion;
mod guardrail;
mod line;
mod lines;
mod pairs;
mod quality;
mod readings;
mod shown;
mod skew;

use crate::api::evidence::Verdict;

pub use self::baseline::Baseline;
pub use self::combine::{Decision, Guard, Said, Situation, combine};
pub use self::coverage::{Coverage, CoverageBounds, CoverageFinding, Labelled};
pub use self::dispersion::Dispersion;
pub use self::guardrail::{Guardrail, GuardrailBounds, GuardrailFinding};
pub use self::line::{Line, Point, Side};
pub use self::pairs::{PairBounds, PairFinding, Paired, Pairs};
pub use self::quality::{Quality, QualityBounds, QualityFinding};
pub use self::readings::{Reading, ReadingBounds, ReadingFinding, Readings, Values, Why};
pub use self::shown::{Interval, answers_expected, answers_to_go, difference};
pub use self::skew::{Requests, Skew, SkewBounds, SkewFinding};

/// Most events that one block may have.
const MOST_EVENTS: f64 = 1e9;

/// Events of one version: `hits` of `events`, real numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Events that are counted: right answers for quality, bad events for guardrails.
    pub hits: f64,
    /// All of them, at most 10⁹ in one block.
    pub events: f64,
}

impl Count {
    /// hits / events; none without events.
    pub fn share(self) -> Option<f64> {
        (self.events > 0.0).then(|| self.hits / self.events)
    }

    /// Itself if it can be a block's count.
    ///
    /// # Errors
    /// [`Refused::NotANumber`] if a number is not finite, negative or above 10⁹, [`Refused::Inconsistent`] if there
    /// are more hits than events.
    pub fn checked(self) -> Result<Self, Refused> {
        for number in [self.hits, self.events] {
            amount(number)?;
        }
        if self.hits > self.events {
            return Err(Refused::Inconsistent { hits: self.hits, events: self.events });
        }
        Ok(self)
    }

    fn add(&mut self, more: Self) {
        self.hits += more.hits;
        self.events += more.events;
    }

    fn keep(&mut self, fields: &mut dyn checkpoint::Fields) {
        fields.number(&mut self.hits);
        fields.number(&mut self.events);
    }
}

/// What both versions counted in one interval, or in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    /// The live version's.
    pub stable: Count,
    /// The judged version's.
    pub canary: Count,
}

impl Block {
    fn checked(self) -> Result<Self, Refused> {
        Ok(Self { stable: self.stable.checked()?, canary: self.canary.checked()? })
    }

    fn add(&mut self, more: &Self) {
        self.stable.add(more.stable);
        self.canary.add(more.canary);
    }

    fn keep(&mut self, fields: &mut dyn checkpoint::Fields) {
        self.stable.keep(fields);
        self.canary.keep(fields);
    }
}

/// Why a look or a check's bounds are refused. The check is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Not finite, or out of the range that such a number has.
    #[error(
        "{0} is no number that can be counted: it must be finite, at least 0, and at most 1e9 in one block"
    )]
    NotANumber(f64),
    /// More hits than events: the counters of the model server are not raised together.
    #[error("{hits} of {events} events are more than all; raise both counters together")]
    Inconsistent {
        /// Events that were counted.
        hits: f64,
        /// All of them.
        events: f64,
    },
    /// A bound that no evidence can be gathered for.
    #[error("{name} is {value}, not between {least} and {most}")]
    Bound {
        /// The bound.
        name: &'static str,
        /// What it is.
        value: f64,
        /// The least that it may be.
        least: f64,
        /// The most that it may be.
        most: f64,
    },
}

/// A number of events that one block may have.
fn amount(number: f64) -> Result<f64, Refused> {
    if (0.0..=MOST_EVENTS).contains(&number) { Ok(number) } else { Err(Refused::NotANumber(number)) }
}

/// Refuses what is not finite.
fn finite(number: f64) -> Result<f64, Refused> {
    if number.is_finite() { Ok(number) } else { Err(Refused::NotANumber(number)) }
}

/// Refuses a bound out of its range; one that is not there is in it.
fn bound(name: &'static str, value: impl Into<Option<f64>>, least: f64, most: f64) -> Result<(), Refused> {
    match value.into() {
        Some(value) if !(least..=most).contains(&value) => Err(Refused::Bound { name, value, least, most }),
        _ => Ok(()),
    }
}

/// Refuses an error rate that is none.
fn error_rate(alpha: f64) -> Result<(), Refused> {
    bound("alpha", alpha, 1e-12, 0.5)
}

/// A failure is looked at first.
fn verdict(failed: bool, passes: bool) -> Verdict {
    if failed {
        Verdict::Fail
    } else if passes {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    }
}
