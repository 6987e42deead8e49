//! The checks of a release, and how a block's answer becomes part of a check's counts.

mod coverage;
mod past;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Subject;
use super::answer;
use super::blocks::{Grid, ends_block};
use super::evidence::{self, Bounds, Evidence, Finding};
use super::kernel::checkpoint::{Digest, Mark};
use super::kernel::{
    Block, Count, GuardrailBounds, PairBounds, Paired, QualityBounds, ReadingBounds, Values,
};
use super::promql::question::{Counts, What};
use super::promql::{Names, Whose};
use super::stats::Stats;
use crate::api::reasons::Reason;
use crate::api::spec::CheckMode;
use crate::api::status::{Checkpoint, Grade};
use crate::observed::Answer;
use crate::release::{Counted, Guardrail, Release, Series};
use crate::settings::{Source, TemplateKind};
use crate::situation::later;
use crate::version::text_digest;

/// Name of the quality gate among the checks. Names of guardrails have no underscore.
pub(super) const QUALITY: &str = "model_accuracy";

/// One check of one look.
#[derive(Clone, Debug)]
pub(super) struct Check<'a> {
    /// Its name, also in `status.state.checks`.
    pub name: &'a str,
    /// Whether it acts.
    pub enforced: bool,
    /// What it judges by.
    pub rule: Rule<'a>,
    /// Whether a block counts only if stable has events too.
    pub paired: bool,
    /// Whether stable's past tells what to expect.
    learns: bool,
    /// Only blocks that begin at or after this count.
    pub from: Timestamp,
    /// Digest of all that its counts belong to: 16 hex digits.
    digest: String,
}

/// The range in which the kernel takes limits of shares. What is beyond it is as good as its end: no share is known to
/// a ten-thousandth.
const LIMITS: (f64, f64) = (0.0001, 0.9999);

/// What a check judges by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule<'a> {
    /// The quality gate.
    Quality(QualityBounds, ReadingBounds),
    /// A guardrail.
    Guardrail(&'a Guardrail, GuardrailBounds),
}

/// What series are made of where nobody has to look: an administrator says it.
fn told(series: &Series) -> Option<Grade> {
    let Series::Template(template) = series else { return None };
    Some(match template.kind {
        TemplateKind::Counts => Grade::Counts,
        TemplateKind::Gauge => Grade::Gauge,
    })
}

/// Whether readings are taken, and no events counted.
pub(super) fn gauge(grade: Option<Grade>) -> bool {
    matches!(grade, Some(Grade::Gauge | Grade::Declared))
}

impl Rule<'_> {
    fn bounds(&self, grade: Option<Grade>) -> Bounds {
        match self {
            Self::Quality(_, bounds) if gauge(grade) => Bounds::Readings(*bounds),
            Self::Quality(bounds, _) if grade == Some(Grade::Paired) => Bounds::Pairs(PairBounds {
                max_drop: bounds.max_drop.unwrap_or_default(),
                alpha: bounds.alpha,
                min_samples: bounds.min_samples,
            }),
            Self::Quality(bounds, _) => Bounds::Quality(QualityBounds {
                // Windows of a gauge are too few to tell how much they vary.
                dispersion: (grade == Some(Grade::Samples)).then_some(1.0),
                ..*bounds
            }),
            Self::Guardrail(_, bounds) => Bounds::Guardrail(*bounds),
        }
    }
}

/// The checks that count in this situation, quality first. While baking only those with an absolute bound do.
pub(super) fn checks<'a>(release: &'a Release, subject: &Subject<'_>) -> Vec<Check<'a>> {
    let analysis = &release.analysis;
    let quality = &analysis.quality;
    let alpha = analysis.alpha.clamp(0.0001, 0.2);
    let within = |limit: f64| limit.clamp(LIMITS.0, LIMITS.1);
    let learns = !subject.baking && subject.stable.is_some();
    let mut checks = Vec::with_capacity(1 + analysis.guardrails.len());
    if quality.mode != CheckMode::Disabled && (!subject.baking || quality.min.is_some()) {
        let bounds = QualityBounds {
            max_drop: (!subject.baking).then(|| quality.max_drop.clamp(0.0, 0.5)),
            min: quality.min.map(within),
            alpha,
            min_samples: f64::from(quality.min_samples),
            dispersion: None,
        };
        let window = i64::try_from(quality.window.as_millis()).unwrap_or(i64::MAX);
        let readings = ReadingBounds {
            max_drop: bounds.max_drop,
            min: bounds.min,
            alpha,
            window,
            min_readings: quality.min_readings,
        };
        // How many answers, requests and looks are needed may change without making the counts worthless.
        let lines = (
            (bounds.max_drop, bounds.min, bounds.alpha),
            (quality.window, quality.label_delay, &quality.series),
        );
        checks.push(Check {
            name: QUALITY,
            enforced: quality.mode == CheckMode::Enforce,
            rule: Rule::Quality(bounds, readings),
            paired: !subject.baking,
            learns,
            // Before the late labels are in, the fast ones would stand for all.
            from: later(subject.evidence_from, quality.label_delay),
            digest: digest(release, subject, QUALITY, &format!("{lines:?}")),
        });
    }
    let judged: Vec<&Guardrail> =
        analysis.guardrails.iter().filter(|g| !subject.baking || g.max.is_some()).collect();
    let enforced = judged.iter().filter(|g| g.mode == CheckMode::Enforce).count().max(1);
    for guardrail in judged {
        let bounds = GuardrailBounds {
            max: guardrail.max.map(within),
            max_ratio: guardrail
                .max_ratio
                .filter(|_| !subject.baking)
                .map(|ratio| ratio.clamp(0.01, 10_000.0)),
            // Each of them may raise a false alarm.
            needed: f64::from(u8::try_from(enforced).unwrap_or(u8::MAX)) / alpha,
            min_requests: f64::from(guardrail.min_requests),
            failure_limit: u32::try_from(guardrail.failure_limit).unwrap_or(1),
            dispersion: None,
        };
        let lines = (&guardrail.metric, bounds.max, bounds.max_ratio, bounds.needed);
        checks.push(Check {
            name: &guardrail.name,
            enforced: guardrail.mode == CheckMode::Enforce,
            rule: Rule::Guardrail(guardrail, bounds),
            paired: bounds.max_ratio.is_some() && bounds.max.is_none(),
            learns,
            from: subject.evidence_from,
            digest: digest(release, subject, &guardrail.name, &format!("{lines:?}")),
        });
    }
    checks
}

/// Digest of what counts belong to: a line chosen after seeing the data proves nothing.
fn digest(release: &Release, subject: &Subject<'_>, name: &str, lines: &str) -> String {
    let stable = subject.stable.filter(|_| !subject.baking).map_or("-", |h| h.as_str());
    let of = format!(
        "2\n{}\n{}\n{stable}\n{}\n{}\n{name}\n{}\n{:?}\n{lines}",
        release.uid,
        subject.attempt,
        subject.canary,
        subject.baking,
        release.analysis.provider,
        release.analysis.source.as_ref().map(|s| s.entrance),
    );
    let of = if subject.copied { format!("{of}\ncopied") } else { of };
    text_digest(&of).chars().take(16).collect()
}

impl Check<'_> {
    /// Whether counts are this check's own.
    pub fn owns(&self, kept: &Checkpoint) -> bool {
        kept.digest == self.digest
    }

    /// Its counts so far; at zero if they belong to something else, or cannot be read any more. One that is asked for after
    /// others have counted begins now: a line that was chosen after the answers were seen is not held against those
    /// answers.
    pub fn checkpoint(&self, checks: &BTreeMap<String, Checkpoint>, now: Timestamp) -> Checkpoint {
        let goes_on = |kept: &&Checkpoint| self.owns(kept) && self.evidence(kept).is_some();
        checks.get(self.name).filter(goes_on).cloned().unwrap_or_else(|| {
            let late = checks.values().any(|kept| kept.last_block_end.is_some());
            let begin = if late { self.from.max(now) } else { self.from };
            Checkpoint { digest: self.digest.clone(), begin: Some(begin), ..Checkpoint::default() }
        })
    }

    /// Its evidence as it was kept; none if that cannot be read.
    fn evidence(&self, kept: &Checkpoint) -> Option<Evidence> {
        let none = Evidence::none(self.rule.bounds(kept.grade)).ok()?;
        if kept.record.is_empty() { Some(none) } else { none.restored(&kept.record, &self.key()) }
    }

    /// The digest as records bear it.
    fn key(&self) -> Digest {
        let mut key = Digest::default();
        for (byte, digit) in key.iter_mut().zip(self.digest.bytes()) {
            *byte = digit;
        }
        key
    }

    /// Its question for a block.
    pub fn question(
        &self,
        release: &Release,
        subject: &Subject<'_>,
        source: &Source,
        kept: &Checkpoint,
    ) -> What {
        let preset = names(release, subject).preset();
        let counts = Counts::of(source.entrance, preset);
        match self.rule {
            Rule::Quality(..) => What::Quality {
                series: release.analysis.quality.series.clone(),
                grade: kept.grade,
                copied: subject.copied,
            },
            Rule::Guardrail(guardrail, _) => match &guardrail.metric {
                Counted::ErrorRate => What::Errors(counts),
                Counted::Latency { bound } => What::Latency { counts, bound: *bound },
                Counted::FirstToken { bound } => What::FirstToken { preset, bound: *bound },
                Counted::Template(template) => What::Template(template.clone()),
            },
        }
    }

    /// What its counts prove; none if they cannot be read.
    pub fn finding(&self, kept: &Checkpoint) -> Option<Finding> {
        self.evidence(kept)?.finding().ok()
    }

    /// Adds the answers that come next, in the order of their blocks, and judges after each. A failed check takes no
    /// more: its counts stay those that it failed by.
    pub fn absorb(
        &self,
        kept: &mut Checkpoint,
        release: &Release,
        subject: &Subject<'_>,
        answers: &[Answer],
        now: Timestamp,
    ) {
        let grid = Grid::of(&release.analysis);
        if self.wants_the_past(kept) {
            let at = grid.beginning(next_end(kept, grid, self.from, now));
            match answers.iter().find(|a| a.id.check == self.past() && a.id.at == at) {
                Some(answer) => self.inform(kept, release, subject, answer),
                None => return,
            }
        }
        while !kept.failed && !self.wants_the_past(kept) {
            let end = next_end(kept, grid, self.from, now);
            let Some(answer) = answers.iter().find(|a| a.id.check == self.name && a.id.at == end) else {
                return;
            };
            match self.block(kept, release, subject, answer) {
                Ok(()) => kept.trouble = None,
                Err(reason) => {
                    kept.trouble = Some(reason);
                    if answer::passing(reason) {
                        return;
                    }
                }
            }
            kept.last_block_end = Some(end);
        }
    }

    /// Makes the record from the counts alone.
    #[cfg(any(test, feature = "testing"))]
    pub fn retell(&self, kept: &mut Checkpoint) {
        let counted = kept.stable_events + kept.canary_events > 0.0;
        let Some(mut evidence) = self.evidence(kept).filter(|_| !kept.record.is_empty()) else { return };
        if gauge(kept.grade) || kept.grade == Some(Grade::Paired) {
            return;
        }
        if counted {
            let fresh = Checkpoint { record: String::new(), ..kept.clone() };
            let Some(none) = self.evidence(&fresh) else { return };
            evidence = none;
            let Block { stable, canary } = totals(kept);
            let part = |count: Count, of: f64| Count { hits: count.hits / of, events: count.events / of };
            for _ in 0..super::blocks::KEPT {
                let _ = evidence.learn(part(stable, 2.0));
            }
            for _ in 0..2 {
                let _ = evidence.look(Block { stable: part(stable, 2.0), canary: part(canary, 2.0) });
            }
        }
        kept.record = evidence.record(Mark::default(), &self.key());
    }

    /// Counts one block. An error leaves the counts as they were.
    fn block(
        &self,
        kept: &mut Checkpoint,
        release: &Release,
        subject: &Subject<'_>,
        answer: &Answer,
    ) -> Result<(), Reason> {
        let stats = Stats::of(&answer::rows(&answer.outcome)?, &names(release, subject), &self.rule)?;
        kept.seen |= !stats.is_empty();
        let span = match self.rule {
            Rule::Quality(..) => {
                let chosen = kept.grade.or_else(|| told(&release.analysis.quality.series));
                let grade = chosen.or_else(|| stats.grade(self.paired)).ok_or(Reason::NoData)?;
                if kept.grade.is_none() {
                    kept.grade = Some(grade);
                    let readings = std::mem::take(&mut kept.readings);
                    match grade {
                        Grade::Gauge | Grade::Declared => kept.record = readings,
                        Grade::Paired => kept.record.clear(),
                        Grade::Counts | Grade::Samples => {}
                    }
                }
                let grid = Grid::of(&release.analysis);
                match grade {
                    Grade::Gauge | Grade::Declared => return self.read(kept, &stats, subject, answer),
                    Grade::Paired => return self.pair(kept, &stats, answer),
                    Grade::Counts => grid.width(),
                    Grade::Samples => {
                        let window = release.analysis.quality.window.as_millis();
                        grid.covering(i64::try_from(window).unwrap_or(i64::MAX))
                    }
                }
            }
            Rule::Guardrail(..) => Grid::of(&release.analysis).width(),
        };
        let canary = self.events(&stats, kept.grade, Whose::Canary)?.ok_or(Reason::NoData)?;
        let stable = self.events(&stats, kept.grade, Whose::Stable)?;
        if self.paired && stable.is_none() {
            return Err(Reason::NoData);
        }
        kept.last_answer_at = Some(answer.asked_at);
        let stable = stable.unwrap_or_default();
        // A gauge's window reaches back; it is one reading for as long as it averages over.
        let begun = span == Grid::of(&release.analysis).width()
            || ends_block(answer.id.at, span, self.from.max(kept.begin.unwrap_or_default()));
        self.cover(kept, &stats, answer.id.at)?;
        // What is judged of unlike choices is left out.
        if begun && !kept.uneven {
            self.add(kept, Block { stable, canary }, answer.id.at)?;
        }
        Ok(())
    }

    /// Events of a version in a block; none if there is no row of them.
    fn events(&self, stats: &Stats, grade: Option<Grade>, whose: Whose) -> Result<Option<Count>, Reason> {
        match self.rule {
            Rule::Guardrail(guardrail, _) if guardrail.metric.bound().is_some() => stats.late(whose),
            Rule::Quality(..) if grade == Some(Grade::Samples) => stats.count(whose, "gk", "gn"),
            Rule::Quality(..) | Rule::Guardrail(..) => stats.count(whose, "k", "n"),
        }
    }

    /// Takes a look at both gauges and judges.
    fn read(
        &self,
        kept: &mut Checkpoint,
        stats: &Stats,
        subject: &Subject<'_>,
        answer: &Answer,
    ) -> Result<(), Reason> {
        let canary = stats.value(Whose::Canary)?.ok_or(Reason::NoData)?;
        let stable = stats.value(Whose::Stable)?;
        if self.paired && stable.is_none() {
            return Err(Reason::NoData);
        }
        kept.last_answer_at = Some(answer.asked_at);
        let end = answer.id.at;
        let begin = kept.begin.unwrap_or(end).as_millisecond();
        let values = Values {
            at: end.as_millisecond().saturating_sub(begin),
            stable,
            canary: Some(canary),
            weight: f64::from(subject.weight),
        };
        let mut evidence = self.evidence(kept).ok_or(Reason::NotANumber)?;
        let found = evidence.read(values).map_err(evidence::reason)?;
        kept.grade = Some(if found.live { Grade::Gauge } else { Grade::Declared });
        // What is shown as a share of events is the last value, of so many readings.
        let readings = f64::from(found.readings.unwrap_or(0));
        (kept.canary_hits, kept.canary_events) = (canary * readings, readings);
        (kept.stable_hits, kept.stable_events) =
            stable.map_or((0.0, 0.0), |stable| (stable * readings, readings));
        self.keep(kept, &evidence, found, end);
        Ok(())
    }

    /// Adds a block's pairs and judges.
    fn pair(&self, kept: &mut Checkpoint, stats: &Stats, answer: &Answer) -> Result<(), Reason> {
        let [both, canary, stable, neither] = stats.pairs().ok_or(Reason::NoData)?;
        kept.last_answer_at = Some(answer.asked_at);
        let mut evidence = self.evidence(kept).ok_or(Reason::NotANumber)?;
        let pairs = Paired { canary, stable, same: both + neither };
        let found = evidence.pair(pairs).map_err(evidence::reason)?;
        let all = both + canary + stable + neither;
        kept.stable_hits += both + stable;
        kept.canary_hits += both + canary;
        kept.stable_events += all;
        kept.canary_events += all;
        self.keep(kept, &evidence, found, answer.id.at);
        Ok(())
    }

    /// Adds a block's events and judges. Stable's tell what to expect also where the canary has none.
    fn add(&self, kept: &mut Checkpoint, block: Block, end: Timestamp) -> Result<(), Reason> {
        let mut evidence = self.evidence(kept).ok_or(Reason::NotANumber)?;
        let found = evidence.look(block).map_err(evidence::reason)?;
        let Block { stable, canary } = found.totals;
        (kept.stable_hits, kept.stable_events) = (stable.hits, stable.events);
        (kept.canary_hits, kept.canary_events) = (canary.hits, canary.events);
        let used = block.canary.events > 0.0 && (block.stable.events > 0.0 || !self.paired);
        self.keep(kept, &evidence, Finding { used, ..found }, end);
        Ok(())
    }

    /// What a block brought, for the next one.
    fn keep(&self, kept: &mut Checkpoint, evidence: &Evidence, found: Finding, end: Timestamp) {
        if found.used {
            kept.last_evidence_at = Some(end);
        }
        kept.failed = found.failed();
        let begin = kept.begin.unwrap_or(end).as_millisecond();
        kept.record = evidence.record(Mark { begin, last_block_end: end.as_millisecond() }, &self.key());
    }
}

/// The versions whose rows count. While baking the former stable's do not.
pub(super) fn names<'n>(release: &'n Release, subject: &'n Subject<'n>) -> Names<'n> {
    let stable = subject.stable.filter(|hash| !subject.baking && *hash != subject.canary);
    Names::new(release, stable, subject.canary, &subject.apps)
}

/// End of the block that a check needs next.
pub(super) fn next_end(kept: &Checkpoint, grid: Grid, from: Timestamp, now: Timestamp) -> Timestamp {
    let begin = kept.begin.map_or(from, |begin| begin.max(from));
    grid.next_end(kept.last_block_end.map_or(begin, |end| end.max(begin)), now)
}

/// Both versions' events so far.
pub(super) fn totals(kept: &Checkpoint) -> Block {
    Block {
        stable: Count { hits: kept.stable_hits, events: kept.stable_events },
        canary: Count { hits: kept.canary_hits, events: kept.canary_events },
    }
}
