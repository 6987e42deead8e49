//! How a story ended: what was decided, on which numbers, and how fast it was in effect.

use std::collections::BTreeMap;

use load::{Counts, Way};
use model_release_core::api::status::{HistoryEntry, Numbers};
use serde::Serialize;

/// How one story ended.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Its letter.
    pub story: String,
    /// What it is about.
    pub title: String,
    /// The release's name.
    pub release: String,
    /// The decision that it is about, and its reason.
    pub decision: String,
    /// Reason of the decision.
    pub reason: String,
    /// Why, in the operator's sentence.
    pub message: String,
    /// The numbers that the decision rests on, as the operator recorded them.
    pub numbers: Vec<Numbers>,
    /// What was tried as a client, and how it came out.
    pub tried: Vec<String>,
    /// From cause to effect.
    pub effects: Vec<Effect>,
    /// What clients got.
    pub clients: Clients,
    /// Seconds that the story took.
    pub seconds: f64,
    /// What did not come out as it must; nothing if all did.
    pub problems: Vec<String>,
}

/// How long something took to be in effect.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Effect {
    /// From what.
    pub from: String,
    /// To what.
    pub to: String,
    /// How long, in seconds; negative if the effect was there before its cause was recorded.
    pub seconds: f64,
}

/// What clients got of a release.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// Requests sent.
    pub requests: u64,
    /// Answered with a status of 500 and more; calls by gRPC that failed.
    pub server_errors: u64,
    /// Answered with another status that is an error, but 429.
    pub client_errors: u64,
    /// Not answered.
    pub broken: u64,
    /// Refused by the limit.
    pub limited: u64,
    /// The same by the way that the requests went.
    pub ways: BTreeMap<Way, Counts>,
    /// Answers that told both which version the gateway chose and which one computed them.
    pub pairs: u64,
    /// Those of them in which the two differed.
    pub mismatched: u64,
}

impl Outcome {
    /// Whether all came out as it must.
    pub fn ended_well(&self) -> bool {
        self.problems.is_empty()
    }

    /// Takes over a decision on record.
    pub fn decided(&mut self, entry: &HistoryEntry) {
        self.decision = format!("{} {}", entry.verdict.as_str(), entry.version);
        self.reason = entry.reason.to_string();
        self.message.clone_from(&entry.message);
        self.numbers.clone_from(&entry.numbers);
    }

    /// Notes what must hold; if it does not, it is a problem.
    pub fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(otherwise());
        }
    }
}
