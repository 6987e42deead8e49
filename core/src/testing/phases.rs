//! A world in each phase, at rest there: nothing more happens before time goes on or something changes.

use serde_json::json;

use super::World;
use crate::api::ModelReleaseStatus;
use crate::api::status::{Phase, Track};
use crate::plan::Kind;
use crate::version::Version;

impl World {
    /// Each phase in each of its forms, under a name. Stable is `v1`, what comes after it `v2`.
    pub fn everywhere() -> Vec<(&'static str, Self)> {
        vec![
            ("pending", Self::pending()),
            ("expired", Self::expired()),
            ("stable", Self::serving("v1").during(1)),
            ("kept", Self::kept()),
            ("alone", Self::alone()),
            ("starting", Self::starting()),
            ("lost", Self::lost()),
            ("warming", Self::warming()),
            ("warming again", Self::warming_again()),
            ("shadowing", Self::shadowing()),
            ("analyzing", Self::analyzing("v1", "v2").during(1)),
            ("growing", Self::growing()),
            ("promoting", Self::promoting()),
            ("baking", Self::baking()),
            ("rolling back", Self::rolling_back()),
            ("rolled back", Self::rolled_back()),
            ("rolled back beside", Self::rolled_back_beside()),
            ("replacing", Self::replacing()),
            ("weighted", Self::weighted()),
            ("taking over", Self::taking_over()),
        ]
    }

    /// Nothing serves yet: the first version is not ready.
    pub fn pending() -> Self {
        let mut world = Self::new("v1", None);
        world.sick.insert("v1".into());
        world.during(1)
    }

    /// The release's time is over; the object is still there.
    pub fn expired() -> Self {
        let mut world = Self::serving("v1");
        world.edit(|spec| spec["ttl"] = json!("1h"));
        let world = world.until("it is over", |w| w.status().state.expired_at.is_some());
        world.during(60)
    }

    /// `v2` is promoted, its bake is over, `v1` is warm, and the spec does not say so yet.
    pub fn kept() -> Self {
        let mut world = Self::proven();
        world.canary(Some("v2"));
        world.until("baked", |w| w.phase() == Phase::Stable && w.track(Track::Stable) == "v2").during(1)
    }

    /// The same, and `v1` is gone.
    pub fn alone() -> Self {
        Self::kept().until("v1 is retired", |w| w.track(Track::Previous).is_empty()).during(60)
    }

    /// `v2` is chosen and not ready.
    pub fn starting() -> Self {
        let mut world = Self::serving("v1");
        world.sick.insert("v2".into());
        world.canary(Some("v2"));
        world.until("chosen", |w| w.phase() == Phase::Starting).during(1)
    }

    /// `v2` had weight, lost its pods, and is made ready anew.
    pub fn lost() -> Self {
        let mut world = Self::analyzing("v1", "v2");
        world.sick.insert("v2".into());
        world.until("lost", |w| w.phase() == Phase::Starting).during(1)
    }

    /// `v2` is ready, and its route has not been there for long enough.
    pub fn warming() -> Self {
        let mut world = Self::serving("v1");
        world.canary(Some("v2"));
        world.until("ready", |w| w.phase() == Phase::Warming).during(1)
    }

    /// The same of a `v2` that had weight before.
    pub fn warming_again() -> Self {
        let mut world = Self::lost();
        world.sick.clear();
        world.until("ready again", |w| w.phase() == Phase::Warming).during(1)
    }

    /// `v2` gets copies of requests, and its evidence has only begun.
    pub fn shadowing() -> Self {
        let mut world = Self::serving("v1");
        world.edit(|spec| spec["rollout"]["shadow"] = json!({"mirrorPercent": 50, "minDuration": "2m"}));
        world.canary(Some("v2"));
        world.until("copied to", |w| w.phase() == Phase::Shadowing).during(1)
    }

    /// `v2` is proven and has not the size that all traffic needs.
    pub fn growing() -> Self {
        let mut world = Self::proven();
        world.edit(|spec| spec["runtime"] = json!({"minReplicas": 3}));
        world.room.insert("v2".into(), 1);
        let mut world = world.during(60);
        world.canary(Some("v2"));
        world.until("proven", |w| w.phase() == Phase::Promoting).during(1)
    }

    /// `v2` is to have all traffic, and the gateways have not said that they know.
    pub fn promoting() -> Self {
        let mut world = Self::proven();
        world.canary(Some("v2"));
        let mut world = world.until("at full size", |w| w.percent() == 100);
        world.gateways = false;
        world.during(1)
    }

    /// `v2` is live and watched; `v1` is warm.
    pub fn baking() -> Self {
        let mut world = Self::proven();
        world.canary(Some("v2"));
        world.until("promoted", |w| w.phase() == Phase::Baking).during(1)
    }

    /// `v2` failed by its errors and is being drained.
    pub fn rolling_back() -> Self {
        let mut world = Self::analyzing("v1", "v2");
        world.errors.insert("v2".into(), 0.5);
        world.until("it leaves", |w| w.phase() == Phase::RollingBack).during(1)
    }

    /// `v2` failed by its errors; it is quarantined and has no pods.
    pub fn rolled_back() -> Self {
        Self::rolling_back().until("it left", |w| w.phase() == Phase::RolledBack).during(60)
    }

    /// `v2` is live, `v1` is still warm, and `v3` failed.
    pub fn rolled_back_beside() -> Self {
        let mut world = Self::kept();
        world.stable("v2").canary(Some("v3"));
        let mut world = world.until("v3 is on trial", |w| w.phase() == Phase::Analyzing);
        world.errors.insert("v3".into(), 0.5);
        world.until("it left", |w| w.phase() == Phase::RolledBack).during(1)
    }

    /// `spec.stable` names `v2`, which is not ready.
    pub fn replacing() -> Self {
        let mut world = Self::serving("v1");
        world.sick.insert("v2".into());
        world.stable("v2");
        world.until("chosen", |w| w.phase() == Phase::Replacing).during(1)
    }

    /// `v2` had weight when `spec.stable` came to name it, and has not the size that all traffic needs.
    pub fn weighted() -> Self {
        let mut world = Self::growing();
        world.stable("v2").canary(None);
        world.during(1)
    }

    /// `spec.stable` names `v2`, which is to have all traffic; the gateways have not said that they know.
    pub fn taking_over() -> Self {
        let mut world = Self::serving("v1");
        world.stable("v2");
        let mut world = world.until("at full size", |w| w.percent() == 100);
        world.gateways = false;
        world.during(1)
    }

    /// `v1` serves; `v2` will be found better.
    fn proven() -> Self {
        let mut world = Self::serving("v1");
        world.accuracy.insert("v2".into(), 0.95);
        world
    }

    /// Someone edits a Deployment of ours, if there is one.
    pub fn tamper_any(&mut self) {
        let named = self.observed.children.keys().find(|key| key.kind == Kind::Deployment).cloned();
        if let Some(key) = named {
            self.tamper(key.kind, &key.name, |body| body["spec"]["strategy"] = json!({"type": "Recreate"}));
        }
    }

    /// The percent that is committed for the version on the way.
    pub fn percent(&self) -> i32 {
        self.status().step.map_or(0, |rung| rung.weight)
    }

    /// The hash that a version of this name has by the spec's `runtime` as it is now.
    pub fn hash_of(&self, version: &str) -> String {
        let block = serde_json::from_value(super::block(version)).expect("a block decodes");
        Version::of(self.object.spec.runtime.as_ref(), &block).hash.to_string()
    }

    /// Changes the stored status by hand: what a past was like that would be long to play.
    pub fn remember(&mut self, change: impl FnOnce(&mut ModelReleaseStatus)) -> &mut Self {
        let mut status = self.status();
        change(&mut status);
        self.object.status = Some(status);
        self.touch();
        self
    }
}
