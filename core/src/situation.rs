//! The words of the lifecycle, computed once per look: roles, weights, Ready, need, settled, held.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::Look;
use crate::api::annotations::{Pause, Promote, Retry, Rollback};
use crate::api::status::{Candidate, ModelReleaseStatus, Phase, Track, VersionStatus};
use crate::capacity;
use crate::children;
use crate::meta::Component;
use crate::observed::{Live, Observed, Pod};
use crate::plan::{Key, Kind};
use crate::pods;
use crate::release::{Release, Shadow};
use crate::settings::Settings;
use crate::traffic;
use crate::version::{Hash, Warmup};

/// One release at one look: what is wanted, what is committed, what is seen, and what time it is.
pub struct Situation<'a> {
    /// What the user wants.
    pub release: &'a Release,
    /// What is committed, with this look's facts noted in it.
    pub status: &'a ModelReleaseStatus,
    /// What is seen.
    pub observed: &'a Observed,
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
        on_the_way(self.phase())
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
    pub fn candidate(&self) -> Candidate {
        self.status.state.candidate.clone().unwrap_or_default()
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
        self.release.canary.is_some()
            && live.promoted_from.as_deref() == Some(self.release.stable_block.as_str())
    }

    /// Whether the live version is promoted and the spec does not yet say so.
    pub fn spec_lags(&self) -> bool {
        self.role(Track::Stable).is_some_and(|s| s.hash != self.release.stable.hash.as_str() && self.lags(s))
    }

    /// Whether a version was rolled back and has not changed since.
    pub fn quarantined(&self, hash: &Hash) -> bool {
        self.status.quarantine.iter().any(|q| q.hash == hash.as_str())
    }

    /// Whether the rollback annotation names a version by its name or hash.
    pub fn named_by_rollback(&self, version: &VersionStatus) -> bool {
        let rollback = &self.release.annotations.rollback;
        matches!(rollback, Rollback::Version(v) if *v == version.version || *v == version.hash)
    }

    /// Whether the rollback annotation holds a version that is or may come on trial.
    pub fn held(&self, hash: &Hash) -> bool {
        match &self.release.annotations.rollback {
            Rollback::Absent | Rollback::Malformed => false,
            Rollback::True => true,
            Rollback::Version(v) => {
                v == hash.as_str() || self.release.version(hash).is_some_and(|known| known.name == *v)
            }
        }
    }

    /// Whether nothing new may happen.
    pub fn paused(&self) -> bool {
        self.release.annotations.paused()
    }

    /// Whether a version may go forward: no human keeps it from that.
    pub fn free(&self, hash: &Hash) -> bool {
        !self.paused() && !self.held(hash)
    }

    /// Whether the operator keeps its hands off the children. A rollback that has begun is always finished.
    pub fn suspended(&self) -> bool {
        self.release.suspend && self.phase() != Phase::RollingBack
    }

    /// Whether the release's time is over.
    pub fn expired(&self) -> bool {
        self.expires_at().is_some_and(|at| self.now >= at)
    }

    /// When the release's time is over: `ttl` after its creation, suspended time left out.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let suspended = SignedDuration::from_millis(self.status.state.clocks.suspended_milliseconds);
        Some(later(later(self.release.created?, self.release.ttl?), suspended))
    }

    /// The annotation of the first two that cannot be read, and what to say of it.
    pub fn malformed(&self) -> Option<(&'static str, String)> {
        let say = |key: &'static str, meant: &str| {
            let message =
                format!("{key} is neither {meant}; nothing moves forward until it is corrected or removed");
            Some((key, message))
        };
        let annotations = &self.release.annotations;
        if annotations.rollback == Rollback::Malformed {
            say("rollback", "true nor a version name")
        } else if annotations.pause == Pause::Malformed {
            say("pause", "true nor false")
        } else {
            None
        }
    }

    /// Whether the present value of the rollback annotation was acted on.
    pub fn rollback_handled(&self) -> bool {
        self.status.state.handled.rollback.as_deref()
            == Some(self.release.annotations.rollback_digest.as_str())
    }

    /// Whether the promote annotation stands for the missing evidence of a version.
    pub fn promote_bound_to(&self, hash: &Hash) -> bool {
        let annotations = &self.release.annotations;
        matches!(annotations.promote, Promote::Version(_))
            && self.status.state.handled.promote.as_ref().is_some_and(|bound| {
                bound.digest == annotations.promote_digest && bound.hash == hash.as_str()
            })
    }

    /// Whether the retry annotation has a token that was not handled, and nothing keeps it from being.
    pub fn retry_is_new(&self) -> bool {
        let annotations = &self.release.annotations;
        let handled = self.status.state.handled.retry.as_deref() == Some(annotations.retry_digest.as_str());
        let held = self.release.canary.as_ref().is_some_and(|canary| self.held(&canary.hash));
        matches!(annotations.retry, Retry::Token(_))
            && !handled
            && !held
            && self.phase() != Phase::RollingBack
            && self.release.refused.is_none()
    }

    /// Quarantined versions of the spec that a new retry token lifts; empty without one.
    pub fn retry_lifts(&self) -> Vec<Hash> {
        if !self.retry_is_new() {
            return Vec::new();
        }
        let named = self.release.canary.iter().chain([&self.release.stable]).map(|version| &version.hash);
        named.filter(|hash| self.quarantined(hash)).cloned().collect()
    }

    /// Where all traffic goes if the live version has to leave now.
    pub fn fallback(&self) -> Option<Fallback> {
        let stable = self.role(Track::Stable)?;
        if let Some(previous) = self.hash(Track::Previous).filter(|p| !self.quarantined(p)) {
            return Some(Fallback::Previous(previous));
        }
        let of_spec = &self.release.stable.hash;
        let promoted_out_of_it = stable.promoted_from.as_deref() == Some(self.release.stable_block.as_str());
        (promoted_out_of_it && stable.hash != of_spec.as_str() && !self.quarantined(of_spec))
            .then(|| Fallback::SpecStable(of_spec.clone()))
    }

    /// R: the replicas that stable was asked for when the candidate was chosen.
    pub fn stable_replicas(&self) -> i32 {
        self.candidate().stable_replicas.max(1)
    }

    /// Pods needed for a share of the traffic.
    pub fn need(&self, percent: i32) -> i32 {
        need(self.stable_replicas(), percent)
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
        let passed =
            self.status.state.candidate.as_ref().is_some_and(|c| c.shadow_passed || c.exposed_at.is_some());
        let due = before && (!passed || self.phase() == Phase::Shadowing);
        self.release.rollout.shadow.as_ref().filter(|_| due)
    }

    /// The object of a version's Deployment, if it is there and ours.
    pub fn deployment(&self, hash: &Hash) -> Option<&Live> {
        self.observed
            .children
            .get(&children::deployment_key(self.release, hash))
            .filter(|live| live.owner.as_deref() == Some(self.release.uid.as_str()))
    }

    /// Whether a version has an app: by what was rendered for it, else by the spec.
    pub fn has_app(&self, hash: &Hash) -> bool {
        let record = self.observed.children.get(&children::record_key(self.release, hash));
        let ours = record.filter(|live| live.owner.as_deref() == Some(self.release.uid.as_str()));
        match ours {
            Some(live) => children::has_app(&live.body),
            None => self.release.version(hash).is_some_and(|version| version.app().is_some()),
        }
    }

    /// Ready endpoints of a version's own Service; with an app of that Service which has fewer.
    pub fn endpoints(&self, hash: &Hash) -> i32 {
        let of = |service: &str| self.observed.endpoints.get(service).copied().unwrap_or(0);
        let model = of(&self.release.object_name(hash));
        if self.has_app(hash) { model.min(of(&self.release.app_name(hash))) } else { model }
    }

    /// Ready(v, n): the Deployment's status is current, at least `n` pods are available, and the version's own Service
    /// has at least `n` ready endpoints; the same of its app, if it has one, for as many of its pods as go with `n`.
    pub fn ready(&self, hash: &Hash, n: i32) -> bool {
        let up = |deployment: &Key, service: &str, n: i32| {
            let live = self.observed.children.get(deployment);
            let ours = live.filter(|live| live.owner.as_deref() == Some(self.release.uid.as_str()));
            let number = |pointer: &str| {
                ours.and_then(|live| live.body.pointer(pointer))
                    .and_then(serde_json::Value::as_i64)
                    .unwrap_or(0)
            };
            ours.is_some()
                && number("/status/observedGeneration") >= number("/metadata/generation")
                && number("/status/availableReplicas") >= i64::from(n)
                && self.observed.endpoints.get(service).copied().unwrap_or(0) >= n
        };
        let release = self.release;
        up(&children::deployment_key(release, hash), &release.object_name(hash), n)
            && (!self.has_app(hash)
                || up(
                    &children::part_key(release, hash, Component::App, Kind::Deployment),
                    &release.app_name(hash),
                    capacity::app_for(self, hash, n),
                ))
    }

    /// w(v): the weight of a version in the traffic object as read back.
    pub fn weight(&self, hash: &Hash) -> i32 {
        self.weights_read().iter().filter(|(h, _)| h == hash).map(|(_, w)| w).sum()
    }

    /// Weights in the traffic object as read back; empty without one.
    pub fn weights_read(&self) -> Vec<(Hash, i32)> {
        self.traffic_object().and_then(|live| traffic::read_back(&live.body)).unwrap_or_default()
    }

    /// The traffic object, if it is there and ours.
    pub fn traffic_object(&self) -> Option<&Live> {
        self.observed
            .children
            .get(&traffic::traffic_key(self.release))
            .filter(|live| live.owner.as_deref() == Some(self.release.uid.as_str()))
    }

    /// Whether every gateway has what was last committed, or has had the time for it.
    pub fn settled(&self) -> bool {
        self.status.state.traffic.settled_at.is_some()
    }

    /// The percent that is committed for the version on trial.
    pub fn committed_percent(&self) -> i32 {
        self.status.step.as_ref().map_or(0, |s| s.weight)
    }

    /// Whether a version has had no ready endpoint for so long that it is a fact.
    pub fn empty(&self, since: Option<Timestamp>) -> bool {
        since.is_some_and(|t| self.elapsed(t) >= SignedDuration::from_secs(self.settings.detect_seconds))
    }

    /// Whether stable has no ready endpoint for so long that it is a fact.
    pub fn stable_down(&self) -> bool {
        self.empty(self.status.state.clocks.stable_empty_since)
    }

    /// Whether the version on trial has none.
    pub fn candidate_down(&self) -> bool {
        self.empty(self.status.state.clocks.candidate_empty_since)
    }

    /// Time since a persisted time; zero if the clock was set back.
    pub fn elapsed(&self, since: Timestamp) -> SignedDuration {
        elapsed(self.now, since)
    }

    /// How long the candidate has been unready in all.
    pub fn unready(&self) -> SignedDuration {
        let candidate = self.candidate();
        let before = SignedDuration::from_secs(candidate.unready_seconds);
        candidate.unready_since.map_or(before, |since| before.saturating_add(self.elapsed(since)))
    }

    /// How long the bake clock has run, blind and paused time left out.
    pub fn baked(&self) -> SignedDuration {
        let clocks = &self.status.state.clocks;
        let before = SignedDuration::from_millis(clocks.baked_milliseconds);
        clocks.bake_counted_at.map_or(before, |since| before.saturating_add(self.elapsed(since)))
    }

    /// How long the phase has lasted.
    pub fn phase_age(&self) -> SignedDuration {
        self.status.phase_started_at.map_or(SignedDuration::ZERO, |since| self.elapsed(since))
    }

    /// How long nothing was paused since then; the pauses counted so far are `before`.
    fn unpaused(&self, since: Timestamp, before: i64) -> SignedDuration {
        let now = self
            .status
            .state
            .clocks
            .paused_since
            .map_or(SignedDuration::ZERO, |at| self.elapsed(at.max(since)));
        let paused = SignedDuration::from_millis(before).saturating_add(now);
        self.elapsed(since).saturating_sub(paused).max(SignedDuration::ZERO)
    }

    /// How long the bake has lasted, pauses left out.
    pub fn bake_age(&self) -> SignedDuration {
        let paused = self.status.state.clocks.paused_milliseconds;
        self.status.phase_started_at.map_or(SignedDuration::ZERO, |since| self.unpaused(since, paused))
    }

    /// How long the candidate has been analysed since it was first exposed, pauses left out.
    pub fn analysed(&self) -> Option<SignedDuration> {
        let since = self.candidate().exposed_at?;
        Some(self.unpaused(since, self.status.state.clocks.paused_milliseconds))
    }

    /// How long the present weight, or the copies, have been in force, pauses left out.
    pub fn dwelt(&self) -> Option<SignedDuration> {
        let since = self.status.step.as_ref()?.settled_at?;
        Some(self.unpaused(since, self.status.state.clocks.paused_step_milliseconds))
    }

    /// Whether an enforced check has had no usable answer for so long that nothing may rise.
    pub fn blind(&self) -> bool {
        self.look.is_some_and(|look| look.blind)
    }

    /// Pods of a version.
    pub fn pods_of(&self, hash: &Hash) -> impl Iterator<Item = &Pod> {
        let hash = hash.as_str().to_owned();
        self.observed.pods.iter().filter(move |pod| pod.hash == hash && !pod.deleting)
    }

    /// What is wrong with a version's pods, the worst first.
    pub fn pod_failure(&self, hash: &Hash) -> Option<crate::api::status::PodFailure> {
        pods::failure(self.pods_of(hash))
    }

    /// Whether the candidate's first weight may come: its route proven, its Service known everywhere, warmed up.
    pub fn warm(&self) -> bool {
        let wait = SignedDuration::from_secs(self.settings.propagation_wait_seconds);
        let least = self.release.rollout.warmup.max(wait);
        self.settled()
            && self.warmed_up()
            && self.candidate().ready_at.is_some_and(|at| self.elapsed(at) >= least)
    }

    /// Whether every warm-up request was answered well, or none is asked for, or none can be brought to the pods.
    pub fn warmed_up(&self) -> bool {
        let memory = self.candidate();
        self.warmup().is_none() || memory.warmed_at.is_some() || memory.warmup_unreachable
    }

    /// The warm-up of the version on the way, if it has one.
    pub fn warmup(&self) -> Option<Warmup<'_>> {
        self.release.version(&self.hash(Track::Canary)?)?.warmup()
    }

    /// An object of a name that we need and that somebody else has.
    pub fn foreign(&self) -> Option<&Key> {
        let mut names: Vec<Key> = Vec::new();
        for version in &self.status.versions {
            let hash = Hash::known(&version.hash);
            let of = |component, kind| children::part_key(self.release, &hash, component, kind);
            names.extend([
                children::deployment_key(self.release, &hash),
                children::service_key(self.release, &hash),
                children::record_key(self.release, &hash),
                of(Component::App, Kind::Deployment),
                of(Component::App, Kind::Service),
                of(Component::Model, Kind::HorizontalPodAutoscaler),
                of(Component::App, Kind::HorizontalPodAutoscaler),
            ]);
        }
        names.extend([children::apex_key(self.release), traffic::traffic_key(self.release)]);
        if self.role(Track::Stable).is_none() {
            let hash = &self.release.stable.hash;
            names.push(children::deployment_key(self.release, hash));
            names.push(children::service_key(self.release, hash));
            if self.release.stable.app().is_some() {
                let of = |kind| children::part_key(self.release, hash, Component::App, kind);
                names.extend([of(Kind::Deployment), of(Kind::Service)]);
            }
        }
        self.observed
            .children
            .iter()
            .find(|(key, live)| {
                names.contains(key) && live.owner.as_deref() != Some(self.release.uid.as_str())
            })
            .map(|(key, _)| key)
    }
}

/// Whether a phase still owes the version on trial anything.
pub fn on_the_way(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Starting
            | Phase::Warming
            | Phase::Shadowing
            | Phase::Analyzing
            | Phase::Promoting
            | Phase::Replacing
    )
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
