//! A decision in Slack's words: versions, why, numbers, and how to undo it.

use model_release_core::api::annotations::{RETRY, ROLLBACK};
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{HistoryEntry, Numbers};
use model_release_core::settings::EventKind;
use serde_json::{Value, json};

use super::Notification;
use super::event::kind;

/// The message.
pub fn message(decided: &Notification) -> Value {
    json!({ "text": text(decided) })
}

/// Its text, in Slack's mrkdwn.
pub fn text(decided: &Notification) -> String {
    let decision = &decided.decision;
    let mut lines = vec![escaped(&headline(decided)), format!("> {}", escaped(&why(decision)))];
    lines.extend(decision.numbers.iter().map(|numbers| escaped(&told(numbers, &decision.version))));
    lines.extend(undo(decided).map(|undo| escaped(&undo)));
    lines.join("\n")
}

/// As Slack asks for: only these have a meaning that users' text must not have.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn headline(decided: &Notification) -> String {
    let HistoryEntry { version, hash, from_percent, to_percent, .. } = &decided.decision;
    let word = match kind(&decided.decision) {
        EventKind::RolledBack => "rolled back",
        other => other.as_str(),
    };
    let of = if version.is_empty() { String::new() } else { format!(": {version} ({hash})") };
    let moves = if from_percent == to_percent {
        String::new()
    } else {
        format!(", {from_percent} % → {to_percent} %")
    };
    let beside = !decided.stable.is_empty() && decided.stable != *version;
    let stable = if beside { format!("; stable is {}", decided.stable) } else { String::new() };
    format!("*{word}* {}{of}{moves}{stable}", decided.release)
}

fn why(decision: &HistoryEntry) -> String {
    let one_line = decision.message.lines().collect::<Vec<_>>().join(" ");
    format!("{}: {one_line}", decision.reason)
}

fn told(numbers: &Numbers, version: &str) -> String {
    let Numbers { metric, stable, canary, stable_events, canary_events, evidence, needed, .. } = numbers;
    let other =
        if stable.is_empty() { String::new() } else { format!(", stable {stable} of {stable_events}") };
    let odds = if evidence.is_empty() { String::new() } else { format!("; evidence {evidence} of {needed}") };
    format!("• {metric}: {version} {canary} of {canary_events}{other}{odds}")
}

/// What a human may do about it; none where nothing can be taken back.
fn undo(decided: &Notification) -> Option<String> {
    let command = |word: &str| {
        format!("`kubectl modelrelease {word} {} -n {}`", decided.release.name, decided.release.namespace)
    };
    let back = || format!("{}, or the annotation `{ROLLBACK}: \"true\"`", command("rollback"));
    let again =
        || format!("To try it again: {}, or the annotation `{RETRY}` with a new value", command("retry"));
    match (kind(&decided.decision), decided.decision.reason) {
        // Nothing served before the first version; and what was replaced by word of the spec is named there.
        (EventKind::Started, Reason::StableReady | Reason::StableChanged)
        | (EventKind::RolledBack, Reason::Superseded | Reason::CanaryRemoved | Reason::StableChanged) => None,
        (EventKind::Started | EventKind::Advanced | EventKind::Promoted, _)
        | (EventKind::Held, Reason::CanaryNotReady) => Some(format!("To undo: {}", back())),
        (EventKind::RolledBack, _) | (EventKind::Stalled, Reason::Quarantined) => Some(again()),
        (EventKind::Stalled, _) | (EventKind::Held, Reason::AwaitingPromotion) => {
            Some(format!("To decide: {}, or {}", command("promote"), back()))
        }
        (EventKind::Held, _) => None,
    }
}

#[cfg(test)]
mod tests;
