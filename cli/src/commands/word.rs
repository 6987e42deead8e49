//! `promote`, `rollback`, `pause`, `resume`, `retry`: a human's word, written as an annotation of the release that was
//! read, and nothing else of it.

use std::time::Duration;

use jiff::Timestamp;
use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::spec::ModelRelease;
use model_release_core::explain::{self, Answer, Refusal, Seen, answered};
use serde::Serialize;
use serde_json::{Map, Value};

use super::check_memory;
use super::explain::seen;
use crate::args::Word;
use crate::cluster::{Cluster, Scope};
use crate::error::{CliError, DONE, plain};
use crate::output;
use crate::render::{decoded, named};
use crate::shell::Shell;
use crate::watch::{Change, Watch};

/// Time in which the operator is to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Times that a release is read again because it changed before the word was written.
const TRIES: usize = 5;

/// What is to be written, and what comes of it.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Annotations; null removes one.
    annotations: Map<String, Value>,
    /// What comes of it.
    message: String,
    /// What is passed over by it.
    skips: Vec<String>,
    /// A question that has to be answered with yes first.
    question: Option<String>,
}

/// The answer as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    release: String,
    annotations: &'a Map<String, Value>,
    message: &'a str,
    skips: &'a [String],
    /// Whether the operator took note of it in time.
    answered: bool,
    /// What it said then.
    status: String,
}

/// Promotes the version on trial, without the evidence that is missing.
///
/// # Errors
/// [`CliError::Refused`] where nothing could be promoted, or something failed.
pub async fn promote(cluster: &Cluster, word: &Word, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let decide = |release: &ModelRelease, seen: &Seen, now: Timestamp| -> Result<Said, Refusal> {
        let answer = explain::promote(release, seen, now)?;
        once(release, PROMOTE, &answer.value)?;
        let asks = !word.yes && !answer.skips.is_empty();
        let question = asks.then(|| format!("Promote {} of {} without that?", answer.value, word.name));
        Ok(Said { question, ..said(PROMOTE, answer) })
    };
    Box::pin(write(cluster, &word.name, decide, shell)).await
}

/// Rolls back the version on trial, else the live one. `hold`: and lets nothing new start.
///
/// # Errors
/// [`CliError::Refused`] where there is nothing to roll back, or nothing to go back to.
pub async fn roll_back(
    cluster: &Cluster,
    name: &str,
    hold: bool,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let decide = |release: &ModelRelease, seen: &Seen, now: Timestamp| -> Result<Said, Refusal> {
        let answer = explain::roll_back(release, seen, hold, now)?;
        once(release, ROLLBACK, &answer.value)?;
        Ok(said(ROLLBACK, answer))
    };
    Box::pin(write(cluster, name, decide, shell)).await
}

/// Lets nothing new happen.
///
/// # Errors
/// If it cannot be written.
pub async fn pause(cluster: &Cluster, name: &str, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let decide = |release: &ModelRelease, _: &Seen, _: Timestamp| -> Result<Said, Refusal> {
        once(release, PAUSE, "true")?;
        let message = "nothing new happens until it is resumed; guardrails still act".to_owned();
        Ok(said(PAUSE, Answer { value: "true".to_owned(), message, skips: Vec::new() }))
    };
    Box::pin(write(cluster, name, decide, shell)).await
}

/// Takes back a pause; a rollback too, if that is confirmed.
///
/// # Errors
/// [`CliError::Refused`] where neither is set, [`CliError::Declined`] if only a rollback is and stays.
pub async fn resume(cluster: &Cluster, word: &Word, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let release = decoded(&cluster.get(&word.name).await?)?;
    let refused = |refusal: Refusal| CliError::Refused { release: cluster.named(&word.name), why: refusal.0 };
    let now = shell.now();
    let set = explain::resume(&release, &Seen::default(), now).map_err(refused)?;
    let held = set.iter().find(|answer| answer.value == "rollback");
    let mut too = word.yes;
    if let Some(answer) = held.filter(|_| !word.yes) {
        let question = format!("Take back the rollback annotation too? Then: {}.", plain(&answer.message));
        too = shell.human.confirm(&question).ok_or_else(nobody)?;
    }
    if !too && set.iter().all(|answer| answer.value == "rollback") {
        return Err(CliError::Declined);
    }
    let decide = |release: &ModelRelease, seen: &Seen, now: Timestamp| -> Result<Said, Refusal> {
        let set = explain::resume(release, seen, now)?;
        let mut all = Said::default();
        let mut messages = Vec::new();
        for answer in set.into_iter().filter(|answer| too || answer.value != "rollback") {
            let key = if answer.value == "rollback" { ROLLBACK } else { PAUSE };
            all.annotations.insert(key.to_owned(), Value::Null);
            messages.push(answer.message);
        }
        Ok(Said { message: messages.join("; "), ..all })
    };
    Box::pin(write(cluster, &word.name, decide, shell)).await
}

/// Tries again what was rolled back.
///
/// # Errors
/// [`CliError::Refused`] where nothing was, or a human's word holds it.
pub async fn retry(cluster: &Cluster, name: &str, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let decide = |release: &ModelRelease, seen: &Seen, now: Timestamp| -> Result<Said, Refusal> {
        let token = format!("cli-{now:.3}");
        Ok(said(RETRY, explain::retry(release, seen, &token, now)?))
    };
    Box::pin(write(cluster, name, decide, shell)).await
}

fn said(key: &str, answer: Answer) -> Said {
    let annotations = Map::from_iter([(key.to_owned(), Value::from(answer.value))]);
    Said { annotations, message: answer.message, skips: answer.skips, question: None }
}

/// A word counts when it is set: one that is there already would be set in vain.
fn once(release: &ModelRelease, key: &str, value: &str) -> Result<(), Refusal> {
    let there = release.metadata.annotations.as_ref().and_then(|all| all.get(key));
    match there {
        Some(there) if there.trim() == value => Err(Refusal(format!(
            "{key}={value} is set already, and counts from when it was set; to say it anew take it away first: `kubectl \
             annotate modelrelease {} {key}-`",
            release.metadata.name.as_deref().unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

fn nobody() -> CliError {
    CliError::Usage("nobody is there to confirm that: give -y".to_owned())
}

/// Reads the release, decides, asks where that is wanted, writes, and waits for the operator's answer.
async fn write(
    cluster: &Cluster,
    name: &str,
    decide: impl Fn(&ModelRelease, &Seen, Timestamp) -> Result<Said, Refusal>,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let mut confirmed: Option<Vec<String>> = None;
    for _ in 0..TRIES {
        let object = cluster.get(name).await?;
        let release = decoded(&object)?;
        check_memory(&release, &named(&object))?;
        let seen = seen(cluster, name).await?;
        let said = decide(&release, &seen, shell.now())
            .map_err(|refusal| CliError::Refused { release: cluster.named(name), why: plain(refusal.0) })?;
        // What was confirmed is not asked again, unless there is more of it by now.
        let more = confirmed.as_ref().is_none_or(|known| said.skips.len() > known.len());
        if let Some(question) = said.question.as_ref().filter(|_| more) {
            for skip in &said.skips {
                shell.note(&format!("passed over: {}", plain(skip)));
            }
            if !shell.human.confirm(question).ok_or_else(nobody)? {
                return Err(CliError::Declined);
            }
            confirmed = Some(said.skips.clone());
        }
        let version = release.metadata.resource_version.clone().unwrap_or_default();
        if let Some(written) = cluster.annotate(name, &version, said.annotations.clone()).await? {
            let (took_note, last) = answer(cluster, name, written).await?;
            return tell(cluster, name, &said, took_note, &last, shell);
        }
    }
    Err(CliError::Contended { what: format!("annotate ModelRelease {}", cluster.named(name)) })
}

/// Waits until the operator took note, for some seconds at most; the release as it was seen last.
async fn answer(cluster: &Cluster, name: &str, written: Value) -> Result<(bool, ModelRelease), CliError> {
    let mut last = decoded(&written)?;
    let version = last.metadata.resource_version.clone().unwrap_or_default();
    let mut watch = Watch::new(cluster, Scope::One(name.to_owned()), &version);
    let waiting = async {
        while !answered(&last) {
            match watch.next().await? {
                Change::Now(object) => last = decoded(&object)?,
                Change::Again(all) => {
                    let Some(object) = all.first() else { return Ok(false) };
                    last = decoded(object)?;
                }
                Change::Gone(_) => return Ok(false),
            }
        }
        Ok::<bool, CliError>(true)
    };
    let took_note = match tokio::time::timeout(ANSWER, waiting).await {
        Ok(Ok(took_note)) => took_note,
        // It is written; who may not watch the answer has to look for it.
        Ok(Err(CliError::Forbidden { .. })) | Err(_) => false,
        Ok(Err(error)) => return Err(error),
    };
    Ok((took_note, last))
}

fn tell(
    cluster: &Cluster,
    name: &str,
    said: &Said,
    took_note: bool,
    last: &ModelRelease,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let status = last.status.as_ref().map(|status| plain(&status.message)).unwrap_or_default();
    let release = cluster.named(name);
    if let Some(format) = shell.format {
        let told = Told {
            release,
            annotations: &said.annotations,
            message: &said.message,
            skips: &said.skips,
            answered: took_note,
            status,
        };
        shell.write(&output::text(&told, format)?)?;
        return Ok(DONE);
    }
    shell.say(&format!("{release}: {}.", plain(&said.message)))?;
    if took_note {
        shell.say(&format!("The operator took note: {status}"))?;
    } else {
        let seconds = ANSWER.as_secs();
        shell.say(&format!(
            "It is written, and the operator has not answered in {seconds} s: see whether it runs, and `kubectl modelrelease \
             explain {name}`."
        ))?;
    }
    Ok(DONE)
}
