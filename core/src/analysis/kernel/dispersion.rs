//! φ: how much more stable's counts vary than independent outcomes would.

use super::checkpoint::Fields;
use super::{Count, Refused};

/// Cells that make one entry, per scale: noise that is slower than a cell shows only at the larger ones.
const SCALES: [u32; 3] = [1, 4, 16];
/// Entries that a scale needs before it counts.
const ENOUGH: f64 = 8.0;
/// Entries at which a scale forgets half.
const FULL: f64 = 512.0;
/// φ while the largest scale has too few entries: slow noise cannot be seen yet.
const UNKNOWN: f64 = 2.0;
/// The most that φ can be.
const MOST: f64 = 1000.0;

/// Pearson's χ² per degree of freedom of stable's blocks, the largest of three scales of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dispersion {
    /// Blocks that are not yet a cell.
    cell: Count,
    scales: [Scale; 3],
}

/// The entries of one scale. Mean and squares are kept as West does (Updating mean and variance estimates: an improved
/// method, Communications of the ACM 22, 1979): as sums of k²/n they would cancel for large counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Scale {
    pending: Count,
    cells: u32,
    /// Σn of all entries.
    events: f64,
    /// Σk / Σn.
    mean: f64,
    /// Σ n (k/n − mean)².
    squares: f64,
    /// Number of entries; halved with the sums.
    entries: f64,
}

impl Dispersion {
    /// Adds a block of stable's, where `share` is what was expected of it.
    ///
    /// # Errors
    /// As [`Count::checked`]; also if `share` is not finite.
    pub fn add(&mut self, block: Count, share: f64) -> Result<(), Refused> {
        let (block, share) = (block.checked()?, super::finite(share)?);
        if block.events <= 0.0 {
            return Ok(());
        }
        self.cell.add(block);
        // Cells of less than one expected event say nothing about variance.
        if self.cell.events * share * (1.0 - share) >= 1.0 {
            for (scale, size) in self.scales.iter_mut().zip(SCALES) {
                scale.add(self.cell, size);
            }
            self.cell = Count::default();
        }
        Ok(())
    }

    /// φ: at least 1, at most 1,000, and at least 2 while little is known.
    pub fn phi(&self) -> f64 {
        let [.., slowest] = &self.scales;
        let least = if slowest.entries < ENOUGH { UNKNOWN } else { 1.0 };
        self.scales.iter().filter_map(Scale::phi).fold(least, f64::max).min(MOST)
    }

    pub(super) fn keep(&mut self, fields: &mut dyn Fields) {
        self.cell.keep(fields);
        for scale in &mut self.scales {
            scale.pending.keep(fields);
            fields.count(&mut scale.cells);
            for number in [&mut scale.events, &mut scale.mean, &mut scale.squares, &mut scale.entries] {
                fields.number(number);
            }
        }
    }
}

impl Scale {
    fn add(&mut self, cell: Count, size: u32) {
        self.pending.add(cell);
        self.cells = self.cells.saturating_add(1);
        if self.cells < size {
            return;
        }
        self.enter();
        self.pending = Count::default();
        self.cells = 0;
        if self.entries >= FULL {
            for number in [&mut self.events, &mut self.squares, &mut self.entries] {
                *number /= 2.0;
            }
        }
    }

    /// Makes an entry of what is pending.
    fn enter(&mut self) {
        let Some(share) = self.pending.share() else { return };
        self.events += self.pending.events;
        let off = share - self.mean;
        self.mean += off * (self.pending.events / self.events);
        self.squares += self.pending.events * off * (share - self.mean);
        self.entries += 1.0;
    }

    fn phi(&self) -> Option<f64> {
        let variance = self.mean * (1.0 - self.mean);
        (self.entries >= ENOUGH && variance > 0.0).then(|| self.squares / variance / (self.entries - 1.0))
    }
}
