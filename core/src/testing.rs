//! A small world for tests: an API server's precondition checks, a kubelet, gateways and a Prometheus that do what
//! they are told, under one release. The rules that must always hold are checked at every write.
//!
//! What the real parts do is proven on the real parts (`e2e/`); this world is for stories in virtual time.

mod basis;
mod cluster;
mod kubelet;
mod phases;
mod prometheus;
mod retold;
pub mod rules;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::api::ModelRelease;
use crate::api::spec::Provider;
use crate::api::status::{ModelReleaseStatus, Phase, Track};
use crate::observed::{Observed, Pod};
use crate::plan::Plan;
use crate::settings::{Entrance, GatewaySet, Settings, Source};
use crate::{queries, step};

pub use basis::Basis;
pub use prometheus::Says;
pub use retold::retold;

/// One release and what is around it.
#[derive(Clone, Debug)]
pub struct World {
    /// The release as stored.
    pub object: ModelRelease,
    /// The world as it is; what `step` is shown.
    pub observed: Observed,
    /// The administrator's settings.
    pub settings: Settings,
    /// The time.
    pub now: Timestamp,
    /// Accuracy of a version, by name; 0.9 if it is not there.
    pub accuracy: BTreeMap<String, f64>,
    /// Share of failed requests of a version, by name; 0 if it is not there.
    pub errors: BTreeMap<String, f64>,
    /// Versions whose pods do not become ready.
    pub sick: BTreeSet<String>,
    /// Pods of a version that find a node, by name; all of them if it is not there.
    pub room: BTreeMap<String, i32>,
    /// What the pods of a version look like, by name, where they are not simply well.
    pub ailing: BTreeMap<String, Pod>,
    /// Versions whose Services lead to no pod, by name.
    pub cut: BTreeSet<String>,
    /// Whether requests that warm a version up are answered well; none: a test says itself how they are answered.
    pub warms: Option<bool>,
    /// Whether gateways answer the operator.
    pub gateways: bool,
    /// Sets of them that refuse the filters that they are given, by name.
    pub refusing: BTreeSet<String>,
    /// Sets of gateways whose pods answer with no number, as one does that does not know the host.
    pub mute: BTreeSet<String>,
    /// Sets of them whose pods do not lead to the version on the way: they answer this in its place.
    pub astray: BTreeMap<String, u16>,
    /// Whether Prometheus answers.
    pub prometheus: bool,
    /// What it says if it does.
    pub says: Says,
    /// Whether what is seen holds things of other releases, too.
    pub crowded: bool,
    /// Requests a second over all versions.
    pub rate: f64,
    /// Share of them that the canary gets while it has weight, from 0 to 1; none: what its weight says.
    pub share: Option<f64>,
    /// Reasons of the decisions, oldest first.
    pub decisions: Vec<(Phase, Phase, crate::api::Reason)>,
    /// Moves made, oldest first: phase before, number of the row, phase after.
    pub moves: Vec<(Phase, &'static str, Phase)>,
    /// Every write that was accepted, as a short line.
    pub writes: Vec<String>,
    /// Weights of the version that is not stable, whenever they changed.
    pub weights: Vec<i32>,
    revision: i64,
}

/// What each version's image is called; the version is part of it, so each is another hash.
fn block(version: &str) -> Value {
    json!({"version": version, "image": format!("registry.example.com/fraud:{version}")})
}

thread_local! {
    /// Whose objects route the releases of new worlds.
    static PROVIDER: Cell<Provider> = const { Cell::new(Provider::Istio) };
}

impl World {
    /// Worlds that are made in here are routed by this provider.
    pub fn by<T>(provider: Provider, make: impl FnOnce() -> T) -> T {
        let before = PROVIDER.replace(provider);
        let worlds = make();
        PROVIDER.set(before);
        worlds
    }

    /// A release that does not run yet. `rollout` and `analysis` have short times, so that stories are short.
    pub fn new(stable: &str, canary: Option<&str>) -> Self {
        let mut spec = json!({
            "stable": block(stable),
            "traffic": {
                "gateways": ["istio-system/public"],
                "hosts": ["fraud.example.com"],
                "clientHeader": "x-user-id",
                "rateLimit": {"perClient": {"requests": 20}},
                "versionHeader": "x-model-version",
            },
            "rollout": {"trafficPercent": 10, "bake": "60s", "retention": "10m", "drain": "10s", "ttlAfterFailure": "1h"},
            "analysis": {"interval": "10s", "initialDelay": "10s"},
        });
        if let Some(canary) = canary {
            spec["canary"] = block(canary);
        }
        if PROVIDER.get() != Provider::Istio {
            spec["traffic"]["provider"] = json!(PROVIDER.get());
        }
        Self {
            object: release(&spec, "2026-11-21T09:00:00Z"),
            observed: Observed { istio: true, gateway_api: true, ..Observed::default() },
            settings: settings(),
            now: "2026-11-21T09:00:00Z".parse().expect("a time"),
            accuracy: BTreeMap::new(),
            errors: BTreeMap::new(),
            sick: BTreeSet::new(),
            room: BTreeMap::new(),
            ailing: BTreeMap::new(),
            cut: BTreeSet::new(),
            warms: None,
            gateways: true,
            refusing: BTreeSet::new(),
            mute: BTreeSet::new(),
            astray: BTreeMap::new(),
            prometheus: true,
            says: Says::Numbers,
            crowded: false,
            rate: 200.0,
            share: None,
            decisions: Vec::new(),
            moves: Vec::new(),
            writes: Vec::new(),
            weights: Vec::new(),
            revision: 1,
        }
    }

    /// A release whose first version serves; a canary, if any, is not yet looked at.
    pub fn serving(stable: &str) -> Self {
        Self::new(stable, None).until("stable serves", |w| w.phase() == Phase::Stable && w.settled())
    }

    /// A release with a canary that has its weight in force.
    pub fn analyzing(stable: &str, canary: &str) -> Self {
        let mut world = Self::serving(stable);
        world.canary(Some(canary));
        world.until("the canary has weight", |w| {
            w.phase() == Phase::Analyzing && w.status().step.as_ref().is_some_and(|s| s.settled_at.is_some())
        })
    }

    /// The user's edit of the canary block.
    pub fn canary(&mut self, version: Option<&str>) -> &mut Self {
        self.edit(|spec| match version {
            Some(version) => spec["canary"] = block(version),
            None => drop(spec.as_object_mut().map(|s| s.remove("canary"))),
        })
    }

    /// The user's edit of the stable block.
    pub fn stable(&mut self, version: &str) -> &mut Self {
        self.edit(|spec| spec["stable"] = block(version))
    }

    /// Any edit of the spec.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) -> &mut Self {
        let mut spec = serde_json::to_value(&self.object.spec).expect("a spec is JSON");
        change(&mut spec);
        self.object.spec = serde_json::from_value(spec).expect("the edit decodes");
        self.object.metadata.generation = self.object.metadata.generation.map(|g| g + 1);
        self.touch();
        self
    }

    /// Sets or removes the rollback annotation.
    pub fn annotate(&mut self, rollback: Option<&str>) -> &mut Self {
        self.say(crate::api::annotations::ROLLBACK, rollback)
    }

    /// Sets or removes any annotation.
    pub fn say(&mut self, annotation: &str, value: Option<&str>) -> &mut Self {
        let all = self.object.metadata.annotations.get_or_insert_default();
        match value {
            Some(value) => all.insert(annotation.to_owned(), value.to_owned()),
            None => all.remove(annotation),
        };
        self.touch();
        self
    }

    /// The user deletes the release; it stays as long as a finalizer does.
    pub fn delete(&mut self) -> &mut Self {
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now);
        self.object.metadata.deletion_timestamp.get_or_insert(now);
        self.touch();
        self
    }

    /// The stored status.
    pub fn status(&self) -> ModelReleaseStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// The stored phase.
    pub fn phase(&self) -> Phase {
        self.object.status.as_ref().and_then(|status| status.phase).unwrap_or_default()
    }

    /// Name of the version in a role; empty if there is none.
    pub fn track(&self, track: Track) -> String {
        self.status()
            .versions
            .iter()
            .find(|v| v.track == track)
            .map(|v| v.version.clone())
            .unwrap_or_default()
    }

    /// A condition as `Status/Reason`.
    pub fn condition(&self, kind: &str) -> String {
        let mut all = self.object.status.iter().flat_map(|status| &status.conditions);
        let found = all.find(|c| c.type_ == kind);
        found.map(|c| format!("{}/{}", c.status, c.reason)).unwrap_or_default()
    }

    /// Whether the committed weights are in force.
    pub fn settled(&self) -> bool {
        self.object.status.as_ref().is_some_and(|status| status.state.traffic.settled_at.is_some())
    }

    /// One look: ask, decide, commit, apply. The rules that must always hold are checked on the way.
    pub fn look(&mut self) -> Plan {
        let plan = self.decide();
        self.commit(&plan);
        self.apply(&plan, usize::MAX);
        plan
    }

    /// Asks what is due; the answers are there for the next decision.
    pub fn ask(&mut self) {
        self.kubelet();
        let asks = queries(&self.object, &self.observed, &self.settings, self.now);
        let (answers, gateways, warmup) = self.answered(&asks);
        self.observed.answers = answers;
        self.observed.gateways = gateways;
        if warmup.is_some() {
            self.observed.warmup = warmup;
        }
    }

    /// Asks and decides, and does nothing of it.
    pub fn decide(&mut self) -> Plan {
        self.ask();
        let plan = step(&self.object, &self.observed, &self.settings, self.now);
        self.observed.answers.clear();
        self.observed.gateways.clear();
        plan
    }

    /// Stores the status of a plan.
    pub fn commit(&mut self, plan: &Plan) {
        self.record(plan, None);
    }

    /// Stores the status of a plan that rests on this, or on what is.
    fn record(&mut self, plan: &Plan, seen: Option<&Observed>) {
        let Some(status) = &plan.status else { return };
        let mut broken = rules::commit(&self.object, status);
        broken.extend(rules::status(status));
        broken.extend(rules::led_to(&self.ground(status)));
        if self.object.metadata.deletion_timestamp.is_none() {
            let observed = seen.unwrap_or(&self.observed);
            broken.extend(rules::shown(&rules::Ground { observed, ..self.ground(status) }));
        }
        if !self.prometheus || self.says != Says::Numbers {
            let none = ModelReleaseStatus::default();
            broken.extend(rules::neutral(self.object.status.as_ref().unwrap_or(&none), status));
        }
        assert!(broken.is_empty(), "{broken:?}; {}", self.story());
        if let Some(row) = plan.row {
            self.moves.push((self.phase(), row, status.phase.unwrap_or_default()));
        }
        if let Some(entry) = &plan.decision {
            self.decisions.push((entry.from, entry.to, entry.reason));
        }
        self.object.status = Some((**status).clone());
        self.touch();
    }

    /// Looks until a condition holds; time goes on only when nothing else happens.
    ///
    /// # Panics
    /// After 26 hours of that time, or 8,000 looks: the release would never get there.
    #[must_use]
    pub fn until(self, what: &str, holds: impl Fn(&Self) -> bool) -> Self {
        let end = self.now + SignedDuration::from_hours(26);
        let world = self.run(end, &holds);
        assert!(holds(&world), "never: {what}; {}", world.story());
        world
    }

    /// Looks for so many seconds.
    #[must_use]
    pub fn during(self, seconds: i64) -> Self {
        let end = self.now + SignedDuration::from_secs(seconds);
        self.run(end, &|_| false)
    }

    fn run(mut self, end: Timestamp, holds: &dyn Fn(&Self) -> bool) -> Self {
        for _ in 0..8_000 {
            if holds(&self) || self.now >= end {
                return self;
            }
            let plan = self.look();
            self.now = if plan.status.is_none() && plan.writes.is_empty() {
                plan.next_look.max(self.now + SignedDuration::from_millis(1)).min(end)
            } else {
                self.now + SignedDuration::from_millis(5)
            };
        }
        panic!("never at rest, for all its looks; {}", self.story());
    }

    /// What happened so far, for a failing test.
    pub fn story(&self) -> String {
        let status = self.status();
        format!(
            "phase {:?}, message {:?}, decisions {:?}, traffic {:?}, last writes {:?}",
            status.phase,
            status.message,
            self.decisions,
            status.state.traffic,
            self.writes.iter().rev().take(6).collect::<Vec<_>>()
        )
    }

    /// Another revision of the stored release.
    fn touch(&mut self) {
        self.revision += 1;
        self.object.metadata.resource_version = Some(self.revision.to_string());
    }
}

/// A release with this spec, created at this time.
pub fn release(spec: &Value, created: &str) -> ModelRelease {
    let object = json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {
            "name": "fraud",
            "namespace": "ml",
            "uid": "8f14e45f-ceea-467f-a6a1-0a9b0c4d3e21",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": created,
        },
        "spec": spec,
    });
    serde_json::from_value(object).expect("the sample decodes")
}

/// Settings of the small world: one set of gateways that can be asked, Envoy's own counters.
pub fn settings() -> Settings {
    Settings {
        gateways: vec![GatewaySet {
            name: "public".into(),
            gateways: vec!["istio-system/public".into()],
            namespace: "istio-system".into(),
            selector: BTreeMap::from([("istio".to_owned(), "ingressgateway".to_owned())]),
            hosts: vec!["*".into()],
            service: "gateway".into(),
            probe_port: Some("http".into()),
            probe_tls: false,
            replicas: 1,
            envoy_filters: true,
        }],
        prometheus: crate::settings::Prometheus {
            sources: vec![Source {
                name: "default".into(),
                url: "http://prometheus.example.com:9090".into(),
                entrance: Entrance::Envoy,
                lag_seconds: 2,
                ..Source::default()
            }],
        },
        ..Settings::default()
    }
}
