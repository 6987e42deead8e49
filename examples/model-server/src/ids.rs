//! Ids of answers that say by themselves which version gave which verdict.
//!
//! A label may reach any pod of a version, and after a weight has moved a pod of another one. So the id carries all that
//! is needed to judge it, and whoever gets it for the wrong version can tell.

use crate::digest;
use std::sync::atomic::{AtomicU64, Ordering};

/// Separates the parts; no version name can hold it, for versions are label values.
const SEPARATOR: char = '~';

/// Makes and reads the ids of one version.
#[derive(Debug)]
pub struct Ids {
    version: String,
    next: AtomicU64,
}

/// Why an id is not judged here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Another version gave the answer.
    #[error("the answer came from version {0}; send its label there (header x-model-version)")]
    OtherVersion(String),
    /// No pod of this version made it.
    #[error("the id was not made by this version; send back the `id` of the answer, unchanged")]
    Unknown,
}

impl Ids {
    /// `start` tells the pods of a version apart: take it at random.
    pub fn new(version: &str, start: u64) -> Self {
        Self { version: version.to_owned(), next: AtomicU64::new(start) }
    }

    /// A new id: `<version>~<number>~<p|l>~<check>`. `model` is the SHA-256 of the model's file.
    pub fn make(&self, phishing: bool, model: &str) -> String {
        let number = format!("{:016x}", self.next.fetch_add(1, Ordering::Relaxed));
        let verdict = if phishing { "p" } else { "l" };
        let check = self.check(&number, verdict, model);
        [&self.version, number.as_str(), verdict, &check].join(&SEPARATOR.to_string())
    }

    /// Whether the answer with this id said "phishing".
    pub fn verdict(&self, id: &str, model: &str) -> Result<bool, IdError> {
        let parts: Vec<&str> = id.split(SEPARATOR).collect();
        let [version, number, verdict, check] = parts.as_slice() else { return Err(IdError::Unknown) };
        if *version != self.version {
            return Err(IdError::OtherVersion((*version).to_owned()));
        }
        if self.check(number, verdict, model) != *check {
            return Err(IdError::Unknown);
        }
        match *verdict {
            "p" => Ok(true),
            "l" => Ok(false),
            _ => Err(IdError::Unknown),
        }
    }

    /// No secret goes in: this tells mistakes and other models of the same name, not forgers.
    fn check(&self, number: &str, verdict: &str, model: &str) -> String {
        let all = [&self.version, number, verdict, model].join(&SEPARATOR.to_string());
        digest::sha256_hex(all.as_bytes()).chars().take(8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_pod_of_a_version_reads_the_verdict_back() {
        let (one, other) = (Ids::new("v2", 7), Ids::new("v2", 99_000));
        for verdict in [true, false] {
            assert_eq!(other.verdict(&one.make(verdict, "m"), "m"), Ok(verdict));
        }
        assert_ne!(one.make(true, "m"), one.make(true, "m"), "no id twice");
    }

    #[test]
    fn another_version_refuses_and_names_the_right_one() {
        let id = Ids::new("v1", 0).make(true, "m");
        assert_eq!(Ids::new("v2", 0).verdict(&id, "m"), Err(IdError::OtherVersion("v1".into())));
    }

    #[test]
    fn changed_ids_and_ids_of_another_model_are_unknown() {
        let ids = Ids::new("v1", 0);
        let id = ids.make(true, "m");
        let turned = id.replace("~p~", "~l~");
        for bad in [turned.as_str(), "", "v1", "v1~1~p", "v1~1~p~2~3"] {
            assert!(ids.verdict(bad, "m").is_err(), "{bad}");
        }
        assert_eq!(ids.verdict(&id, "another"), Err(IdError::Unknown));
    }
}
