//! From totals to a finding: what the counts of two versions prove, at whatever look.
//!
//! The rule is a confidence sequence: an interval that covers the truth at *all* looks at once with probability
//! 1 − α, so that looking often costs nothing. It is Robbins' normal mixture (Statistical methods related to the law of
//! the iterated logarithm, Annals of Mathematical Statistics 41, 1970) in the form that Johari, Koomen, Pekelis and
//! Walsh use for rates (Always valid inference, Operations Research 70, 2022): with an estimate δ of variance V, and τ
//! the size of the effect that is looked for, fixed beforehand,
//!
//! ```text
//! δ ± √( 2 V (V + τ²) / τ² · ln( √((V + τ²) / V) / α ) )
//! ```
//!
//! covers it. V is estimated with one event more on either side, p̃ = (k + 1)/(n + 2), so that it is never 0, and for
//! quality not below what it is at the bound: a hundred right answers of a hundred have next to no variance, and
//! promoted a canary of 0.97 against 0.99 in 8 % of runs. The sequence is exact for normal events; that it holds for
//! others, also for few and for shares near 0 and 1, the simulations in this module's tests show. Blocks are added up
//! whatever the weight was: a share that drifts in both versions while the weight changes looks like a difference.
//!
//! The sequential test of likelihood ratios (lines, mixtures, dispersion) is to replace the inside of [`quality`] and
//! [`guardrail`]. Callers only see a [`Finding`].

/// Canary answers without which quality never fails; stable's too.
const LEAST_ANSWERS: f64 = 20.0;
/// Canary requests without which a guardrail never fails.
const LEAST_REQUESTS: f64 = 10.0;
/// Effect that guardrails look for. With a share of 0.02, as for quality, ten failures of ten would prove nothing yet.
const GUARDRAIL_EFFECT: f64 = 0.1;
/// Standard errors by which a canary's bad events may exceed its bound and still pass: single failures of a version
/// whose stable has none are not a ratio of infinity.
const SLACK: f64 = 2.0;

/// Events of one version: `hits` of `events`. Reals, for an average over samples times their number is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    /// Events that are counted: right answers, or failed requests.
    pub hits: f64,
    /// All of them.
    pub events: f64,
}

impl Count {
    /// hits / events; none without events.
    pub fn share(self) -> Option<f64> {
        (self.events > 0.0).then(|| self.hits / self.events)
    }

    /// p̃ = (k + 1)/(n + 2).
    fn tilde(self) -> f64 {
        (self.hits + 1.0) / (self.events + 2.0)
    }

    /// Variance of the share: p̃(1 − p̃)/n.
    fn variance(self) -> f64 {
        self.variance_at(self.tilde())
    }

    /// Its variance if the truth is at least as dispersed as at `bound`. A hundred right answers of a hundred look as
    /// if there were no variance at all; at the bound that they are to be proven above there is.
    fn variance_near(self, bound: f64) -> f64 {
        self.variance().max(self.variance_at(bound.clamp(0.0, 1.0)))
    }

    fn variance_at(self, p: f64) -> f64 {
        p * (1.0 - p) / self.events.max(1.0)
    }
}

/// An interval that covers the truth at every look at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    /// The estimate in its middle.
    pub estimate: f64,
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

impl Interval {
    /// The sequence of this module's first page for an estimate of that variance. `variance` > 0, `effect` > 0,
    /// 0 < `alpha` < 1.
    fn new(estimate: f64, variance: f64, effect: f64, alpha: f64) -> Self {
        let square = effect * effect;
        let sum = variance + square;
        let half = (2.0 * variance * sum / square * ((sum / variance).sqrt() / alpha).ln()).sqrt();
        Self { estimate, lower: estimate - half, upper: estimate + half }
    }

    /// Of one share that is compared with `bound`, if any.
    fn own(count: Count, bound: Option<f64>, effect: f64, alpha: f64) -> Option<Self> {
        let variance = bound.map_or_else(|| count.variance(), |bound| count.variance_near(bound));
        Some(Self::new(count.share()?, variance, effect, alpha))
    }

    /// Of the canary's share less stable's, where a loss of `drop` is the bound.
    fn less(canary: Count, stable: Count, drop: f64, effect: f64, alpha: f64) -> Option<Self> {
        let variance = canary.variance_near(stable.tilde() - drop) + stable.variance();
        Some(Self::new(canary.share()? - stable.share()?, variance, effect, alpha))
    }

    /// Of the canary's share less `ratio` times stable's: V = `V_c` + ratio² `V_s`.
    fn times(canary: Count, stable: Count, ratio: f64, effect: f64, alpha: f64) -> Option<Self> {
        let variance = canary.variance() + ratio * ratio * stable.variance();
        Some(Self::new(canary.share()? - ratio * stable.share()?, variance, effect, alpha))
    }
}

/// Both versions' events since evidence began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// The live version's.
    pub stable: Count,
    /// The judged version's.
    pub canary: Count,
}

/// What quality must prove. Shares of right answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct QualityBounds {
    /// How much worse than stable is still good, 0 to 0.5; none while only the floor is judged.
    pub max_drop: Option<f64>,
    /// The floor.
    pub min: Option<f64>,
    /// Canary answers needed to pass.
    pub min_samples: f64,
    /// Accepted share of wrong decisions, each way.
    pub alpha: f64,
}

/// What a guardrail must not show. Shares of bad events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GuardrailBounds {
    /// Limit of the canary's share.
    pub max: Option<f64>,
    /// Limit of its ratio to stable's; none while only `max` is judged.
    pub max_ratio: Option<f64>,
    /// Canary requests needed to pass.
    pub min_requests: f64,
    /// Accepted share of wrong rollbacks by this guardrail: the analysis' divided by the number of guardrails.
    pub alpha: f64,
}

/// A bound that was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Compared with stable: `maxDrop`, or `maxRatio`.
    Relative,
    /// `min`, or `max`.
    Absolute,
}

/// What the totals prove.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    /// Beyond which bound the canary is proven to be.
    pub beyond: Option<Line>,
    /// Whether it is within all bounds and has enough events.
    pub within: bool,
    /// Whether it has enough events.
    pub enough: bool,
    /// Canary's share less stable's, if both have events.
    pub difference: Option<Interval>,
    /// Canary's own share, if it has events.
    pub own: Option<Interval>,
}

/// Judges quality.
///
/// It is within its bounds if the loss is proven to be at most `maxDrop`, and the canary proven above `min`. It is
/// beyond them if the loss is proven to be at least half of `maxDrop` (any loss at all if that is 0), or the canary
/// proven below `min`: between half a drop and a drop, what is proven first is done. τ = 2 · max(maxDrop, 0.01).
pub(super) fn quality(totals: Totals, bounds: QualityBounds) -> Finding {
    let Totals { stable, canary } = totals;
    let effect = 2.0 * bounds.max_drop.unwrap_or(0.0).max(0.01);
    let difference = Interval::less(canary, stable, bounds.max_drop.unwrap_or(0.0), effect, bounds.alpha);
    let own = Interval::own(canary, bounds.min, effect, bounds.alpha);
    let worse = |drop: f64, upper: f64| if drop > 0.0 { upper <= -drop / 2.0 } else { upper < 0.0 };
    let enough_to_fail = canary.events >= LEAST_ANSWERS;
    let relative = enough_to_fail
        && stable.events >= LEAST_ANSWERS
        && bounds.max_drop.zip(difference).is_some_and(|(drop, d)| worse(drop, d.upper));
    let absolute = enough_to_fail && bounds.min.zip(own).is_some_and(|(min, own)| own.upper < min);
    let enough = canary.events >= bounds.min_samples;
    let good_drop = bounds.max_drop.is_none_or(|drop| difference.is_some_and(|d| d.lower >= -drop));
    let good_floor = bounds.min.is_none_or(|min| own.is_some_and(|own| own.lower >= min));
    Finding {
        beyond: line(relative, absolute),
        within: enough && good_drop && good_floor && !relative && !absolute,
        enough,
        difference,
        own,
    }
}

/// Judges a guardrail.
///
/// It is beyond its bound if the canary's share is proven above `max`, or above `maxRatio` times stable's; for either
/// it must have ten requests. It is within if it has `minRequests`, its share is at most `max`, and
/// not more than two standard errors above `maxRatio` times stable's. τ = 0.1.
pub(super) fn guardrail(totals: Totals, bounds: GuardrailBounds) -> Finding {
    let Totals { stable, canary } = totals;
    let own = Interval::own(canary, None, GUARDRAIL_EFFECT, bounds.alpha);
    let enough_to_fail = canary.events >= LEAST_REQUESTS;
    let absolute = enough_to_fail && bounds.max.zip(own).is_some_and(|(max, own)| own.lower > max);
    let ratio = bounds.max_ratio.and_then(|r| {
        let interval = Interval::times(canary, stable, r, GUARDRAIL_EFFECT, bounds.alpha)?;
        let error = (canary.variance() + r * r * stable.variance()).sqrt();
        Some((interval, error))
    });
    let relative = enough_to_fail && ratio.is_some_and(|(interval, _)| interval.lower > 0.0);
    let good_ratio =
        bounds.max_ratio.is_none() || ratio.is_some_and(|(i, error)| i.estimate <= SLACK * error);
    let good_max = bounds.max.is_none_or(|max| own.is_some_and(|own| own.estimate <= max));
    let enough = canary.events >= bounds.min_requests && canary.events > 0.0;
    Finding {
        beyond: line(relative, absolute),
        within: enough && good_ratio && good_max && !relative && !absolute,
        enough,
        difference: Interval::times(canary, stable, 1.0, GUARDRAIL_EFFECT, bounds.alpha),
        own,
    }
}

fn line(relative: bool, absolute: bool) -> Option<Line> {
    match (relative, absolute) {
        (true, _) => Some(Line::Relative),
        (false, true) => Some(Line::Absolute),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
