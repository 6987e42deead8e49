//! An API server's preconditions, a kubelet that starts what it is told, gateways that follow at once.

use serde_json::{Value, json};

use super::{World, rules};
use crate::api;
use crate::api::ModelReleaseStatus;
use crate::observed::{Container, GatewayAnswer, Live, Pod};
use crate::plan::{Key, Kind, Plan, Probe, Write};
use crate::traffic;

impl World {
    /// Applies the first `count` writes of a plan: all of them, or as many as a crash lets through.
    pub fn apply(&mut self, plan: &Plan, count: usize) {
        let broken = rules::plan(&self.ground(&self.status()), &plan.writes);
        assert!(broken.is_empty(), "{broken:?}; {}", self.story());
        for write in plan.writes.iter().take(count) {
            let broken = rules::write(&self.ground(&self.status()), write);
            assert!(broken.is_empty(), "{broken:?}; {}", self.story());
            self.accept(write);
        }
    }

    fn ground<'a>(&'a self, status: &'a ModelReleaseStatus) -> rules::Ground<'a> {
        let Self { object, observed, settings, now, .. } = self;
        rules::Ground { object, status, observed, current: true, settings, now: *now }
    }

    fn accept(&mut self, write: &Write) {
        self.revision += 1;
        match write {
            Write::Finalizer { present } => {
                let all = self.object.metadata.finalizers.get_or_insert_default();
                all.retain(|f| f != api::FINALIZER);
                if *present {
                    all.push(api::FINALIZER.to_owned());
                }
                self.writes.push(format!("finalizer {present}"));
                self.touch();
            }
            Write::Create { key, body } => {
                assert!(!self.observed.children.contains_key(key), "created twice: {key}");
                self.store(key, body, &format!("uid-{}", self.revision), 1);
                self.writes.push(format!("create {key}"));
            }
            Write::Apply { key, body, uid, resource_version } => {
                let live = self.observed.children.get(key).expect("applied to what is there").clone();
                assert_eq!(
                    (&live.uid, &live.resource_version),
                    (uid, resource_version),
                    "a stale write to {key}"
                );
                let generation = live.body["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
                self.store(key, body, uid, generation);
                self.writes.push(format!("apply {key}"));
            }
            Write::Delete { key, uid, resource_version } => {
                let live = self.observed.children.remove(key).expect("deleted what is there");
                assert_eq!(
                    (&live.uid, &live.resource_version),
                    (uid, resource_version),
                    "a stale delete of {key}"
                );
                self.writes.push(format!("delete {key}"));
            }
        }
        if let Some(second) = self.second_weight()
            && self.weights.last() != Some(&second)
        {
            self.weights.push(second);
        }
    }

    /// Weight of the entry that is not the stable version's.
    fn second_weight(&self) -> Option<i32> {
        let live = self.observed.children.values().find(|l| traffic::read_back(&l.body).is_some())?;
        let read = traffic::read_back(&live.body)?;
        let stable =
            self.status().versions.iter().find(|v| v.track == api::status::Track::Stable)?.hash.clone();
        Some(read.iter().filter(|(hash, _)| hash.as_str() != stable).map(|(_, w)| w).sum())
    }

    fn store(&mut self, key: &Key, body: &Value, uid: &str, generation: i64) {
        let mut body = body.clone();
        let status = self.observed.children.get(key).map(|live| live.body["status"].clone());
        body["metadata"]["uid"] = json!(uid);
        body["metadata"]["generation"] = json!(generation);
        if let Some(status) = status {
            body["status"] = status;
        }
        // An apply of ours takes the size over; one without it leaves it to whoever set it.
        let mut scaled_by_others = false;
        if key.kind == Kind::Deployment && body["spec"]["replicas"].is_null() {
            let before = self.observed.children.get(key).expect("a Deployment is created with a size");
            scaled_by_others = before.scaled_by_others;
            // What only we set is unset by leaving it out, and the API server makes it 1.
            body["spec"]["replicas"] =
                if scaled_by_others { before.body["spec"]["replicas"].clone() } else { json!(1) };
        }
        let meta = &body["metadata"];
        let owner = meta["ownerReferences"][0]["uid"].as_str().or(meta["labels"][api::LABEL_UID].as_str());
        let live = Live {
            uid: uid.to_owned(),
            resource_version: self.revision.to_string(),
            owner: owner.map(str::to_owned),
            seq: meta["annotations"][api::ANNOTATION_SEQ].as_str().and_then(|s| s.parse().ok()),
            deleting: false,
            scaled_by_others,
            body: body.clone(),
        };
        self.observed.children.insert(key.clone(), live);
    }

    /// Someone else's change of a child.
    pub fn tamper(&mut self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) {
        self.revision += 1;
        let revision = self.revision.to_string();
        let (_, live) = self
            .observed
            .children
            .iter_mut()
            .find(|(key, _)| key.kind == kind && key.name == name)
            .expect("there is such a child");
        change(&mut live.body);
        live.resource_version = revision;
    }

    /// An autoscaler of this name sets its Deployment's size, within its own bounds.
    pub fn autoscale(&mut self, name: &str, to: i64) {
        let find = |kind| self.observed.children.iter().find(|(k, _)| k.kind == kind && k.name == name);
        let (_, scaler) = find(Kind::HorizontalPodAutoscaler).expect("there is such an autoscaler");
        let spec = &scaler.body["spec"];
        let bound = |field: &str| spec[field].as_i64().expect("an autoscaler has bounds");
        let size = to.clamp(bound("minReplicas"), bound("maxReplicas"));
        self.tamper(Kind::Deployment, name, |body| body["spec"]["replicas"] = json!(size));
        let live =
            self.observed.children.iter_mut().find(|(k, _)| k.kind == Kind::Deployment && k.name == name);
        live.expect("it was just changed").1.scaled_by_others = true;
    }

    /// Pods, endpoints and Deployments' statuses as the replicas ask; none ready of a sick version.
    pub(super) fn kubelet(&mut self) {
        self.observed.pods.clear();
        self.observed.endpoints.clear();
        let deployments: Vec<Key> =
            self.observed.children.keys().filter(|key| key.kind == Kind::Deployment).cloned().collect();
        for key in deployments {
            let Some(live) = self.observed.children.get_mut(&key) else { continue };
            let replicas = live.body["spec"]["replicas"].as_i64().unwrap_or(1);
            let labels = live.body["spec"]["template"]["metadata"]["labels"].clone();
            let hash = labels[api::LABEL_VERSION].as_str().unwrap_or_default().to_owned();
            let image =
                live.body["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            let version = image.rsplit_once(':').map(|(_, version)| version).unwrap_or_default();
            let room = self.room.get(version).map_or(replicas, |room| replicas.min(i64::from(*room)));
            let available = if self.sick.contains(version) { 0 } else { room };
            let well = Pod {
                containers: vec![Container { name: "model".into(), ..Container::default() }],
                ..Pod::default()
            };
            let looks = self.ailing.get(version).unwrap_or(&well).clone();
            let generation = live.body["metadata"]["generation"].clone();
            live.body["status"] = json!({"observedGeneration": generation, "availableReplicas": available});
            for n in 0..replicas {
                self.observed.pods.push(Pod {
                    name: format!("{}-{n}", key.name),
                    uid: format!("{}-{n}", key.name),
                    hash: hash.clone(),
                    ready: n < available,
                    ..looks.clone()
                });
            }
            let service =
                self.observed.children.keys().any(|k| k.kind == Kind::Service && k.name == key.name);
            if service {
                self.observed.endpoints.insert(key.name.clone(), i32::try_from(available).unwrap_or(0));
            }
        }
    }

    pub(super) fn gateway(&self, probe: &Probe) -> GatewayAnswer {
        let seq = self.observed.children.values().find_map(|live| traffic::seq_read(&live.body));
        GatewayAnswer { set: probe.set.clone(), pod: "gateway-0".into(), seq }
    }
}
