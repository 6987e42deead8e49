//! What waits for one sink: bounded, in order for each release, each with its time. Plain data and rules, no I/O.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Notification;

/// How many may wait.
pub const MOST: usize = 1000;
/// Requests to one sink at once.
pub const AT_ONCE: usize = 4;

/// Notifications that wait for a sink, the oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    entries: VecDeque<Entry>,
    given: u64,
    failing: bool,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    what: Arc<Notification>,
    /// When it may be sent; none while it is.
    due: Option<Instant>,
    /// Requests that failed.
    tries: u32,
    /// After this time it is not tried again.
    until: Instant,
}

/// What follows from a request that failed.
#[derive(Debug, PartialEq)]
pub enum Failed {
    /// It is tried again.
    Retried {
        /// Whether the sink took the last one before it.
        began: bool,
    },
    /// Its time is over.
    Dropped(Arc<Notification>),
    /// It no longer waits.
    Unknown,
}

impl Queue {
    /// How many wait or are under way.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts one in, behind what was decided before it. What waits already is not put in twice. The one that had to go
    /// for it, if the queue was full.
    pub fn push(
        &mut self,
        what: Arc<Notification>,
        until: Instant,
        now: Instant,
    ) -> Option<Arc<Notification>> {
        let seq = what.decision.seq;
        let same = |entry: &Entry| entry.what.release == what.release && entry.what.uid == what.uid;
        if self.entries.iter().any(|entry| same(entry) && entry.what.decision.seq == seq) {
            return None;
        }
        let full = self.entries.len() >= MOST;
        let oldest = self.entries.iter().position(|entry| full && entry.due.is_some());
        let gone = oldest.and_then(|at| self.entries.remove(at)).map(|entry| entry.what);
        let later = self.entries.iter().position(|entry| same(entry) && entry.what.decision.seq > seq);
        let entry = Entry { number: self.given, what, due: Some(now), tries: 0, until };
        self.given += 1;
        self.entries.insert(later.unwrap_or(self.entries.len()), entry);
        gone
    }

    /// Takes one that may be sent now, with its number: the oldest of its release.
    pub fn take(&mut self, now: Instant) -> Option<(u64, Arc<Notification>)> {
        let at = self.first().find_map(|(at, due)| (due <= now).then_some(at))?;
        let entry = self.entries.get_mut(at)?;
        entry.due = None;
        Some((entry.number, entry.what.clone()))
    }

    /// When the next one may be sent. None if nothing waits, or all places are taken.
    pub fn next_due(&self) -> Option<Instant> {
        self.first().map(|(_, due)| due).min()
    }

    /// The oldest of each release that is not under way, while there are places.
    fn first(&self) -> impl Iterator<Item = (usize, Instant)> {
        let under_way = self.entries.iter().filter(|entry| entry.due.is_none()).count();
        let mut met = HashSet::new();
        let first = self.entries.iter().enumerate().filter(move |(_, entry)| met.insert(&entry.what.release));
        first.filter_map(move |(at, entry)| entry.due.filter(|_| under_way < AT_ONCE).map(|due| (at, due)))
    }

    /// Takes out what was delivered. Whether deliveries had failed before it.
    pub fn delivered(&mut self, number: u64) -> bool {
        self.entries.retain(|entry| entry.number != number);
        std::mem::take(&mut self.failing)
    }

    /// Keeps one that failed for later, unless its time is over by then. `wait` tells how long from the number of failures.
    pub fn failed(&mut self, number: u64, now: Instant, wait: impl FnOnce(u32) -> Duration) -> Failed {
        let Some(at) = self.entries.iter().position(|entry| entry.number == number) else {
            return Failed::Unknown;
        };
        let began = !std::mem::replace(&mut self.failing, true);
        let Some(entry) = self.entries.get_mut(at) else { return Failed::Unknown };
        entry.tries = entry.tries.saturating_add(1);
        let due = now + wait(entry.tries);
        if due <= entry.until {
            entry.due = Some(due);
            return Failed::Retried { began };
        }
        self.entries.remove(at).map_or(Failed::Unknown, |entry| Failed::Dropped(entry.what))
    }
}

#[cfg(test)]
mod tests;
