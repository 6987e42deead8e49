//! Waits for conditions: polls with a deadline, and says on failure what was last seen.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// What one look at a condition found.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds; this is the value that was waited for.
    Yes(T),
    /// It does not hold yet; the text says what is the case instead.
    NotYet(String),
}

impl Seen<()> {
    /// `Yes` if `holds`, else `NotYet` with the text of `otherwise`.
    pub fn when(holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        if holds { Self::Yes(()) } else { Self::NotYet(otherwise()) }
    }
}

impl<T, E: std::fmt::Display> From<std::result::Result<T, E>> for Seen<T> {
    /// An error is "not yet": it may pass before the deadline.
    fn from(result: std::result::Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Yes(value),
            Err(error) => Self::NotYet(error.to_string()),
        }
    }
}

/// Polls `look` each 100 ms until it finds the condition true.
///
/// # Errors
/// [`Error::Timeout`] with the last finding, once `deadline` has passed.
pub fn until_blocking<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Seen<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match look() {
            Seen::Yes(value) => return Ok(value),
            Seen::NotYet(last) => last,
        };
        if start.elapsed() >= deadline {
            return Err(timeout(what, start, last));
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Polls the future of `look` each 100 ms until it finds the condition true.
///
/// # Errors
/// [`Error::Timeout`] with the last finding, once `deadline` has passed; a look that hangs counts as "no answer".
#[cfg(feature = "client")]
pub async fn until<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Seen<T>>,
{
    let start = Instant::now();
    let mut last = "nothing yet".to_owned();
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        match tokio::time::timeout(left.max(INTERVAL), look()).await {
            Ok(Seen::Yes(value)) => return Ok(value),
            Ok(Seen::NotYet(seen)) => last = seen,
            Err(_) => last = format!("no answer (before that: {last})"),
        }
        if start.elapsed() >= deadline {
            return Err(timeout(what, start, last));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn timeout(what: &str, start: Instant, last: String) -> Error {
    Error::Timeout { what: what.to_owned(), seconds: start.elapsed().as_secs_f64(), last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_value_of_the_first_look_that_succeeds() {
        let mut looks = 0;
        let got = until_blocking("third look", Duration::from_secs(5), || {
            looks += 1;
            if looks == 3 { Seen::Yes(looks) } else { Seen::NotYet(format!("look {looks}")) }
        });
        assert_eq!(got.unwrap(), 3);
    }

    #[test]
    fn names_the_condition_and_the_last_finding_when_time_is_up() {
        let got = until_blocking("the moon is full", Duration::ZERO, || Seen::when(false, || "half".into()));
        let text = got.unwrap_err().to_string();
        assert!(text.contains("the moon is full") && text.contains("half"), "{text}");
    }
}
