//! Shadow pairs: both versions answered the same request, and it is known who was right.

use super::bets::{Bets, MOST, Start};
use super::checkpoint::{Fields, Kept};
use super::{Refused, amount, bound, error_rate, finite, verdict};
use crate::api::evidence::Verdict;

/// How much is staked: 1/2, 1/4, … 1/32 of the most that cannot ruin.
const STAKES: [f64; 5] = [0.5, 0.25, 0.125, 0.0625, 0.03125];
const EQUAL: &[f64] = &[1.0; STAKES.len()];
/// Pairs without which it never fails.
const LEAST_PAIRS: f64 = 20.0;

/// What pairs must show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairBounds {
    /// How much worse than stable is still good, 0 to 0.5.
    pub max_drop: f64,
    /// Accepted probability of each wrong decision, above 0, at most 0.5.
    pub alpha: f64,
    /// Pairs needed to pass.
    pub min_samples: f64,
}

/// Pairs of one interval, by who was right. At most 10⁹ each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paired {
    /// Only the canary.
    pub canary: f64,
    /// Only stable.
    pub stable: f64,
    /// Both or neither.
    pub same: f64,
}

impl Paired {
    fn sum(&self) -> f64 {
        self.canary + self.stable + self.same
    }
}

/// A check of pairs between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pairs {
    bounds: PairBounds,
    number: f64,
    failed: bool,
    good: Bets,
    worse: Bets,
}

/// What a look at pairs found. All evidence is ln E.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairFinding {
    /// That the loss is below the drop.
    pub good: f64,
    /// That it is above half a drop.
    pub worse: f64,
    /// Pairs so far.
    pub pairs: f64,
    /// Failure is latched, a pass opens the shadow's gate and never promotes.
    pub verdict: Verdict,
}

impl Pairs {
    /// A check without evidence.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is out of its range, [`Refused::NotANumber`] if `min_samples` is none.
    pub fn new(bounds: PairBounds) -> Result<Self, Refused> {
        bound("maxDrop", bounds.max_drop, 0.0, 0.5)?;
        error_rate(bounds.alpha)?;
        finite(bounds.min_samples)?;
        let (good, worse) = (Bets::new(EQUAL, Start::Fixed), Bets::new(EQUAL, Start::Mixed));
        Ok(Self { bounds, number: 0.0, failed: false, good, worse })
    }

    /// Adds a block and judges.
    ///
    /// # Errors
    /// [`Refused::NotANumber`] if a number is not finite, negative or above 10⁹; the check is then as it was.
    pub fn look(&mut self, block: Paired) -> Result<PairFinding, Refused> {
        for number in [block.canary, block.stable, block.same] {
            amount(number)?;
        }
        let mut next = *self;
        if block.sum() > 0.0 {
            next.good.add(&gains(&block, self.bounds.max_drop));
            // That the loss is larger is that stable gains, so the sides change places.
            let mirrored = Paired { canary: block.stable, stable: block.canary, same: block.same };
            next.worse.add(&gains(&mirrored, -self.bounds.max_drop / 2.0));
        }
        next.number += block.sum();
        let finding = next.judge()?;
        *self = next;
        Ok(finding)
    }

    fn judge(&mut self) -> Result<PairFinding, Refused> {
        let good = finite(self.good.log_evidence())?;
        let worse = finite(self.worse.log_evidence())?;
        let needed = -self.bounds.alpha.ln();
        self.failed |= self.number >= LEAST_PAIRS && worse >= needed;
        let verdict = verdict(self.failed, self.number >= self.bounds.min_samples && good >= needed);
        Ok(PairFinding { good, worse, pairs: self.number, verdict })
    }
}

/// ln of what each stake becomes if one bets that the canary gains more than `−drop` a pair on average, where a pair is
/// +1, 0 or −1. The worst that a pair can do is −1, so less than 1/(1 − drop) must be staked.
fn gains(block: &Paired, drop: f64) -> [f64; MOST] {
    let mut gains = [0.0; MOST];
    for (gain, part) in gains.iter_mut().zip(STAKES) {
        let stake = part / (1.0 - drop);
        *gain = block.canary * (stake * (1.0 + drop)).ln_1p()
            + block.stable * (-stake * (1.0 - drop)).ln_1p()
            + block.same * (stake * drop).ln_1p();
    }
    gains
}

impl Kept for Pairs {
    const KIND: u8 = 4;

    fn keep(&mut self, fields: &mut dyn Fields) {
        fields.number(&mut self.number);
        fields.flag(&mut self.failed);
        self.good.keep(fields);
        self.worse.keep(fields);
    }
}
