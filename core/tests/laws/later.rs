//! M7, M8, M9 and M14: what may only make a trial later, or its verdict only better or only worse.

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::Reason;
use model_release_core::api::status::{Act, Phase};
use model_release_core::testing::Says;
use proptest::prelude::*;

use super::events::Happens;
use super::law::Law;
use super::play::{Play, Runs};
use super::same::alike;
use super::{law, starts};

pub const M07: Law = law("M7", "m07_inconclusive_looks_change_only_time", 400);
pub const M08: Law = law("M8", "m08_looks_that_come_late_never_promote_earlier_nor_on_less", 300);
pub const M09: Law = law("M9", "m09_more_successes_never_fail_and_more_failures_never_pass", 500);
pub const M14: Law = law("M14", "m14_a_pause_that_ends_changes_only_time", 350);

/// A trial that nobody disturbs: its policy, its version, and how good that is.
#[derive(Clone, Debug)]
struct Trial {
    policy: Vec<u8>,
    version: u8,
    accuracy: f64,
    errors: f64,
}

/// Edits that set no deadline to a verdict, and leave it to the operator.
const UNHURRIED: [usize; 21] = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 19, 20, 22, 23, 24, 30, 31, 32, 33, 34];

/// A trial whose version is clearly good or clearly bad.
fn trial() -> impl Strategy<Value = Trial> {
    let policy = proptest::collection::vec(proptest::sample::select(UNHURRIED.as_slice()), 0..4);
    let bad = proptest::bool::weighted(0.3);
    (policy, 2_u8..5, bad, bad).prop_map(|(policy, version, wrong, failing)| Trial {
        policy: policy.into_iter().map(|at| u8::try_from(at).unwrap()).collect(),
        version,
        accuracy: if wrong { 0.6 } else { 0.97 },
        errors: if failing { 0.5 } else { 0.0 },
    })
}

/// The trial from the user's edit on.
fn begun(trial: &Trial) -> Play {
    let mut play = starts::serving();
    for at in &trial.policy {
        play.happen(&Happens::Policy(*at));
    }
    let name = play.name(trial.version);
    play.world.accuracy.insert(name.clone(), trial.accuracy);
    play.world.errors.insert(name, trial.errors);
    play.world.rate = 5_000.0;
    play.settle();
    play.happen(&Happens::Canary(Some(trial.version)));
    play
}

/// When a candidate was found good enough, and on how many of its events.
fn promotion(play: &Play) -> Option<(Timestamp, i64)> {
    let status = play.world.status();
    let found = status
        .history
        .iter()
        .find(|entry| entry.verdict == Act::Promote && entry.from == Phase::Analyzing)?;
    let events = found.numbers.iter().map(|numbers| numbers.canary_events).min().unwrap_or(0);
    Some((found.at, events))
}

/// Up to two in a row: after three intervals without a usable answer nothing may rise, which is told (5.11). Of a version
/// that is bad in two ways either may be found first: without stable's past a share can be held against a limit a block
/// sooner than against stable.
#[test]
fn m07_inconclusive_looks_change_only_time() {
    let says = proptest::sample::select(&Says::ALL[1..]);
    let strategy = (trial(), says, 0_usize..12, 1_u64..3);
    M07.hold(
        "up to 2 blocks at any time of an undisturbed trial",
        &strategy,
        |(trial, says, after, times), seen| {
            let (mut one, mut other) = (begun(&trial), begun(&trial));
            one.rest();
            other.looks_due(after);
            other.runs = Runs::Blind(says, times);
            other.rest();
            seen.borrow_mut().count(&other);
            if trial.accuracy < 0.9 && trial.errors > 0.1 {
                prop_assert_eq!(verdict(&one), verdict(&other), "{}", other.world.story());
                prop_assert_eq!(one.world.phase(), other.world.phase(), "{}", other.world.story());
                return Ok(());
            }
            alike(&one, &other)
        },
    );
}

/// Late by whole intervals, so that the blocks after a weight begin as long after it as they would have.
#[test]
fn m08_looks_that_come_late_never_promote_earlier_nor_on_less() {
    let strategy = (trial(), 1_i64..4);
    M08.hold("each look up to 3 intervals late", &strategy, |(trial, intervals), seen| {
        let (mut one, mut other) = (begun(&trial), begun(&trial));
        other.runs = Runs::Late(SignedDuration::from_secs(20 * intervals));
        one.rest();
        other.rest();
        seen.borrow_mut().count(&other);
        match (promotion(&one), promotion(&other)) {
            (Some((at, events)), Some((later, more))) => {
                prop_assert!(later >= at, "promoted at {later}, and on time at {at}");
                prop_assert!(more >= events, "promoted on {more} events, and on time on {events}");
            }
            (None, Some(_)) => prop_assert!(false, "promoted only because it was looked at late"),
            _ => {}
        }
        Ok(())
    });
}

/// What was found first, if anything: whether it passed.
fn verdict(play: &Play) -> Option<bool> {
    play.world.decisions.iter().find_map(|(_, _, reason)| match reason {
        Reason::QualityPassed | Reason::GuardrailsPassed => Some(true),
        Reason::QualityRegression | Reason::ErrorRateExceeded => Some(false),
        _ => None,
    })
}

/// Shares that change four times; of the better run each is at least as good at each time.
#[test]
fn m09_more_successes_never_fail_and_more_failures_never_pass() {
    let share = (0.5_f64..1.0, 0.0_f64..0.3, 0.0_f64..0.4, 0.0_f64..0.4);
    let strategy =
        (trial(), proptest::collection::vec(share, 4), proptest::sample::select(vec![20.0, 200.0, 5_000.0]));
    M09.hold("4 times 80 s of any shares", &strategy, |(trial, shares, rate), seen| {
        let run = |better: bool| {
            let mut play = begun(&trial);
            play.world.rate = rate;
            let name = play.name(trial.version);
            for (accuracy, gain, errors, loss) in &shares {
                let (right, failed) = if better {
                    ((accuracy + gain).min(1.0), (errors - loss).max(0.0))
                } else {
                    (*accuracy, *errors)
                };
                play.world.accuracy.insert(name.clone(), right);
                play.world.errors.insert(name.clone(), failed);
                play.until(play.world.now + SignedDuration::from_secs(80));
            }
            play
        };
        let (worse, better) = (run(false), run(true));
        seen.borrow_mut().count(&better);
        let pair = (verdict(&worse), verdict(&better));
        prop_assert!(
            pair != (Some(true), Some(false)),
            "worse passes, better fails: {}",
            better.world.story()
        );
        Ok(())
    });
}

/// A pause of a trial whose verdict does not hang on how long it was looked at.
#[test]
fn m14_a_pause_that_ends_changes_only_time() {
    let word = proptest::sample::select(vec!["true", "perhaps"]);
    let strategy = (trial(), 0_usize..25, 1_i64..3_000, word);
    M14.hold("one pause of up to 50 minutes", &strategy, |(trial, after, seconds, word), seen| {
        let (mut one, mut other) = (begun(&trial), begun(&trial));
        one.rest();
        other.looks_due(after);
        other.happen(&Happens::Say("pause", Some(word)));
        other.until(other.world.now + SignedDuration::from_secs(seconds));
        other.happen(&Happens::Say("pause", None));
        other.rest();
        seen.borrow_mut().count(&other);
        alike(&one, &other)
    });
}
