//! The annotations that a user may set, parsed once. Total: no value can make the parser fail.

use std::collections::BTreeMap;

/// Annotation that holds the release on its stable version while it is there.
pub const ROLLBACK: &str = "modelrelease.dev/rollback";

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

/// Reads the rollback annotation. Values are trimmed; `true` and `false` in any case; `false` and empty are absent.
pub fn rollback(annotations: Option<&BTreeMap<String, String>>) -> Rollback {
    let Some(value) = annotations.and_then(|all| all.get(ROLLBACK)) else {
        return Rollback::Absent;
    };
    let value = value.trim();
    if value.is_empty() || value.eq_ignore_ascii_case("false") {
        Rollback::Absent
    } else if value.eq_ignore_ascii_case("true") {
        Rollback::True
    } else if is_version_name(value) {
        Rollback::Version(value.to_owned())
    } else {
        Rollback::Malformed
    }
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

    fn read(value: &str) -> Rollback {
        rollback(Some(&BTreeMap::from([(ROLLBACK.to_owned(), value.to_owned())])))
    }

    #[test]
    fn every_value_has_one_meaning() {
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
        ] {
            assert_eq!(read(value), want, "{value:?}");
        }
        assert_eq!(rollback(None), Rollback::Absent);
    }
}
