//! Looks at releases all the time: their status, what clients got, and what Envoy did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model_release_core::api::ModelRelease;
use model_release_core::api::status::{ModelReleaseStatus, Phase, Track};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::envoy::{self, Recent};
use super::http::Client;
use super::load::{Load, Totals};
use super::releases::{Releases, version};
use crate::error::{Error, Result};

/// Time between looks.
const EVERY: Duration = Duration::from_millis(150);

/// One look at one release.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The release; none before the first look.
    pub release: Option<Arc<ModelRelease>>,
    /// Its status.
    pub status: ModelReleaseStatus,
    /// What clients got so far.
    pub load: Totals,
    /// Percent of the requests of the last seconds that Envoy sent to the version on trial (or leaving, or just
    /// promoted); none while there were too few.
    pub envoy_percent: Option<f64>,
}

impl Seen {
    /// The phase; Pending before the operator's first look.
    pub fn phase(&self) -> Phase {
        self.status.phase.unwrap_or_default()
    }

    /// Hash of the version whose share is of interest: on trial, leaving, or else live.
    pub fn hash_of_interest(&self) -> Option<&str> {
        let tracks = [Track::Canary, Track::Failed, Track::Stable];
        tracks.iter().find_map(|&track| version(&self.status, track)).map(|version| version.hash.as_str())
    }

    /// Percent of the traffic that this version has by the status, as read back from the route.
    pub fn wanted_percent(&self) -> Option<i32> {
        let hash = self.hash_of_interest()?;
        let known = self.status.traffic.iter().filter(|entry| entry.hash == hash);
        (!self.status.traffic.is_empty()).then(|| known.map(|entry| entry.percent).sum())
    }

    /// Whether every gateway gives the version on trial this share; as a look that may give a value.
    pub fn in_force(&self, percent: i32) -> Option<()> {
        let rung = self.status.step.as_ref()?;
        (rung.weight == percent && rung.settled_at.is_some()).then_some(())
    }

    /// Labelled answers of the canary that the operator has counted.
    pub fn canary_events(&self) -> i64 {
        let quality = self.status.analysis.as_ref().and_then(|analysis| analysis.quality.as_ref());
        quality.and_then(|quality| quality.canary.as_ref()).map_or(0, |share| share.events)
    }
}

/// The counters of the gateway's Envoy, read all the time for all releases.
#[derive(Debug)]
pub struct Gauge {
    recent: watch::Receiver<Arc<Recent>>,
    task: JoinHandle<()>,
}

impl Gauge {
    /// Begins to read Envoy's admin port, for one namespace.
    pub fn start(client: Client, admin: String, namespace: String) -> Self {
        let (tell, recent) = watch::channel(Arc::new(Recent::default()));
        let task = tokio::spawn(async move {
            let mut readings = Recent::default();
            while !tell.is_closed() {
                // A gateway that does not answer gives no share; that is what is shown.
                if let Ok(mut counters) = envoy::read(&client, &admin).await {
                    readings.push(Instant::now(), counters.remove(&namespace).unwrap_or_default());
                    tell.send_replace(Arc::new(readings.clone()));
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { recent, task }
    }

    /// The readings of the last seconds, now and later.
    pub fn readings(&self) -> watch::Receiver<Arc<Recent>> {
        self.recent.clone()
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One release under observation.
#[derive(Debug)]
pub struct Observer {
    seen: watch::Receiver<Arc<Seen>>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Begins to look at a release.
    pub fn start(releases: Releases, name: String, load: Load, envoy: watch::Receiver<Arc<Recent>>) -> Self {
        let (tell, seen) = watch::channel(Arc::new(Seen::default()));
        let task = tokio::spawn(async move {
            let mut last = Seen::default();
            while !tell.is_closed() {
                let start = Instant::now();
                if let Ok(release) = releases.get(&name).await {
                    last.status = release.status.clone().unwrap_or_default();
                    last.release = Some(Arc::new(release));
                }
                last.load = load.totals();
                let recent = envoy.borrow().clone();
                last.envoy_percent = last.hash_of_interest().and_then(|hash| recent.percent(&name, hash));
                tell.send_replace(Arc::new(last.clone()));
                // Many releases on a busy machine are looked at less often, rather than making it busier.
                tokio::time::sleep(EVERY.max(start.elapsed() * 4)).await;
            }
        });
        Self { seen, task }
    }

    /// The last look, now and later.
    pub fn looks(&self) -> watch::Receiver<Arc<Seen>> {
        self.seen.clone()
    }

    /// Waits for a look that gives a value.
    ///
    /// # Errors
    /// If none does in time; says what was waited for and what the release's status is.
    pub async fn until<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut find: impl FnMut(&Seen) -> Option<T>,
    ) -> Result<T> {
        self.until_or(what, deadline, |seen| find(seen).map(Ok)).await
    }

    /// As [`Self::until`]; a look may also end the waiting with an error.
    ///
    /// # Errors
    /// That error; or as [`Self::until`].
    pub async fn until_or<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut find: impl FnMut(&Seen) -> Option<Result<T>>,
    ) -> Result<T> {
        let start = Instant::now();
        let mut looks = self.looks();
        let waiting = async {
            loop {
                let seen = looks.borrow_and_update().clone();
                if let Some(found) = find(&seen) {
                    return found;
                }
                if looks.changed().await.is_err() {
                    return Err(Error::other(format!("{what}: nobody looks at the release any more")));
                }
            }
        };
        let found = tokio::time::timeout(deadline, waiting).await;
        found.unwrap_or_else(|_| {
            let seen = self.looks().borrow().clone();
            let status = &seen.status;
            Err(Error::Timeout {
                what: what.to_owned(),
                seconds: start.elapsed().as_secs_f64(),
                last: format!("phase {}, {}", seen.phase().as_str(), status.message),
            })
        })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_share_of_interest_is_the_trials_then_the_leavers_then_the_live_ones() {
        let versions = |tracks: &[&str]| -> Seen {
            let versions: Vec<_> =
                tracks.iter().map(|track| json!({"hash": track, "version": track, "track": track})).collect();
            let traffic = json!([
                {"hash": "stable", "version": "s", "percent": 90},
                {"hash": "canary", "version": "c", "percent": 10},
            ]);
            let status = serde_json::from_value(json!({"versions": versions, "traffic": traffic})).unwrap();
            Seen { status, ..Seen::default() }
        };
        assert_eq!(versions(&["stable", "canary"]).wanted_percent(), Some(10));
        assert_eq!(versions(&["stable", "failed"]).wanted_percent(), Some(0), "gone from the route");
        assert_eq!(versions(&["stable", "previous"]).wanted_percent(), Some(90));
        assert_eq!(Seen::default().wanted_percent(), None);
    }
}
