//! What a decision is to those who are told of it, and the JSON that says so.

use model_release_core::api::GROUP;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{Act, HistoryEntry};
use model_release_core::settings::EventKind;
use serde_json::{Value, json};

use super::Notification;
use crate::watch::ReleaseKey;

/// What a decision is. A trial is `started` once, and `promoted` or `rolledback` once: the commits that carry a rollback
/// out, as the version drains and has left, change nothing for clients and are `held`.
pub fn kind(decision: &HistoryEntry) -> EventKind {
    match (decision.verdict, decision.reason) {
        (Act::Rollback, _) if decision.decides() => EventKind::RolledBack,
        // The version on trial is away, or has lost its pods and with them its weight.
        (Act::Rollback, _) | (Act::Step, Reason::CanaryNotReady) => EventKind::Held,
        (Act::Promote, Reason::Promoted) | (Act::Replace, Reason::Replaced) => EventKind::Promoted,
        (Act::Replace, _) if decision.decides() => EventKind::Started,
        (Act::Start, Reason::CanaryReady | Reason::WarmedUp)
        | (Act::Step | Act::Promote | Act::Replace, _) => EventKind::Advanced,
        (Act::Start, _) => EventKind::Started,
        // Nothing happens until somebody does something, and no other decision said so.
        (Act::Hold, Reason::Inconclusive | Reason::Quarantined) => EventKind::Stalled,
        (Act::Hold | Act::Retire | Act::Delete, _) => EventKind::Held,
    }
}

/// The same on each attempt, by whichever operator.
pub fn id(decided: &Notification) -> String {
    format!("{}/{}", decided.uid, decided.decision.seq)
}

/// Where the API server serves a release.
fn source(release: &ReleaseKey) -> String {
    format!("/apis/{GROUP}/v1alpha1/namespaces/{}/modelreleases/{}", release.namespace, release.name)
}

/// As `CloudEvents` 1.0 has it.
pub fn cloud_event(decided: &Notification) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": id(decided),
        "source": source(&decided.release),
        "type": format!("dev.modelrelease.{}", kind(&decided.decision).as_str()),
        "time": decided.decision.at,
        "datacontenttype": "application/json",
        "data": decided.decision,
    });
    // A subject may be absent but not empty; a release that ends before anything served has no version to name.
    if let Value::Object(fields) = &mut event
        && !decided.decision.version.is_empty()
    {
        fields.insert("subject".to_owned(), json!(decided.decision.version));
    }
    event
}

/// For receivers of plain JSON.
pub fn plain(decided: &Notification) -> Value {
    json!({
        "id": id(decided),
        "event": kind(&decided.decision),
        "namespace": decided.release.namespace,
        "name": decided.release.name,
        "uid": decided.uid,
        "decision": decided.decision,
    })
}

#[cfg(test)]
mod tests;
