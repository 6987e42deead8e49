//! Quality: does the canary answer right as often as it must?

use super::bets::log_of_mean;
use super::checkpoint::{Fields, Kept};
use super::counted::{Counted, Seen};
use super::lines::Tested;
use super::{Block, Count, Refused, bound, error_rate, finite, verdict};
use crate::api::evidence::Verdict;

/// Stable's answers that are remembered.
const REMEMBERED: f64 = 2_000.0;
/// Canary answers without which quality never fails.
const LEAST_ANSWERS: f64 = 20.0;

/// What quality must prove. Shares of right answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityBounds {
    /// How much worse than stable is still good, 0 to 0.5; none while only the floor is judged.
    pub max_drop: Option<f64>,
    /// The floor, 0.0001 to 0.9999.
    pub min: Option<f64>,
    /// Accepted probability of each wrong decision, above 0, at most 0.5.
    pub alpha: f64,
    /// Canary answers needed to pass, and for a step.
    pub min_samples: f64,
    /// φ, 1 to 1,000; none if stable's own blocks tell it.
    pub dispersion: Option<f64>,
}

/// A quality check between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    bounds: QualityBounds,
    failed: bool,
    /// Good by the drop and by the floor, worse by either, and within the coarse drop.
    counted: Counted<5>,
}

/// What a look at quality found. All evidence is ln E.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityFinding {
    /// Stable's share that was expected before the block.
    pub share: f64,
    /// φ before the block.
    pub phi: f64,
    /// That the loss is below the drop.
    pub good_drop: Option<f64>,
    /// That the canary is above the floor.
    pub good_min: Option<f64>,
    /// That the loss is above half a drop.
    pub worse_drop: Option<f64>,
    /// That the canary is below the floor.
    pub worse_min: Option<f64>,
    /// That the loss is below two and a half drops.
    pub coarse: Option<f64>,
    /// That all is well: the smallest of its lines.
    pub good: f64,
    /// That something is wrong: of the mean of its lines.
    pub worse: f64,
    /// Failure is latched, a pass is not.
    pub verdict: Verdict,
    /// Enough for a step of the weight that is not the last.
    pub step_gate: bool,
    /// Whether any line could use the block.
    pub used: bool,
    /// Events since evidence began.
    pub totals: Block,
}

impl Quality {
    /// A check without evidence.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is out of its range, [`Refused::NotANumber`] if `min_samples` is none.
    pub fn new(bounds: QualityBounds) -> Result<Self, Refused> {
        bound("maxDrop", bounds.max_drop, 0.0, 0.5)?;
        bound("min", bounds.min, 0.0001, 0.9999)?;
        error_rate(bounds.alpha)?;
        finite(bounds.min_samples)?;
        let lines = [
            bounds.max_drop.map(Tested::good_drop),
            bounds.min.map(Tested::above_floor),
            bounds.max_drop.map(Tested::worse_drop),
            bounds.min.map(Tested::below_floor),
            bounds.max_drop.map(Tested::coarse),
        ];
        Ok(Self { bounds, failed: false, counted: Counted::new(REMEMBERED, bounds.dispersion, lines)? })
    }

    /// Adds a block of stable's from before the evidence began, oldest first.
    ///
    /// # Errors
    /// As [`Count::checked`]; nothing is learnt then.
    pub fn learn(&mut self, stable: Count) -> Result<(), Refused> {
        self.counted.learn(stable.checked()?)
    }

    /// Adds a block and judges.
    ///
    /// # Errors
    /// As [`Count::checked`]; the check is then as it was.
    pub fn look(&mut self, block: Block) -> Result<QualityFinding, Refused> {
        let mut next = *self;
        let seen = next.counted.look(&block.checked()?)?;
        let finding = next.judge(&seen)?;
        *self = next;
        Ok(finding)
    }

    fn judge(&mut self, seen: &Seen<5>) -> Result<QualityFinding, Refused> {
        let [good_drop, good_min, worse_drop, worse_min, coarse] = seen.logs;
        let good = finite([good_drop, good_min].into_iter().flatten().reduce(f64::min).unwrap_or(0.0))?;
        let worse = finite(log_of_mean([worse_drop, worse_min].into_iter().flatten()))?;
        let needed = -self.bounds.alpha.ln();
        let answers = seen.totals.canary.events;
        let enough = answers >= self.bounds.min_samples;
        self.failed |= answers >= LEAST_ANSWERS && worse >= needed;
        Ok(QualityFinding {
            share: seen.before.share,
            phi: seen.before.phi,
            good_drop,
            good_min,
            worse_drop,
            worse_min,
            coarse,
            good,
            worse,
            verdict: verdict(self.failed, enough && good >= needed),
            step_gate: !self.failed && enough && coarse.is_some_and(|coarse| coarse >= needed),
            used: seen.used,
            totals: seen.totals,
        })
    }
}

impl Kept for Quality {
    const KIND: u8 = 1;

    fn keep(&mut self, fields: &mut dyn Fields) {
        fields.flag(&mut self.failed);
        self.counted.keep(fields);
    }
}
