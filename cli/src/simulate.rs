//! Trials with drawn traffic, judged by the operator's own kernel: what a release's fields would decide, and when.

use std::time::Duration;

use model_release_core::analysis::kernel::{Block, Count, Quality, QualityBounds, Refused};
use model_release_core::api::evidence::Verdict;
use rand::SeedableRng;
use rand_distr::{Distribution, Poisson};
use rand_xorshift::XorShiftRng;
use serde::Serialize;

/// Blocks of stable's that the operator knows before a trial.
const KNOWN: u32 = 240;

/// One kind of trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// What the canary must prove.
    pub bounds: QualityBounds,
    /// Stable's true share of right answers, 0 to 1.
    pub stable: f64,
    /// The canary's.
    pub canary: f64,
    /// Labelled answers a minute, of both versions together.
    pub per_minute: f64,
    /// The canary's part of them in percent, above 0 and below 100.
    pub weight: f64,
    /// `analysis.interval`: the length of a block.
    pub interval: Duration,
    /// After so long it is undecided: `rollout.maxDuration`.
    pub longest: Duration,
}

/// What became of many trials. Shares of them are from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chances {
    /// How many were promoted.
    pub promoted: f64,
    /// How many were rolled back.
    pub rolled_back: f64,
    /// How many were neither when the time was over.
    pub undecided: f64,
    /// Seconds that half of those that were decided took at most; none if none was.
    pub half_within_seconds: Option<f64>,
    /// Seconds that 95 of 100 of them took at most.
    pub most_within_seconds: Option<f64>,
    /// The canary's labelled answers until then, on average.
    pub answers: f64,
}

/// Plays trials. The same seeds give the same trials.
///
/// # Errors
/// [`Refused::Bound`] if a bound is none that evidence can be gathered for.
pub fn play(setting: &Setting, trials: u32) -> Result<Chances, Refused> {
    let mut ends = Vec::new();
    let mut chances = Chances::default();
    let share = 1.0 / f64::from(trials.max(1));
    for seed in 0..trials {
        let (verdict, seconds, answers) = trial(setting, u64::from(seed))?;
        match verdict {
            Verdict::Pass => chances.promoted += share,
            Verdict::Fail => chances.rolled_back += share,
            Verdict::Inconclusive => chances.undecided += share,
        }
        chances.answers += answers * share;
        if verdict != Verdict::Inconclusive {
            ends.push(seconds);
        }
    }
    ends.sort_by(f64::total_cmp);
    let within = |part: usize| ends.get((ends.len() * part / 100).min(ends.len().saturating_sub(1))).copied();
    chances.half_within_seconds = within(50);
    chances.most_within_seconds = within(95);
    Ok(chances)
}

/// One trial: what it came to, after how many seconds and labelled answers of the canary.
fn trial(setting: &Setting, seed: u64) -> Result<(Verdict, f64, f64), Refused> {
    let mut random = XorShiftRng::seed_from_u64(seed);
    let mut check = Quality::new(setting.bounds)?;
    let seconds = setting.interval.as_secs_f64();
    let all = setting.per_minute * seconds / 60.0;
    let of_canary = all * setting.weight / 100.0;
    let mut draw = |mean: f64, share: f64| {
        let hits = poisson(mean * share, &mut random);
        Count { hits, events: hits + poisson(mean * (1.0 - share), &mut random) }
    };
    for _ in 0..KNOWN {
        check.learn(draw(all, setting.stable))?;
    }
    let most = (setting.longest.as_secs_f64() / seconds).floor().max(1.0);
    let mut blocks = 0.0;
    let mut end = (Verdict::Inconclusive, 0.0, 0.0);
    while blocks < most && end.0 == Verdict::Inconclusive {
        blocks += 1.0;
        let stable = draw(all - of_canary, setting.stable);
        let canary = draw(of_canary, setting.canary);
        let found = check.look(Block { stable, canary })?;
        end = (found.verdict, blocks * seconds, found.totals.canary.events);
    }
    Ok(end)
}

fn poisson(mean: f64, random: &mut XorShiftRng) -> f64 {
    match Poisson::new(mean) {
        Ok(drawn) if mean > 0.0 => drawn.sample(random),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(canary: f64) -> Setting {
        Setting {
            bounds: QualityBounds {
                max_drop: Some(0.02),
                min: None,
                alpha: 0.05,
                min_samples: 100.0,
                dispersion: None,
            },
            stable: 0.9,
            canary,
            per_minute: 1_000.0,
            weight: 10.0,
            interval: Duration::from_secs(30),
            longest: Duration::from_secs(24 * 3600),
        }
    }

    #[test]
    fn an_equal_canary_is_promoted_and_a_bad_one_is_not() {
        let equal = play(&setting(0.9), 200).unwrap();
        assert!(equal.promoted >= 0.97 && equal.rolled_back <= 0.03, "{equal:?}");
        let half = equal.half_within_seconds.unwrap() / 60.0;
        assert!((10.0..40.0).contains(&half), "{half} min");
        let bad = play(&setting(0.7), 200).unwrap();
        assert!(bad.rolled_back >= 0.99 && bad.answers < 250.0, "{bad:?}");
        assert!(bad.most_within_seconds.unwrap() <= 180.0, "{bad:?}");
    }

    #[test]
    fn what_takes_too_long_is_undecided() {
        let short = Setting { longest: Duration::from_secs(60), ..setting(0.9) };
        let chances = play(&short, 50).unwrap();
        assert!(chances.undecided >= 0.99 && chances.half_within_seconds.is_none(), "{chances:?}");
    }

    #[test]
    fn the_same_seeds_are_the_same_trials() {
        assert_eq!(play(&setting(0.88), 20), play(&setting(0.88), 20));
    }

    #[test]
    fn no_traffic_decides_nothing() {
        let none = Setting { per_minute: 0.0, longest: Duration::from_secs(600), ..setting(0.5) };
        assert!((play(&none, 3).unwrap().undecided - 1.0).abs() < 1e-9);
    }
}
