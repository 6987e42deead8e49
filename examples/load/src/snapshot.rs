//! What is known of a load at one moment. Times are milliseconds since its start, and the same as Unix time.

use crate::change::Counts;
use crate::way::Way;
use serde::Serialize;
use std::collections::BTreeMap;

/// Running totals of one load.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Unix time of the start.
    pub started_unix_ms: u64,
    /// Since the start, on a clock that never goes back.
    pub at_ms: u64,
    /// The load has ended: nothing below changes any more.
    pub ended: bool,
    /// Predictions asked for.
    pub sent: u64,
    /// Not asked for, since too many were still unanswered.
    pub skipped: u64,
    /// What came back for predictions, over all versions and none.
    #[serde(flatten)]
    pub answers: Answers,
    /// No connection, or it broke.
    pub connection_errors: u64,
    /// No answer in time.
    pub timeouts: u64,
    /// The same requests by the way that they went.
    pub ways: BTreeMap<Way, Counts>,
    /// Answers that told both which version the gateway chose, in the version header, and which one computed them.
    pub pairs: u64,
    /// Those of them in which the two differed, or an app that answered was of a third.
    pub mismatched: u64,
    /// The last of these, in words.
    pub last_mismatch: Option<String>,
    /// What became of labels.
    pub labels: Labels,
    /// By the name in the version header of the answer.
    pub versions: BTreeMap<String, Version>,
    /// The last thing that went wrong, in words.
    pub last_trouble: Option<String>,
}

/// Answers by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// All of the below.
    pub answered: u64,
    /// 2xx; over gRPC status 0.
    pub ok: u64,
    /// 429, or what a gateway makes of it over gRPC.
    pub limited: u64,
    /// Other 4xx.
    pub client_errors: u64,
    /// 5xx; over gRPC any failure.
    pub server_errors: u64,
    /// Median latency of those that were not limited; none without any.
    pub p50_ms: Option<f64>,
    /// 99 % were faster.
    pub p99_ms: Option<f64>,
}

/// One version, as clients saw it. A 429 names the version that would have served: counted, but no answer of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its answers by kind.
    #[serde(flatten)]
    pub answers: Answers,
    /// Answers in the last five whole seconds, 429 aside.
    pub recent: u64,
    /// When its first answer came.
    pub first_ms: Option<u64>,
    /// When its last answer came.
    pub last_ms: Option<u64>,
    /// When the question of that answer was sent.
    pub last_sent_ms: Option<u64>,
    /// `last_ms` as Unix time.
    pub last_unix_ms: Option<u64>,
    /// Its answers that were judged.
    pub labelled: u64,
    /// Of those, how many were right.
    pub right: u64,
}

/// What became of labels.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Labels {
    /// Labels reported.
    pub sent: u64,
    /// Taken by the version that had answered.
    pub counted: u64,
    /// 409: reached another version, which did not count it.
    pub misrouted: u64,
    /// 429.
    pub limited: u64,
    /// Anything else.
    pub failed: u64,
}

impl Snapshot {
    /// Share, from 0 to 1, of a version in all versions' answers of the last five whole seconds; none if there were none.
    pub fn share(&self, version: &str) -> Option<f64> {
        let all: u64 = self.versions.values().map(|v| v.recent).sum();
        let own = self.versions.get(version).map_or(0, |v| v.recent);
        #[expect(clippy::cast_precision_loss, reason = "answers of five seconds")]
        (all > 0).then(|| own as f64 / all as f64)
    }
}

impl Version {
    /// Share, from 0 to 1, of right answers among the judged ones; none if there were none.
    pub fn accuracy(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts of answers stay far below 2^52")]
        (self.labelled > 0).then(|| self.right as f64 / self.labelled as f64)
    }
}
