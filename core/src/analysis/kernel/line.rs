//! One line, one alternative, one block: the nearest point, and the evidence.

use super::{Block, Count};

/// How close to 0 or 1 a share of a line's point may come.
const EDGE: f64 = 1e-12;
/// How close to 0 or 1 the shares of an alternative may come.
const NEAREST_TO_SURE: f64 = 1e-6;
/// Newton's steps; a dozen are usual.
const STEPS: u32 = 100;
/// Where its steps stop, relative to the share.
const CLOSE: f64 = 1e-15;

/// `θ_c = slope·θ_s + offset`, slope at least 0. With slope 0 stable plays no part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// How much of stable's share.
    pub slope: f64,
    /// And how much more.
    pub offset: f64,
}

/// Shares of both versions, or any other two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The live version's.
    pub stable: f64,
    /// The judged version's.
    pub canary: f64,
}

/// What evidence is for: that the canary's share is beyond a line on this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Higher than the line.
    Above,
    /// Lower than it.
    Below,
}

impl Side {
    /// 1 above, −1 below.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Above => 1.0,
            Self::Below => -1.0,
        }
    }
}

impl Line {
    /// The canary's share at that of stable.
    pub fn at(self, stable: f64) -> f64 {
        self.slope * stable + self.offset
    }

    /// Whether only the canary counts.
    pub fn is_absolute(self) -> bool {
        self.slope <= 0.0
    }

    /// The point of the line that is nearest to `from`, both shares in (0, 1): the one that minimises
    /// `n_s·KL(p‖u) + n_c·KL(q‖v)`, where `events` are n. Exact to rounding.
    ///
    /// The derivative by u only rises, so its root is bracketed by stable's own share and by where the line has the
    /// canary's. Newton's step is taken where it stays in between, and half the bracket where not.
    pub fn nearest(self, from: Point, events: Point) -> Point {
        if self.is_absolute() {
            return Point { stable: from.stable, canary: self.offset };
        }
        let lowest = (-self.offset / self.slope).max(0.0) + EDGE;
        let highest = ((1.0 - self.offset) / self.slope).min(1.0) - EDGE;
        let across = (from.canary - self.offset) / self.slope;
        let mut low = from.stable.min(across).max(lowest);
        let mut high = from.stable.max(across).min(highest);
        if low >= high {
            return self.point(low.min(highest));
        }
        let mut u = self.first_guess(from, across, events).max(low).min(high);
        for _ in 0..STEPS {
            let (pull, rise) = self.pull(from, events, u);
            if pull > 0.0 {
                high = u;
            } else {
                low = u;
            }
            let newton = u - pull / rise;
            let next = if (low..=high).contains(&newton) { newton } else { f64::midpoint(low, high) };
            let done = (next - u).abs() <= CLOSE * u;
            u = next;
            if done {
                break;
            }
        }
        self.point(u)
    }

    fn point(self, stable: f64) -> Point {
        Point { stable, canary: self.at(stable) }
    }

    /// The mean of both ends of the bracket, weighted with the precision of each version's count.
    fn first_guess(self, from: Point, across: f64, events: Point) -> f64 {
        let precision = |share: f64, events: f64| events / (within(share) * (1.0 - within(share)));
        let stable = precision(from.stable, events.stable);
        let canary = self.slope * self.slope * precision(from.canary, events.canary);
        (stable * from.stable + canary * across) / (stable + canary)
    }

    /// The derivative of the distance at u, and the derivative's own.
    fn pull(self, from: Point, events: Point, u: f64) -> (f64, f64) {
        let v = self.at(u);
        let one = |at: f64, from: f64| {
            let other = 1.0 - at;
            ((at - from) / (at * other), from / (at * at) + (1.0 - from) / (other * other))
        };
        let (stable, canary) = (one(u, from.stable), one(v, from.canary));
        let slope = self.slope;
        (
            events.stable * stable.0 + slope * events.canary * canary.0,
            events.stable * stable.1 + slope * slope * events.canary * canary.1,
        )
    }

    /// ln of the e-value of one block for one alternative, both shares in (0, 1) and fixed before the block. 0 if the
    /// alternative is not beyond the line on that side, or a version that the line needs has no events.
    pub fn evidence(self, side: Side, alternative: Point, block: &Block) -> f64 {
        let Block { stable, canary } = block;
        let beyond = side.sign() * (alternative.canary - self.at(alternative.stable));
        if beyond <= 0.0 || canary.events <= 0.0 || !self.is_absolute() && stable.events <= 0.0 {
            return 0.0;
        }
        let null = self.nearest(alternative, Point { stable: stable.events, canary: canary.events });
        let own = canary.log_ratio(alternative.canary, null.canary);
        if self.is_absolute() { own } else { own + stable.log_ratio(alternative.stable, null.stable) }
    }
}

impl Count {
    /// ln of how many times likelier it is with the one share than with the other.
    fn log_ratio(self, one: f64, other: f64) -> f64 {
        let more = one - other;
        self.hits * log_quotient(other, more) + (self.events - self.hits) * log_quotient(1.0 - other, -more)
    }
}

/// ln((x + more)/x), without loss where `more` is small.
fn log_quotient(x: f64, more: f64) -> f64 {
    let relative = more / x;
    if relative.abs() < 0.5 { relative.ln_1p() } else { ((x + more) / x).ln() }
}

/// A share that is neither impossible nor sure.
pub(super) fn within(share: f64) -> f64 {
    share.clamp(NEAREST_TO_SURE, 1.0 - NEAREST_TO_SURE)
}

/// ln(p/(1 − p)).
pub(super) fn logit(share: f64) -> f64 {
    share.ln() - (-share).ln_1p()
}

/// The share that has this logit.
pub(super) fn expit(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}
