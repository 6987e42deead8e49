//! Numbers for people. They decide nothing.

use super::{Block, Count, Line, Point, QualityBounds};

/// The least loss that an interval is made for.
const LEAST_DROP: f64 = 0.01;

/// An interval that covers the truth at every look at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate in its middle.
    pub estimate: f64,
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

/// Canary's share less stable's, if both have events. Robbins' normal mixture (Statistical methods related to the law
/// of the iterated logarithm, Annals of Mathematical Statistics 41, 1970) for an effect of two drops.
pub fn difference(totals: &Block, phi: f64, bounds: &QualityBounds) -> Option<Interval> {
    let estimate = totals.canary.share()? - totals.stable.share()?;
    let variance = phi * (totals.canary.variance() + totals.stable.variance());
    let effect = 2.0 * bounds.max_drop.unwrap_or(0.0).max(LEAST_DROP);
    let square = effect * effect;
    let sum = variance + square;
    let half = (2.0 * variance * sum / square * ((sum / variance).sqrt() / bounds.alpha).ln()).sqrt();
    let interval = Interval { estimate, lower: estimate - half, upper: estimate + half };
    half.is_finite().then_some(interval)
}

/// How many more canary answers a pass needs if all goes on as it did, where `good` is ln E so far. None without a
/// drop, without events of both, and if the canary loses more than the drop.
pub fn answers_to_go(totals: &Block, phi: f64, bounds: &QualityBounds, good: f64) -> Option<f64> {
    let from = Point { stable: totals.stable.share()?, canary: totals.canary.share()? };
    let line = Line { slope: 1.0, offset: -bounds.max_drop? };
    if from.canary <= line.at(from.stable) {
        return None;
    }
    let events = Point { stable: totals.stable.events, canary: totals.canary.events };
    let nearest = line.nearest(from, events);
    let growth = events.stable / events.canary * divergence(from.stable, nearest.stable)
        + divergence(from.canary, nearest.canary);
    let answers = phi * (-bounds.alpha.ln() - good) / growth;
    answers.is_finite().then(|| answers.max(0.0))
}

/// About how many canary answers a pass takes if both versions have `share`, and the canary gets `weight` percent of
/// the answers. In 95 of 100 runs it is done within 2.5 times that. None without a drop or without weight.
pub fn answers_expected(share: f64, weight: f64, bounds: &QualityBounds) -> Option<f64> {
    let drop = bounds.max_drop?;
    let ratio = weight / (100.0 - weight);
    let answers = -1.5 * bounds.alpha.ln() * 2.0 * share * (1.0 - share) * (1.0 + ratio) / (drop * drop);
    (weight > 0.0 && answers.is_finite()).then_some(answers)
}

impl Count {
    /// Variance of the share, with one event more on either side so that it is never 0.
    fn variance(self) -> f64 {
        let share = (self.hits + 1.0) / (self.events + 2.0);
        share * (1.0 - share) / self.events
    }
}

/// Relative entropy of two events, in nats.
fn divergence(from: f64, to: f64) -> f64 {
    let part = |from: f64, to: f64| if from > 0.0 { from * (from / to).ln() } else { 0.0 };
    (part(from, to) + part(1.0 - from, 1.0 - to)).max(0.0)
}
