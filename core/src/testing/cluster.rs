//! An API server's preconditions, and others who write to it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{World, rules};
use crate::api;
use crate::api::ModelReleaseStatus;
use crate::observed::Live;
use crate::plan::{Key, Kind, Plan, Write};
use crate::traffic;

impl World {
    /// Applies the first `count` writes of a plan: all of them, or as many as a crash lets through.
    pub fn apply(&mut self, plan: &Plan, count: usize) {
        let status = self.status();
        let broken = rules::plan(&self.ground(&status), &plan.writes);
        assert!(broken.is_empty(), "{broken:?}; {}", self.story());
        for write in plan.writes.iter().take(count) {
            let broken = rules::write(&self.ground(&status), write);
            assert!(broken.is_empty(), "{broken:?}; {}", self.story());
            assert!(self.take(write), "a stale write: {write:?}; {}", self.story());
        }
    }

    pub(super) fn ground<'a>(&'a self, status: &'a ModelReleaseStatus) -> rules::Ground<'a> {
        let Self { object, observed, settings, .. } = self;
        rules::Ground { object, status, observed, current: true, settings, now: self.proven_time(status) }
    }

    /// The time that it is at least: a clock that was set back does not unmake what was decided.
    pub(super) fn proven_time(&self, status: &ModelReleaseStatus) -> Timestamp {
        status.decision.as_ref().map_or(self.now, |decision| self.now.max(decision.at))
    }

    /// Takes a write, if what it was decided on is still so.
    pub(super) fn take(&mut self, write: &Write) -> bool {
        let read = |key: &Key, uid: &String, revision: &String| {
            let live = self.observed.children.get(key);
            live.is_some_and(|live| live.uid == *uid && live.resource_version == *revision)
        };
        let holds = match write {
            Write::Finalizer { .. } => true,
            Write::Create { key, .. } => !self.observed.children.contains_key(key),
            Write::Apply { key, uid, resource_version, .. }
            | Write::Delete { key, uid, resource_version } => read(key, uid, resource_version),
        };
        if !holds {
            return false;
        }
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
                self.store(key, body, &format!("uid-{}", self.revision), 1);
                self.writes.push(format!("create {key}"));
            }
            Write::Apply { key, body, uid, .. } => {
                let live = self.observed.children.get(key).expect("it was just found");
                let generation = live.body["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
                self.store(key, body, uid, generation);
                self.writes.push(format!("apply {key}"));
            }
            Write::Delete { key, .. } => {
                self.observed.children.remove(key);
                self.writes.push(format!("delete {key}"));
            }
        }
        if let Some(second) = self.second_weight()
            && self.weights.last() != Some(&second)
        {
            self.weights.push(second);
        }
        true
    }

    /// Weight of the entry that is not the stable version's.
    fn second_weight(&self) -> Option<i32> {
        let live = self.observed.children.values().find(|l| traffic::read_back(&l.body).is_some())?;
        let read = traffic::read_back(&live.body)?;
        let roles = &self.object.status.as_ref()?.versions;
        let stable = &roles.iter().find(|v| v.track == api::status::Track::Stable)?.hash;
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
            body,
        };
        self.observed.children.insert(key.clone(), live);
    }

    /// Somebody deletes a child.
    pub fn remove(&mut self, key: &Key) {
        self.revision += 1;
        self.observed.children.remove(key);
    }

    /// Whose object a child is: somebody else's from now on, or ours.
    pub fn give(&mut self, key: &Key, owner: Option<&str>) {
        self.revision += 1;
        let ours = self.object.metadata.uid.clone();
        let revision = self.revision.to_string();
        if let Some(live) = self.observed.children.get_mut(key) {
            live.owner = owner.map(str::to_owned).or(ours);
            live.uid = format!("uid-{revision}");
            live.resource_version = revision;
        }
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
}
