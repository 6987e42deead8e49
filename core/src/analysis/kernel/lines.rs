//! The lines that checks have: which alternatives each bets on, and when betting begins.

use super::Block;
use super::bets::{Bets, MOST, Start};
use super::checkpoint::Fields;
use super::line::{Line, Point, Side, expit, logit, within};

/// The least loss that is looked for where none is allowed.
const LEAST_DROP: f64 = 0.01;
/// How much of the drop a step of the weight must be proven within, in drops.
const COARSE: f64 = 2.5;

/// Shares between which a version is compared with stable.
const LEAST_COMPARED: f64 = 0.00001;
const MOST_COMPARED: f64 = 0.999;

const GOOD: &[f64] = &[1.0, 3.0, 2.0, 1.0];
const WORSE: &[f64] = &[2.0, 3.0, 2.5, 2.0, 1.5, 1.0];
const FLOOR: &[f64] = &[2.0, 2.0, 2.0, 1.0, 1.0, 1.0];
const LIMIT: &[f64] = &[1.0; 5];

/// How far from the line the first alternative is, in logits; each further one is twice as far.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spacing {
    /// Half of what this loss is at stable's share.
    FromStable(f64),
    /// Half of what it is at the line.
    FromLine(f64),
    /// So much.
    Even(f64),
}

/// A line with its bets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tested {
    line: Line,
    side: Side,
    spacing: Spacing,
    bets: Bets,
}

/// What is known before a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Before {
    /// Stable's share.
    pub share: f64,
    /// Whether stable is known well enough for this block.
    pub known: bool,
    /// φ, at least 1.
    pub phi: f64,
}

impl Tested {
    /// That the canary loses less than `drop`.
    pub fn good_drop(drop: f64) -> Self {
        let margin = if drop > 0.0 { drop } else { LEAST_DROP };
        let line = Line { slope: 1.0, offset: -drop };
        Self::new(line, Side::Above, Spacing::FromStable(margin), Bets::new(GOOD, Start::Fixed))
    }

    /// That it loses less than two and a half drops: enough for a step of the weight.
    pub fn coarse(drop: f64) -> Self {
        Self::good_drop(COARSE * drop.max(LEAST_DROP))
    }

    /// That it loses more than half a drop.
    pub fn worse_drop(drop: f64) -> Self {
        let line = Line { slope: 1.0, offset: -drop / 2.0 };
        let spacing = Spacing::FromLine(drop.max(LEAST_DROP));
        Self::new(line, Side::Below, spacing, Bets::new(WORSE, Start::Mixed))
    }

    /// That its share is above a floor.
    pub fn above_floor(min: f64) -> Self {
        Self::new(absolute(min), Side::Above, Spacing::Even(0.1), Bets::new(FLOOR, Start::Fixed))
    }

    /// That it is below a floor.
    pub fn below_floor(min: f64) -> Self {
        Self::new(absolute(min), Side::Below, Spacing::Even(0.1), Bets::new(FLOOR, Start::Mixed))
    }

    /// That it is beyond a limit.
    pub fn beyond(limit: f64, side: Side) -> Self {
        Self::limit(absolute(limit), side)
    }

    /// That it is above so many times stable's.
    pub fn above_ratio(ratio: f64) -> Self {
        Self::limit(Line { slope: ratio, offset: 0.0 }, Side::Above)
    }

    /// That it is beyond a line through the origin; each look says which. A fifth of a share that is small is 0.2 logits.
    pub fn beside(side: Side) -> Self {
        let line = Line { slope: 1.0, offset: 0.0 };
        Self::new(line, side, Spacing::Even(0.1), Bets::new(LIMIT, Start::Mixed))
    }

    fn limit(line: Line, side: Side) -> Self {
        Self::new(line, side, Spacing::Even(0.4), Bets::new(LIMIT, Start::Mixed))
    }

    fn new(line: Line, side: Side, spacing: Spacing, bets: Bets) -> Self {
        Self { line, side, spacing, bets }
    }

    /// The same bets, from now on about another limit.
    pub fn move_limit(&mut self, limit: f64) {
        self.line = absolute(limit);
    }

    /// The same bets, from now on about another ratio to stable's share.
    pub fn tilt(&mut self, slope: f64) {
        self.line = Line { slope, offset: 0.0 };
    }

    /// Bets on one block. Says whether the line could use it: it needs events of the canary, and a line that compares
    /// needs events of a stable that is known, and not to run where shares are all but sure.
    pub fn look(&mut self, block: &Block, before: Before) -> bool {
        if block.canary.events <= 0.0 || !self.line.is_absolute() && !self.compares(block, before) {
            return false;
        }
        let center = within(self.line.at(before.share));
        let mut gap = self.first_gap(before.share, center);
        let mut gains = [0.0; MOST];
        for gain in gains.iter_mut().take(self.bets.alternatives()) {
            let canary = within(expit(logit(center) + self.side.sign() * gap));
            let alternative = Point { stable: before.share, canary };
            *gain = self.line.evidence(self.side, alternative, block) / before.phi;
            gap *= 2.0;
        }
        self.bets.add(&gains);
        true
    }

    /// Whether a block speaks for a version that this line does not speak against: the line could use it, or runs so high
    /// that nothing can be above it.
    pub fn hears(&self, block: &Block, before: Before) -> bool {
        let beyond_all = self.side == Side::Above && self.line.at(before.share) > MOST_COMPARED;
        self.line.is_absolute() || self.compares(block, before) || before.known && beyond_all
    }

    fn compares(&self, block: &Block, before: Before) -> bool {
        before.known
            && block.stable.events > 0.0
            && (LEAST_COMPARED..=MOST_COMPARED).contains(&self.line.at(before.share))
    }

    fn first_gap(&self, share: f64, center: f64) -> f64 {
        let half = |from: f64, margin: f64| {
            (logit(within(from)) - logit(within(from - margin))).clamp(0.01, 2.0) / 2.0
        };
        match self.spacing {
            Spacing::FromStable(margin) => half(share, margin),
            Spacing::FromLine(margin) => half(center, margin),
            Spacing::Even(gap) => gap,
        }
    }

    /// ln E.
    pub fn log_evidence(&self) -> f64 {
        self.bets.log_evidence()
    }

    pub fn keep(&mut self, fields: &mut dyn Fields) {
        self.bets.keep(fields);
    }
}

fn absolute(limit: f64) -> Line {
    Line { slope: 0.0, offset: limit }
}
