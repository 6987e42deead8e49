//! One line, one alternative, one block: the nearest point, and the evidence.

use super::{Block, Count};

/// How close to 0 or 1 a share of a line's point may come.
const EDGE: f64 = 1e-12;
/// How close to 0 or 1 the shares of an alternative may come.
const NEAREST_TO_SURE: f64 = 1e-6;
/// Newton's steps; few are usual.
const STEPS: u32 = 100;
/// Where its steps stop, relative to the unknown.
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
    pub fn nearest(self, from: Point, events: Point) -> Point {
        let off = self.nearest_off(from, events);
        Point { stable: from.stable + off.stable, canary: from.canary + off.canary }
    }

    /// The same as how far it is off `from`. The point is all but at the share of a version that has most events, and
    /// the difference would be lost if the shares were kept instead.
    ///
    /// The derivative of the distance only rises, so its root is bracketed by stable's own share and by where the line
    /// has the canary's. Newton's step is taken where it stays in between, and half the bracket where not.
    fn nearest_off(self, from: Point, events: Point) -> Point {
        let gap = from.canary - self.at(from.stable);
        if self.is_absolute() {
            return Point { stable: 0.0, canary: -gap };
        }
        let slope = self.slope;
        let precision = |share: f64, events: f64| events / (within(share) * (1.0 - within(share)));
        let stable = precision(from.stable, events.stable);
        let canary = slope * slope * precision(from.canary, events.canary);
        // The unknown is how far the point is off the version that holds it faster.
        let by_stable = stable >= canary;
        let off = |z: f64| {
            if by_stable {
                Point { stable: z, canary: slope * z - gap }
            } else {
                Point { stable: (z + gap) / slope, canary: z }
            }
        };
        let unknown = |u: f64| if by_stable { u - from.stable } else { slope * (u - from.stable) - gap };
        let (one, other) = if by_stable { (0.0, gap / slope) } else { (-gap, 0.0) };
        let lowest = unknown((-self.offset / slope).max(0.0) + EDGE);
        let highest = unknown(((1.0 - self.offset) / slope).min(1.0) - EDGE);
        let (mut low, mut high) = (one.min(other).max(lowest), one.max(other).min(highest));
        if low >= high {
            return off(low.min(highest));
        }
        let mut z = ((stable * one + canary * other) / (stable + canary)).max(low).min(high);
        for _ in 0..STEPS {
            let (pull, rise) = self.pull(from, events, off(z));
            if pull > 0.0 {
                high = z;
            } else {
                low = z;
            }
            let newton = z - pull / rise * if by_stable { 1.0 } else { slope };
            let next = if (low..=high).contains(&newton) { newton } else { f64::midpoint(low, high) };
            let done = (next - z).abs() <= CLOSE * z.abs();
            z = next;
            if done {
                break;
            }
        }
        off(z)
    }

    /// The derivative of the distance by u, and the derivative's own.
    fn pull(self, from: Point, events: Point, off: Point) -> (f64, f64) {
        let one = |from: f64, off: f64| {
            let (at, rest) = (from + off, 1.0 - from - off);
            (off / (at * rest), from / (at * at) + (1.0 - from) / (rest * rest))
        };
        let (stable, canary) = (one(from.stable, off.stable), one(from.canary, off.canary));
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
        let events = Point { stable: stable.events, canary: canary.events };
        let off = self.nearest_off(alternative, events);
        // Of an absolute line stable's part is 0.
        canary.log_ratio(alternative.canary, off.canary) + stable.log_ratio(alternative.stable, off.stable)
    }
}

impl Count {
    /// ln of how many times likelier it is with this share than with one that is so far off.
    fn log_ratio(self, share: f64, off: f64) -> f64 {
        self.hits * log_quotient(share, off) + (self.events - self.hits) * log_quotient(1.0 - share, -off)
    }
}

/// ln(x/(x + off)), without loss where `off` is small.
fn log_quotient(x: f64, off: f64) -> f64 {
    let relative = off / x;
    if relative.abs() < 0.5 { -relative.ln_1p() } else { (x / (x + off)).ln() }
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
