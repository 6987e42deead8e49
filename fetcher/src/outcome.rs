//! How a run ends: exit code, reason, and the line that the operator reads.

use crate::digest::{Digest, one_line};
use serde::Serialize;
use std::path::Path;

/// The termination message of a container may have 4096 bytes; the rest of the line needs a few hundred.
const MAX_MESSAGE: usize = 2048;

/// Why there is no model. Each message says what happened, to which file, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Flags or environment make no sense.
    #[error("{0}")]
    Usage(String),
    /// The folder cannot be written or read, but not for want of space.
    #[error("{0}")]
    StorageFailed(String),
    /// The content is not the one that was named.
    #[error(
        "{from} holds {found}, verification.digest says {wanted}; correct the digest, or put the right file there"
    )]
    DigestMismatch {
        /// Where it came from.
        from: String,
        /// What it should have been.
        wanted: Digest,
        /// What it is.
        found: Digest,
        /// Bytes received.
        size: u64,
    },
    /// There is nothing at the address.
    #[error("{0}")]
    ArtifactNotFound(String),
    /// The server does not give it out.
    #[error("{0}")]
    ArtifactDenied(String),
    /// The volume is full.
    #[error("{0}")]
    OutOfDisk(String),
    /// Not within the time, or not within the tries.
    #[error("{0}")]
    FetchTimeout(String),
    /// Cannot be fetched by this version of the program.
    #[error("{0}")]
    UnsupportedScheme(String),
    /// The pod is being deleted.
    #[error("told to stop before the model was there; nothing is to be done")]
    Stopped,
}

impl Failure {
    /// Code that the process exits with; documented in the README beside this crate.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::StorageFailed(_) => 1,
            Self::Usage(_) => 2,
            Self::DigestMismatch { .. } => 20,
            Self::ArtifactNotFound(_) => 21,
            Self::ArtifactDenied(_) => 22,
            Self::OutOfDisk(_) => 23,
            Self::FetchTimeout(_) => 24,
            Self::UnsupportedScheme(_) => 25,
            Self::Stopped => 143,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Usage(_) => "Usage",
            Self::StorageFailed(_) => "StorageFailed",
            Self::DigestMismatch { .. } => "DigestMismatch",
            Self::ArtifactNotFound(_) => "ArtifactNotFound",
            Self::ArtifactDenied(_) => "ArtifactDenied",
            Self::OutOfDisk(_) => "OutOfDisk",
            Self::FetchTimeout(_) => "FetchTimeout",
            Self::UnsupportedScheme(_) => "UnsupportedScheme",
            Self::Stopped => "Stopped",
        }
    }
}

/// A model is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Whole seconds that the download took; 0 if nothing had to be downloaded.
    pub seconds: u64,
    /// It was there already.
    pub kept: bool,
    /// Its digest was given, and is this one.
    pub verified: bool,
    /// What happened, for people.
    pub message: String,
}

/// The line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetch_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
}

/// One line of JSON: `reason` (`Fetched`, `AlreadyPresent`, or the failure's), `message`, and what is known of `digest`,
/// `sizeBytes`, `fetchSeconds`, `verified`.
pub fn line(outcome: &Result<Fetched, Failure>) -> String {
    let line = match outcome {
        Ok(fetched) => Line {
            reason: if fetched.kept { "AlreadyPresent" } else { "Fetched" },
            message: one_line(&fetched.message, MAX_MESSAGE),
            digest: Some(fetched.digest.to_string()),
            size_bytes: Some(fetched.size),
            fetch_seconds: Some(fetched.seconds),
            verified: Some(fetched.verified),
        },
        Err(failure) => {
            let (digest, size_bytes) = match failure {
                Failure::DigestMismatch { found, size, .. } => (Some(found.to_string()), Some(*size)),
                _ => (None, None),
            };
            let message = one_line(&failure.to_string(), MAX_MESSAGE);
            Line {
                reason: failure.reason(),
                message,
                digest,
                size_bytes,
                fetch_seconds: None,
                verified: None,
            }
        }
    };
    // Strings and numbers always serialize; a bare reason is still true if that ever changes.
    serde_json::to_string(&line).unwrap_or_else(|_| format!(r#"{{"reason":"{}"}}"#, line.reason))
}

/// Prints the line, and writes it where kubelet picks it up. Not being able to do the latter is told, and no failure: the
/// model counts.
pub fn report(outcome: &Result<Fetched, Failure>, termination_log: &Path) {
    let line = line(outcome);
    println!("{line}");
    if let Err(error) = std::fs::write(termination_log, &line) {
        eprintln!("{}: {error}; the operator will know the exit code only", termination_log.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_line_and_fits_whatever_the_message() {
        let long = Err(Failure::FetchTimeout("\u{1}\"\\\n".repeat(4000)));
        let text = line(&long);
        assert!(text.len() <= 4096 && !text.contains('\n'), "{} bytes", text.len());
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["reason"], "FetchTimeout");
    }

    #[test]
    fn exit_codes_differ() {
        let all = [
            Failure::Usage(String::new()),
            Failure::StorageFailed(String::new()),
            Failure::ArtifactNotFound(String::new()),
            Failure::ArtifactDenied(String::new()),
            Failure::OutOfDisk(String::new()),
            Failure::FetchTimeout(String::new()),
            Failure::UnsupportedScheme(String::new()),
            Failure::Stopped,
        ];
        let codes: std::collections::BTreeSet<u8> = all.iter().map(Failure::exit_code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(!codes.contains(&0));
    }
}
