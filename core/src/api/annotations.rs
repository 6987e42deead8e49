//! The annotations that a user may set, parsed once. Total: no value can make the parser fail.

use std::collections::BTreeMap;

use crate::version::text_digest;

/// Annotation that holds the release on its stable version while it is there.
pub const ROLLBACK: &str = "modelrelease.dev/rollback";
/// Annotation that keeps anything new from happening while it is there.
pub const PAUSE: &str = "modelrelease.dev/pause";
/// Annotation that stands for missing evidence of one version.
pub const PROMOTE: &str = "modelrelease.dev/promote";
/// Annotation that lifts the quarantine of the versions in the spec, once per value.
pub const RETRY: &str = "modelrelease.dev/retry";

/// Start of every annotation of ours.
const PREFIX: &str = "modelrelease.dev/";
/// Bytes of a value beyond which it means nothing.
const LONGEST: usize = 256;
/// Characters of a retry token.
const TOKEN: usize = 64;
/// Unknown annotations that are named; more of them are not read.
const NAMED: usize = 4;

/// Everything that a user says by annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// What `rollback` asks for.
    pub rollback: Rollback,
    /// Digest of its value; empty if it is absent. The same of the others below.
    pub rollback_digest: String,
    /// What `pause` asks for.
    pub pause: Pause,
    /// Digest of its value.
    pub pause_digest: String,
    /// What `promote` asks for.
    pub promote: Promote,
    /// Digest of its value.
    pub promote_digest: String,
    /// What `retry` asks for.
    pub retry: Retry,
    /// Digest of its value.
    pub retry_digest: String,
    /// Annotations with our prefix that mean nothing: likely a slip of the pen.
    pub unknown: Vec<String>,
}

/// What the rollback annotation asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rollback {
    /// Nothing.
    #[default]
    Absent,
    /// Whatever is on trial or live.
    True,
    /// One version, by its name or hash.
    Version(String),
    /// Unreadable: nothing moves forward until it is corrected or removed.
    Malformed,
}

/// What the pause annotation asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pause {
    /// Nothing.
    #[default]
    Absent,
    /// Nothing new.
    True,
    /// Unreadable: the same, until it is corrected or removed.
    Malformed,
}

/// What the promote annotation asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Promote {
    /// Nothing.
    #[default]
    Absent,
    /// One version, by its name or hash.
    Version(String),
    /// Unreadable: ignored.
    Malformed,
}

/// What the retry annotation asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Nothing.
    #[default]
    Absent,
    /// Another try, once for this token.
    Token(String),
    /// Unreadable: ignored.
    Malformed,
}

impl Annotations {
    /// Reads all of them. Values are trimmed; `true` and `false` in any case; `false` and empty are absent.
    pub fn read(annotations: Option<&BTreeMap<String, String>>) -> Self {
        let Some(all) = annotations else { return Self::default() };
        let mut read = Self::default();
        if let Some((value, digest)) = said(all, ROLLBACK) {
            read.rollback_digest = digest;
            read.rollback = match value {
                Some(value) if value.eq_ignore_ascii_case("true") => Rollback::True,
                Some(value) if is_version_name(value) => Rollback::Version(value.to_owned()),
                _ => Rollback::Malformed,
            };
        }
        if let Some((value, digest)) = said(all, PAUSE) {
            read.pause_digest = digest;
            let meant = value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
            read.pause = if meant { Pause::True } else { Pause::Malformed };
        }
        if let Some((value, digest)) = said(all, PROMOTE) {
            read.promote_digest = digest;
            read.promote = match value {
                // `true` names no version: a version must be named, for a later one would not be meant.
                Some(value) if is_version_name(value) && !value.eq_ignore_ascii_case("true") => {
                    Promote::Version(value.to_owned())
                }
                _ => Promote::Malformed,
            };
        }
        if let Some((value, digest)) = said(all, RETRY) {
            read.retry_digest = digest;
            read.retry = match value {
                Some(value) if value.chars().count() <= TOKEN => Retry::Token(value.to_owned()),
                _ => Retry::Malformed,
            };
        }
        let known = [ROLLBACK, PAUSE, PROMOTE, RETRY];
        let unknown = all.keys().filter(|key| key.starts_with(PREFIX) && !known.contains(&key.as_str()));
        read.unknown = unknown.take(NAMED).cloned().collect();
        read
    }

    /// Digest of the unknown ones' names; none if there are none.
    pub fn unknown_digest(&self) -> Option<String> {
        (!self.unknown.is_empty()).then(|| short_digest(&self.unknown.join("\n")))
    }

    /// Whether nothing new may happen: a human said so, or said something that cannot be read and may have meant it.
    pub fn paused(&self) -> bool {
        self.pause != Pause::Absent || self.rollback == Rollback::Malformed
    }
}

/// A value that is there, trimmed and with its digest; without the value itself if it is too long or cannot be printed.
fn said<'a>(all: &'a BTreeMap<String, String>, key: &str) -> Option<(Option<&'a str>, String)> {
    let value = all.get(key)?;
    let trimmed = value.trim();
    if trimmed.is_empty() || trimmed.eq_ignore_ascii_case("false") {
        return None;
    }
    let readable = trimmed.len() <= LONGEST && !trimmed.chars().any(char::is_control);
    Some((readable.then_some(trimmed), short_digest(trimmed)))
}

fn short_digest(text: &str) -> String {
    text_digest(text).chars().take(16).collect()
}

/// Whether `value` could name a version: a label value of 1 to 63 characters.
fn is_version_name(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let outer = |c: char| c.is_ascii_alphanumeric();
    value.len() <= 63 && value.chars().all(inner) && value.starts_with(outer) && value.ends_with(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Annotations {
        Annotations::read(Some(&BTreeMap::from([(key.to_owned(), value.to_owned())])))
    }

    #[test]
    fn every_value_of_rollback_has_one_meaning() {
        for (value, want) in [
            ("", Rollback::Absent),
            ("  ", Rollback::Absent),
            ("False", Rollback::Absent),
            ("true", Rollback::True),
            (" TRUE\n", Rollback::True),
            ("2026.08", Rollback::Version("2026.08".into())),
            ("v2", Rollback::Version("v2".into())),
            ("v2!", Rollback::Malformed),
            ("-v2", Rollback::Malformed),
            ("v 2", Rollback::Malformed),
            ("\u{0}", Rollback::Malformed),
            (&"x".repeat(64), Rollback::Malformed),
            (&"x".repeat(257), Rollback::Malformed),
        ] {
            let read = read(ROLLBACK, value);
            assert_eq!(read.rollback, want, "{value:?}");
            assert_eq!(read.rollback_digest.is_empty(), want == Rollback::Absent, "{value:?}");
        }
        assert_eq!(Annotations::read(None), Annotations::default());
    }

    #[test]
    fn every_value_of_the_others_has_one_meaning() {
        for (value, want) in [
            ("true", Pause::True),
            ("TRUE ", Pause::True),
            ("false", Pause::Absent),
            ("yes", Pause::Malformed),
            ("v2", Pause::Malformed),
            ("true\u{7}", Pause::Malformed),
        ] {
            assert_eq!(read(PAUSE, value).pause, want, "{value:?}");
        }
        for (value, want) in [
            ("v2", Promote::Version("v2".into())),
            ("true", Promote::Malformed),
            ("false", Promote::Absent),
            ("a b", Promote::Malformed),
            (&"x".repeat(300), Promote::Malformed),
        ] {
            assert_eq!(read(PROMOTE, value).promote, want, "{value:?}");
        }
        for (value, want) in [
            ("again", Retry::Token("again".into())),
            ("1 + 1", Retry::Token("1 + 1".into())),
            (&"x".repeat(64), Retry::Token("x".repeat(64))),
            (&"x".repeat(65), Retry::Malformed),
            ("a\u{0}b", Retry::Malformed),
            ("", Retry::Absent),
        ] {
            assert_eq!(read(RETRY, value).retry, want, "{value:?}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_known_as_one() {
        assert_eq!(read("modelrelease.dev/rolback", "true").unknown, ["modelrelease.dev/rolback"]);
        assert_eq!(read("example.com/rollback", "true"), Annotations::default());
    }

    #[test]
    fn what_cannot_be_read_pauses() {
        assert!(
            read(ROLLBACK, "no!").paused() && read(PAUSE, "perhaps").paused() && read(PAUSE, "true").paused()
        );
        assert!(!read(ROLLBACK, "true").paused() && !read(PROMOTE, "no!").paused());
    }
}
