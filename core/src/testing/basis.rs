//! Operators that do not see what is: a plan that rests on what was read some time ago, and is followed now.

use super::{World, rules};
use crate::api::ModelRelease;
use crate::observed::Observed;
use crate::plan::{Plan, Write};
use crate::{queries, step};

/// What a plan rests on: the release and the children as they were read.
#[derive(Clone, Debug)]
pub struct Basis {
    object: ModelRelease,
    seen: Observed,
}

impl World {
    /// What is read now.
    pub fn basis(&mut self) -> Basis {
        self.kubelet();
        Basis { object: self.object.clone(), seen: self.observed.clone() }
    }

    /// The release of now with children as they were: what caches show that lag, for the release is read last.
    pub fn lagging(&self, then: &Basis) -> Basis {
        Basis { object: self.object.clone(), seen: then.seen.clone() }
    }

    /// Asks and decides by what was read; Prometheus and gateways answer as they are.
    pub fn decide_on(&mut self, basis: &mut Basis) -> Plan {
        let asks = queries(&basis.object, &basis.seen, &self.settings, self.now);
        let (answers, gateways, warmup) = self.answered(&asks);
        basis.seen.answers = answers;
        basis.seen.gateways = gateways;
        if warmup.is_some() {
            basis.seen.warmup = warmup;
        }
        step(&basis.object, &basis.seen, &self.settings, self.now)
    }

    /// Stores the status of a plan if the release is still the one that was read; says whether it is.
    pub fn commit_on(&mut self, basis: &mut Basis, plan: &Plan) -> bool {
        let same = self.object.metadata.resource_version == basis.object.metadata.resource_version;
        if same {
            self.record(plan, Some(&basis.seen));
            basis.object.status.clone_from(&self.object.status);
            basis.object.metadata.resource_version.clone_from(&self.object.metadata.resource_version);
        }
        same
    }

    /// Sends the first `count` writes of a plan, until one is refused. What has to hold of them has to hold by what the
    /// plan rests on.
    pub fn follow(&mut self, basis: &Basis, plan: &Plan, count: usize) {
        let status = basis.object.status.clone().unwrap_or_default();
        let ground = rules::Ground {
            object: &basis.object,
            status: &status,
            observed: &basis.seen,
            current: false,
            settings: &self.settings.clone(),
            now: self.proven_time(&status),
        };
        let whole = rules::plan(&ground, &plan.writes);
        for write in plan.writes.iter().take(count) {
            let mut broken = rules::write(&ground, write);
            broken.extend(whole.clone());
            let release = self.object.metadata.resource_version == basis.object.metadata.resource_version;
            if matches!(write, Write::Finalizer { .. }) && !release || !self.take(write) {
                return;
            }
            // A write that is refused breaks nothing.
            assert!(broken.is_empty(), "{broken:?}; {}", self.story());
        }
    }
}
