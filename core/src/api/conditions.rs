//! The condition types, and how one is set: times move only with the status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::reasons::Reason;

/// A type of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "each name is its own explanation; docs/conditions.md tells what to do about each"
)]
pub enum Type {
    Ready,
    Reconciling,
    Stalled,
    Accepted,
    StableReady,
    CanaryReady,
    ArtifactsVerified,
    TrafficApplied,
    AnalysisAvailable,
    Promoted,
    RolledBack,
    Held,
}

impl Type {
    /// Every type, in the order in which they are written.
    pub const ALL: [Self; 12] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::Accepted,
        Self::StableReady,
        Self::CanaryReady,
        Self::ArtifactsVerified,
        Self::TrafficApplied,
        Self::AnalysisAvailable,
        Self::Promoted,
        Self::RolledBack,
        Self::Held,
    ];

    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Accepted => "Accepted",
            Self::StableReady => "StableReady",
            Self::CanaryReady => "CanaryReady",
            Self::ArtifactsVerified => "ArtifactsVerified",
            Self::TrafficApplied => "TrafficApplied",
            Self::AnalysisAvailable => "AnalysisAvailable",
            Self::Promoted => "Promoted",
            Self::RolledBack => "RolledBack",
            Self::Held => "Held",
        }
    }
}

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Kubernetes' own three words")]
pub enum Is {
    True,
    False,
    Unknown,
}

impl Is {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Sets a condition; its time moves only if its status does.
pub fn set(
    conditions: &mut Vec<Condition>,
    kind: Type,
    (is, reason, message): (Is, Reason, String),
    generation: i64,
    now: Timestamp,
) {
    let old = conditions.iter().position(|c| c.type_ == kind.as_str());
    let since = old
        .and_then(|i| conditions.get(i))
        .filter(|c| c.status == is.as_str())
        .map_or_else(|| Time(now), |c| c.last_transition_time.clone());
    let new = Condition {
        type_: kind.as_str().to_owned(),
        status: is.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation: Some(generation),
        last_transition_time: since,
    };
    match old.and_then(|i| conditions.get_mut(i)) {
        Some(place) => *place = new,
        None => conditions.push(new),
    }
}

/// Whether a condition is True.
pub fn is_true(conditions: &[Condition], kind: Type) -> bool {
    conditions.iter().any(|c| c.type_ == kind.as_str() && c.status == "True")
}
