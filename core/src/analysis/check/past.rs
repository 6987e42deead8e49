//! Stable's past: what its blocks from before the evidence tell of its share, and of how much that varies.

use super::{Check, names};
use crate::analysis::Subject;
use crate::analysis::answer;
use crate::analysis::blocks::{Grid, KEPT};
use crate::analysis::evidence;
use crate::analysis::kernel::checkpoint::Mark;
use crate::analysis::promql::{self, Whose};
use crate::analysis::stats::Stats;
use crate::api::reasons::Reason;
use crate::api::status::{Checkpoint, Grade};
use crate::observed::Answer;
use crate::release::Release;
use crate::settings::Source;

/// How often stable's past is asked for in vain before it is done without.
const MOST_TRIES: i32 = 3;

impl Check<'_> {
    /// Whether stable's past is to be known before its first block: where something is compared with it.
    pub fn wants_the_past(&self, kept: &Checkpoint) -> bool {
        self.paired && !kept.informed && !kept.failed
    }

    /// Name of its question for stable's past. Names of checks have no slash.
    pub fn past(&self) -> String {
        format!("{}/past", self.name)
    }

    /// Its question for stable's blocks from before the evidence.
    pub fn promql_of_the_past(&self, release: &Release, subject: &Subject<'_>, source: &Source) -> String {
        let counts = Checkpoint { grade: Some(Grade::Counts), ..Checkpoint::default() };
        let width = Grid::of(&release.analysis).width();
        promql::of_blocks(&self.promql(release, subject, source, &counts), width, KEPT)
    }

    /// Learns from stable's past what to expect of it, and how much its counts vary. What has no past is judged without:
    /// that takes longer, and is as sure.
    pub(super) fn inform(
        &self,
        kept: &mut Checkpoint,
        release: &Release,
        subject: &Subject<'_>,
        answer: &Answer,
    ) {
        match self.learnt(kept, release, subject, answer) {
            Ok(record) => (kept.informed, kept.record) = (true, record),
            Err(reason) => {
                kept.uninformed = kept.uninformed.saturating_add(1);
                kept.informed = !answer::passing(reason) || kept.uninformed >= MOST_TRIES;
            }
        }
    }

    /// The record of a check that knows stable's past and no block yet.
    fn learnt(
        &self,
        kept: &Checkpoint,
        release: &Release,
        subject: &Subject<'_>,
        answer: &Answer,
    ) -> Result<String, Reason> {
        let mut evidence = self.evidence(kept).ok_or(Reason::NotANumber)?;
        let names = names(release, subject);
        for rows in answer::instants(&answer.outcome)?.values() {
            let stats = Stats::of(rows, &names, &self.rule)?;
            // A block that cannot be counted is left out.
            if let Ok(Some(stable)) = stats.count(Whose::Stable, "k", "n") {
                evidence.learn(stable).map_err(evidence::reason)?;
            }
        }
        let at = kept.begin.unwrap_or(answer.id.at).as_millisecond();
        Ok(evidence.record(Mark { begin: at, last_block_end: at }, &self.key()))
    }
}
