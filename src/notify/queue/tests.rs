//! Order, bounds and times of a queue, without a wire.

use super::super::tests::decided;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn put(queue: &mut Queue, release: &str, seq: i64, now: Instant) -> Option<i64> {
    let gone = queue.push(Arc::new(decided(release, seq)), now + 600 * SECOND, now);
    gone.map(|gone| gone.decision.seq)
}

fn taken(queue: &mut Queue, now: Instant) -> Vec<(String, i64, u64)> {
    let mut all = Vec::new();
    while let Some((number, what)) = queue.take(now) {
        all.push((what.release.name.clone(), what.decision.seq, number));
    }
    all
}

fn names(all: &[(String, i64, u64)]) -> Vec<(&str, i64)> {
    all.iter().map(|(name, seq, _)| (name.as_str(), *seq)).collect()
}

#[test]
fn of_one_release_the_next_is_sent_when_the_one_before_has_arrived() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (release, seq) in [("a", 1), ("a", 2), ("b", 7)] {
        put(&mut queue, release, seq, now);
    }
    let first = taken(&mut queue, now);
    assert_eq!(names(&first), [("a", 1), ("b", 7)]);
    queue.delivered(first[0].2);
    assert_eq!(names(&taken(&mut queue, now)), [("a", 2)]);
}

#[test]
fn one_that_waits_to_be_tried_again_holds_up_its_own_release_only() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    put(&mut queue, "a", 1, now);
    put(&mut queue, "a", 2, now);
    let first = taken(&mut queue, now)[0].2;
    assert_eq!(queue.failed(first, now, |_| SECOND), Failed::Retried { began: true });
    put(&mut queue, "b", 1, now);
    assert_eq!(names(&taken(&mut queue, now)), [("b", 1)]);
    assert_eq!(queue.next_due(), Some(now + SECOND));
    assert_eq!(names(&taken(&mut queue, now + SECOND)), [("a", 1)]);
}

#[test]
fn at_most_four_are_under_way() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for n in 0..9 {
        put(&mut queue, &format!("r{n}"), 1, now);
    }
    assert_eq!(taken(&mut queue, now).len(), AT_ONCE);
    assert_eq!(queue.next_due(), None, "the end of one wakes the next");
}

#[test]
fn a_full_queue_loses_the_oldest_that_waits_and_none_that_is_under_way() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    put(&mut queue, "a", 1, now);
    let under_way = taken(&mut queue, now)[0].2;
    for seq in 2..=1000 {
        assert_eq!(put(&mut queue, "a", seq, now), None);
    }
    assert_eq!(put(&mut queue, "a", 1001, now), Some(2));
    assert_eq!(put(&mut queue, "b", 1, now), Some(3));
    assert_eq!(queue.len(), MOST);
    queue.delivered(under_way);
    assert_eq!(names(&taken(&mut queue, now)), [("a", 4), ("b", 1)]);
}

#[test]
fn what_waits_is_not_put_in_twice_and_an_older_decision_goes_before_a_newer_one() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for seq in [15, 13, 14, 15] {
        put(&mut queue, "a", seq, now);
    }
    let mut told = Vec::new();
    while let Some((number, what)) = queue.take(now) {
        told.push(what.decision.seq);
        queue.delivered(number);
    }
    assert_eq!(told, [13, 14, 15]);
}

#[test]
fn after_ten_minutes_one_that_failed_is_given_up_but_each_is_tried_at_least_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    put(&mut queue, "a", 1, now);
    put(&mut queue, "a", 2, now);
    let first = taken(&mut queue, now)[0].2;
    let late = now + HOUR;
    assert_eq!(queue.failed(first, late, |_| SECOND), Failed::Dropped(Arc::new(decided("a", 1))));
    let second = taken(&mut queue, late);
    assert_eq!(names(&second), [("a", 2)]);
    assert!(queue.delivered(second[0].2), "it takes them again, which is worth a word");
    assert_eq!(queue.failed(first, late, |_| SECOND), Failed::Unknown);
}
