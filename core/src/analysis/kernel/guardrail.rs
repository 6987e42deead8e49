//! A guardrail: has the canary more bad events than it may?

use super::bets::log_of_mean;
use super::checkpoint::{Fields, Kept};
use super::counted::Counted;
use super::line::Side;
use super::lines::Tested;
use super::{Block, Count, Refused, bound, finite, verdict};
use crate::api::evidence::Verdict;

/// Stable's events that are remembered: bad ones are rare.
const REMEMBERED: f64 = 20_000.0;
/// Canary requests without which a guardrail never fails.
const LEAST_REQUESTS: f64 = 10.0;

/// What a guardrail must not show. Shares of bad events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardrailBounds {
    /// Limit of the canary's share, 0.0001 to 0.9999.
    pub max: Option<f64>,
    /// Limit of its ratio to stable's, 0.01 to 10,000.
    pub max_ratio: Option<f64>,
    /// E that a failure needs: number of enforced guardrails / α, at least 1. No logarithm.
    pub needed: f64,
    /// Canary requests needed to pass.
    pub min_requests: f64,
    /// Blocks with canary requests in a row that must show it, at least 1.
    pub failure_limit: u32,
    /// φ, 1 to 1,000; none if stable's own blocks tell it.
    pub dispersion: Option<f64>,
}

/// A guardrail between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guardrail {
    bounds: GuardrailBounds,
    in_a_row: u32,
    failed: bool,
    /// Requests of the canary in blocks that each bound could be held against.
    heard: f64,
    /// Above the limit, and above the ratio.
    counted: Counted<2>,
}

/// What a look at a guardrail found. All evidence is ln E.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardrailFinding {
    /// Stable's share that was expected before the block.
    pub share: f64,
    /// φ before the block.
    pub phi: f64,
    /// That the canary's share is above `max`.
    pub max: Option<f64>,
    /// That it is above `max_ratio` times stable's.
    pub max_ratio: Option<f64>,
    /// That it is beyond a bound: of the mean of both.
    pub worse: f64,
    /// Failure is latched, a pass is not.
    pub verdict: Verdict,
    /// Whether any line could use the block.
    pub used: bool,
    /// Requests of the canary in blocks that each bound could be held against, since evidence began.
    pub heard: f64,
    /// Events since evidence began.
    pub totals: Block,
}

impl Guardrail {
    /// A check without evidence.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is out of its range, [`Refused::NotANumber`] if `min_requests` is none.
    pub fn new(bounds: GuardrailBounds) -> Result<Self, Refused> {
        bound("max", bounds.max, 0.0001, 0.9999)?;
        bound("maxRatio", bounds.max_ratio, 0.01, 10_000.0)?;
        bound("needed", bounds.needed, 1.0, 1e15)?;
        finite(bounds.min_requests)?;
        let max = bounds.max.map(|max| Tested::beyond(max, Side::Above));
        let lines = [max, bounds.max_ratio.map(Tested::above_ratio)];
        let counted = Counted::new(REMEMBERED, bounds.dispersion, lines)?;
        Ok(Self { bounds, in_a_row: 0, failed: false, heard: 0.0, counted })
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
    pub fn look(&mut self, block: Block) -> Result<GuardrailFinding, Refused> {
        let mut next = *self;
        let seen = next.counted.look(&block.checked()?)?;
        let [max, max_ratio] = seen.logs;
        let worse = finite(log_of_mean(seen.logs.into_iter().flatten()))?;
        if seen.heard {
            next.heard = finite(self.heard + block.canary.events)?;
        }
        // A block without requests neither counts nor breaks the row.
        if block.canary.events > 0.0 {
            let enough = seen.totals.canary.events >= LEAST_REQUESTS;
            let shown = enough && worse >= self.bounds.needed.ln();
            next.in_a_row = if shown { self.in_a_row.saturating_add(1) } else { 0 };
        }
        next.failed |= next.in_a_row >= self.bounds.failure_limit.max(1);
        *self = next;
        Ok(GuardrailFinding {
            share: seen.before.share,
            phi: seen.before.phi,
            max,
            max_ratio,
            worse,
            verdict: verdict(self.failed, self.passes(worse, &seen.totals)),
            used: seen.used,
            heard: self.heard,
            totals: seen.totals,
        })
    }

    /// Nothing speaks against it, and there was enough to speak. What no bound could be held against, as the first block
    /// beside a stable of which nothing was known, says nothing for it.
    fn passes(&self, worse: f64, totals: &Block) -> bool {
        let Block { stable, canary } = totals;
        let enough = self.heard >= self.bounds.min_requests.max(1.0);
        let below = self.bounds.max.is_none_or(|max| canary.share().is_some_and(|share| share <= max));
        let comparable = self.bounds.max_ratio.is_none() || stable.events > 0.0;
        let judged = self.bounds.max.is_some() || self.bounds.max_ratio.is_some();
        judged && enough && worse <= 0.0 && below && comparable
    }
}

impl Kept for Guardrail {
    const KIND: u8 = 2;

    fn keep(&mut self, fields: &mut dyn Fields) {
        fields.count(&mut self.in_a_row);
        fields.flag(&mut self.failed);
        fields.number(&mut self.heard);
        self.counted.keep(fields);
    }
}
