//! What people see: each answer as lines of text.

pub mod explain;
pub mod history;
pub mod list;
pub mod tree;

use model_release_core::api::spec::ModelRelease;
use model_release_core::api::status::{Phase, Verdict};
use serde_json::Value;

use crate::error::{CliError, plain};
use crate::screen::Tone;

/// A release as this plugin knows it.
///
/// # Errors
/// [`CliError::Unreadable`] if another version has written it in another form.
pub fn decoded(object: &Value) -> Result<ModelRelease, CliError> {
    serde_json::from_value(object.clone()).map_err(|error| CliError::Unreadable {
        release: named(object),
        why: format!(
            "{}; it was written by another version of the operator: take the plugin of that version, or see it by `kubectl get \
             modelrelease -o yaml`",
            plain(error)
        ),
    })
}

/// Namespace and name of an object, as far as it says.
pub fn named(object: &Value) -> String {
    let part = |field: &str| {
        object.get("metadata").and_then(|meta| meta.get(field)).and_then(Value::as_str).unwrap_or("-")
    };
    format!("{}/{}", plain(part("namespace")), plain(part("name")))
}

/// Whether a phase is good news.
pub fn phase_tone(phase: &str) -> Tone {
    let known = Phase::ALL.into_iter().find(|known| known.as_str() == phase);
    match known {
        Some(Phase::Stable) => Tone::Good,
        Some(Phase::RollingBack | Phase::RolledBack) => Tone::Bad,
        Some(_) => Tone::Busy,
        None => Tone::Quiet,
    }
}

/// Whether a verdict is.
pub fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Fail => Tone::Bad,
        Verdict::Inconclusive => Tone::Busy,
    }
}
