//! The one error type: what happened, to what, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// What every fallible function of the testbed returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the testbed. Its text stands on its own: it is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written, or removed.
    #[error("could not {action} {path}: {source}; {next}", path = path.display(), next = io_hint(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started, or ended with a failure.
    #[error("`{command}` failed: {detail}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status and the last lines of what it wrote.
        detail: String,
    },
    /// Something that was waited for did not come about in time.
    #[error("{what}: not so after {seconds:.1} s; last seen: {last}")]
    Timeout {
        /// The condition.
        what: String,
        /// How long was waited, in seconds.
        seconds: f64,
        /// What the last look found.
        last: String,
    },
    /// Anything else, with its text complete.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Wraps an I/O error on a path; `action` is a verb such as "read".
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// An error whose text is complete.
    pub fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }
}

/// The next step that fits an I/O error.
fn io_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "run the testbed as root",
        io::ErrorKind::StorageFull => "make room on that disk",
        io::ErrorKind::NotFound => "check that the path is right and the cluster is up (`make status`)",
        _ => "see to the cause and run the command again",
    }
}
