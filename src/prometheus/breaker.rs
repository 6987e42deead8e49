//! Spares a server that is down: after five failures in a row it is tried once in ten seconds.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// Time between trials while it is open.
const TRIAL: Duration = Duration::from_secs(10);

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The server counts as down.
    Opened,
    /// It is back.
    Closed,
}

/// Counts failures of one server.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    tried: Option<Instant>,
}

impl Breaker {
    /// Whether a question may be sent now. While the server counts as down, one trial at a time.
    pub fn allows(&mut self, now: Instant) -> bool {
        if self.failures < FAILURES {
            return true;
        }
        let due = self.tried.is_none_or(|at| now.duration_since(at) >= TRIAL);
        if due {
            self.tried = Some(now);
        }
        due
    }

    /// Notes how a question went.
    pub fn note(&mut self, healthy: bool, now: Instant) -> Option<News> {
        if healthy {
            let was_open = self.failures >= FAILURES;
            *self = Self::default();
            return was_open.then_some(News::Closed);
        }
        self.failures = self.failures.saturating_add(1);
        self.tried = Some(now);
        (self.failures == FAILURES).then_some(News::Opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_open_it_a_trial_each_ten_seconds_and_one_success_closes_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::default();
        for n in 1..=4 {
            assert!(breaker.allows(start));
            assert_eq!(breaker.note(false, start), None, "{n}");
        }
        assert!(breaker.allows(start));
        assert_eq!(breaker.note(false, start), Some(News::Opened));
        assert!(!breaker.allows(at(9)));
        assert!(breaker.allows(at(10)));
        assert!(!breaker.allows(at(10)), "one trial at a time");
        assert_eq!(breaker.note(false, at(11)), None, "it is told once");
        assert!(!breaker.allows(at(20)));
        assert!(breaker.allows(at(21)));
        assert_eq!(breaker.note(true, at(21)), Some(News::Closed));
        assert!(breaker.allows(at(21)));
    }
}
