//! Log lines: text for people, JSON for machines; decisions at info, failures at warn, the rest at debug.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error(
        "--log-level {given:?} is no level; give error, warn, info, debug or trace, or directives as in info,kube=debug"
    )]
    Level {
        /// What was given.
        given: String,
        /// What is wrong with it.
        #[source]
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process already took the log lines.
    #[error("log lines are already taken by another part of this process")]
    Taken,
}

/// Starts logging to standard error.
///
/// # Errors
/// [`TelemetryError::Level`] for a level that is none.
pub fn start(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    // A bare level means our own lines: kube and HTTP tell of each failed connection, and so do ours, with what to do.
    let bare = !level.contains(['=', ',']);
    let directives = if bare { format!("off,model_release_operator={level}") } else { level.to_owned() };
    let filter = EnvFilter::builder()
        .parse(&directives)
        .map_err(|cause| TelemetryError::Level { given: level.to_owned(), cause })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
    };
    started.map_err(|_| TelemetryError::Taken)
}
