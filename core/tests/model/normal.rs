//! Statuses and bodies in their normal form: what is only to be read left out, times relative to now, ages that no
//! duration of the model reaches made one.

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::ANNOTATION_SEQ;
use model_release_core::api::status::{Candidate, ModelReleaseStatus, Phase, Track};
use serde_json::{Value, json};

use super::pause;
use super::rules;
use super::tables::text;

/// One tick of the clock; every duration of the model is a multiple of it. Seconds.
pub const TICK: i64 = 10;
/// What is older is just old. As long as the longest duration of the model. Seconds.
pub const OLD: i64 = 20;
/// The same of checks: four intervals, of which more than three without an answer are blind. Seconds.
const OLD_ANSWER: i64 = 40;

/// The time. It is always now: what is past moves away from it.
pub fn now() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

/// A status with what it decides by, and nothing else.
pub struct Status {
    pub status: ModelReleaseStatus,
    pub value: Value,
    /// Numbers of decisions in it, in order.
    pub seqs: Vec<i64>,
    /// The greatest of those that may be written to children.
    pub given: i64,
    /// Where traffic would go.
    pub fallback: Option<String>,
}

impl Status {
    pub fn of(value: Value) -> Self {
        let status: ModelReleaseStatus = serde_json::from_value(value.clone()).expect("a status decodes");
        let mut seqs = Vec::new();
        walk(&value, &mut |key, inner| {
            if key == "seq" {
                seqs.extend(inner.as_i64());
            }
        });
        seqs.sort_unstable();
        seqs.dedup();
        let given = status.decision.as_ref().map_or(0, |d| d.seq).max(status.state.traffic.seq);
        let fallback = rules::fallback(&status);
        Self { status, value, seqs, given, fallback }
    }
}

/// A status that counts no more than is enough: more of the same proves nothing else.
pub fn capped(raw: &ModelReleaseStatus) -> ModelReleaseStatus {
    let mut kept = raw.clone();
    for check in kept.state.checks.values_mut() {
        let many = 30_000.0;
        for (hits, events) in [
            (&mut check.stable_hits, &mut check.stable_events),
            (&mut check.canary_hits, &mut check.canary_events),
        ] {
            if *events > many {
                *hits = (*hits / *events * 30.0).round() * 1000.0;
                *events = many;
            }
        }
    }
    kept
}

/// What a status decides by: words, numbers for people and what every look notes anew are left out.
pub fn status(raw: &ModelReleaseStatus) -> Value {
    let mut kept = raw.clone();
    kept.next_look_at = None;
    kept.history.clear();
    kept.conditions.clear();
    kept.traffic.clear();
    kept.analysis = None;
    kept.canary_percent = None;
    for text in [
        &mut kept.message,
        &mut kept.url,
        &mut kept.stable_version,
        &mut kept.canary_version,
        &mut kept.quality_summary,
    ] {
        text.clear();
    }
    for version in &mut kept.versions {
        version.ready_replicas = 0;
        version.failure = None;
        version.artifact = None;
    }
    forget(&mut kept);
    let mut value = serde_json::to_value(&kept).unwrap();
    if let Some(state) = value.get_mut("state").and_then(Value::as_object_mut) {
        state.remove("drift");
        // Here requests go as the weights say, so that there is nothing to remember of them.
        state.remove("share");
    }
    // An attempt differs from the one before; more is not asked of its number.
    if let Some(attempt) = value.pointer_mut("/state/candidate/attempt")
        && attempt.as_i64() > Some(2)
    {
        *attempt = json!(attempt.as_i64().unwrap() - 2);
    }
    shift(&mut value, 0);
    value
}

/// Times that nothing is reckoned from any more.
fn forget(kept: &mut ModelReleaseStatus) {
    let long_ago = now() - SignedDuration::from_secs(OLD);
    if let Some(decision) = &mut kept.decision {
        decision.at = long_ago;
    }
    let phase = kept.phase.unwrap_or_default();
    if !matches!(phase, Phase::Pending | Phase::Promoting | Phase::Baking) && kept.phase_started_at.is_some()
    {
        kept.phase_started_at = Some(long_ago);
    }
    kept.state.traffic.changed_at = kept.state.traffic.changed_at.map(|_| long_ago);
    if kept.state.traffic.settled_at.is_some() {
        kept.state.traffic.read_at = Some(long_ago);
    }
    // Only requests that warm a version up are reckoned from here.
    if let Some(candidate) = &mut kept.state.candidate
        && !matches!(phase, Phase::Warming | Phase::Replacing)
    {
        candidate.routed_at = candidate.routed_at.map(|_| long_ago);
    }
    for version in &mut kept.versions {
        // Retention counts from here, until the bake is over.
        let counts = version.track == Track::Stable && phase == Phase::Baking;
        version.since = version.since.filter(|_| counts);
    }
    for entry in &mut kept.quarantine {
        entry.at = long_ago;
    }
    if !kept.versions.iter().any(|v| v.track == Track::Canary)
        && let Some(candidate) = &mut kept.state.candidate
    {
        let Candidate { attempt, stable_replicas, .. } = *candidate;
        *candidate = Candidate { attempt, stable_replicas, ..Candidate::default() };
        if phase != Phase::Baking {
            kept.state.checks.clear();
        }
    }
}

/// Moves what is past away from now, but for what stands still; ages that decide nothing more are cut.
pub fn shift(value: &mut Value, seconds: i64) {
    let suspended = value.pointer("/state/clocks/suspendedSince").is_some();
    walk_times(("", ""), value, &mut |around, field, time| {
        let still = suspended && pause::stands_still(around, field);
        if still { time } else { time - SignedDuration::from_secs(seconds) }
    });
    pause::fold(value);
    let most = pause::oldest(value);
    walk_times(("", ""), value, &mut |_, field, time| {
        let of_check = matches!(field, "lastAnswerAt" | "lastEvidenceAt" | "lastBlockEnd" | "begin");
        let oldest = if of_check { OLD_ANSWER } else { most(field) };
        time.max(now() - SignedDuration::from_secs(oldest))
    });
    cut(value);
}

/// Puts other times in place of those of a status.
fn walk_times(
    (around, name): (&str, &str),
    value: &mut Value,
    put: &mut dyn FnMut(&str, &str, Timestamp) -> Timestamp,
) {
    match value {
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(key, inner)| walk_times((name, key), inner, put));
        }
        // What is in a list is named as the list is.
        Value::Array(items) => items.iter_mut().for_each(|item| walk_times((around, name), item, put)),
        Value::String(text) if text.len() >= 20 && text.starts_with("20") && text.ends_with('Z') => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = put(around, name, time).to_string();
            }
        }
        _ => {}
    }
}

/// Sums of time that decide nothing more are cut.
fn cut(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields.iter_mut() {
                let most = match key.as_str() {
                    // Cut together with the age that they are of.
                    "pausedMilliseconds" | "pausedStepMilliseconds" => i64::MAX,
                    key if key.ends_with("Milliseconds") => OLD * 1000,
                    key if key.ends_with("Seconds") => OLD,
                    _ => i64::MAX,
                };
                if inner.as_i64() > Some(most) {
                    *inner = json!(most);
                }
                cut(inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(cut),
        _ => {}
    }
}

/// Puts other numbers of decisions in place of those of a status.
pub fn renumber_status(value: &mut Value, new: &dyn Fn(i64) -> i64) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields.iter_mut() {
                match inner.as_i64() {
                    Some(seq) if matches!(key.as_str(), "seq" | "applied") => *inner = json!(new(seq)),
                    _ => renumber_status(inner, new),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| renumber_status(item, new)),
        _ => {}
    }
}

/// Puts another number of a decision in place of an object's.
pub fn renumber_body(value: &mut Value, old: i64, new: i64) {
    let (old, new) = (old.to_string(), json!(new.to_string()));
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields.iter_mut() {
                let bears = matches!(key.as_str(), ANNOTATION_SEQ | "x-modelrelease-seq" | "string");
                if bears && inner.as_str() == Some(&old) {
                    *inner = new.clone();
                } else {
                    renumber_body(inner, old.parse().unwrap(), new.as_str().unwrap().parse().unwrap());
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                renumber_body(item, old.parse().unwrap(), new.as_str().unwrap().parse().unwrap());
            }
        }
        _ => {}
    }
}

fn walk(value: &Value, see: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| {
            see(key, inner);
            walk(inner, see);
        }),
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        _ => {}
    }
}

/// Bytes that tell a status from all others.
pub fn digestible(value: &Value) -> Vec<u8> {
    text(value)
}
