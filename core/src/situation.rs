//! The words of the lifecycle, computed once per look: roles, weights, Ready, need, settled, held.

mod asked;
mod clocks;
mod seen;
mod warm;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::Look;
use crate::api::status::{Candidate, ModelReleaseStatus, Phase, Track, VersionStatus};
use crate::observed::Observed;
use crate::release::{Release, Shadow};
use crate::seeded::{Bug, on};
use crate::settings::Settings;
use crate::share;
use crate::version::Hash;

pub use seen::weights;

/// One release at one look: what is wanted, what is committed, what is seen, and what time it is.
pub struct Situation<'a> {
    /// What the user wants.
    pub release: &'a Release,
    /// What is committed, with this look's facts noted in it.
    pub status: &'a ModelReleaseStatus,
    /// What is seen.
    pub observed: &'a Observed,
    /// Weights in the traffic object as read back; none without one that can be relied on.
    pub weights: Option<&'a [(Hash, i32)]>,
    /// What the administrator decided.
    pub settings: &'a Settings,
    /// The time; never before the last decision.
    pub now: Timestamp,
    /// What the evidence says, while a version is judged.
    pub look: Option<&'a Look>,
}

/// Where all traffic goes on a rollback of the live version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The previous version, still warm.
    Previous(Hash),
    /// The version of `spec.stable`, which the live one was promoted out of; to be started anew.
    SpecStable(Hash),
}

impl Fallback {
    /// Its hash.
    pub fn hash(&self) -> &Hash {
        match self {
            Self::Previous(hash) | Self::SpecStable(hash) => hash,
        }
    }
}

impl Situation<'_> {
    /// The phase; Pending before the first look.
    pub fn phase(&self) -> Phase {
        self.status.phase.unwrap_or_default()
    }

    /// Whether a canary is somewhere between chosen and promoted.
    pub fn on_trial(&self) -> bool {
        self.on_the_way() && self.phase() != Phase::Replacing
    }

    /// Whether a version is somewhere between chosen and live: on trial, or to replace stable.
    pub fn on_the_way(&self) -> bool {
        matches!(
            self.phase(),
            Phase::Starting
                | Phase::Warming
                | Phase::Shadowing
                | Phase::Analyzing
                | Phase::Promoting
                | Phase::Replacing
        )
    }

    /// The version in a role.
    pub fn role(&self, track: Track) -> Option<&VersionStatus> {
        role(self.status, track)
    }

    /// Its hash.
    pub fn hash(&self, track: Track) -> Option<Hash> {
        self.role(track).map(|v| Hash::known(&v.hash))
    }

    /// Memory of the version on trial.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.status.state.candidate.as_ref()
    }

    /// `H_c`: the hash of the canary block; none without a block, or if it is the live version.
    pub fn canary_wanted(&self) -> Option<&Hash> {
        let hash = &self.release.canary.as_ref()?.hash;
        (self.role(Track::Stable).is_none_or(|s| s.hash != hash.as_str())).then_some(hash)
    }

    /// W: the wanted stable. The live one, as long as it was promoted out of the present `stable` block and a canary
    /// block is there; else exactly what `stable` says.
    pub fn stable_wanted(&self) -> Hash {
        let of_spec = self.release.stable.hash.clone();
        match self.role(Track::Stable) {
            Some(s) if s.hash == of_spec.as_str() => of_spec,
            Some(s) if self.lags(s) => Hash::known(&s.hash),
            _ => of_spec,
        }
    }

    /// Whether the live version was promoted out of the present `stable` block, and the block still stands there.
    fn lags(&self, live: &VersionStatus) -> bool {
        (self.release.canary.is_some() || on(Bug::R33))
            && live.promoted_from.as_deref() == Some(self.stable_block())
    }

    /// `B_s`: the `stable` block alone, as written: what versions share may change without it.
    pub fn stable_block(&self) -> &str {
        if on(Bug::R35) { self.release.stable.hash.as_str() } else { &self.release.stable_block }
    }

    /// Whether the live version is promoted and the spec does not yet say so.
    pub fn spec_lags(&self) -> bool {
        self.role(Track::Stable).is_some_and(|s| s.hash != self.release.stable.hash.as_str() && self.lags(s))
    }

    /// Whether a version was rolled back and has not changed since.
    pub fn quarantined(&self, hash: &Hash) -> bool {
        self.status.quarantine.iter().any(|q| q.hash == hash.as_str())
    }

    /// Where all traffic goes if the live version has to leave now.
    pub fn fallback(&self) -> Option<Fallback> {
        let stable = self.role(Track::Stable)?;
        if let Some(previous) = self.hash(Track::Previous).filter(|p| !self.quarantined(p)) {
            return Some(Fallback::Previous(previous));
        }
        let of_spec = &self.release.stable.hash;
        let promoted_out_of_it = stable.promoted_from.as_deref() == Some(self.stable_block());
        (promoted_out_of_it && stable.hash != of_spec.as_str() && !self.quarantined(of_spec))
            .then(|| Fallback::SpecStable(of_spec.clone()))
    }

    /// R: the replicas that stable was asked for when the candidate was chosen.
    pub fn stable_replicas(&self) -> i32 {
        self.candidate().map_or(1, |memory| memory.stable_replicas.max(1))
    }

    /// Pods needed for a share of the traffic.
    pub fn need(&self, percent: i32) -> i32 {
        if on(Bug::R6) { 1 } else { need(self.stable_replicas(), percent) }
    }

    /// The percent that the candidate gets next, or under copies the percent of requests that are copied to it.
    pub fn next_percent(&self) -> i32 {
        if let Some(shadow) = self.shadow_due() {
            return shadow.mirror_percent;
        }
        let index = self.status.step.as_ref().map_or(0, |s| s.index).max(0);
        let steps = &self.release.rollout.steps;
        usize::try_from(index).ok().and_then(|i| steps.get(i)).or(steps.last()).map_or(10, |s| s.percent)
    }

    /// The time under copies that the candidate still has before it, or is in.
    pub fn shadow_due(&self) -> Option<&Shadow> {
        let before = matches!(self.phase(), Phase::Starting | Phase::Warming | Phase::Shadowing);
        let passed = self.candidate().is_some_and(|c| c.shadow_passed || c.exposed_at.is_some());
        let due = before && (!passed || self.phase() == Phase::Shadowing);
        self.release.rollout.shadow.as_ref().filter(|_| due)
    }

    /// The percent that is committed for the version on trial.
    pub fn committed_percent(&self) -> i32 {
        self.status.step.as_ref().map_or(0, |s| s.weight)
    }

    /// Whether an enforced check has had no usable answer for so long that nothing may rise.
    pub fn blind(&self) -> bool {
        self.look.is_some_and(|look| look.blind)
    }

    /// Whether the canary's share of the requests is proven not to be what its weight says, and that holds it back. Where
    /// clients keep their version a few busy ones shift shares, so there it is only told.
    pub fn skewed(&self) -> bool {
        !self.release.traffic.sticky && share::skewed(self).is_some()
    }

    /// Whether nothing may rise, for what cannot be seen or for what is: what goes forward asks this, what goes back does
    /// not.
    pub fn unsure(&self) -> bool {
        self.blind() || self.skewed()
    }
}

/// The version in a role.
pub fn role(status: &ModelReleaseStatus, track: Track) -> Option<&VersionStatus> {
    status.versions.iter().find(|v| v.track == track)
}

/// The version in a role, to be changed.
pub fn role_mut(status: &mut ModelReleaseStatus, track: Track) -> Option<&mut VersionStatus> {
    status.versions.iter_mut().find(|v| v.track == track)
}

/// Pods needed for a share of what `replicas` pods carry: ⌈R·b/100⌉, at least one.
pub fn need(replicas: i32, percent: i32) -> i32 {
    let product = i64::from(replicas).saturating_mul(i64::from(percent));
    i32::try_from(product.saturating_add(99).div_euclid(100)).unwrap_or(i32::MAX).max(1)
}

/// Time since a persisted time; zero if the clock was set back.
pub fn elapsed(now: Timestamp, since: Timestamp) -> SignedDuration {
    now.duration_since(since).max(SignedDuration::ZERO)
}

/// A time later; the end of all times if it does not fit.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::need;

    #[test]
    fn need_rounds_up_and_is_at_least_one() {
        for (replicas, percent, want) in
            [(1, 10, 1), (10, 10, 1), (11, 10, 2), (3, 50, 2), (3, 100, 3), (0, 10, 1)]
        {
            assert_eq!(need(replicas, percent), want, "{percent} % of {replicas}");
        }
    }
}
