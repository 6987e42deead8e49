//! A release of the core's small world, and the page of metrics that an operator would show of it.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::status::Phase;
use model_release_core::plan::Kind;
use model_release_core::testing::World;
use model_release_operator::clock::Clock;
use model_release_operator::metrics::{Metrics, OUTCOMES, RESULTS};
use model_release_operator::settings::Current;
use model_release_operator::watch::{Caches, Change, Object, ReleaseKey, Scope, Watched};
use serde_json::json;

/// A world whose decisions are counted and whose release is in the cache.
pub struct Told {
    pub world: World,
    pub metrics: Metrics,
    caches: Caches,
    time: Arc<Mutex<Timestamp>>,
}

impl Told {
    /// A release that begins at a time, whose canaries are held to a floor, to their errors and, for show, to late answers,
    /// which this world's Prometheus does not count.
    pub fn new(begin: Timestamp) -> Self {
        let mut world = World::new("v1", None);
        world.now = begin;
        world.edit(|spec| {
            spec["analysis"]["quality"] = json!({"min": "0.8", "maxDrop": "0.02"});
            spec["analysis"]["guardrails"] = json!([
                {"name": "errors", "metric": "ErrorRate", "max": "0.05", "maxRatio": "2"},
                {"name": "slow", "metric": "Latency", "bound": "500ms", "max": "0.05", "mode": "Observe"},
            ]);
        });
        let (caches, _woken) = Caches::new(&[]);
        let time = Arc::new(Mutex::new(begin));
        let metrics = Metrics::default();
        let tells = time.clone();
        let clock = Clock::by(move || *tells.lock().unwrap());
        metrics.tell_releases(caches.clone(), Current::from(world.settings.clone()), clock);
        metrics.set_leader(true);
        let told = Self { world, metrics, caches, time };
        told.work();
        told
    }

    /// One with a canary on trial, some of whose checks are still open.
    pub fn on_trial(begin: Timestamp) -> Self {
        let mut told = Self::new(begin);
        told.until(|world| world.phase() == Phase::Stable && world.settled());
        // Slightly worse than stable: neither good nor bad for long.
        told.world.accuracy.insert("v2".to_owned(), 0.885);
        told.world.canary(Some("v2"));
        told.until(|world| world.phase() == Phase::Analyzing && world.status().analysis.is_some());
        told.during(120, |_| false, 120, |_, _| ());
        told
    }

    /// What an operator counts of itself while it looks.
    fn work(&self) {
        let metrics = &self.metrics;
        metrics.prometheus_source("default");
        metrics.istiod();
        for result in RESULTS {
            metrics.reconciled(result, std::time::Duration::from_millis(20));
        }
        for outcome in OUTCOMES {
            metrics.prometheus_query("default", outcome);
        }
        metrics.prometheus_took("default", std::time::Duration::from_millis(50));
        metrics.kube_request("get", "modelreleases", "200");
        metrics.queue_depth(1);
        metrics.sink("chat");
    }

    fn key(&self) -> ReleaseKey {
        let meta = &self.world.object.metadata;
        ReleaseKey {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }

    /// One look, counted as the operator does.
    fn look(&mut self, end: Timestamp) {
        let plan = self.world.look();
        let key = self.key();
        self.metrics.drifted(&key, &plan.drifted);
        if let (Some(decision), Some(status)) = (&plan.decision, &plan.status) {
            self.metrics.decided(&key, decision, status);
        }
        let now = self.world.now;
        self.metrics.prometheus_success("default", now);
        self.world.now = if plan.status.is_none() && plan.writes.is_empty() {
            plan.next_look.max(now + SignedDuration::from_millis(1)).min(end)
        } else {
            now + SignedDuration::from_millis(5)
        };
    }

    /// Looks for so long, or until something holds, and shows the page each so many seconds on the way.
    pub fn during(
        &mut self,
        seconds: i64,
        holds: impl Fn(&World) -> bool,
        every: i64,
        mut page: impl FnMut(Timestamp, String),
    ) {
        let end = self.world.now + SignedDuration::from_secs(seconds);
        let mut scrape = self.world.now;
        while self.world.now < end && !holds(&self.world) {
            if self.world.now >= scrape {
                self.work();
                page(self.world.now, self.page());
                scrape = self.world.now + SignedDuration::from_secs(every);
            }
            self.look(end.min(scrape));
        }
    }

    /// The same without pages.
    pub fn until(&mut self, holds: impl Fn(&World) -> bool) {
        self.during(36_000, &holds, 36_000, |_, _| ());
        assert!(holds(&self.world), "{}", self.world.story());
    }

    /// A canary is promoted, the next one is rolled back, another one is on trial; someone changes a Service meanwhile.
    pub fn story(&mut self, every: i64, mut page: impl FnMut(Timestamp, String)) {
        let stable = |world: &World| world.phase() == Phase::Stable && world.settled();
        self.during(3600, stable, every, &mut page);
        let service = format!("fraud-{}", self.world.hash_of("v1"));
        self.world.tamper(Kind::Service, &service, |service| service["spec"]["ports"] = json!([]));
        self.during(60, |_| false, every, &mut page);
        self.world.canary(Some("v2"));
        self.during(7200, |world| world.phase() == Phase::Baking, every, &mut page);
        self.during(7200, stable, every, &mut page);
        self.world.accuracy.insert("v3".to_owned(), 0.7);
        self.world.canary(Some("v3"));
        self.during(7200, |world| world.phase() == Phase::RolledBack, every, &mut page);
        self.during(60, |_| false, every, &mut page);
        self.world.canary(Some("v4"));
        self.during(7200, |world| world.phase() == Phase::Analyzing, every, &mut page);
        self.during(120, |_| false, every, &mut page);
    }

    /// The page as it is now.
    pub fn page(&self) -> String {
        self.put(1);
        self.metrics.page().unwrap()
    }

    /// Puts so many releases into the cache that all stand as this one.
    pub fn put(&self, releases: usize) {
        *self.time.lock().unwrap() = self.world.now;
        let scope = Scope { watched: Watched::Release, namespace: None, labels: None };
        let (key, meta) = (self.key(), &self.world.object.metadata);
        for number in 0..releases {
            let mut body = serde_json::to_value(&self.world.object).unwrap();
            let name = if number == 0 { key.name.clone() } else { format!("{}-{number}", key.name) };
            body["metadata"]["name"] = json!(name);
            self.caches.take(
                &scope,
                Change::Set(Object {
                    namespace: key.namespace.clone(),
                    name,
                    uid: "u".to_owned(),
                    resource_version: meta.resource_version.clone().unwrap_or_default(),
                    scaled_by_others: false,
                    body,
                }),
            );
        }
    }
}
