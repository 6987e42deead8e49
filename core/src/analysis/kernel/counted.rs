//! What checks of counted events have in common: their lines, and what is known before each block.

use super::checkpoint::Fields;
use super::lines::{Before, Tested};
use super::{Baseline, Block, Count, Dispersion, Refused, bound, finite};

/// Up to `N` lines about the same blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counted<const N: usize> {
    baseline: Baseline,
    dispersion: Dispersion,
    /// φ, if it is told.
    fixed: Option<f64>,
    totals: Block,
    lines: [Option<Tested>; N],
}

/// What a block brought.
pub(super) struct Seen<const N: usize> {
    /// What was known before it.
    pub before: Before,
    /// Whether any line could use it.
    pub used: bool,
    /// Whether each line would have spoken up.
    pub heard: bool,
    /// ln E of each line.
    pub logs: [Option<f64>; N],
    /// All events so far.
    pub totals: Block,
}

impl<const N: usize> Counted<N> {
    /// Without evidence. `remembered` of stable's events tell its share; `fixed` is φ, 1 to 1,000.
    pub fn new(remembered: f64, fixed: Option<f64>, lines: [Option<Tested>; N]) -> Result<Self, Refused> {
        bound("dispersion", fixed, 1.0, 1000.0)?;
        let (baseline, dispersion) = (Baseline::new(remembered), Dispersion::default());
        Ok(Self { baseline, dispersion, fixed, totals: Block::default(), lines })
    }

    /// The share to expect of stable's next block.
    pub fn share(&self) -> f64 {
        self.baseline.share()
    }

    /// Forgets what was proven of the canary, not what is known of stable.
    pub fn begin_anew(&mut self, lines: [Option<Tested>; N]) {
        (self.totals, self.lines) = (Block::default(), lines);
    }

    /// Turns each line about the origin before the next block.
    pub fn tilt(&mut self, slopes: [f64; N]) {
        for (line, slope) in self.lines.iter_mut().zip(slopes) {
            if let Some(line) = line {
                line.tilt(slope);
            }
        }
    }

    /// Adds a block of stable's to what is known.
    pub fn learn(&mut self, stable: Count) -> Result<(), Refused> {
        let share = self.baseline.share();
        self.baseline.add(stable)?;
        self.dispersion.add(stable, share)
    }

    /// Bets on a block with what was known before it, and only then learns from it. Refused, it may have changed.
    pub fn look(&mut self, block: &Block) -> Result<Seen<N>, Refused> {
        let before = Before {
            share: self.baseline.share(),
            known: self.baseline.knows(block.stable.events),
            phi: self.fixed.unwrap_or_else(|| self.dispersion.phi()),
        };
        let heard = self.lines.iter().flatten().all(|line| line.hears(block, before));
        let mut used = false;
        for line in self.lines.iter_mut().flatten() {
            used |= line.look(block, before);
        }
        self.learn(block.stable)?;
        self.totals.add(block);
        let logs = self.lines.each_ref().map(|line| line.as_ref().map(Tested::log_evidence));
        for number in logs.into_iter().flatten().chain([before.share, before.phi]) {
            finite(number)?;
        }
        Ok(Seen { before, used, heard, logs, totals: self.totals })
    }

    pub fn keep(&mut self, fields: &mut dyn Fields) {
        self.baseline.keep(fields);
        self.dispersion.keep(fields);
        self.totals.keep(fields);
        for line in self.lines.iter_mut().flatten() {
            line.keep(fields);
        }
    }
}
