//! A bare gauge: nobody knows how many answers it averages over, so each reading is only good or bad.

use super::bets::{Bets, MOST, Start};
use super::checkpoint::{Fields, Kept};
use super::{Refused, bound, error_rate, finite, verdict};
use crate::api::evidence::Verdict;

/// Shares of agreeing readings that are bet on.
const SHARES: [f64; 5] = [0.6, 0.7, 0.8, 0.9, 0.97];
const EQUAL: &[f64] = &[1.0; SHARES.len()];
/// What two numbers may differ by and still be the same bound.
const TOLERANCE: f64 = 1e-9;
/// Readings needed to pass.
const LEAST_READINGS: u32 = 6;
/// E of the good side that a step needs.
const STEP: f64 = 4.0;
/// Values of stable that the gross rule looks at: so many of the last, and at least so many.
const HISTORY: (usize, u32) = (24, 12);
/// A loss is gross beyond so many standard deviations, in so many looks in a row.
const GROSS: (f64, u32) = (6.0, 3);
/// More noise than this makes the gross rule useless.
const MOST_NOISE: f64 = 0.3;

/// What readings must show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadingBounds {
    /// How much worse than stable is still good, 0 to 0.5; none while only the floor is judged.
    pub max_drop: Option<f64>,
    /// The floor.
    pub min: Option<f64>,
    /// Accepted probability of each wrong decision, above 0, at most 0.5.
    pub alpha: f64,
    /// What the gauge averages over, in milliseconds.
    pub window: i64,
    /// Readings needed to pass, if somebody wrote it; never less than six.
    pub min_readings: u32,
}

/// What the gauges show at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Milliseconds since the evidence began.
    pub at: i64,
    /// Stable's value, if there is a usable one.
    pub stable: Option<f64>,
    /// The canary's.
    pub canary: Option<f64>,
    /// The canary's share of the traffic in percent.
    pub weight: f64,
}

/// Whether a look was a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Within all bounds.
    Good,
    /// Beyond one.
    Bad,
    /// None.
    No(Why),
}

/// Why a look was no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The canary has no value.
    CanaryMissing,
    /// Stable has none to compare with.
    StableMissing,
    /// The last reading was less than a window ago.
    TooSoon,
    /// The canary's gauge shows what it did at the last reading.
    NotUpdating,
}

/// A check of two gauges between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readings {
    bounds: ReadingBounds,
    /// Whether any of the values ever moved; until then they may be declared ones.
    live: bool,
    /// Standard deviation of stable's values before the evidence, if there were enough.
    noise: Option<f64>,
    /// Stable's value at the first look that had the canary's, and that.
    first: (Option<f64>, Option<f64>),
    /// The canary's value at the last look that had one, and since when it is that.
    moved: Option<Moment>,
    last: Option<Moment>,
    last_good: bool,
    taken: u32,
    gross: u32,
    failed: bool,
    good: Bets,
    worse: Bets,
}

/// A value and its time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moment {
    at: i64,
    value: f64,
}

/// What a look at two gauges found. All evidence is ln E.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadingFinding {
    /// Whether it was a reading, and which.
    pub reading: Reading,
    /// Whether either value ever moved; if not they are declared ones.
    pub live: bool,
    /// That most readings are good.
    pub good: f64,
    /// That most are bad.
    pub worse: f64,
    /// The loss beyond which it is gross, if that was judged.
    pub gross_line: Option<f64>,
    /// Looks in a row with a gross loss.
    pub gross_looks: u32,
    /// Readings so far.
    pub readings: u32,
    /// Failure is latched, a pass is not.
    pub verdict: Verdict,
    /// Enough for a step of the weight that is not the last.
    pub step_gate: bool,
}

impl Readings {
    /// A check without readings. `stable_moved`: whether stable's gauge moved in the hours before. `history`: its
    /// values before the evidence, one window apart, the oldest first; the last 24 count.
    ///
    /// # Errors
    /// [`Refused::Bound`] if a bound is out of its range, [`Refused::NotANumber`] if a value is none.
    pub fn new(bounds: ReadingBounds, stable_moved: bool, history: &[f64]) -> Result<Self, Refused> {
        bound("maxDrop", bounds.max_drop, 0.0, 0.5)?;
        error_rate(bounds.alpha)?;
        finite(bounds.min.unwrap_or(0.0))?;
        Ok(Self {
            bounds,
            live: stable_moved,
            noise: deviation(history)?,
            first: (None, None),
            moved: None,
            last: None,
            last_good: false,
            taken: 0,
            gross: 0,
            failed: false,
            good: Bets::new(EQUAL, Start::Fixed),
            worse: Bets::new(EQUAL, Start::Mixed),
        })
    }

    /// Takes a look at the values and judges.
    ///
    /// # Errors
    /// [`Refused::NotANumber`] if a value is not finite; the check is then as it was.
    pub fn look(&mut self, values: Values) -> Result<ReadingFinding, Refused> {
        for value in [values.stable.unwrap_or(0.0), values.canary.unwrap_or(0.0), values.weight] {
            finite(value)?;
        }
        let mut next = *self;
        let mut gross_line = None;
        let reading = match (values.canary, values.stable) {
            (None, _) => Reading::No(Why::CanaryMissing),
            (Some(_), None) if self.bounds.max_drop.is_some() => Reading::No(Why::StableMissing),
            (Some(canary), stable) => {
                next.follow(values.at, stable, canary);
                let reading = next.read(values.at, stable, canary);
                gross_line = next.gross(&values);
                reading
            }
        };
        let finding = next.judge(reading, gross_line)?;
        *self = next;
        Ok(finding)
    }

    /// Notes whether a value moved.
    fn follow(&mut self, at: i64, stable: Option<f64>, canary: f64) {
        let moved = self.moved.get_or_insert_with(|| {
            self.first = (stable, Some(canary));
            Moment { at, value: canary }
        });
        if differ(Some(moved.value), Some(canary)) {
            *moved = Moment { at, value: canary };
        }
        self.live |= differ(self.first.0, stable) || differ(self.first.1, Some(canary));
    }

    /// Takes a reading if it is time for one.
    fn read(&mut self, at: i64, stable: Option<f64>, canary: f64) -> Reading {
        if let Some(last) = self.last {
            if at.saturating_sub(last.at) < self.bounds.window {
                return Reading::No(Why::TooSoon);
            }
            if self.live && !differ(Some(last.value), Some(canary)) {
                return Reading::No(Why::NotUpdating);
            }
        }
        let good = self.is_good(stable, canary);
        let (agree, against) = (gains(true), gains(false));
        self.good.add(if good { &agree } else { &against });
        self.worse.add(if good { &against } else { &agree });
        self.last = Some(Moment { at, value: canary });
        self.last_good = good;
        self.taken = self.taken.saturating_add(1);
        if good { Reading::Good } else { Reading::Bad }
    }

    fn is_good(&self, stable: Option<f64>, canary: f64) -> bool {
        let least = self.bounds.max_drop.zip(stable).map(|(drop, stable)| stable - drop);
        [least, self.bounds.min].into_iter().flatten().all(|least| canary - least >= -TOLERANCE)
    }

    /// Counts looks with a gross loss, if it can be told from noise. Gives the loss where it begins. A canary averages
    /// over fewer answers than stable, so its gauge is noisier.
    fn gross(&mut self, values: &Values) -> Option<f64> {
        let (noise, drop) = (self.noise?, self.bounds.max_drop?);
        let loss = values.stable? - values.canary?;
        let weight = values.weight;
        if weight <= 0.0 || weight >= 100.0 || values.at < self.bounds.window {
            return None;
        }
        let beyond = GROSS.0 * noise * ((100.0 - weight) / weight).max(1.0).sqrt();
        if beyond > MOST_NOISE {
            return None;
        }
        let line = drop + beyond;
        let moved = self.moved.is_some_and(|moved| values.at.saturating_sub(moved.at) <= self.bounds.window);
        let fresh = moved || !self.live;
        self.gross = if fresh && loss - line > TOLERANCE { self.gross.saturating_add(1) } else { 0 };
        Some(line)
    }

    fn judge(&mut self, reading: Reading, gross_line: Option<f64>) -> Result<ReadingFinding, Refused> {
        let good = finite(self.good.log_evidence())?;
        let worse = finite(self.worse.log_evidence())?;
        let needed = -self.bounds.alpha.ln();
        self.failed |= worse >= needed || self.gross >= GROSS.1;
        let enough = self.taken >= LEAST_READINGS.max(self.bounds.min_readings);
        // Where there is no bound every reading is good.
        let judged = self.bounds.max_drop.is_some() || self.bounds.min.is_some();
        let verdict = verdict(self.failed, judged && enough && good >= needed);
        Ok(ReadingFinding {
            reading,
            live: self.live,
            good,
            worse,
            gross_line,
            gross_looks: self.gross,
            readings: self.taken,
            verdict,
            step_gate: judged && !self.failed && self.last_good && good >= STEP.ln(),
        })
    }
}

/// Whether a gauge shows another value.
fn differ(one: Option<f64>, other: Option<f64>) -> bool {
    one.zip(other).map_or(one.is_some() != other.is_some(), |(one, other)| (one - other).abs() > 0.0)
}

/// What each bet gains from a reading on its side, or against it: ln 2q or ln 2(1 − q).
fn gains(agrees: bool) -> [f64; MOST] {
    let mut gains = [0.0; MOST];
    for (gain, share) in gains.iter_mut().zip(SHARES) {
        *gain = (2.0 * if agrees { share } else { 1.0 - share }).ln();
    }
    gains
}

/// The standard deviation of the last values, if there are enough.
fn deviation(history: &[f64]) -> Result<Option<f64>, Refused> {
    let last = || history.iter().rev().take(HISTORY.0);
    let mut number = 0_u32;
    let mut sum = 0.0;
    for &value in last() {
        sum += finite(value)?;
        number += 1;
    }
    let mean = sum / f64::from(number.max(1));
    let squares: f64 = last().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = finite((squares / f64::from(number.max(2) - 1)).sqrt())?;
    Ok((number >= HISTORY.1).then_some(deviation))
}

impl Kept for Readings {
    const KIND: u8 = 3;

    fn keep(&mut self, fields: &mut dyn Fields) {
        fields.flag(&mut self.live);
        fields.maybe(&mut self.noise);
        fields.maybe(&mut self.first.0);
        fields.maybe(&mut self.first.1);
        for moment in [&mut self.moved, &mut self.last] {
            let mut there = moment.is_some();
            fields.flag(&mut there);
            let mut kept = moment.unwrap_or_default();
            fields.time(&mut kept.at);
            fields.number(&mut kept.value);
            *moment = there.then_some(kept);
        }
        fields.flag(&mut self.last_good);
        fields.count(&mut self.taken);
        fields.count(&mut self.gross);
        fields.flag(&mut self.failed);
        self.good.keep(fields);
        self.worse.keep(fields);
    }
}
