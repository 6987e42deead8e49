//! Laws of single histories: rules that hold at every write, rest, a human's word, the end of a release.

use std::collections::BTreeMap;
use std::time::Instant;

use model_release_core::api::Reason;
use model_release_core::api::status::Phase;
use model_release_core::moves;
use model_release_core::testing::rules;
use proptest::collection::vec;
use proptest::prelude::*;

use super::events::{Happens, happens};
use super::law::Law;
use super::play::Play;
use super::same::rested;
use super::{ALWAYS, GONE, HELD, starts};

/// Plays events from a start.
pub fn played(start: usize, events: &[Happens]) -> Play {
    let mut play = starts::at(start);
    for event in events {
        play.happen(event);
    }
    play
}

/// A start and what happens from there.
pub fn history() -> impl Strategy<Value = (usize, Vec<Happens>)> {
    (starts::any(), vec(happens(), 1..24))
}

#[test]
fn every_history_keeps_the_rules_and_comes_to_rest() {
    let (before, began) = (rules::checked(), Instant::now());
    let bound = "up to 23 events from each phase; at rest for 13 hours";
    let seen = ALWAYS.hold(bound, &history(), |(start, events), seen| {
        let play = rested(played(start, &events));
        seen.borrow_mut().count(&play);
        Ok(())
    });
    println!("rows, and in how many of {} sequences each answered: {:?}", seen.sequences, seen.rows);
    println!("phases likewise: {:?}", seen.phases);
    let silent: Vec<_> = moves::numbers().filter(|row| !seen.rows.contains_key(row)).collect();
    assert!(silent.is_empty(), "rows that never answered: {silent:?}");
    let missed: Vec<_> =
        Phase::ALL.iter().filter(|phase| !seen.phases.contains_key(phase.as_str())).collect();
    assert!(missed.is_empty(), "phases that were never reached: {missed:?}");
    let checked: BTreeMap<_, _> = rules::checked();
    for rule in ["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S13", "S15", "H1", "L5"]
    {
        let checks = checked.get(rule).unwrap_or(&0) - before.get(rule).unwrap_or(&0);
        assert!(checks > 0, "{rule} was never checked");
        let law = Law { property: rule, ..ALWAYS };
        law.tell(
            &format!("{} sequences, {checks} checks", seen.sequences),
            "at every commit and write",
            began,
        );
    }
    let rests = format!("{0} sequences, {0} rests", seen.sequences);
    Law { property: "S12, L1", ..ALWAYS }.tell(&rests, "no write and no decision at rest", began);
}

/// S6: a rollback annotation beats whatever else is true, for as long as it stays.
#[test]
fn a_human_always_wins() {
    HELD.hold("within 3 looks, and for half an hour", &history(), |(start, events), seen| {
        let mut play = played(start, &events);
        play.happen(&Happens::Say("rollback", Some("true")));
        let decided = play.world.decisions.len();
        if play.gone() {
            return Ok(());
        }
        for _ in 0..3 {
            play.look();
        }
        let on_trial = matches!(
            play.world.phase(),
            Phase::Starting
                | Phase::Warming
                | Phase::Shadowing
                | Phase::Analyzing
                | Phase::Promoting
                | Phase::Replacing
        );
        let deleted = play.world.object.metadata.deletion_timestamp.is_some();
        prop_assert!(deleted || !on_trial, "held and still on trial: {}", play.world.story());
        play.until(play.world.now + jiff::SignedDuration::from_mins(30));
        let forward = [
            Reason::CanaryStarted,
            Reason::WarmedUp,
            Reason::StepStarted,
            Reason::StepAdvanced,
            Reason::Promoting,
            Reason::ManualPromotion,
            Reason::Replacing,
        ];
        let since = &play.world.decisions[decided..];
        prop_assert!(
            since.iter().all(|d| !forward.contains(&d.2)),
            "forward while held: {}",
            play.world.story()
        );
        seen.borrow_mut().count(&play);
        Ok(())
    });
}

/// S13: after a deletion nothing is created, nothing rises, and the finalizer goes within a minute; what is not to be
/// left is gone.
#[test]
fn a_deleted_release_is_gone_within_a_minute() {
    let strategy = (history(), proptest::bool::weighted(0.2), vec(happens(), 0..5));
    GONE.hold("60 s", &strategy, |((start, events), orphan, after), seen| {
        let mut play = played(start, &events);
        play.happen(&Happens::Delete(orphan));
        let deadline = play.world.now + jiff::SignedDuration::from_secs(62);
        let before = play.world.writes.len();
        // Others go on meanwhile; the operator looks when it is due.
        for event in after
            .iter()
            .filter(|event| !matches!(event, Happens::Back(_) | Happens::Away(_) | Happens::Seconds(_)))
        {
            play.happen(event);
        }
        play.until(deadline.max(play.world.now));
        prop_assert!(
            play.gone(),
            "not gone: {:?}, {}",
            play.world.object.metadata.finalizers,
            play.world.story()
        );
        let created: Vec<_> =
            play.world.writes[before..].iter().filter(|w| w.starts_with("create")).collect();
        prop_assert!(created.is_empty(), "{created:?}");
        seen.borrow_mut().count(&play);
        Ok(())
    });
}
