//! How long something has lasted, by persisted times alone.

use jiff::{SignedDuration, Timestamp};

use super::{Situation, elapsed};

impl Situation<'_> {
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
        let Some(candidate) = self.candidate() else { return SignedDuration::ZERO };
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
        let since = self.candidate()?.exposed_at?;
        Some(self.unpaused(since, self.status.state.clocks.paused_milliseconds))
    }

    /// How long the present weight, or the copies, have been in force, pauses left out.
    pub fn dwelt(&self) -> Option<SignedDuration> {
        let since = self.status.step.as_ref()?.settled_at?;
        Some(self.unpaused(since, self.status.state.clocks.paused_step_milliseconds))
    }
}
