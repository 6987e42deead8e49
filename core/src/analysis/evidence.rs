//! A check between two looks: its bounds, what the kernel knows of it, and what that proves.
//!
//! [`super::kernel`] reckons; here its state is taken from a checkpoint and put back, and what it found is brought to
//! the few words that verdicts are made of.

use super::kernel::checkpoint::{Digest, Mark, restore, save};
use super::kernel::{
    self, Block, Guardrail, GuardrailBounds, Interval, PairBounds, PairFinding, Paired, Pairs, Quality,
    QualityBounds, Reading, ReadingBounds, ReadingFinding, Readings, Refused, Values, answers_to_go,
};
use super::record::{decoded, encoded};
use crate::api::reasons::Reason;
use crate::api::status::Verdict;

/// Readings of a gauge without which it never passes.
pub(super) const LEAST_READINGS: u32 = 6;

/// Bounds of a check, as the kernel has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bounds {
    /// Of the quality gate, where answers are counted.
    Quality(QualityBounds),
    /// Of the quality gate, where a gauge is read.
    Readings(ReadingBounds),
    /// Of the quality gate, where copied requests are answered twice.
    Pairs(PairBounds),
    /// Of a guardrail.
    Guardrail(GuardrailBounds),
}

/// A bound that was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Compared with stable: `maxDrop`, or `maxRatio`.
    Relative,
    /// `min`, or `max`.
    Absolute,
}

/// What evidence comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Proven bad, by as many looks in a row as it takes. Latched.
    Failed,
    /// Proven good enough, with enough events.
    Passes,
    /// Enough for a step of the weight that is not the last.
    Step,
    /// Neither.
    Open,
}

impl Standing {
    fn of(verdict: Verdict, step: bool) -> Self {
        match verdict {
            Verdict::Fail => Self::Failed,
            Verdict::Pass => Self::Passes,
            Verdict::Inconclusive if step => Self::Step,
            Verdict::Inconclusive => Self::Open,
        }
    }
}

/// What is proven so far. Evidence is E, the odds against chance, and no logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    /// That the canary is good enough; none of a guardrail, which only looks for what is bad.
    pub good: Option<f64>,
    /// That it is not.
    pub worse: f64,
    /// What either needs.
    pub needed: f64,
    /// Which bound speaks against it most.
    pub against: Line,
    /// What that comes to.
    pub standing: Standing,
    /// φ: how much more stable's counts vary than independent outcomes would. Evidence is divided by it.
    pub phi: f64,
    /// Whether there are enough events to pass.
    pub enough: bool,
    /// Canary's share less stable's, if quality is compared and both have events.
    pub difference: Option<Interval>,
    /// About how many more answers of the canary a pass takes, if all goes on as it did.
    pub to_go: Option<f64>,
    /// Events so far; none of a gauge.
    pub totals: Block,
    /// Readings of a gauge so far; none where events are counted.
    pub readings: Option<u32>,
    /// Whether this look brought anything.
    pub used: bool,
    /// Whether a gauge ever moved; counts always do.
    pub live: bool,
}

/// The state of a check.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack of whoever reckons")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Evidence {
    /// Of the quality gate, where answers are counted.
    Quality(QualityBounds, Quality),
    /// Of the quality gate, where a gauge is read.
    Readings(ReadingBounds, Readings),
    /// Of the quality gate, where copied requests are answered twice.
    Pairs(PairBounds, Pairs),
    /// Of a guardrail.
    Guardrail(GuardrailBounds, Guardrail),
}

impl Evidence {
    /// Without any block.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is none that evidence can be gathered for.
    pub fn none(bounds: Bounds) -> Result<Self, Refused> {
        Ok(match bounds {
            Bounds::Quality(bounds) => Self::Quality(bounds, Quality::new(bounds)?),
            // Where nobody knows whether stable's gauge moves it has to, or it is no reading.
            Bounds::Readings(bounds) => Self::Readings(bounds, Readings::new(bounds, true, &[])?),
            Bounds::Pairs(bounds) => Self::Pairs(bounds, Pairs::new(bounds)?),
            Bounds::Guardrail(bounds) => Self::Guardrail(bounds, Guardrail::new(bounds)?),
        })
    }

    /// As it was kept; none if that cannot be read, or belongs to something else.
    pub fn restored(self, record: &str, digest: &Digest) -> Option<Self> {
        let bytes = decoded(record)?;
        match self {
            Self::Quality(bounds, fresh) => {
                let restored = restore(fresh, digest, &bytes);
                restored.mark.map(|_| Self::Quality(bounds, restored.state))
            }
            Self::Readings(bounds, fresh) => {
                let restored = restore(fresh, digest, &bytes);
                restored.mark.map(|_| Self::Readings(bounds, restored.state))
            }
            Self::Pairs(bounds, fresh) => {
                let restored = restore(fresh, digest, &bytes);
                restored.mark.map(|_| Self::Pairs(bounds, restored.state))
            }
            Self::Guardrail(bounds, fresh) => {
                let restored = restore(fresh, digest, &bytes);
                restored.mark.map(|_| Self::Guardrail(bounds, restored.state))
            }
        }
    }

    /// What is kept of it.
    pub fn record(&self, mark: Mark, digest: &Digest) -> String {
        encoded(match self {
            Self::Quality(_, check) => save(check, mark, digest),
            Self::Readings(_, check) => save(check, mark, digest),
            Self::Pairs(_, check) => save(check, mark, digest),
            Self::Guardrail(_, check) => save(check, mark, digest),
        })
    }

    /// Adds a block of stable's from before the evidence began, the oldest first.
    ///
    /// # Errors
    /// If it is none that can be counted; nothing is learnt then.
    pub fn learn(&mut self, stable: kernel::Count) -> Result<(), Refused> {
        match self {
            Self::Quality(_, check) => check.learn(stable),
            Self::Readings(..) | Self::Pairs(..) => Ok(()),
            Self::Guardrail(_, check) => check.learn(stable),
        }
    }

    /// Takes a look at gauges and judges. Where events are counted there is nothing to read.
    ///
    /// # Errors
    /// If a value is no number; the check is then as it was.
    pub fn read(&mut self, values: Values) -> Result<Finding, Refused> {
        match self {
            Self::Readings(bounds, check) => {
                let found = check.look(values)?;
                Ok(Finding::read(bounds, &found))
            }
            Self::Quality(..) | Self::Pairs(..) | Self::Guardrail(..) => self.look(Block::default()),
        }
    }

    /// Adds a block of pairs and judges. Where there are none nothing is counted.
    ///
    /// # Errors
    /// If it is none that can be counted; the check is then as it was.
    pub fn pair(&mut self, pairs: Paired) -> Result<Finding, Refused> {
        match self {
            Self::Pairs(bounds, check) => {
                let found = check.look(pairs)?;
                let used = pairs != Paired::default();
                Ok(Finding::paired(bounds, &found, used))
            }
            Self::Quality(..) | Self::Readings(..) | Self::Guardrail(..) => self.look(Block::default()),
        }
    }

    /// Adds a block and judges. Where a gauge is read nothing is counted.
    ///
    /// # Errors
    /// If it is none that can be counted; the check is then as it was.
    pub fn look(&mut self, block: Block) -> Result<Finding, Refused> {
        match self {
            Self::Readings(..) => self.read(Values { at: 0, stable: None, canary: None, weight: 0.0 }),
            Self::Pairs(..) => self.pair(Paired::default()),
            Self::Quality(bounds, check) => {
                let found = check.look(block)?;
                let enough = found.totals.canary.events >= bounds.min_samples;
                let floor = found.worse_min.unwrap_or(f64::NEG_INFINITY);
                let relative = found.worse_drop.is_some_and(|drop| drop >= floor);
                Ok(Finding {
                    good: Some(found.good.exp()),
                    worse: found.worse.exp(),
                    needed: 1.0 / bounds.alpha,
                    against: if relative { Line::Relative } else { Line::Absolute },
                    standing: Standing::of(found.verdict, found.step_gate),
                    enough,
                    phi: found.phi,
                    difference: bounds
                        .max_drop
                        .and_then(|_| kernel::difference(&found.totals, found.phi, bounds)),
                    to_go: answers_to_go(&found.totals, found.phi, bounds, found.good),
                    totals: found.totals,
                    readings: None,
                    used: block.canary.events > 0.0,
                    live: true,
                })
            }
            Self::Guardrail(bounds, check) => {
                let found = check.look(block)?;
                let events = found.totals.canary.events;
                let limit = found.max.unwrap_or(f64::NEG_INFINITY);
                let relative = found.max_ratio.is_some_and(|ratio| ratio >= limit);
                Ok(Finding {
                    good: None,
                    worse: found.worse.exp(),
                    needed: bounds.needed,
                    against: if relative { Line::Relative } else { Line::Absolute },
                    standing: Standing::of(found.verdict, false),
                    enough: events > 0.0 && events >= bounds.min_requests,
                    phi: found.phi,
                    difference: None,
                    to_go: None,
                    totals: found.totals,
                    readings: None,
                    used: block.canary.events > 0.0,
                    live: true,
                })
            }
        }
    }

    /// What is proven now: an empty block changes nothing.
    ///
    /// # Errors
    /// If the state is none that can be reckoned with.
    pub fn finding(&self) -> Result<Finding, Refused> {
        let mut copy = *self;
        copy.look(Block::default())
    }
}

impl Finding {
    /// Whether the canary is proven bad.
    pub fn failed(&self) -> bool {
        self.standing == Standing::Failed
    }

    /// Whether it is proven good enough.
    pub fn passes(&self) -> bool {
        self.standing == Standing::Passes
    }

    /// Whether that is enough for a step that is not the last. Who loses less than one drop also loses less than two
    /// and a half.
    pub fn opens_step(&self) -> bool {
        matches!(self.standing, Standing::Passes | Standing::Step)
    }

    fn paired(bounds: &PairBounds, found: &PairFinding, used: bool) -> Self {
        Self {
            good: Some(found.good.exp()),
            worse: found.worse.exp(),
            needed: 1.0 / bounds.alpha,
            against: Line::Relative,
            standing: Standing::of(found.verdict, false),
            enough: found.pairs >= bounds.min_samples,
            phi: 1.0,
            difference: None,
            to_go: None,
            totals: Block::default(),
            readings: None,
            used,
            live: true,
        }
    }

    fn read(bounds: &ReadingBounds, found: &ReadingFinding) -> Self {
        Self {
            good: Some(found.good.exp()),
            worse: found.worse.exp(),
            needed: 1.0 / bounds.alpha,
            against: if bounds.max_drop.is_some() { Line::Relative } else { Line::Absolute },
            standing: Standing::of(found.verdict, found.step_gate),
            enough: found.readings >= LEAST_READINGS.max(bounds.min_readings),
            phi: 1.0,
            difference: None,
            to_go: None,
            totals: Block::default(),
            readings: Some(found.readings),
            used: matches!(found.reading, Reading::Good | Reading::Bad),
            live: found.live,
        }
    }
}

/// The word for what cannot be counted.
pub(super) fn reason(refused: Refused) -> Reason {
    match refused {
        Refused::Inconsistent { .. } => Reason::InconsistentCounts,
        Refused::NotANumber(_) | Refused::Bound { .. } => Reason::NotANumber,
    }
}
