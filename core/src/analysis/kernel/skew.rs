//! Sample ratio: does the canary get the share of the requests that its weight says?

use super::checkpoint::{Fields, Kept};
use super::line::{Side, within};
use super::lines::{Before, Tested};
use super::{Block, Count, Refused, amount, bound, error_rate, finite};

/// When a share is skewed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkewBounds {
    /// What it may differ by, relative to the weight: above 0, below 1.
    pub tolerance: f64,
    /// Accepted probability of a false alarm, above 0, at most 0.5.
    pub alpha: f64,
}

/// Requests at the entrance in a block that no change of the weight overlaps. At most 10⁹ of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requests {
    /// The canary's weight in percent; at 0 and 100 nothing is judged.
    pub weight: f64,
    /// Stable's requests.
    pub stable: f64,
    /// The canary's.
    pub canary: f64,
}

/// A check of the sample ratio between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skew {
    bounds: SkewBounds,
    low: Tested,
    high: Tested,
}

/// What a look at the sample ratio found. All evidence is ln E.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkewFinding {
    /// That the canary gets too few.
    pub low: f64,
    /// That it gets too many.
    pub high: f64,
    /// Whether either is proven at this look. Not latched.
    pub skewed: bool,
}

impl Skew {
    /// A check without evidence.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is out of its range.
    pub fn new(bounds: SkewBounds) -> Result<Self, Refused> {
        bound("tolerance", bounds.tolerance, 0.01, 0.99)?;
        error_rate(bounds.alpha)?;
        // Each look says where its lines are.
        let (low, high) = (Tested::beyond(0.5, Side::Below), Tested::beyond(0.5, Side::Above));
        Ok(Self { bounds, low, high })
    }

    /// Adds a block and judges.
    ///
    /// # Errors
    /// [`Refused::NotANumber`] if a number is not finite, negative or above 10⁹; the check is then as it was.
    pub fn look(&mut self, block: Requests) -> Result<SkewFinding, Refused> {
        let Requests { weight, stable, canary } = block;
        for number in [stable, canary, stable + canary, weight] {
            amount(number)?;
        }
        let mut next = *self;
        if weight > 0.0 && weight < 100.0 {
            let share = weight / 100.0;
            next.low.move_limit(within(share * (1.0 - self.bounds.tolerance)));
            next.high.move_limit(within(share * (1.0 + self.bounds.tolerance)));
            let requests = Count { hits: canary, events: stable + canary };
            let block = Block { stable: Count::default(), canary: requests };
            // Nothing is compared with stable, and requests are split one by one.
            let before = Before { share: 0.5, known: false, phi: 1.0 };
            next.low.look(&block, before);
            next.high.look(&block, before);
        }
        let (low, high) = (finite(next.low.log_evidence())?, finite(next.high.log_evidence())?);
        *self = next;
        // Either side may raise a false alarm.
        Ok(SkewFinding { low, high, skewed: low.max(high) >= (2.0 / self.bounds.alpha).ln() })
    }
}

impl Kept for Skew {
    const KIND: u8 = 5;

    fn keep(&mut self, fields: &mut dyn Fields) {
        self.low.keep(fields);
        self.high.keep(fields);
    }
}
