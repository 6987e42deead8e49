//! Tells how a cluster is: each part, since when, in which version, and where its log is.

use std::path::Path;

use crate::checkout;
use crate::error::Result;
use crate::process;
use crate::registry::{self, Record};
use crate::say::say;
use crate::supervise::{self, PartState, Status};

/// What `status` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It is up and every part answers.
    Up,
    /// It is there, but not well.
    Ailing,
    /// There is none.
    Down,
}

/// Prints how the cluster `name` of a checkout is, or with `None` all clusters of the machine.
///
/// # Errors
/// If the checkout's folders cannot be read.
pub fn status(checkout: &Path, name: Option<&str>) -> Result<Health> {
    let Some(name) = name else {
        let all = registry::all();
        if all.is_empty() {
            say("No testbed stands on this machine.");
            return Ok(Health::Down);
        }
        let health: Vec<Health> = all.iter().map(show).collect();
        return Ok(if health.iter().all(|one| *one == Health::Up) { Health::Up } else { Health::Ailing });
    };
    let Some(record) = registry::find(checkout, name) else {
        say(format_args!("Testbed {name} is down; nothing of it is left."));
        return Ok(Health::Down);
    };
    let health = show(&record);
    if health == Health::Up {
        say(format_args!("Use it with: . {}", checkout::folder(checkout, name).join("env").display()));
    }
    Ok(health)
}

fn show(record: &Record) -> Health {
    let name = &record.name;
    let mode = if record.api_only { ", API server only" } else { "" };
    say(format_args!(
        "Testbed {name} of {}{mode}, node {}, since {}",
        record.checkout.display(),
        record.network().node(),
        age(record.since)
    ));
    if !record.alive() {
        say("  its first process is gone; `make up` clears it away and begins anew");
        return Health::Ailing;
    }
    let folder = record.folder();
    let states = match supervise::list(&folder) {
        Ok(states) => states,
        Err(error) => {
            say(format_args!("  {error}"));
            return Health::Ailing;
        }
    };
    say(format_args!("  {:<24} {:<10} {:<22} {:<24} {:>8}  log", "part", "state", "since", "version", "pid"));
    let mut health = if record.complete { Health::Up } else { Health::Ailing };
    for state in &states {
        let (word, well) = state_word(&folder, state);
        if !well {
            health = Health::Ailing;
        }
        say(line(record, state, &word));
    }
    if !record.complete {
        say("  raising it did not come to its end; `make up` begins anew");
    }
    health
}

fn line(record: &Record, state: &PartState, word: &str) -> String {
    let pid = match (state.status, &record.pid_namespace) {
        (Status::Running { pid }, Some(namespace)) => process::host_pid(namespace, pid),
        _ => None,
    };
    let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let part = &state.part;
    let (since, log) = (age(state.since), part.log.display());
    format!("  {:<24} {word:<10} {since:<22} {:<24} {pid:>8}  {log}", part.name, part.version)
}

fn state_word(folder: &Path, state: &PartState) -> (String, bool) {
    match state.status {
        Status::Stopped => ("stopped".to_owned(), false),
        Status::Ended { code } => (format!("ended ({code})"), false),
        Status::Running { .. } => match supervise::probe(folder, &state.part.probe) {
            Ok(()) => ("up".to_owned(), true),
            Err(_) => ("no answer".to_owned(), false),
        },
    }
}

/// How long ago a moment in seconds since 1970 was.
fn age(since: u64) -> String {
    let seconds = process::now().saturating_sub(since);
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        _ => format!("{} h {} min ago", seconds / 3600, seconds % 3600 / 60),
    }
}
