//! What each command does: asks the cluster, asks the core, answers.

pub mod backtest;
pub mod explain;
pub mod get;
pub mod history;
pub mod simulate;
pub mod status;
pub mod version;
pub mod word;

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::spec::ModelRelease;
use model_release_core::explain::{readable, span};

use crate::error::CliError;
use crate::shell::Shell;
use crate::times::skew;

/// Refuses a release whose memory a later operator has written.
fn check_memory(release: &ModelRelease, name: &str) -> Result<(), CliError> {
    let Some(status) = &release.status else { return Ok(()) };
    readable(status)
        .map_err(|error| CliError::Unreadable { release: name.to_owned(), why: error.to_string() })
}

/// Says so if this machine's clock is behind the operator's: ages and times left are wrong by as much.
fn check_clock(release: &ModelRelease, now: Timestamp, shell: &mut Shell<'_>) {
    let Some(status) = &release.status else { return };
    let decided = status.decision.as_ref().map(|decision| decision.at);
    let conditions = status.conditions.iter().map(|condition| condition.last_transition_time.0);
    let times = conditions.chain(decided).chain(status.phase_started_at);
    if let Some(ahead) = skew(times, now) {
        let by = span(ahead.max(SignedDuration::from_secs(1)));
        shell.note(&format!(
            "note: this machine's clock is {by} or more behind the operator's; ages and times left are wrong by that"
        ));
    }
}
