//! Rules of other tools, written from their documentation, on the same traffic: for comparison only.

use model_release_core::analysis::kernel::{Block, Count};

use super::ours::End;
use super::traffic::{Setting, Stream};

/// The least share of right answers that a threshold asks for, where stable has 0.90 and may lose 0.02.
const THRESHOLD: f64 = 0.88;

/// What a rule says after a minute.
enum Says {
    GoOn,
    Promote,
    RollBack,
}

fn play(setting: Setting, seed: u64, most: u32, mut rule: impl FnMut(u32, &Block) -> Says) -> End {
    let mut stream = Stream::new(setting, seed);
    let mut end = End::default();
    for minute in 1..=most {
        let (mut block, more) = (stream.block(), stream.block());
        for (to, more) in [(&mut block.stable, more.stable), (&mut block.canary, more.canary)] {
            to.hits += more.hits;
            to.events += more.events;
        }
        end.minutes = f64::from(minute);
        end.events += block.canary.events;
        match rule(minute, &block) {
            Says::GoOn => continue,
            Says::Promote => end.promoted = true,
            Says::RollBack => end.failed = true,
        }
        break;
    }
    end
}

fn below(count: Count) -> bool {
    count.share().is_some_and(|share| share < THRESHOLD)
}

/// Flagger: a check a minute of the last minute's share against a threshold; ten good ones promote, five bad ones in all
/// roll back. A minute without answers is neither.
pub fn flagger(setting: Setting, seed: u64, most: u32) -> End {
    let (mut good, mut bad) = (0, 0);
    play(setting, seed, most, |_, block| {
        if block.canary.events > 0.0 {
            if below(block.canary) {
                bad += 1;
            } else {
                good += 1;
            }
        }
        match (good, bad) {
            (_, 5..) => Says::RollBack,
            (10.., _) => Says::Promote,
            _ => Says::GoOn,
        }
    })
}

/// Argo Rollouts: `count: 10`, `interval: 1m`, `failureLimit: 3`: the fourth failure of ten measurements fails the run.
pub fn argo(setting: Setting, seed: u64, most: u32) -> End {
    let (mut measured, mut failed) = (0, 0);
    play(setting, seed, most, |_, block| {
        if block.canary.events > 0.0 {
            measured += 1;
            failed += u32::from(below(block.canary));
        }
        match (measured, failed) {
            (_, 4..) => Says::RollBack,
            (10.., _) => Says::Promote,
            _ => Says::GoOn,
        }
    })
}

/// Kayenta's default judge: the Mann–Whitney test at 98 % of shares a minute, canary against a baseline of its own size,
/// with a tolerance of a quarter of the shift; looked at each ten minutes of an hour.
pub fn kayenta(setting: Setting, seed: u64, most: u32) -> End {
    let (mut baseline, mut canary) = (Vec::new(), Vec::new());
    // The baseline gets as much traffic as the canary.
    let equal = Setting { weight: 50.0, ..setting };
    play(equal, seed, most, |minute, block| {
        baseline.extend(block.stable.share());
        canary.extend(block.canary.share());
        if minute % 10 != 0 {
            return Says::GoOn;
        }
        let shift = shift(&baseline, &canary);
        // 0.25 of the shift that is estimated: only one whose whole interval is beyond that is called low.
        if shift.is_some_and(|(_, estimate, upper)| upper < -0.25 * estimate.abs()) {
            Says::RollBack
        } else if minute >= 60 {
            Says::Promote
        } else {
            Says::GoOn
        }
    })
}

/// By how much the second sample lies above the first: lower end, Hodges and Lehmann's estimate and upper end of the
/// interval of 98 % that belongs to the Mann–Whitney test, by its normal approximation.
fn shift(one: &[f64], other: &[f64]) -> Option<(f64, f64, f64)> {
    const QUANTILE: f64 = 2.326_347_874_040_841;
    let mut all: Vec<f64> = other.iter().flat_map(|b| one.iter().map(move |a| b - a)).collect();
    all.sort_by(f64::total_cmp);
    let size = |n: usize| f64::from(u32::try_from(n).unwrap());
    let (m, n) = (size(one.len()), size(other.len()));
    let reach = QUANTILE * (m * n * (m + n + 1.0) / 12.0).sqrt();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
    let rank = (m * n / 2.0 - reach).floor().max(0.0) as usize;
    let last = all.len().checked_sub(1)?;
    Some((all[rank.min(last)], all[all.len() / 2], all[last.saturating_sub(rank)]))
}

#[test]
fn the_interval_of_a_shift_is_that_of_the_test() {
    // Of ten values each and a shift of 5 that no value hides: the interval holds it, and no shift of 0.
    let one: Vec<f64> = (0..10).map(f64::from).collect();
    let other: Vec<f64> = (0..10).map(|n| f64::from(n) + 5.0).collect();
    let (lower, estimate, upper) = shift(&one, &other).unwrap();
    assert!(lower > 0.0 && lower < 5.0 && (estimate - 5.0).abs() < 1e-9 && upper > 5.0, "{lower} {upper}");
    let (lower, _, upper) = shift(&one, &one).unwrap();
    assert!(lower < 0.0 && upper > 0.0);
    assert_eq!(shift(&[], &one), None);
}
