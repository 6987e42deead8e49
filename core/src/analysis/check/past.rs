//! Stable's past: what its blocks from before the evidence tell of its share, and of how much that varies.

use super::{Check, Rule, names};
use crate::analysis::Subject;
use crate::analysis::answer;
use crate::analysis::evidence::{self, Evidence};
use crate::analysis::kernel::Readings;
use crate::analysis::kernel::checkpoint::Mark;
use crate::analysis::promql::Whose;
use crate::analysis::promql::question::What;
use crate::analysis::stats::Stats;
use crate::api::reasons::Reason;
use crate::api::status::Checkpoint;
use crate::observed::Answer;
use crate::release::Release;
use crate::settings::Source;

/// How often stable's past is asked for in vain before it is done without. Who has none is not asked again.
const MOST_TRIES: i32 = 3;

/// What stable's past told.
struct Learnt {
    /// Record of a check that knows it, and no block yet.
    record: String,
    /// The same of readings, if stable has a gauge.
    readings: String,
    /// Record of the test of coverage, if stable counts its answers.
    coverage: String,
    /// Seconds within which 99 of 100 labels came.
    label_delay: Option<f64>,
}

impl Check<'_> {
    /// Whether stable's past is to be known before its first block.
    pub fn wants_the_past(&self, kept: &Checkpoint) -> bool {
        self.learns && !kept.informed && !kept.failed
    }

    /// Name of its question for stable's past. Names of checks have no slash.
    pub fn past(&self) -> String {
        format!("{}/past", self.name)
    }

    /// Its question for stable's blocks from before the evidence.
    pub fn question_of_the_past(&self, release: &Release, subject: &Subject<'_>, source: &Source) -> What {
        match self.rule {
            Rule::Quality(..) => What::QualityBefore { series: release.analysis.quality.series.clone() },
            Rule::Guardrail(..) => self.question(release, subject, source, &Checkpoint::default()),
        }
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
            Ok(Learnt { record, readings, coverage, label_delay }) => {
                (kept.informed, kept.record, kept.readings) = (true, record, readings);
                kept.label_delay = label_delay;
                if kept.coverage.is_empty() {
                    kept.coverage = coverage;
                }
            }
            Err(reason) => {
                kept.uninformed = kept.uninformed.saturating_add(1);
                kept.informed = reason == Reason::NoData || kept.uninformed >= MOST_TRIES;
            }
        }
    }

    /// The records of a check that knows stable's past and no block yet: by counts, and by readings of a gauge if stable
    /// has one.
    fn learnt(
        &self,
        kept: &Checkpoint,
        release: &Release,
        subject: &Subject<'_>,
        answer: &Answer,
    ) -> Result<Learnt, Reason> {
        let mut evidence = self.evidence(kept).ok_or(Reason::NotANumber)?;
        let names = names(release, subject);
        let (mut shown, mut counted, mut trouble) = (Vec::new(), false, None);
        let (mut coverage, mut label_delay) = (None, None);
        for (at, rows) in &answer::instants(&answer.outcome)? {
            let stats = Stats::of(rows, &names, &self.rule)?;
            if let Some(labelled) = stats.labelled(Whose::Stable) {
                let mut so_far = coverage.take().map_or_else(|| self.coverage(""), Ok)?;
                so_far.learn(labelled).map_err(evidence::reason)?;
                coverage = Some(so_far);
            }
            label_delay = stats.label_delay().or(label_delay);
            if let Ok(Some(value)) = stats.value(Whose::Stable) {
                shown.push((*at, value));
            }
            // A block that cannot be counted is left out.
            match self.events(&stats, None, Whose::Stable) {
                Ok(Some(stable)) => {
                    evidence.learn(stable).map_err(evidence::reason)?;
                    counted = true;
                }
                Ok(None) => {}
                Err(reason) => trouble = Some(reason),
            }
        }
        if let Some(reason) = trouble.filter(|_| !counted && shown.is_empty()) {
            return Err(reason);
        }
        let at = kept.begin.unwrap_or(answer.id.at).as_millisecond();
        let mark = Mark { begin: at, last_block_end: at };
        let readings = match self.rule {
            Rule::Quality(_, bounds) if !shown.is_empty() => {
                let fresh = Readings::new(bounds, moves(&shown), &apart(&shown, bounds.window));
                Evidence::Readings(bounds, fresh.map_err(evidence::reason)?).record(mark, &self.key())
            }
            Rule::Quality(..) | Rule::Guardrail(..) => String::new(),
        };
        let coverage = coverage.map(|coverage| self.covered(&coverage)).unwrap_or_default();
        Ok(Learnt { record: evidence.record(mark, &self.key()), readings, coverage, label_delay })
    }
}

/// Whether a gauge showed more than one value.
fn moves(shown: &[(i64, f64)]) -> bool {
    shown.windows(2).any(|pair| matches!(pair, [(_, one), (_, other)] if (one - other).abs() > 0.0))
}

/// Values that are a window apart, the last one among them, the oldest first. What is closer shares answers.
fn apart(shown: &[(i64, f64)], window: i64) -> Vec<f64> {
    let mut taken: Vec<(i64, f64)> = Vec::new();
    for (at, value) in shown.iter().rev() {
        if taken.last().is_none_or(|(later, _)| later.saturating_sub(*at) >= window) {
            taken.push((*at, *value));
        }
    }
    taken.iter().rev().map(|(_, value)| *value).collect()
}
