//! One question, several bets: products of e-values for each alternative, and their mean.

use super::checkpoint::Fields;

/// Most alternatives of one question.
pub(super) const MOST: usize = 6;
/// Part of the stake that is bet from the first block on, if starts are mixed.
const FIRST: f64 = 0.9;
/// Part that is kept for later starts: the t-th block gets 1/(t(t − 1)) of it, so that 1/t is still to come.
const LATER: f64 = 0.1;
/// No logarithm goes beyond this, so that nothing ever overflows.
const CAP: f64 = 1e6;

/// When betting begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With the first block: the past is kept, so late doubt costs.
    Fixed,
    /// With each block, one part of the stake after the other: a version that breaks late is found as fast as one that
    /// was always broken, for a tenth of a nat.
    Mixed,
}

/// The products of all alternatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bets {
    weights: &'static [f64],
    start: Start,
    /// Blocks that were bet on.
    used: u32,
    /// Logarithm of each product; of mixed starts their sum so far.
    logs: [f64; MOST],
}

impl Bets {
    /// No bet yet. Of `weights` at most [`MOST`] count; they need not sum to 1.
    pub const fn new(weights: &'static [f64], start: Start) -> Self {
        Self { weights, start, used: 0, logs: [0.0; MOST] }
    }

    /// How many there are.
    pub fn alternatives(&self) -> usize {
        self.weights.len()
    }

    /// Adds one block: the logarithm of each alternative's e-value.
    pub fn add(&mut self, gains: &[f64; MOST]) {
        self.used = self.used.saturating_add(1);
        let fresh = self.fresh_mass().ln();
        for ((log, gain), _) in self.logs.iter_mut().zip(gains).zip(self.weights) {
            let before = match self.start {
                Start::Fixed => *log,
                Start::Mixed if self.used == 1 => fresh,
                Start::Mixed => {
                    let (low, high) = (log.min(fresh), log.max(fresh));
                    high + (low - high).exp().ln_1p()
                }
            };
            *log = (before + gain).clamp(-CAP, CAP);
        }
    }

    /// What the block that is being added starts with.
    fn fresh_mass(&self) -> f64 {
        let used = f64::from(self.used);
        if self.used <= 1 { FIRST } else { LATER / (used * (used - 1.0)) }
    }

    /// ln E: of the weighted mean of all products, and of what is not bet yet. 0 before the first block.
    pub fn log_evidence(&self) -> f64 {
        if self.used == 0 {
            return 0.0;
        }
        let unspent = match self.start {
            Start::Fixed => f64::NEG_INFINITY,
            Start::Mixed => (LATER / f64::from(self.used)).ln(),
        };
        let terms = || self.logs.iter().zip(self.weights);
        let largest = terms().fold(unspent, |largest, (log, _)| largest.max(*log));
        let total: f64 = self.weights.iter().sum();
        let spent: f64 = terms().map(|(log, weight)| weight / total * (log - largest).exp()).sum();
        largest + (spent + (unspent - largest).exp()).ln()
    }

    /// What a checkpoint keeps.
    pub fn keep(&mut self, fields: &mut dyn Fields) {
        fields.count(&mut self.used);
        for (log, _) in self.logs.iter_mut().zip(self.weights) {
            fields.number(log);
        }
    }
}

/// ln of the mean of some E, given their logarithms; 0 if there are none.
pub(super) fn log_of_mean(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    let (sum, number) =
        logs.fold((0.0, 0.0), |(sum, number), log| (sum + (log - largest).exp(), number + 1.0));
    if number > 0.0 { largest + (sum / number).ln() } else { 0.0 }
}
