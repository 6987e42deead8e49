//! What comes next, what would go back, and what happens at the latest, in a sentence each.

use jiff::SignedDuration;

use super::Deadline;
use super::trial::at_the_last;
use crate::api::spec::OnInconclusive;
use crate::api::status::{Phase, Track};
use crate::situation::{Fallback, Situation, later};
use crate::version::Hash;

fn name(s: &Situation, track: Track) -> String {
    s.role(track).map(|version| version.version.clone()).unwrap_or_default()
}

/// What happens once every gate is open.
pub(super) fn forward(s: &Situation) -> String {
    let (stable, canary) = (name(s, Track::Stable), name(s, Track::Canary));
    match s.phase() {
        Phase::Pending => format!("{} gets all traffic", s.release.stable.name),
        Phase::Stable | Phase::RolledBack => next_version(s),
        Phase::Starting if s.shadow_due().is_some() => format!("{canary} is warmed up, then gets copies"),
        Phase::Starting => format!("{canary} is warmed up, then gets {} %", s.next_percent()),
        Phase::Warming => match s.shadow_due() {
            Some(shadow) => format!("{canary} gets copies of {} % of the requests", shadow.mirror_percent),
            None => format!("{canary} gets {} %", s.next_percent()),
        },
        Phase::Shadowing => format!("{canary} gets its first weight"),
        Phase::Analyzing => analyzing(s, &canary),
        Phase::Promoting | Phase::Replacing if s.committed_percent() == 100 => {
            format!("{canary} is the live version; {stable} is kept warm")
        }
        Phase::Promoting | Phase::Replacing => format!("{canary} gets all traffic"),
        Phase::Baking => format!("the promotion of {stable} is complete"),
        Phase::RollingBack => format!("{} ends", name(s, Track::Failed)),
    }
}

fn analyzing(s: &Situation, canary: &str) -> String {
    let rung = s.status.step.as_ref();
    let growing = rung.filter(|rung| rung.target > rung.weight).map(|rung| rung.target);
    let next = rung.and_then(|rung| usize::try_from(rung.index.saturating_add(1)).ok());
    let next = next.and_then(|i| s.release.rollout.steps.get(i)).map(|step| step.percent);
    match growing.or(next.filter(|_| !at_the_last(s))) {
        Some(percent) => format!("{canary} gets {percent} %"),
        None => format!("{canary} is promoted"),
    }
}

/// The version of the spec that would be started.
fn next_version(s: &Situation) -> String {
    let named = |hash: &Hash| {
        s.release.version(hash).map_or_else(|| hash.to_string(), |version| version.name.clone())
    };
    let stable = s.hash(Track::Stable);
    let wanted = s.stable_wanted();
    match s.canary_wanted() {
        _ if stable.as_ref().is_some_and(|stable| *stable != wanted) => {
            format!("{} replaces stable", named(&wanted))
        }
        Some(canary) => format!("{} is put on trial", named(canary)),
        None => String::new(),
    }
}

/// What would bring it back.
pub(super) fn back(s: &Situation) -> String {
    let restarts = s.release.analysis.max_restarts;
    let canary = name(s, Track::Canary);
    match s.phase() {
        Phase::Starting | Phase::Warming => format!(
            "{canary} is given up if it restarts more than {restarts} times, runs out of memory twice, or is not ready in time"
        ),
        Phase::Shadowing | Phase::Analyzing => format!(
            "{canary} is rolled back if a check fails, if it restarts more than {restarts} times, or runs out of memory \
             twice; without ready pods it gets weight 0 and is made ready again"
        ),
        Phase::Promoting => {
            format!("{canary} is rolled back if a guardrail fails, or it restarts more than {restarts} times")
        }
        Phase::Baking => match s.fallback() {
            Some(Fallback::Previous(_)) => format!(
                "{} is rolled back to {}, which is warm, if a check with a bound of its own fails or no pod is ready",
                name(s, Track::Stable),
                name(s, Track::Previous)
            ),
            Some(Fallback::SpecStable(_)) | None => String::new(),
        },
        Phase::Replacing => format!("{canary} is given up if it is not ready in time"),
        Phase::Pending | Phase::Stable | Phase::RollingBack | Phase::RolledBack => String::new(),
    }
}

/// What happens at the latest. None where nothing does, and while clocks stand still.
pub(super) fn deadline(s: &Situation) -> Option<Deadline> {
    if s.suspended() || s.release.deleted_at.is_some() || s.expired() {
        return None;
    }
    let own = by_phase(s);
    let end = s.expires_at().map(|at| Deadline {
        at,
        then: "the time of spec.ttl is over and everything is taken down".to_owned(),
    });
    // Only what is yet to come is told.
    own.into_iter().chain(end).filter(|deadline| deadline.at > s.now).min_by_key(|deadline| deadline.at)
}

fn by_phase(s: &Situation) -> Option<Deadline> {
    let rollout = &s.release.rollout;
    let left = |length: SignedDuration, done: SignedDuration| later(s.now, length.saturating_sub(done));
    let canary = name(s, Track::Canary);
    match s.phase() {
        Phase::Pending => Some(Deadline {
            at: later(s.status.phase_started_at?, rollout.progress_deadline),
            then: "it is Stalled, and goes on waiting".to_owned(),
        }),
        Phase::Warming if s.warmup().is_some() && !s.warmed_up() => Some(Deadline {
            at: later(s.warms_since()?, s.warmup()?.timeout),
            then: format!("{canary} is given up for its warm-up"),
        }),
        Phase::Starting | Phase::Replacing => {
            s.candidate()?.unready_since?;
            Some(Deadline {
                at: left(rollout.progress_deadline, s.unready()),
                then: format!("{canary} is given up"),
            })
        }
        Phase::Shadowing | Phase::Analyzing => {
            let passed = s.candidate().is_some_and(|memory| memory.passed_at.is_some());
            if s.paused() || rollout.dark() || passed {
                return None;
            }
            let then = match rollout.on_inconclusive {
                OnInconclusive::Hold => "it is Stalled, and the analysis goes on".to_owned(),
                OnInconclusive::Rollback => format!("{canary} is rolled back as undecided"),
            };
            Some(Deadline { at: left(rollout.max_duration, s.analysed()?), then })
        }
        Phase::Promoting if s.committed_percent() < 100 => Some(Deadline {
            at: later(s.status.phase_started_at?, rollout.progress_deadline),
            then: "it is Stalled for want of capacity, and goes on waiting".to_owned(),
        }),
        Phase::Baking if !s.paused() => Some(Deadline {
            at: left(rollout.bake.saturating_mul(2), s.bake_age()),
            then: "the bake ends, watched or not".to_owned(),
        }),
        Phase::Stable | Phase::RolledBack => {
            let previous = s.role(Track::Previous).and_then(|version| Some((version, version.retire_at?)));
            let failed = s.role(Track::Failed).and_then(|version| Some((version, version.delete_at?)));
            let (version, at) = previous.filter(|_| !s.paused()).or(failed)?;
            Some(Deadline { at, then: format!("{} is no longer kept", version.version) })
        }
        Phase::Warming | Phase::Promoting | Phase::Baking | Phase::RollingBack => None,
    }
}
