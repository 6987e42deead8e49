//! M1, M2, M4, M5 and M6: what must not matter at all. Both runs have the same times, and are the same.

use proptest::collection::vec;
use proptest::prelude::*;

use super::ends::{differences, end, way};
use super::events::{Happens, fails, happens};
use super::law::Law;
use super::play::{Play, Runs};
use super::{law, policy, starts};

pub const M01: Law = law("M1", "m01_the_order_of_independent_events_does_not_matter", 350);
pub const M02: Law = law("M2", "m02_events_that_come_twice_or_together_change_nothing", 350);
pub const M04: Law = law("M4", "m04_a_crash_or_a_refusal_at_any_write_ends_as_without_it", 400);
pub const M05: Law = law("M5", "m05_two_deciders_end_as_one", 350);
pub const M06: Law = law("M6", "m06_a_second_reconcile_of_what_is_stored_writes_nothing", 350);

/// Compares two runs in everything.
pub fn alike(one: &Play, other: &Play) -> Result<(), TestCaseError> {
    prop_assert_eq!(way(one), way(other), "the ways differ: {}", other.world.story());
    let differ = differences(&end(one), &end(other));
    prop_assert!(differ.is_empty(), "the ends differ: {differ:?}; {}", other.world.story());
    Ok(())
}

/// Lets a play come to rest among friends.
pub fn rested(mut play: Play) -> Play {
    play.befriend();
    play.rest();
    play
}

/// A play up to an instant at which nothing is left to do.
pub fn settled(start: usize, events: &[Happens]) -> Play {
    let mut play = starts::at(start);
    for event in events {
        play.happen(event);
    }
    play.settle();
    play
}

/// Events none of which bears on what another does at an instant at which nothing is due: drift, times, words that
/// mean nothing, facts that are asked for later.
fn independent() -> impl Strategy<Value = [Happens; 2]> {
    let facts = prop_oneof![
        (1_u8..5, any::<bool>()).prop_map(|(v, good)| Happens::Accuracy(v, good)),
        (1_u8..5, any::<bool>()).prop_map(|(v, bad)| Happens::Errors(v, bad)),
        any::<bool>().prop_map(Happens::Prometheus),
    ];
    let all = [
        any::<u8>().prop_map(Happens::Tamper).boxed(),
        facts.boxed(),
        (0..policy::TIMES).prop_map(|at| Happens::Policy(u8::try_from(at).unwrap())).boxed(),
        Just(Happens::Say("promote", Some("v9"))).boxed(),
    ];
    (0_usize..4, 1_usize..4).prop_flat_map(move |(one, by)| [all[one].clone(), all[(one + by) % 4].clone()])
}

#[test]
fn m01_the_order_of_independent_events_does_not_matter() {
    let strategy = (starts::any(), vec(happens(), 0..6), independent(), vec(happens(), 0..4));
    M01.hold(
        "two events at one instant, looks between them",
        &strategy,
        |(start, events, [a, b], after), seen| {
            let one = settled(start, &events);
            let order = |mut play: Play, both: [&Happens; 2]| {
                for event in both.into_iter().chain(&after) {
                    play.happen(event);
                    play.settle();
                }
                rested(play)
            };
            let (one, other) = (order(one.clone(), [&a, &b]), order(one, [&b, &a]));
            seen.borrow_mut().count(&other);
            alike(&one, &other)
        },
    );
}

/// Two that are independent may come in one look; what comes again says nothing new, be it an event or a look.
#[test]
fn m02_events_that_come_twice_or_together_change_nothing() {
    let strategy = (starts::any(), vec(happens(), 0..8), independent(), 1_u8..4);
    M02.hold(
        "each look up to 4 times, two events in one",
        &strategy,
        |(start, events, [a, b], times), seen| {
            let again = |event: &Happens| {
                // Said again it is another token, another edit of the same child, or more time.
                matches!(
                    event,
                    Happens::Canary(_)
                        | Happens::Stable(_)
                        | Happens::Say(..)
                        | Happens::Suspend(_)
                        | Happens::Sick(..)
                        | Happens::Ails(..)
                        | Happens::Accuracy(..)
                        | Happens::Policy(_)
                )
            };
            let (mut one, mut other) = (starts::at(start), starts::at(start));
            other.runs = Runs::Often(times);
            for event in &events {
                one.happen(event);
                other.happen(event);
                if again(event) {
                    other.happen(event);
                }
            }
            one.settle();
            other.settle();
            one.happen(&a);
            one.settle();
            one.happen(&b);
            other.happen(&a);
            other.happen(&b);
            let (one, other) = (rested(one), rested(other));
            seen.borrow_mut().count(&other);
            alike(&one, &other)
        },
    );
}

/// After any write of any look, or before its commit, the operator dies and begins anew; or a write is refused, or
/// its answer is lost, which is the same to one that remembers nothing.
#[test]
fn m04_a_crash_or_a_refusal_at_any_write_ends_as_without_it() {
    let fault = prop_oneof![
        3 => (any::<bool>(), 0_usize..6).prop_map(|(commit, sent)| Some((commit, sent))),
        1 => Just(None),
    ];
    let strategy = (starts::any(), vec(happens(), 0..10), any::<u64>(), fault, 0_usize..4);
    M04.hold("one fault at any look", &strategy, |(start, events, at, fault, sent), seen| {
        let (mut one, mut other) = (starts::at(start), starts::at(start));
        for event in &events {
            one.happen(event);
        }
        let one = rested(one);
        let at = at % one.looks.max(1) + 1;
        other.runs = match fault {
            Some((commit, sent)) => Runs::Dies(at, commit, sent),
            None => Runs::IsRefused(at, sent),
        };
        for event in &events {
            other.happen(event);
        }
        let other = rested(other);
        seen.borrow_mut().count(&other);
        alike(&one, &other)
    });
}

#[test]
fn m05_two_deciders_end_as_one() {
    let strategy = (starts::any(), vec(happens(), 0..10), any::<u64>());
    M05.hold("two at each look, in any order", &strategy, |(start, events, first), seen| {
        let (mut one, mut other) = (starts::at(start), starts::at(start));
        other.runs = Runs::Twice(first);
        for event in &events {
            one.happen(event);
            other.happen(event);
        }
        let (one, other) = (rested(one), rested(other));
        seen.borrow_mut().count(&other);
        alike(&one, &other)
    });
}

/// What is stored is what is read back: release and children as JSON, with the API server's defaults and others' fields
/// in the children.
#[test]
fn m06_a_second_reconcile_of_what_is_stored_writes_nothing() {
    let events = vec(prop_oneof![3 => happens(), 1 => fails()], 1..10);
    M06.hold("after each of up to 9 events", &(starts::any(), events), |(start, events), seen| {
        let mut play = starts::at(start);
        for event in &events {
            play.happen(event);
            play.settle();
            if play.gone() {
                break;
            }
            let mut again = play.clone();
            again.read_back();
            let made = again.world.decide();
            prop_assert!(made.status.is_none(), "another status: {:?}; {}", made.status, play.world.story());
            prop_assert!(made.writes.is_empty(), "{:?}; {}", made.writes, play.world.story());
            prop_assert!(made.events.is_empty(), "{:?}", made.events);
        }
        seen.borrow_mut().count(&play);
        Ok(())
    });
}
