//! The clients of one release: they ask about held-out domains over every protocol that it serves, and report the labels back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use load::{Config, Counts, LoadHandle, Snapshot, Way};

use super::manifest::{CLIENT_HEADER, Manifest, VERSION_HEADER};
use super::outcome::Clients;
use super::story::Stage;
use crate::error::{Error, Result};

/// Users of one release. So many that none comes near the limit of one client.
const USERS: u32 = 4000;
/// No load lasts longer, whatever happens to the story.
const LONGEST: Duration = Duration::from_secs(900);
/// How clients ask, in tenths. A connection for each request costs the machine most, and a tenth of them show the same.
const OVER_HTTP: [(Way, u32); 3] = [(Way::KeepAlive, 5), (Way::Fresh, 1), (Way::Http2, 4)];
/// The same of a release that serves gRPC, too.
const OVER_GRPC_TOO: [(Way, u32); 4] =
    [(Way::KeepAlive, 3), (Way::Fresh, 1), (Way::Http2, 3), (Way::Grpc, 3)];

/// What clients got so far.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Predictions asked for.
    pub requests: u64,
    /// Answered with a status of 500 and more; calls by gRPC that failed.
    pub server_errors: u64,
    /// Answered with another status that is an error, but 429: as by a gateway that knows no route.
    pub client_errors: u64,
    /// Not answered: no connection, or too late.
    pub broken: u64,
    /// Refused with 429.
    pub limited: u64,
    /// The same by the way that the requests went.
    pub ways: BTreeMap<Way, Counts>,
    /// Answers that told both which version the gateway chose and which one computed them.
    pub pairs: u64,
    /// Those of them that were computed by another version than the one chosen, or handed on by its app.
    pub mismatched: u64,
    /// The last of these, in words.
    pub mismatch: Option<String>,
    /// By version.
    pub versions: BTreeMap<String, Version>,
    /// The last thing that went wrong, in words.
    pub trouble: Option<String>,
}

/// What clients got of one version.
#[derive(Debug, Clone, Copy, Default)]
pub struct Version {
    /// Its answers.
    pub answers: u64,
    /// Its answers with a status of 500 and more; calls by gRPC that failed.
    pub server_errors: u64,
    /// When the last one came.
    pub last: Option<Timestamp>,
    /// When what it answers was asked.
    pub last_asked: Option<Timestamp>,
}

/// The clients of one release; cloning shares them.
#[derive(Clone)]
pub struct Load {
    config: Arc<Config>,
    state: Arc<Mutex<State>>,
}

enum State {
    Idle,
    Running(LoadHandle),
    Ended(Box<Snapshot>),
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("host", &self.config.host).finish_non_exhaustive()
    }
}

impl Load {
    /// Clients of a release that do not ask yet.
    pub fn idle(stage: &Stage, manifest: &Manifest) -> Self {
        let ways = if manifest.grpc { OVER_GRPC_TOO.to_vec() } else { OVER_HTTP.to_vec() };
        let config = Config {
            host: Some(manifest.host()),
            ways,
            users: USERS,
            duration: LONGEST,
            user_header: CLIENT_HEADER.to_owned(),
            version_header: VERSION_HEADER.to_owned(),
            ..Config::new(&stage.gateway_url, stage.questions.clone())
        };
        Self { config: Arc::new(config), state: Arc::new(Mutex::new(State::Idle)) }
    }

    /// They begin to ask, so many predictions a second.
    ///
    /// # Errors
    /// If what they are to ask makes no sense.
    pub fn begin(&self, rate: u32) -> Result<()> {
        let handle = LoadHandle::start(Config { rate, ..(*self.config).clone() }).map_err(|error| {
            Error::other(format!("the load on {:?} cannot start: {error}", self.config.host))
        })?;
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Running(handle);
        Ok(())
    }

    /// They ask no more; returns once what was under way has ended.
    pub async fn stop(&self) {
        let running = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let last = match &*state {
                State::Running(handle) => handle.snapshot(),
                State::Idle | State::Ended(_) => return,
            };
            std::mem::replace(&mut *state, State::Ended(Box::new(last)))
        };
        if let State::Running(handle) = running {
            let last = handle.stop().await;
            *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Ended(Box::new(last));
        }
    }

    /// What they got so far.
    pub fn totals(&self) -> Totals {
        totals(&self.moment())
    }

    /// The whole account as it stands; of two of them [`Snapshot::since`] tells what came between.
    pub fn moment(&self) -> Snapshot {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Idle => Snapshot::default(),
            State::Running(handle) => handle.snapshot(),
            State::Ended(snapshot) => (**snapshot).clone(),
        }
    }
}

impl Totals {
    /// The same for the books.
    pub fn clients(&self) -> Clients {
        Clients {
            requests: self.requests,
            server_errors: self.server_errors,
            client_errors: self.client_errors,
            broken: self.broken,
            limited: self.limited,
            ways: self.ways.clone(),
            pairs: self.pairs,
            mismatched: self.mismatched,
        }
    }
}

fn totals(snapshot: &Snapshot) -> Totals {
    let at = |ms: u64| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok();
    let version = |seen: &load::Version| Version {
        answers: seen.answers.ok,
        server_errors: seen.answers.server_errors,
        last: seen.last_unix_ms.and_then(at),
        last_asked: seen.last_sent_ms.and_then(|ms| at(snapshot.started_unix_ms + ms)),
    };
    Totals {
        requests: snapshot.sent,
        server_errors: snapshot.answers.server_errors,
        client_errors: snapshot.answers.client_errors,
        broken: snapshot.connection_errors + snapshot.timeouts + snapshot.skipped,
        limited: snapshot.answers.limited,
        ways: snapshot.ways.clone(),
        pairs: snapshot.pairs,
        mismatched: snapshot.mismatched,
        mismatch: snapshot.last_mismatch.clone(),
        versions: snapshot.versions.iter().map(|(name, seen)| (name.clone(), version(seen))).collect(),
        trouble: snapshot.last_trouble.clone(),
    }
}
