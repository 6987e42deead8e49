//! The grid of blocks: which comes next, and when it can be asked for.
//!
//! Block k of width W is (T − W, T] with T = k·W in Unix time. It is asked for `lag` after T, so that every scrape of
//! it is in.

use jiff::Timestamp;

use crate::release::Analysis;

/// Blocks older than this many widths are not fetched any more; and so many of stable's from before the evidence are
/// learnt from.
pub(super) const KEPT: i64 = 240;
/// Questions of a check at one look.
pub(super) const AT_ONCE: usize = 8;

/// The grid of one release. Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// W, at least 1.
    width: i64,
    lag: i64,
}

impl Grid {
    /// Of an analysis; without a source the lag is 0.
    pub fn of(analysis: &Analysis) -> Self {
        let width = i64::try_from(analysis.interval.as_millis()).unwrap_or(i64::MAX / 1_000_000);
        let lag = analysis.source.as_ref().map_or(0, |s| s.lag_seconds.clamp(0, 3600) * 1000);
        Self { width: width.clamp(1, 86_400_000), lag }
    }

    /// W in milliseconds.
    pub fn width(self) -> i64 {
        self.width
    }

    /// End of the first block that begins at or after `from` and is not too old at `now`.
    pub fn next_end(self, from: Timestamp, now: Timestamp) -> Timestamp {
        let from =
            ceil_millis(from).max(now.as_millisecond().saturating_sub(KEPT.saturating_mul(self.width)));
        instant(div_ceil(from, self.width).saturating_add(1).saturating_mul(self.width), now)
    }

    /// Where the block that ends at `end` begins.
    pub fn beginning(self, end: Timestamp) -> Timestamp {
        instant(end.as_millisecond().saturating_sub(self.width), end)
    }

    /// End of the block after the one that ends at `end`.
    pub fn after(self, end: Timestamp) -> Timestamp {
        instant(end.as_millisecond().saturating_add(self.width), end)
    }

    /// When the block that ends at `end` can be asked for.
    pub fn asked_at(self, end: Timestamp) -> Timestamp {
        instant(end.as_millisecond().saturating_add(self.lag), end)
    }

    /// `count` widths and the lag later.
    pub fn widths_after(self, time: Timestamp, count: i64) -> Timestamp {
        let later = count.saturating_mul(self.width).saturating_add(self.lag);
        instant(time.as_millisecond().saturating_add(later), time)
    }

    /// The least multiple of W that is at least `millis`: what one reading of an average over so long covers.
    pub fn covering(self, millis: i64) -> i64 {
        div_ceil(millis.max(1), self.width).saturating_mul(self.width)
    }
}

/// Whether `end` ends a block of `width` milliseconds that begins at or after `from`.
pub(super) fn ends_block(end: Timestamp, width: i64, from: Timestamp) -> bool {
    end.as_millisecond().rem_euclid(width.max(1)) == 0 && end.as_millisecond() - width >= ceil_millis(from)
}

fn ceil_millis(time: Timestamp) -> i64 {
    time.as_millisecond() + i64::from(time.subsec_nanosecond() % 1_000_000 > 0)
}

fn div_ceil(number: i64, by: i64) -> i64 {
    number.div_euclid(by) + i64::from(number.rem_euclid(by) > 0)
}

/// A time from milliseconds; beyond the calendar it is `otherwise`.
fn instant(millis: i64, otherwise: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    const GRID: Grid = Grid { width: 30_000, lag: 3_000 };

    #[test]
    fn the_first_block_begins_at_or_after_the_evidence() {
        assert_eq!(GRID.next_end(at(3000), at(3000)), at(3030));
        assert_eq!(GRID.next_end(at(3001), at(3001)), at(3060));
        let just_after = Timestamp::from_nanosecond(3_000_000_000_001).unwrap();
        assert_eq!(GRID.next_end(just_after, at(3001)), at(3060));
    }

    #[test]
    fn a_block_is_asked_for_when_its_scrapes_are_in() {
        assert_eq!(GRID.asked_at(at(3030)), at(3033));
    }

    #[test]
    fn blocks_that_are_too_old_are_skipped() {
        let now = at(3_000_000);
        assert_eq!(GRID.next_end(at(0), now), at(3_000_000 - 240 * 30 + 30));
    }

    #[test]
    fn a_reading_stands_for_whole_windows_after_the_beginning() {
        assert_eq!(GRID.covering(300_000), 300_000);
        assert_eq!(GRID.covering(45_000), 60_000);
        assert!(ends_block(at(3300), 300_000, at(3000)));
        assert!(!ends_block(at(3300), 300_000, at(3001)));
        assert!(!ends_block(at(3330), 300_000, at(0)));
    }
}
