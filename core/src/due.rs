//! When to look again: the earliest time at which something may be due that no event tells.

use jiff::{SignedDuration, Timestamp};

use crate::api::status::{Candidate, Phase, Track};
use crate::drift;
use crate::facts;
use crate::share;
use crate::situation::{Situation, later};
use crate::wanted;

/// Time between looks of a release that waits for nothing.
pub const IDLE: SignedDuration = SignedDuration::from_hours(12);

/// Time between looks of a release that waits for somebody to mend something elsewhere.
const MENDED: SignedDuration = SignedDuration::from_secs(60);

/// Time between looks at gateways that do not lead to the version on the way yet, at first and later.
const SOON: SignedDuration = SignedDuration::from_millis(500);
const LATER: SignedDuration = SignedDuration::from_secs(5);

/// When to look again at the latest. `moved`: whether a move was made; `put_off`: until when a repair waits.
pub fn next_look(s: &Situation, moved: bool, put_off: Option<Timestamp>) -> Timestamp {
    if moved {
        // A later row may answer now.
        return later(s.now, SignedDuration::from_millis(10));
    }
    let idle = later(s.now, IDLE);
    if s.suspended() {
        // Every clock stands still, and whoever ends that changes the release.
        return idle;
    }
    let mut due = Due { now: s.now, times: put_off.into_iter().chain(s.expires_at()).collect() };
    let over = s.status.state.expired_at.and(s.status.state.traffic.settled_at);
    due.after(over, s.release.rollout.drain);
    let drift = &s.status.state.drift;
    due.after(drift.last.filter(|_| drift::fight(drift, s.now)), drift::MINUTE);
    propagation(s, &mut due);
    phase(s, &mut due);
    let elsewhere = s.release.refused.is_some() || !s.observed.refused.is_empty() || s.foreign().is_some();
    // The first version waits for ever, be it for what waiting cannot mend.
    if elsewhere || s.phase() == Phase::Pending && s.role(Track::Stable).is_none() && !s.expired() {
        due.after(Some(s.now), MENDED);
    }
    if let Some(look) = s.look {
        due.times.push(look.next_at.max(later(s.now, SignedDuration::from_millis(50))));
    }
    due.times.extend(share::next_at(s));
    // What is past was looked at just now and did not move anything.
    due.times.into_iter().filter(|t| *t > s.now).min().unwrap_or(idle).min(idle)
}

/// Times at which something is due.
struct Due {
    now: Timestamp,
    times: Vec<Timestamp>,
}

impl Due {
    /// So long after a persisted time, if there is one.
    fn after(&mut self, since: Option<Timestamp>, wait: SignedDuration) {
        self.times.extend(since.map(|at| later(at, wait)));
    }

    /// When a clock that runs has reached a length, of which so much is done.
    fn reached(&mut self, length: SignedDuration, done: Option<SignedDuration>) {
        self.times.extend(done.map(|done| later(self.now, length.saturating_sub(done))));
    }
}

fn propagation(s: &Situation, due: &mut Due) {
    let seconds = SignedDuration::from_secs;
    let memory = &s.status.state.traffic;
    if memory.settled_at.is_none() && memory.read_at.is_some() {
        let young = memory.changed_at.is_some_and(|t| s.elapsed(t) < seconds(1));
        due.after(Some(s.now), SignedDuration::from_millis(if young { 100 } else { 500 }));
        due.after(memory.read_at, seconds(s.settings.propagation_wait_seconds));
        due.after(memory.changed_at, seconds(31));
    }
    if memory.settled_at.is_some() && facts::limits_unproven(s) {
        // What the limits lack is told soon, and then somebody has to mend it.
        let young = s.status.state.limits.since.is_some_and(|t| s.elapsed(t) < seconds(10));
        due.after(Some(s.now), if young { seconds(1) } else { MENDED });
    }
    if memory.settled_at.is_some() && !memory.silent.is_empty() {
        due.after(Some(s.now), MENDED);
    }
    due.after(memory.settled_at.filter(|_| wanted::outlived(s)), s.release.rollout.drain);
    let detect = seconds(s.settings.detect_seconds);
    due.after(s.status.state.clocks.stable_empty_since, detect);
    due.after(s.status.state.clocks.candidate_empty_since, detect);
}

fn phase(s: &Situation, due: &mut Due) {
    let rollout = &s.release.rollout;
    let since = |time: fn(&Candidate) -> Option<Timestamp>| s.candidate().and_then(time);
    let running = !s.paused();
    match s.phase() {
        Phase::Pending => due.after(s.status.phase_started_at, rollout.progress_deadline),
        Phase::Starting | Phase::Replacing | Phase::Warming => {
            let wait = SignedDuration::from_secs(s.settings.propagation_wait_seconds);
            due.after(since(|c| c.ready_at), rollout.warmup.max(wait));
            due.reached(rollout.progress_deadline, since(|c| c.unready_since).map(|_| s.unready()));
            if s.route_to_check().is_some() {
                let settled = s.status.state.traffic.settled_at;
                let young = settled.is_some_and(|at| s.elapsed(at) < SignedDuration::from_secs(10));
                due.after(settled.and(Some(s.now)), if young { SOON } else { LATER });
            }
            if let Some(warmup) = s.warmup().filter(|_| !s.warmed_up()) {
                due.after(s.warms_since(), warmup.timeout);
                // How far it has come is told when it is asked for.
                due.after(Some(s.now).filter(|_| s.settled()), SignedDuration::from_secs(1));
            }
        }
        Phase::Shadowing | Phase::Analyzing | Phase::Promoting => {
            let rung = s.status.step.as_ref();
            let step = rung.and_then(|r| usize::try_from(r.index).ok()).and_then(|i| rollout.steps.get(i));
            let least = match (s.phase(), &rollout.shadow) {
                (Phase::Shadowing, Some(shadow)) => shadow.min_duration,
                _ => step.or(rollout.steps.first()).map_or(SignedDuration::ZERO, |step| step.min_duration),
            };
            due.reached(least, s.dwelt().filter(|_| running));
            due.reached(rollout.max_duration, s.analysed().filter(|_| running));
            due.after(since(|c| c.evidence_from), SignedDuration::ZERO);
            let promoting = s.phase() == Phase::Promoting;
            due.after(s.status.phase_started_at.filter(|_| promoting), rollout.progress_deadline);
        }
        Phase::Baking => {
            let counting = s.status.state.clocks.bake_counted_at.is_some();
            due.reached(rollout.bake, Some(s.baked()).filter(|_| counting));
            due.reached(rollout.bake.saturating_mul(2), Some(s.bake_age()).filter(|_| running));
        }
        Phase::RollingBack => due.after(s.role(Track::Failed).and_then(|v| v.zero_since), rollout.drain),
        Phase::Stable | Phase::RolledBack => {
            due.after(s.role(Track::Previous).and_then(|v| v.retire_at), SignedDuration::ZERO);
            due.after(s.role(Track::Failed).and_then(|v| v.delete_at), SignedDuration::ZERO);
        }
    }
}
