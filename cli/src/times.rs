//! Times as people read them: how long ago, and at what hour. All in UTC, which is told.

use jiff::{SignedDuration, Timestamp};
use model_release_core::explain::span;

/// How long something is there; `-` if that is not known. A clock that is behind counts as none.
pub fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(|| "-".to_owned(), |since| span(now.duration_since(since).max(SignedDuration::ZERO)))
}

/// The hour, and the day where that is another one than today.
pub fn hour(at: Timestamp, now: Timestamp) -> String {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    if day(at) == day(now) {
        at.strftime("%H:%M:%SZ").to_string()
    } else {
        at.strftime("%Y-%m-%d %H:%MZ").to_string()
    }
}

/// Day and time, to the second.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Day and hour in a table.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%m-%d %H:%M:%S").to_string()
}

/// How far the newest of these times is ahead of this machine's clock, if that is more than clocks may differ.
pub fn skew(times: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Option<SignedDuration> {
    let newest = times.into_iter().max()?;
    let ahead = newest.duration_since(now);
    (ahead > SignedDuration::from_secs(5)).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_has_its_day_where_it_is_another() {
        let now = at("2026-11-21T14:00:00Z");
        assert_eq!(hour(at("2026-11-21T14:02:11.5Z"), now), "14:02:11Z");
        assert_eq!(hour(at("2026-11-22T14:02:11Z"), now), "2026-11-22 14:02Z");
        assert_eq!(stamp(at("2026-11-21T14:02:11Z")), "11-21 14:02:11");
    }

    #[test]
    fn an_age_is_never_below_zero() {
        let now = at("2026-11-21T14:00:00Z");
        assert_eq!(age(Some(at("2026-11-21T13:48:00Z")), now), "12m");
        assert_eq!(age(Some(at("2026-11-21T14:48:00Z")), now), "0s");
        assert_eq!(age(None, now), "-");
    }

    #[test]
    fn a_clock_that_is_behind_is_noticed() {
        let now = at("2026-11-21T14:00:00Z");
        assert_eq!(skew([at("2026-11-21T13:00:00Z"), at("2026-11-21T14:00:03Z")], now), None);
        let ahead = skew([at("2026-11-21T14:01:00Z")], now);
        assert_eq!(ahead, Some(SignedDuration::from_secs(60)));
        assert_eq!(skew([], now), None);
    }
}
