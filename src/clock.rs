//! The only reader of the time.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time: the machine's, or a test's.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that runs with tokio's timers from `start` on, so that a test that pauses them moves both.
    pub fn following_timers(start: Timestamp) -> Self {
        let begin = tokio::time::Instant::now();
        Self(Arc::new(move || {
            let elapsed = begin.elapsed();
            start.checked_add(jiff::SignedDuration::try_from(elapsed).unwrap_or_default()).unwrap_or(start)
        }))
    }

    /// A clock that somebody else sets.
    pub fn by(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How long from `now` until `then`; zero if that is past.
pub fn until(now: Timestamp, then: Timestamp) -> std::time::Duration {
    std::time::Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

/// A number in 0..1 that differs at each call: for waits that must not march in step.
pub fn jitter() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::hash::RandomState::new().build_hasher().finish();
    // Taking 32 bits keeps the conversion exact.
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
