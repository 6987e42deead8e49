//! How often children are put right: at once, unless somebody else keeps changing them back.

use jiff::{SignedDuration, Timestamp};

use crate::api::status::{Drift, Phase};
use crate::situation::{Situation, elapsed, later};

/// Corrections in a minute beyond which it is a fight.
const FIGHT: i32 = 10;
/// The time in which they are counted, and without any of which a fight is over.
pub const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Time between corrections in a fight.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Until when the next correction is put off; none if it may come at once. A rollback is never kept waiting.
pub fn put_off(s: &Situation) -> Option<Timestamp> {
    let drift = &s.status.state.drift;
    let until = later(drift.last?, PAUSE);
    (fight(drift, s.now) && s.phase() != Phase::RollingBack && s.now < until).then_some(until)
}

/// Whether somebody else keeps changing a child back.
pub fn fight(drift: &Drift, now: Timestamp) -> bool {
    drift.count >= FIGHT && drift.last.is_some_and(|last| elapsed(now, last) < MINUTE)
}

/// Counts corrections.
pub fn count(drift: &mut Drift, corrected: usize, now: Timestamp) {
    let corrected = i32::try_from(corrected).unwrap_or(i32::MAX);
    if corrected == 0 {
        return;
    }
    let over = drift.minute.is_none_or(|began| elapsed(now, began) >= MINUTE);
    if over && !fight(drift, now) {
        drift.minute = Some(now);
        drift.count = 0;
    }
    drift.count = drift.count.saturating_add(corrected);
    drift.total = drift.total.saturating_add(i64::from(corrected));
    drift.last = Some(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_corrections_in_a_minute_are_a_fight_until_a_minute_is_quiet() {
        let start: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let at = |seconds| later(start, SignedDuration::from_secs(seconds));
        let mut drift = Drift::default();
        for second in 0..9 {
            count(&mut drift, 1, at(second));
        }
        assert!(!fight(&drift, at(9)), "nine are none");
        count(&mut drift, 1, at(9));
        assert!(fight(&drift, at(10)) && fight(&drift, at(68)) && !fight(&drift, at(69)));
        count(&mut drift, 1, at(40));
        assert!(fight(&drift, at(99)), "each correction of a fight prolongs it");
        count(&mut drift, 1, at(200));
        assert_eq!((drift.count, drift.total), (1, 12));
        let mut slow = Drift::default();
        for minute in 0..30 {
            count(&mut slow, 1, at(minute * 50));
            assert!(!fight(&slow, at(minute * 50)), "one in 50 s is none");
        }
    }
}
