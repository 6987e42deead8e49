//! What a human says, by annotation or by spec.

use jiff::{SignedDuration, Timestamp};

use super::{Situation, later};
use crate::api::annotations::{Pause, Promote, Retry, Rollback};
use crate::api::status::{Phase, VersionStatus};
use crate::version::Hash;

impl Situation<'_> {
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
}
