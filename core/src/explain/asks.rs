//! What a human's word would do now, before it is written: which annotation says it, and what comes of it.

use jiff::Timestamp;
use serde::Serialize;

use super::basis::{Basis, Seen};
use crate::api::annotations::{Annotations, Pause, Promote, Retry, Rollback};
use crate::api::spec::ModelRelease;
use crate::api::status::{ModelReleaseStatus, Phase, Track, Verdict};
use crate::situation::{Fallback, Situation};
use crate::span::span;
use crate::version::Hash;

/// What to write, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The annotation's value.
    pub value: String,
    /// What comes of it, in a sentence.
    pub message: String,
    /// What is passed over by it, each in a sentence; empty if nothing is.
    pub skips: Vec<String>,
}

/// Why nothing is to be written, in a sentence with what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

fn refuse<T>(why: String) -> Result<T, Refusal> {
    Err(Refusal(why))
}

/// What a version is called where a human names it: its name, or its hash if another one bears the name.
fn called(s: &Situation, name: &str, hash: &str) -> String {
    let others = s.status.versions.iter().map(|v| (v.version.as_str(), v.hash.as_str()));
    let spec = s.release.canary.iter().chain([&s.release.stable]);
    let mut others = others.chain(spec.map(|v| (v.name.as_str(), v.hash.as_str())));
    if others.any(|(other, own)| other == name && own != hash) { hash.to_owned() } else { name.to_owned() }
}

/// What promoting by hand would do: it stands for missing evidence and for steps, never for readiness, nor for a check
/// that failed.
///
/// # Errors
/// [`Refusal`] if nothing could be promoted, or something failed.
pub fn promote(object: &ModelRelease, seen: &Seen, now: Timestamp) -> Result<Answer, Refusal> {
    let basis = Basis::of(object, seen, now);
    let s = basis.situation();
    let (name, hash) = match (s.role(Track::Canary), &s.release.canary, s.canary_wanted()) {
        (Some(canary), ..) => (canary.version.clone(), canary.hash.clone()),
        (None, Some(canary), Some(hash)) => (canary.name.clone(), hash.to_string()),
        _ => return refuse("nothing is on trial, and the spec names no canary that could be".to_owned()),
    };
    if let Some(barred) = s.status.quarantine.iter().rev().find(|entry| entry.hash == hash) {
        return refuse(format!(
            "{name} was rolled back ({}); change it, or lift that by retry, before it is promoted",
            barred.reason.as_str()
        ));
    }
    match s.phase() {
        Phase::Promoting => return refuse(format!("{name} is being promoted already")),
        Phase::Replacing => return refuse(format!("{name} replaces stable already; nothing judges it")),
        _ => {}
    }
    if let Some(failed) = basis.outlook.iter().find(|c| c.enforced && c.check.verdict == Verdict::Fail) {
        return refuse(format!(
            "{} failed, which no promotion passes over: {}",
            failed.check.name, failed.message
        ));
    }
    let known = Hash::known(&hash);
    if s.held(&known) {
        return refuse(format!("the rollback annotation holds {name}; resume it before it is promoted"));
    }
    let value = called(&s, &name, &hash);
    let when = match s.phase() {
        Phase::Shadowing | Phase::Analyzing if s.paused() => "as soon as it is resumed",
        Phase::Shadowing | Phase::Analyzing => "as soon as it is at full size",
        _ => "once it is ready and warm",
    };
    Ok(Answer { value, message: format!("{name} gets all traffic {when}"), skips: skipped(&s, &basis) })
}

/// The evidence, the steps and the time that a promotion by hand passes over.
fn skipped(s: &Situation, basis: &Basis) -> Vec<String> {
    let open = basis.outlook.iter().filter(|c| c.enforced && !c.exempt && c.check.verdict != Verdict::Pass);
    let mut skips: Vec<String> =
        open.map(|check| format!("{}: {}", check.check.name, check.message)).collect();
    let judged = matches!(s.phase(), Phase::Shadowing | Phase::Analyzing);
    if basis.outlook.is_empty() {
        skips.push("all evidence: none has been gathered".to_owned());
    }
    let index = s.status.step.as_ref().filter(|_| judged).map_or(-1, |rung| i64::from(rung.index));
    let passed = usize::try_from(index.saturating_add(1)).unwrap_or(0);
    let left: Vec<String> =
        s.release.rollout.steps.iter().skip(passed).map(|step| format!("{} %", step.percent)).collect();
    if !left.is_empty() {
        skips.push(format!("the steps to {}", left.join(", ")));
    }
    let step = usize::try_from(index).ok().and_then(|i| s.release.rollout.steps.get(i));
    if let (Some(step), Some(done)) = (step, s.dwelt().filter(|_| s.phase() == Phase::Analyzing))
        && done < step.min_duration
    {
        let left = span(step.min_duration.saturating_sub(done));
        skips.push(format!("{left} of the time at {} %", step.percent));
    }
    skips
}

/// What rolling back by hand would do. `hold`: whatever is on trial or live leaves, and nothing new starts while the
/// annotation stays.
///
/// # Errors
/// [`Refusal`] if there is nothing to roll back, or nothing to go back to.
pub fn roll_back(object: &ModelRelease, seen: &Seen, hold: bool, now: Timestamp) -> Result<Answer, Refusal> {
    let basis = Basis::of(object, seen, now);
    let s = basis.situation();
    let answer = |value: String, message: String| {
        let value = if hold { "true".to_owned() } else { value };
        let kept_out = if hold { "; nothing new starts until it is resumed" } else { "" };
        Ok(Answer { value, message: format!("{message}{kept_out}"), skips: Vec::new() })
    };
    let startable = s.canary_wanted().filter(|hash| !s.quarantined(hash));
    if let Some(canary) = s.role(Track::Canary).filter(|_| s.on_the_way()) {
        let message = match s.weight(&Hash::known(&canary.hash)) {
            0 => format!("{} is given up; it has no traffic", canary.version),
            percent => format!("{} loses its {percent} % at once", canary.version),
        };
        return answer(called(&s, &canary.version, &canary.hash), message);
    }
    if let (Some(hash), Some(canary)) = (startable, &s.release.canary) {
        let message = format!("{} is not started", canary.name);
        return answer(called(&s, &canary.name, hash.as_str()), message);
    }
    if matches!(s.phase(), Phase::RollingBack | Phase::RolledBack) {
        let last = s.status.quarantine.last().map_or("the last version", |entry| entry.version.as_str());
        return refuse(format!("{last} was rolled back already, and nothing else is on trial"));
    }
    let Some(live) = s.role(Track::Stable) else {
        return refuse("nothing serves yet, so there is nothing to roll back".to_owned());
    };
    let message = match s.fallback() {
        Some(Fallback::Previous(hash)) => {
            format!("{} leaves at once for {}, which is still warm", live.version, named(&s, &hash))
        }
        Some(Fallback::SpecStable(hash)) => format!(
            "{} leaves for {} of spec.stable, which has to be started first",
            live.version,
            named(&s, &hash)
        ),
        None => {
            return refuse(format!(
                "there is nothing to go back to from {}: no version before it is kept, and spec.stable names none; put the \
                 version that is wanted into spec.stable",
                live.version
            ));
        }
    };
    answer(called(&s, &live.version, &live.hash), message)
}

fn named(s: &Situation, hash: &Hash) -> String {
    let role = s.status.versions.iter().find(|version| version.hash == hash.as_str());
    let name = role.map(|version| version.version.clone());
    name.or_else(|| s.release.version(hash).map(|v| v.name.clone())).unwrap_or_else(|| hash.to_string())
}

/// What taking back a pause and a rollback would do: which annotations are there, and what would start.
///
/// # Errors
/// [`Refusal`] if neither is there.
pub fn resume(object: &ModelRelease, seen: &Seen, now: Timestamp) -> Result<Vec<Answer>, Refusal> {
    let basis = Basis::of(object, seen, now);
    let s = basis.situation();
    let annotations = &s.release.annotations;
    let mut all = Vec::new();
    if annotations.pause != Pause::Absent {
        let message = "what was paused goes on, and its clocks with it".to_owned();
        all.push(Answer { value: "pause".to_owned(), message, skips: Vec::new() });
    }
    if annotations.rollback != Rollback::Absent {
        let starts = s.canary_wanted().filter(|hash| !s.quarantined(hash));
        let starts = starts.and_then(|hash| s.release.version(hash)).map(|version| version.name.clone());
        let message = match starts {
            Some(version) => format!("{version} of the spec may start"),
            None => "nothing starts by it; what was rolled back stays out until it changes, or by retry"
                .to_owned(),
        };
        all.push(Answer { value: "rollback".to_owned(), message, skips: Vec::new() });
    }
    if all.is_empty() {
        let suspended =
            if s.release.suspend { "; spec.suspend is set, and only the spec takes that back" } else { "" };
        return refuse(format!("neither pause nor rollback is set{suspended}"));
    }
    Ok(all)
}

/// What another try would do. `token`: a value that was not used before.
///
/// # Errors
/// [`Refusal`] if no version of the spec was rolled back, or a human's word keeps it from being tried.
pub fn retry(object: &ModelRelease, seen: &Seen, token: &str, now: Timestamp) -> Result<Answer, Refusal> {
    let basis = Basis::of(object, seen, now);
    let s = basis.situation();
    let barred = s.release.canary.iter().chain([&s.release.stable]).filter(|v| s.quarantined(&v.hash));
    let barred: Vec<&str> = barred.map(|version| version.name.as_str()).collect();
    if barred.is_empty() {
        return refuse("no version of the spec was rolled back, so there is nothing to try again".to_owned());
    }
    if s.release.canary.as_ref().is_some_and(|canary| s.held(&canary.hash)) {
        return refuse(format!("the rollback annotation holds {}; resume it first", barred.join(" and ")));
    }
    let later = if s.paused() { ", once it is resumed" } else { "" };
    let message = format!("{} is tried again, without its old evidence{later}", barred.join(" and "));
    Ok(Answer { value: token.to_owned(), message, skips: Vec::new() })
}

/// Whether the operator has taken note of every annotation of a release.
pub fn answered(object: &ModelRelease) -> bool {
    let none = ModelReleaseStatus::default();
    let status = object.status.as_ref().unwrap_or(&none);
    let said = Annotations::read(object.metadata.annotations.as_ref());
    let handled = &status.state.handled;
    let rollback = match said.rollback {
        Rollback::Absent => handled.rollback.is_none(),
        Rollback::True | Rollback::Version(_) | Rollback::Malformed => {
            handled.rollback.as_deref() == Some(said.rollback_digest.as_str())
        }
    };
    let promote = match said.promote {
        Promote::Absent => handled.promote.is_none(),
        Promote::Version(_) | Promote::Malformed => {
            handled.promote.as_ref().is_some_and(|bound| bound.digest == said.promote_digest)
        }
    };
    let retry = match said.retry {
        Retry::Absent => true,
        Retry::Token(_) | Retry::Malformed => handled.retry.as_deref() == Some(said.retry_digest.as_str()),
    };
    let suspended = status.state.clocks.suspended_since.is_some();
    let paused = suspended || said.paused() == status.state.clocks.paused_since.is_some();
    rollback && promote && retry && paused
}
