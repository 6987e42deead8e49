//! Counts as answers come in; a snapshot is read from it at any time.

use crate::change::Counts;
use crate::histogram::Histogram;
use crate::reply::Kind;
use crate::snapshot::{Answers, Labels, Snapshot, Version};
use crate::way::Way;
use hyper::StatusCode;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Whole seconds that "recent" looks back.
const RECENT: u64 = 5;
/// Names beyond this are counted as one: a gateway gone mad must not fill the memory.
const MAX_VERSIONS: usize = 64;

/// An answer to a prediction.
pub struct Answered<'a> {
    pub way: Way,
    pub kind: Kind,
    /// What the gateway chose.
    pub version: Option<&'a str>,
    /// The app's, if one answered.
    pub app: Option<&'a str>,
    /// Whose process computed the answer.
    pub model: Option<&'a str>,
    pub sent: Instant,
    pub came: Instant,
}

/// What kept an answer away.
pub enum Trouble {
    Connection(String),
    Timeout(String),
}

/// What became of a label.
pub enum Labelled {
    Counted { version: String, right: bool },
    Refused(StatusCode),
    Failed(String),
}

pub struct Tally {
    began: Instant,
    began_unix: Duration,
    ended: Option<Instant>,
    sent: u64,
    skipped: u64,
    all: Kinds,
    connection_errors: u64,
    timeouts: u64,
    ways: BTreeMap<Way, Counts>,
    pairs: u64,
    mismatched: u64,
    last_mismatch: Option<String>,
    labels: Labels,
    versions: BTreeMap<String, Seen>,
    last_trouble: Option<String>,
}

#[derive(Default)]
struct Kinds {
    counts: Answers,
    latency: Histogram,
}

#[derive(Default)]
struct Seen {
    kinds: Kinds,
    /// Answers by the second they came in.
    seconds: VecDeque<(u64, u64)>,
    first: Option<Duration>,
    last: Option<(Duration, Duration)>,
    labelled: u64,
    right: u64,
}

impl Tally {
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            began_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            ended: None,
            sent: 0,
            skipped: 0,
            all: Kinds::default(),
            connection_errors: 0,
            timeouts: 0,
            ways: BTreeMap::new(),
            pairs: 0,
            mismatched: 0,
            last_mismatch: None,
            labels: Labels::default(),
            versions: BTreeMap::new(),
            last_trouble: None,
        }
    }

    pub fn sent(&mut self, way: Way) {
        self.sent += 1;
        self.way(way).sent += 1;
    }

    pub fn skipped(&mut self) {
        self.skipped += 1;
    }

    pub fn end(&mut self) {
        self.ended.get_or_insert_with(Instant::now);
    }

    pub fn answered(&mut self, answer: &Answered) {
        self.all.add(answer);
        let counts = self.way(answer.way);
        match &answer.kind {
            Kind::Ok => counts.ok += 1,
            Kind::Limited => counts.limited += 1,
            Kind::ClientError(what) | Kind::ServerError(what) => {
                counts.failed += 1;
                let version = answer.version.unwrap_or("no version");
                self.last_trouble = Some(format!("{version} answered {what}"));
            }
        }
        self.pair(answer);
        let Some(name) = answer.version else { return };
        let (sent, came) = (self.since(answer.sent), self.since(answer.came));
        let seen = self.version(name);
        seen.kinds.add(answer);
        if answer.kind != Kind::Limited {
            seen.answer(sent, came);
        }
    }

    /// Whether the version that the gateway chose is the one that computed the answer.
    fn pair(&mut self, answer: &Answered) {
        let (Some(chosen), Some(model)) = (answer.version, answer.model) else { return };
        self.pairs += 1;
        let app = answer.app.unwrap_or(model);
        if chosen != app || app != model {
            self.mismatched += 1;
            let of_app = answer.app.map(|app| format!("an app of {app}, and ")).unwrap_or_default();
            let what = format!(
                "over {} the gateway chose {chosen}, but {of_app}a model of {model} answered",
                answer.way
            );
            self.last_mismatch = Some(what);
        }
    }

    pub fn trouble(&mut self, way: Way, trouble: Trouble) {
        self.way(way).lost += 1;
        let (count, what) = match trouble {
            Trouble::Connection(what) => (&mut self.connection_errors, what),
            Trouble::Timeout(what) => (&mut self.timeouts, what),
        };
        *count += 1;
        self.last_trouble = Some(what);
    }

    pub fn labelled(&mut self, label: Labelled) {
        self.labels.sent += 1;
        match label {
            Labelled::Counted { version, right } => {
                self.labels.counted += 1;
                let seen = self.version(&version);
                seen.labelled += 1;
                seen.right += u64::from(right);
            }
            Labelled::Refused(StatusCode::CONFLICT) => self.labels.misrouted += 1,
            Labelled::Refused(StatusCode::TOO_MANY_REQUESTS) => self.labels.limited += 1,
            Labelled::Refused(status) => {
                self.labels.failed += 1;
                self.last_trouble = Some(format!("a label was answered {status}"));
            }
            Labelled::Failed(what) => {
                self.labels.failed += 1;
                self.last_trouble = Some(what);
            }
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        let now = self.since(self.ended.unwrap_or_else(Instant::now));
        let version = |(name, seen): (&String, &Seen)| (name.clone(), seen.snapshot(now, self.began_unix));
        Snapshot {
            started_unix_ms: millis(self.began_unix),
            at_ms: millis(now),
            ended: self.ended.is_some(),
            sent: self.sent,
            skipped: self.skipped,
            answers: self.all.snapshot(),
            connection_errors: self.connection_errors,
            timeouts: self.timeouts,
            ways: self.ways.clone(),
            pairs: self.pairs,
            mismatched: self.mismatched,
            last_mismatch: self.last_mismatch.clone(),
            labels: self.labels.clone(),
            versions: self.versions.iter().map(version).collect(),
            last_trouble: self.last_trouble.clone(),
        }
    }

    fn way(&mut self, way: Way) -> &mut Counts {
        self.ways.entry(way).or_default()
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    fn version(&mut self, name: &str) -> &mut Seen {
        let known = self.versions.contains_key(name) || self.versions.len() < MAX_VERSIONS;
        self.versions.entry(if known { name } else { "others" }.to_owned()).or_default()
    }
}

impl Kinds {
    fn add(&mut self, answer: &Answered) {
        self.counts.answered += 1;
        let count = match answer.kind {
            Kind::Ok => &mut self.counts.ok,
            Kind::Limited => &mut self.counts.limited,
            Kind::ClientError(_) => &mut self.counts.client_errors,
            Kind::ServerError(_) => &mut self.counts.server_errors,
        };
        *count += 1;
        if answer.kind != Kind::Limited {
            self.latency.add(answer.came.saturating_duration_since(answer.sent));
        }
    }

    fn snapshot(&self) -> Answers {
        Answers {
            p50_ms: self.latency.quantile_ms(0.5),
            p99_ms: self.latency.quantile_ms(0.99),
            ..self.counts.clone()
        }
    }
}

impl Seen {
    fn answer(&mut self, sent: Duration, came: Duration) {
        self.first.get_or_insert(came);
        if self.last.is_none_or(|(_, last)| came >= last) {
            self.last = Some((sent, came));
        }
        let second = came.as_secs();
        match self.seconds.iter_mut().rev().find(|(at, _)| *at == second) {
            Some((_, count)) => *count += 1,
            None => self.seconds.push_back((second, 1)),
        }
        while self.seconds.front().is_some_and(|(at, _)| at + 2 * RECENT < second) {
            self.seconds.pop_front();
        }
    }

    fn snapshot(&self, now: Duration, began_unix: Duration) -> Version {
        let current = now.as_secs();
        let recent = (current.saturating_sub(RECENT)..current).collect::<Vec<_>>();
        Version {
            answers: self.kinds.snapshot(),
            recent: self.seconds.iter().filter(|(at, _)| recent.contains(at)).map(|(_, count)| count).sum(),
            first_ms: self.first.map(millis),
            last_ms: self.last.map(|(_, came)| millis(came)),
            last_sent_ms: self.last.map(|(sent, _)| millis(sent)),
            last_unix_ms: self.last.map(|(_, came)| millis(began_unix + came)),
            labelled: self.labelled,
            right: self.right,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
