//! Whether a version on the way is warm: led to by gateways, and warmed up, before it has weight.

use jiff::{SignedDuration, Timestamp};

use super::Situation;
use crate::api::status::{Candidate, Phase, Track};
use crate::children::{self, Ready};
use crate::seeded::{Bug, on};
use crate::traffic;
use crate::version::{Hash, Warmup};

impl Situation<'_> {
    /// Whether a version on the way is to be warm before its next weight: the first one, or all traffic without analysis.
    pub fn warms(&self) -> bool {
        self.phase() == Phase::Warming || self.phase() == Phase::Replacing && self.committed_percent() < 100
    }

    /// Whether the candidate's first weight may come: its route proven, its Service known everywhere, warmed up.
    pub fn warm(&self) -> bool {
        let wait = SignedDuration::from_secs(self.settings.propagation_wait_seconds);
        let least = self.release.rollout.warmup.max(wait);
        self.settled()
            && self.routed()
            && self.warmed_up()
            && self.candidate().and_then(|c| c.ready_at).is_some_and(|at| self.elapsed(at) >= least)
    }

    /// Whether gateways lead to the version on the way, as far as can be seen.
    pub fn routed(&self) -> bool {
        on(Bug::Unrouted) || self.route_to_check().is_none()
    }

    /// The version that gateways are still to be seen to lead to, and how it answers. None if they were, or if that
    /// cannot be seen: there is nobody to ask, or nothing tells that the version speaks HTTP.
    pub fn route_to_check(&self) -> Option<(Hash, Ready)> {
        let memory = self.candidate().filter(|_| self.warms())?;
        if memory.ready_at.is_none() || memory.routed_at.is_some() || !traffic::askable(self.release) {
            return None;
        }
        let hash = self.hash(Track::Canary)?;
        let ready = children::ready(self.release, self.release.version(&hash)?)?;
        Some((hash, ready))
    }

    /// Since when the version on the way can be warmed up: it is ready, and gateways lead to it.
    pub fn warms_since(&self) -> Option<Timestamp> {
        let memory = self.candidate().filter(|_| self.routed())?;
        let ready = memory.ready_at?;
        Some(memory.routed_at.map_or(ready, |at| at.max(ready)))
    }

    /// Whether every warm-up request was answered well, or none is asked for, or none can be brought to the pods.
    pub fn warmed_up(&self) -> bool {
        let done = |memory: &Candidate| memory.warmed_at.is_some() || memory.warmup_unreachable;
        self.warmup().is_none() || self.candidate().is_some_and(done)
    }

    /// The warm-up of the version on the way, if it has one.
    pub fn warmup(&self) -> Option<Warmup<'_>> {
        self.release.version(&self.hash(Track::Canary)?)?.warmup()
    }
}
