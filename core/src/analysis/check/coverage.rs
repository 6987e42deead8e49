//! Label coverage: whether what was judged of both versions may be compared.

use jiff::Timestamp;

use super::{Check, Rule};
use crate::analysis::evidence;
use crate::analysis::kernel::checkpoint::{Mark, restore, save};
use crate::analysis::kernel::{Coverage, CoverageBounds};
use crate::analysis::promql::Whose;
use crate::analysis::record::{decoded, encoded};
use crate::analysis::stats::Stats;
use crate::api::reasons::Reason;
use crate::api::status::{Checkpoint, Grade};

/// Labels for four fifths to five fourths of stable's part of the answers are even; one false alarm in a thousand attempts,
/// and one in twenty is taken back too soon.
const BOUNDS: CoverageBounds = CoverageBounds { ratio: 0.8, alpha: 0.001, cleared: 0.05 };

impl Check<'_> {
    /// Finds out whether labels come for another part of the canary's answers than of stable's. Once that is proven, what
    /// was counted up to this block is worth nothing. Only who counts its answers, and is compared, can be asked.
    pub(super) fn cover(&self, kept: &mut Checkpoint, stats: &Stats, end: Timestamp) -> Result<(), Reason> {
        let counted =
            matches!(self.rule, Rule::Quality(..)) && self.paired && kept.grade == Some(Grade::Counts);
        let both = stats.labelled(Whose::Stable).zip(stats.labelled(Whose::Canary));
        let Some((stable, canary)) = both.filter(|_| counted) else { return Ok(()) };
        let mut coverage = self.coverage(&kept.coverage)?;
        let uneven = coverage.look(stable, canary).map_err(evidence::reason)?.uneven;
        if uneven && !kept.uneven {
            self.forget(kept, end);
        }
        kept.uneven = uneven;
        kept.coverage = self.covered(&coverage);
        Ok(())
    }

    /// The test as it was kept; without evidence if nothing was, or it cannot be read.
    pub(super) fn coverage(&self, record: &str) -> Result<Coverage, Reason> {
        let fresh = Coverage::new(BOUNDS).map_err(evidence::reason)?;
        Ok(restore(fresh, &self.key(), &decoded(record).unwrap_or_default()).state)
    }

    /// What is kept of the test.
    pub(super) fn covered(&self, coverage: &Coverage) -> String {
        encoded(save(coverage, Mark::default(), &self.key()))
    }

    /// Begins anew after a block.
    fn forget(&self, kept: &mut Checkpoint, end: Timestamp) {
        *kept = Checkpoint {
            digest: self.digest.clone(),
            grade: kept.grade,
            begin: Some(end),
            last_block_end: Some(end),
            last_answer_at: kept.last_answer_at,
            seen: kept.seen,
            label_delay: kept.label_delay,
            ..Checkpoint::default()
        };
    }
}
