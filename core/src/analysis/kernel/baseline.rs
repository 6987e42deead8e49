//! What is known of stable before a block.

use super::checkpoint::Fields;
use super::{Count, Refused};

/// Stable's share so far. Old events fade, so that it follows drift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Events that it remembers at most.
    most: f64,
    remembered: Count,
    /// All events that there ever were.
    seen: f64,
}

impl Baseline {
    /// Nothing known; `most` events are remembered, and older ones fade.
    pub fn new(most: f64) -> Self {
        Self { most, remembered: Count::default(), seen: 0.0 }
    }

    /// The share to expect of the next block: (k + ½)/(n + 1).
    pub fn share(&self) -> f64 {
        (self.remembered.hits + 0.5) / (self.remembered.events + 1.0)
    }

    /// Whether enough is known to judge a block of so many events: one that is larger than all that came before could
    /// decide alone, on a share that was guessed.
    pub fn knows(&self, events: f64) -> bool {
        self.seen > 0.0 && events <= 4.0 * self.seen
    }

    /// Adds a block of stable's.
    ///
    /// # Errors
    /// As [`Count::checked`].
    pub fn add(&mut self, block: Count) -> Result<(), Refused> {
        let block = block.checked()?;
        self.seen += block.events;
        self.remembered.add(block);
        let Count { hits, events } = self.remembered;
        if events > self.most {
            self.remembered = Count { hits: hits * self.most / events, events: self.most };
        }
        Ok(())
    }

    pub(super) fn keep(&mut self, fields: &mut dyn Fields) {
        self.remembered.keep(fields);
        fields.number(&mut self.seen);
    }
}
