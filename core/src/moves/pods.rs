//! Rows 18 to 24: what happens to pods.

use jiff::SignedDuration;

use super::{Effect, Move};
use crate::api::reasons::Reason;
use crate::api::status::{Act, Phase, Track};
use crate::pods::{fatal as is_fatal, totals};
use crate::situation::Situation;

/// OOM kills of a candidate beyond which it is given up, whatever its restarts.
const OOM_KILLS: i32 = 2;

/// Times that a candidate may lose its endpoints and come back.
const RETURNS: i32 = 5;

/// Whether rows 19 to 22 apply: a candidate is under way, and stable is not down. If both suffer it is not the
/// candidate's fault (row 25), and its clocks stand still.
fn candidate_alone_suffers(s: &Situation) -> bool {
    s.on_the_way() && !s.stable_down()
}

/// Row 18: nothing that waiting could mend.
pub(super) fn fatal(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| s.on_the_way())?;
    let failure = s.pod_failure(&s.hash(Track::Canary)?).filter(is_fatal)?;
    Move::rolls_back(
        s,
        failure.reason,
        format!("{}: pod {}: {}", candidate.version, failure.pod, failure.message),
    )
}

/// Row 19: it restarts too often, or runs out of memory twice. Of an exposed candidate this is a guardrail.
pub(super) fn restarts(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| candidate_alone_suffers(s))?;
    let seen = s.candidate().map(|c| totals(&c.pods)).unwrap_or_default();
    let reason = if seen.oom_kills >= OOM_KILLS {
        Reason::OOMKilled
    } else if seen.restarts <= s.release.analysis.max_restarts {
        return None;
    } else if candidate.exposed {
        Reason::RestartsExceeded
    } else {
        Reason::CanaryCrashLoop
    };
    let failure = s.pod_failure(&s.hash(Track::Canary)?);
    let pod = failure.map_or_else(String::new, |f| format!("; pod {}: {}", f.pod, f.message));
    let allowed = s.release.analysis.max_restarts;
    let message = format!(
        "{} restarted {} times, {} of them for want of memory; {allowed} restarts are allowed{pod}",
        candidate.version, seen.restarts, seen.oom_kills
    );
    Move::rolls_back(s, reason, message)
}

/// Row 20: it was unready for too long in all.
pub(super) fn deadline(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| candidate_alone_suffers(s))?;
    let allowed = s.release.rollout.progress_deadline;
    if s.unready() < allowed {
        return None;
    }
    let hash = s.hash(Track::Canary)?;
    let (reason, why) = match (s.pod_failure(&hash), s.observed.refused.first()) {
        (Some(failure), _) => (failure.reason, format!("pod {}: {}", failure.pod, failure.message)),
        (None, Some(refused)) => {
            (Reason::ChildRefused, format!("{} was refused with {}", refused.key, refused.code))
        }
        (None, None) if s.foreign().is_some() => {
            (Reason::OwnershipConflict, "an object that is not ours has its name".to_owned())
        }
        (None, None) => (Reason::ProgressDeadlineExceeded, "it never had enough ready pods".to_owned()),
    };
    let message = format!("{} was unready for {} s in all; {why}", candidate.version, allowed.as_secs());
    Move::rolls_back(s, reason, message)
}

/// Row 21: it lost its endpoints too often.
pub(super) fn unstable(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| s.on_trial() && candidate_alone_suffers(s))?;
    let message = || format!("{} lost all its endpoints {RETURNS} times", candidate.version);
    if s.candidate().is_none_or(|c| c.returns < RETURNS) {
        return None;
    }
    Move::rolls_back(s, Reason::CanaryUnstable, message())
}

/// Row 22: no ready endpoint is left: back to weight 0, to be made ready again. Rung and evidence are kept.
pub(super) fn candidate_lost(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary)?;
    let fits = matches!(s.phase(), Phase::Warming | Phase::Shadowing | Phase::Analyzing | Phase::Promoting)
        && s.committed_percent() < 100
        && s.candidate_down()
        && !s.stable_down()
        && s.ready(&s.hash(Track::Stable)?, 1);
    let wait = SignedDuration::from_secs(s.settings.detect_seconds);
    let message = || format!("{} has had no ready endpoint for {} s", candidate.version, wait.as_secs());
    let hash = s.hash(Track::Canary)?;
    fits.then(|| Move::new(Act::Step, hash, Phase::Starting, Reason::CanaryNotReady, message(), Effect::Lose))
}

/// Row 23: the version with all traffic has no ready endpoint, and the fallback has.
pub(super) fn new_version_lost(s: &Situation) -> Option<Move> {
    let at_full = matches!(s.phase(), Phase::Promoting | Phase::Replacing) && s.committed_percent() == 100;
    let message = |name: &str| format!("{name} has all traffic and no ready endpoint");
    if at_full && s.candidate_down() && s.ready(&s.hash(Track::Stable)?, 1) {
        let name = &s.role(Track::Canary)?.version;
        return Move::rolls_back(s, Reason::CanaryUnavailable, message(name));
    }
    let stable = s.role(Track::Stable).filter(|_| s.phase() == Phase::Baking && s.stable_down())?;
    let fallback = s.fallback().filter(|f| s.ready(f.hash(), 1))?;
    let effect =
        Effect::Leave { who: Track::Stable, quarantine: true, fallback: Some(fallback), handled: false };
    Some(Move::new(
        Act::Rollback,
        s.hash(Track::Stable)?,
        Phase::RollingBack,
        Reason::CanaryUnavailable,
        message(&stable.version),
        effect,
    ))
}

/// Row 24: its warm-up was not answered well in time.
pub(super) fn warmup_failed(s: &Situation) -> Option<Move> {
    let candidate = s.role(Track::Canary).filter(|_| s.warms())?;
    let (memory, warmup) = (s.candidate()?, s.warmup()?);
    // That gateways do not lead to it is not its fault.
    let over = !s.warmed_up() && s.elapsed(s.warms_since()?) >= warmup.timeout;
    let message = || {
        let (name, good, all) = (&candidate.version, memory.warmed, warmup.requests);
        let seconds = warmup.timeout.as_secs();
        let last = s.observed.warmup.as_ref().and_then(|answer| answer.last_status);
        let last = last.map_or_else(String::new, |status| format!("; the last answer was {status}"));
        format!("{name} answered {good} of {all} warm-up requests well in {seconds} s{last}")
    };
    if !over {
        return None;
    }
    Move::rolls_back(s, Reason::WarmupFailed, message())
}
