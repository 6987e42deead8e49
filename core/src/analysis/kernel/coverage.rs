//! Label coverage: do labels come for the same part of both versions' answers?
//!
//! Only answers that were labelled are compared. If the labels of one version come sooner than those of the other, or for
//! its mistakes alone, then two choices are compared, and not two versions.
//!
//! Labels come later than their answers, so a block's labels are no part of its answers: with `c` labels an answer both
//! are counted beside each other, and labels are `θ = c / (1 + c)` of the sum. That the canary has `r` times stable's
//! coverage is then the line through `r·c / (1 + r·c)` at the share that is expected of stable.

use super::checkpoint::{Fields, Kept};
use super::counted::Counted;
use super::line::Side;
use super::lines::Tested;
use super::{Block, Count, Refused, bound, error_rate};

/// Labels and answers of stable that are remembered.
const REMEMBERED: f64 = 2_000.0;

/// When coverage is uneven.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoverageBounds {
    /// The least part of stable's coverage that is even, 0.01 to 0.99; its inverse is the most.
    pub ratio: f64,
    /// Accepted probability of a false alarm, above 0, at most 0.5.
    pub alpha: f64,
    /// Accepted probability that an alarm is taken back while it still is uneven, above 0, at most 0.5.
    pub cleared: f64,
}

/// What came of one version in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Labelled {
    /// Labels, of whichever answers.
    pub labels: f64,
    /// Answers given, labelled or not.
    pub answers: f64,
}

impl Labelled {
    fn count(self) -> Count {
        Count { hits: self.labels, events: self.labels + self.answers }
    }
}

/// A check of the coverage between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    bounds: CoverageBounds,
    uneven: bool,
    /// Fewer labels than stable, and more; not so few, and not so many.
    counted: Counted<4>,
}

/// What a look at the coverage found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoverageFinding {
    /// ln E that the canary has too few labels for its answers.
    pub low: f64,
    /// ln E that it has too many.
    pub high: f64,
    /// That it has neither: the smaller of both.
    pub even: f64,
    /// Whether either was proven, until with other answers neither is.
    pub uneven: bool,
}

impl Coverage {
    /// A check without evidence.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is out of its range.
    pub fn new(bounds: CoverageBounds) -> Result<Self, Refused> {
        bound("ratio", bounds.ratio, 0.01, 0.99)?;
        error_rate(bounds.alpha)?;
        error_rate(bounds.cleared)?;
        Ok(Self { bounds, uneven: false, counted: Counted::new(REMEMBERED, None, lines())? })
    }

    /// Adds a block of stable's from before the evidence began, oldest first.
    ///
    /// # Errors
    /// As [`Count::checked`]; nothing is learnt then.
    pub fn learn(&mut self, stable: Labelled) -> Result<(), Refused> {
        self.counted.learn(stable.count().checked()?)
    }

    /// Adds a block and judges.
    ///
    /// # Errors
    /// [`Refused::NotANumber`] if a number is not finite, negative or above 10⁹; the check is then as it was.
    pub fn look(&mut self, stable: Labelled, canary: Labelled) -> Result<CoverageFinding, Refused> {
        let block = Block { stable: stable.count(), canary: canary.count() }.checked()?;
        let mut next = *self;
        let share = next.counted.share();
        let [least, most] = [self.bounds.ratio, 1.0 / self.bounds.ratio].map(|ratio| slope(ratio, share));
        next.counted.tilt([least, most, least, most]);
        let seen = next.counted.look(&block)?;
        let [low, high, not_low, not_high] = seen.logs.map(Option::unwrap_or_default);
        let even = not_low.min(not_high);
        // Either side may raise a false alarm.
        if low.max(high) >= (2.0 / self.bounds.alpha).ln() {
            next.uneven = true;
            next.counted.begin_anew(lines());
        } else if even >= -self.bounds.cleared.ln() {
            next.uneven = false;
        }
        *self = next;
        Ok(CoverageFinding { low, high, even, uneven: self.uneven })
    }
}

/// Without evidence. Each look says where they are.
fn lines() -> [Option<Tested>; 4] {
    [Side::Below, Side::Above, Side::Above, Side::Below].map(|side| Some(Tested::beside(side)))
}

/// How many times stable's share the canary has if it has `ratio` times stable's labels an answer.
fn slope(ratio: f64, share: f64) -> f64 {
    let labels = share / (1.0 - share);
    ratio * (1.0 + labels) / (1.0 + ratio * labels)
}

impl Kept for Coverage {
    const KIND: u8 = 6;

    fn keep(&mut self, fields: &mut dyn Fields) {
        fields.flag(&mut self.uneven);
        self.counted.keep(fields);
    }
}
