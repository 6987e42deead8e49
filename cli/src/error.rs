//! What a command may end in, sorted by the exit code that a script sees.

use std::fmt;

/// Exit code of what was done as asked, and of a release that is promoted or healthy.
pub const DONE: u8 = 0;
/// Of what the release's own rules refuse, and of a release that was rolled back or is stalled.
pub const REFUSED: u8 = 1;
/// Of bad usage, and of a cluster that refuses or does not answer.
pub const FAILED: u8 = 2;
/// Of what did not come in time.
pub const LATE: u8 = 3;
/// Of a version that the spec does not ask for any more.
pub const SUPERSEDED: u8 = 4;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was written cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// No way to a cluster is known.
    #[error(
        "found no cluster to ask: {why}; see `kubectl config get-contexts`, or give --kubeconfig and --context"
    )]
    Config {
        /// Why, in the client's words.
        why: String,
    },
    /// The cluster does not answer.
    #[error(
        "could not reach the cluster at {server} to {what}: {why}; see whether `kubectl version` reaches it"
    )]
    Unreachable {
        /// Its address.
        server: String,
        /// What was to be done.
        what: String,
        /// Why, in the client's words.
        why: String,
    },
    /// The cluster did not answer in time.
    #[error(
        "the cluster at {server} did not answer in {seconds} s to {what}; whether it was done is not known"
    )]
    TimedOut {
        /// Its address.
        server: String,
        /// What was to be done.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// The cluster does not know who asks.
    #[error("the cluster at {server} does not accept your credentials: {why}; log in anew")]
    Unauthorized {
        /// Its address.
        server: String,
        /// Why, in the server's words.
        why: String,
    },
    /// A right is missing.
    #[error(
        "you may not {verb} {resource} {place}: ask whoever gives out rights for the verb {verb} on {resource} there"
    )]
    Forbidden {
        /// The verb.
        verb: &'static str,
        /// The resource, with its group.
        resource: &'static str,
        /// In which namespace, or all of them.
        place: String,
    },
    /// There is no such kind.
    #[error(
        "the cluster at {server} does not serve modelrelease.dev/v1alpha1: the operator's definition is not installed, or is of \
         a version that this plugin does not know; see `kubectl modelrelease version`"
    )]
    NoKind {
        /// Its address.
        server: String,
    },
    /// There is no such release.
    #[error("there is no ModelRelease {name} in namespace {namespace}{hint}")]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The namespace.
        namespace: String,
        /// What may have been meant.
        hint: String,
    },
    /// It is there and cannot be read.
    #[error("could not read ModelRelease {release}: {why}")]
    Unreadable {
        /// Namespace and name.
        release: String,
        /// Why, and what helps.
        why: String,
    },
    /// It changed faster than it could be written.
    #[error("could not {what}: the release changed each time it was read; try again")]
    Contended {
        /// What was to be done.
        what: String,
    },
    /// The server will not have it, or failed.
    #[error("could not {what}: the cluster answered {code}: {why}")]
    Answered {
        /// What was to be done.
        what: String,
        /// HTTP status code.
        code: u16,
        /// The server's words.
        why: String,
    },
    /// The release's own rules refuse it.
    #[error("{release}: {why}")]
    Refused {
        /// Namespace and name.
        release: String,
        /// Why, and what to do instead.
        why: String,
    },
    /// Nobody said yes.
    #[error("nothing was done")]
    Declined,
    /// A file cannot be read.
    #[error("could not read {path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// What was to be told could not be written.
    #[error("could not write to standard output: {0}")]
    Output(#[from] std::io::Error),
    /// What was to be told could not be put into the format that was asked for: a fault of ours.
    #[error("could not write the answer as {format}: {why}; report it")]
    Format {
        /// The format.
        format: &'static str,
        /// Why.
        why: String,
    },
}

impl CliError {
    /// The exit code. A reader that has seen enough, as `head` has, is no fault.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => DONE,
            Self::Refused { .. } | Self::Declined => REFUSED,
            Self::Usage(_)
            | Self::Config { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NoKind { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::Contended { .. }
            | Self::Answered { .. }
            | Self::File { .. }
            | Self::Output(_)
            | Self::Format { .. } => FAILED,
        }
    }

    /// What is to be said of it; nothing if nobody listens any more.
    pub fn told(&self) -> Option<String> {
        (self.exit_code() != DONE).then(|| format!("error: {self}"))
    }
}

/// An error with its causes in one line, none of them twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = plain(error.to_string());
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = plain(inner.to_string());
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = inner.source();
    }
    said
}

/// Foreign text as it may be shown: control characters, by which a terminal could be steered, become spaces; at most 512
/// characters.
#[allow(clippy::needless_pass_by_value, reason = "what is shown is mostly made for it")]
pub fn plain(text: impl fmt::Display) -> String {
    let text = text.to_string();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(512).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn each_end_has_its_code() {
        let refused = CliError::Refused { release: "ml/fraud".into(), why: "no".into() };
        let absent = CliError::NotFound { name: "frod".into(), namespace: "ml".into(), hint: String::new() };
        assert_eq!((refused.exit_code(), absent.exit_code()), (REFUSED, FAILED));
        assert_eq!(refused.told().as_deref(), Some("error: ml/fraud: no"));
    }

    #[test]
    fn a_closed_pipe_is_no_fault_and_a_full_disk_is() {
        let closed = CliError::Output(Error::from(ErrorKind::BrokenPipe));
        assert_eq!((closed.exit_code(), closed.told()), (DONE, None));
        let full = CliError::Output(Error::from(ErrorKind::StorageFull));
        assert_eq!(full.exit_code(), FAILED);
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(plain("x".repeat(600)).len(), 512);
    }

    #[test]
    fn causes_are_told_once() {
        let cause = CliError::Output(Error::other("the disk is full"));
        assert_eq!(chain(&cause), "could not write to standard output: the disk is full");
    }
}
