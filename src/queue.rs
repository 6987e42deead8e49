//! When each release is looked at: one time for each, replaced by any event; never twice at once. Of those that are due
//! the most urgent goes first, and has room of its own: a rollback does not wait until fifty new releases are set up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use model_release_core::urgency::Urgency;
use tokio::time::Instant;

use crate::watch::ReleaseKey;

/// How many releases of no urgency are looked at at once.
pub const CONCURRENCY: usize = 16;
/// How many more there may be for each degree of urgency.
const RESERVED: usize = 4;

/// How many may be looked at at once for one of this urgency to be begun.
fn room(urgency: Urgency) -> usize {
    CONCURRENCY
        + match urgency {
            Urgency::Ordinary => 0,
            Urgency::Word => RESERVED,
            Urgency::Rollback => 2 * RESERVED,
        }
}

/// What becomes of a release after a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Look again then.
    At(Instant),
    /// What it was decided on had changed: look again at once.
    Conflict,
    /// It failed: look again, ever later; soon while a rollback is unfinished.
    Failed,
    /// The API server refused a write, as before.
    Refused,
    /// It panicked: look again, much later.
    Panicked,
    /// There is no such release.
    Gone,
}

#[derive(Debug, Default)]
struct Entry {
    due: Option<Due>,
    running_since: Option<Instant>,
    woken: bool,
    failures: u32,
}

/// When a release is to be looked at, and before which others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    urgency: Urgency,
    at: Instant,
}

/// The queue. It reads no clock and no release: whoever asks says when it is and what is urgent.
#[derive(Debug, Default)]
pub struct Queue {
    entries: HashMap<ReleaseKey, Entry>,
    lanes: BTreeMap<Urgency, BTreeMap<Instant, BTreeSet<ReleaseKey>>>,
    running: usize,
}

impl Queue {
    /// Something happened to a release: it is due now, or again once its present look ends.
    pub fn wake(&mut self, key: &ReleaseKey, urgency: Urgency, now: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.running_since.is_some() {
            entry.woken = true;
        } else {
            let at = entry.due.map_or(now, |due| due.at.min(now));
            self.schedule(key, Due { urgency, at });
        }
    }

    fn schedule(&mut self, key: &ReleaseKey, due: Due) {
        self.unschedule(key);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.due = Some(due);
            self.lanes.entry(due.urgency).or_default().entry(due.at).or_default().insert(key.clone());
        }
    }

    fn unschedule(&mut self, key: &ReleaseKey) {
        let Some(old) = self.entries.get_mut(key).and_then(|entry| entry.due.take()) else { return };
        let Some(lane) = self.lanes.get_mut(&old.urgency) else { return };
        if let Some(keys) = lane.get_mut(&old.at) {
            keys.remove(key);
            if keys.is_empty() {
                lane.remove(&old.at);
            }
        }
    }

    /// The next release to look at, if one is due and there is room.
    pub fn take(&mut self, now: Instant) -> Option<ReleaseKey> {
        let running = self.running;
        let key = self
            .lanes
            .iter()
            .filter(|(urgency, _)| running < room(**urgency))
            .filter_map(|(_, lane)| lane.first_key_value())
            .find(|(at, _)| **at <= now)
            .and_then(|(_, keys)| keys.first().cloned())?;
        self.unschedule(&key);
        self.running += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.running_since = Some(now);
            entry.woken = false;
        }
        Some(key)
    }

    /// A look has ended; the release is that urgent now. `jitter`: 0 to 1, by how much of a third a wait is shortened.
    pub fn done(&mut self, key: &ReleaseKey, outcome: Outcome, urgency: Urgency, now: Instant, jitter: f64) {
        let urgent = urgency == Urgency::Rollback;
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.running = self.running.saturating_sub(usize::from(entry.running_since.take().is_some()));
        let woken = std::mem::take(&mut entry.woken);
        let at = match outcome {
            Outcome::At(at) => {
                entry.failures = 0;
                at
            }
            Outcome::Gone if !woken => {
                self.entries.remove(key);
                return;
            }
            Outcome::Gone => now,
            Outcome::Conflict => {
                entry.failures = entry.failures.saturating_add(1);
                // The first is nobody's fault; many in a row are a fight.
                now + if entry.failures <= 2 {
                    Duration::ZERO
                } else {
                    backoff(100, 2_000, entry.failures - 2, jitter)
                }
            }
            Outcome::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                let (first, longest) = if urgent { (200, 2_000) } else { (1_000, 60_000) };
                now + backoff(first, longest, entry.failures, jitter)
            }
            Outcome::Refused => now + Duration::from_secs(60),
            Outcome::Panicked => {
                entry.failures = entry.failures.saturating_add(1);
                now + backoff(10_000, 600_000, entry.failures, jitter)
            }
        };
        // After a failure an event does not cut the wait to nothing, or a busy release would hammer a failing server.
        let soonest = match outcome {
            Outcome::At(_) | Outcome::Conflict | Outcome::Gone => now,
            Outcome::Failed if urgent => now + Duration::from_millis(200),
            Outcome::Failed | Outcome::Refused => now + Duration::from_secs(1),
            Outcome::Panicked => now + Duration::from_secs(10),
        };
        self.schedule(key, Due { urgency, at: if woken { at.min(soonest) } else { at } });
    }

    /// When the next release is due for which there is room.
    pub fn next_due(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter(|(urgency, _)| self.running < room(**urgency));
        lanes.filter_map(|(_, lane)| lane.keys().next()).min().copied()
    }

    /// The earliest due time of a release that waits.
    pub fn oldest_due(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.keys().next()).min().copied()
    }

    /// How many are being looked at.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.lanes.values().flat_map(BTreeMap::values).map(BTreeSet::len).sum()
    }

    /// How many are due and wait.
    pub fn due(&self, now: Instant) -> usize {
        self.lanes.values().flat_map(|lane| lane.range(..=now)).map(|(_, keys)| keys.len()).sum()
    }

    /// Forgets everything: the lead is lost.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// `first` doubling to `longest`, in milliseconds, less up to a third.
fn backoff(first: u64, longest: u64, failures: u32, jitter: f64) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(20));
    Duration::from_millis(doubled.min(longest)).mul_f64(1.0 - jitter / 3.0)
}

#[cfg(test)]
mod tests {
    use Urgency::{Ordinary, Rollback, Word};

    use super::*;

    fn key(name: &str) -> ReleaseKey {
        ReleaseKey { namespace: "n".into(), name: name.into() }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_release_is_never_looked_at_twice_at_once_and_no_wake_is_lost() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.wake(&key("a"), Ordinary, now);
        queue.wake(&key("a"), Ordinary, now);
        assert_eq!(queue.take(now), Some(key("a")));
        queue.wake(&key("a"), Ordinary, now);
        assert_eq!(queue.take(now), None, "it is being looked at");
        queue.done(&key("a"), Outcome::At(now + seconds(3600)), Ordinary, now, 0.0);
        assert_eq!(queue.take(now), Some(key("a")), "the wake in between counts");
        queue.done(&key("a"), Outcome::At(now + seconds(3600)), Ordinary, now, 0.0);
        assert_eq!(queue.take(now + seconds(3599)), None);
        assert_eq!(queue.take(now + seconds(3600)), Some(key("a")));
    }

    #[test]
    fn a_wake_brings_a_look_forward_and_never_delays_it() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.wake(&key("a"), Ordinary, now);
        queue.take(now);
        queue.done(&key("a"), Outcome::At(now + seconds(10)), Ordinary, now, 0.0);
        queue.wake(&key("a"), Ordinary, now + seconds(1));
        assert_eq!(queue.next_due(), Some(now + seconds(1)));
        queue.wake(&key("a"), Ordinary, now + seconds(5));
        assert_eq!(queue.next_due(), Some(now + seconds(1)));
        assert_eq!(queue.waiting(), 1);
    }

    #[test]
    fn at_most_sixteen_run_and_the_longest_due_goes_first() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for n in 0..20 {
            queue.wake(&key(&format!("{n:02}")), Ordinary, now + seconds(20 - n));
        }
        let later = now + seconds(60);
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(later)).collect();
        assert_eq!(taken.len(), CONCURRENCY);
        assert_eq!(taken[0], key("19"));
        assert_eq!(queue.next_due(), None);
        assert_eq!(queue.oldest_due(), Some(now + seconds(17)));
        queue.done(&taken[0], Outcome::Gone, Ordinary, later, 0.0);
        assert_eq!(queue.take(later), Some(key("03")));
    }

    #[test]
    fn a_rollback_waits_neither_for_what_is_due_before_it_nor_for_room() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for n in 0..50 {
            queue.wake(&key(&format!("{n:02}")), Ordinary, now);
        }
        while queue.take(now).is_some() {}
        assert_eq!(queue.running(), CONCURRENCY);
        let later = now + seconds(1);
        queue.wake(&key("word"), Word, later);
        queue.wake(&key("49"), Rollback, later);
        assert_eq!(queue.next_due(), Some(now), "it is due since then, and there is room");
        assert_eq!(queue.take(later), Some(key("49")));
        assert_eq!(queue.take(later), Some(key("word")));
        assert_eq!((queue.take(later), queue.next_due()), (None, None), "of the others enough are looked at");
        queue.done(&key("49"), Outcome::At(later), Ordinary, later, 0.0);
        assert_eq!(queue.take(later), None, "its urgency is over");
        for n in 0..2 * RESERVED {
            queue.wake(&key(&format!("word-{n}")), Word, later);
            queue.take(later);
        }
        assert_eq!(queue.running(), CONCURRENCY + RESERVED, "not even words take the room of a rollback");
    }

    #[test]
    fn failures_wait_ever_longer_and_less_while_a_rollback_is_unfinished() {
        let now = Instant::now();
        let wait = |outcome: Outcome, urgency: Urgency, times: u32| {
            let mut queue = Queue::default();
            queue.wake(&key("a"), Ordinary, now);
            let mut at = now;
            for _ in 0..times {
                assert_eq!(queue.take(at), Some(key("a")));
                queue.done(&key("a"), outcome, urgency, at, 0.0);
                at = queue.next_due().unwrap();
            }
            let before = at;
            queue.take(at);
            queue.done(&key("a"), outcome, urgency, at, 0.0);
            queue.next_due().unwrap() - before
        };
        let failed = |urgency, times| wait(Outcome::Failed, urgency, times);
        assert_eq!(
            [failed(Word, 0), failed(Ordinary, 3), failed(Ordinary, 30)],
            [seconds(1), seconds(8), seconds(60)]
        );
        assert_eq!([failed(Rollback, 0), failed(Rollback, 30)], [Duration::from_millis(200), seconds(2)]);
        let wait = |outcome, times| wait(outcome, Ordinary, times);
        assert_eq!([wait(Outcome::Panicked, 0), wait(Outcome::Panicked, 30)], [seconds(10), seconds(600)]);
        assert_eq!([wait(Outcome::Conflict, 0), wait(Outcome::Conflict, 1)], [Duration::ZERO; 2]);
        assert_eq!(wait(Outcome::Conflict, 30), seconds(2));
    }

    #[test]
    fn a_release_that_is_gone_is_forgotten_unless_it_came_back_meanwhile() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.wake(&key("a"), Ordinary, now);
        queue.take(now);
        queue.wake(&key("a"), Ordinary, now);
        queue.done(&key("a"), Outcome::Gone, Ordinary, now, 0.0);
        assert_eq!(queue.take(now), Some(key("a")));
        queue.done(&key("a"), Outcome::Gone, Ordinary, now, 0.0);
        assert_eq!((queue.waiting(), queue.running()), (0, 0));
    }
}
