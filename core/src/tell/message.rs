//! The one sentence: what happens, what is awaited, or why the release cannot go on alone.

use super::{name, pushed};
use crate::analysis::Outcome;
use crate::api::reasons::Reason;
use crate::api::status::{Phase, Track};
use crate::observed::GatewayAnswer;
use crate::share;
use crate::situation::Situation;
use crate::version::Hash;

/// Time after which weights that are not in force everywhere are said to be stuck, in seconds.
const SETTLING: i64 = 30;

/// Whether a human's word keeps something from happening that would happen without it.
pub(super) fn holding(s: &Situation) -> bool {
    let paused = s.paused() && (s.on_the_way() || s.phase() == Phase::Baking || wants_something(s));
    s.suspended() || s.malformed().is_some() || paused || held_back(s).is_some()
}

/// What the rollback annotation keeps from starting: the canary of the spec, or what `spec.stable` asks for.
pub(super) fn held_back(s: &Situation) -> Option<&'static str> {
    let kept = |hash: &Hash| s.held(hash) && !s.quarantined(hash);
    let (live, wanted) = (s.hash(Track::Stable)?, s.stable_wanted());
    if s.canary_wanted().is_some_and(kept) {
        return Some("the canary");
    }
    (live != wanted && kept(&wanted)).then_some("the version of spec.stable")
}

/// Whether the spec asks for a version that is not there yet.
fn wants_something(s: &Situation) -> bool {
    let canary = s.canary_wanted().is_some_and(|hash| !s.quarantined(hash));
    canary || s.hash(Track::Stable).is_some_and(|stable| stable != s.stable_wanted())
}

/// Whether only a human's word is missing.
pub(super) fn awaits_promotion(s: &Situation) -> bool {
    let dark = s.release.rollout.dark() && s.phase() == Phase::Analyzing;
    dark || s.phase() == Phase::Analyzing && s.candidate().is_some_and(|c| c.passed_at.is_some())
}

/// Whether the candidate is undecided for too long, and is kept all the same.
pub(super) fn overdue(s: &Situation) -> bool {
    let judged = matches!(s.phase(), Phase::Shadowing | Phase::Analyzing);
    let undecided =
        s.skewed() || s.look.is_some_and(|look| matches!(look.outcome, Outcome::Undecided { .. }));
    judged && undecided && s.candidate().is_some_and(|c| c.overdue_at.is_some()) && !awaits_promotion(s)
}

/// Why the release cannot go on alone, if it cannot.
pub(super) fn stalled(s: &Situation) -> Option<(Reason, String)> {
    if s.suspended() || s.release.deleted_at.is_some() {
        return None;
    }
    if let Some((_, message)) = &s.release.refused {
        return Some((Reason::NotAccepted, message.clone()));
    }
    if s.status.state.expired_at.is_some() {
        let message = "the time of ttl is over and everything is taken down; a longer ttl starts it anew";
        return Some((Reason::Expired, message.to_owned()));
    }
    if let Some(key) = s.foreign() {
        let message = format!("{key} exists and is not ours; rename it or the release");
        return Some((Reason::OwnershipConflict, message));
    }
    if let Some(refused) = s.observed.refused.first() {
        let message = format!("{} was refused with {}: {}", refused.key, refused.code, refused.message);
        return Some((Reason::ChildRefused, message));
    }
    if s.stable_down() && s.phase() != Phase::RollingBack {
        let pod = s.hash(Track::Stable).and_then(|hash| s.pod_failure(&hash));
        let why = pod.map_or_else(String::new, |f| format!("; pod {}: {}", f.pod, f.message));
        return Some((
            Reason::StableUnavailable,
            format!("{} has no ready endpoint{why}", name(s, Track::Stable)),
        ));
    }
    stalled_by_phase(s)
}

fn stalled_by_phase(s: &Situation) -> Option<(Reason, String)> {
    let deadline = s.release.rollout.progress_deadline;
    match s.phase() {
        Phase::Pending => {
            let hash = &s.release.stable.hash;
            let failure = s.pod_failure(hash);
            let overdue = s.phase_age() >= deadline;
            match failure {
                Some(f) if overdue || crate::pods::fatal(&f) => {
                    Some((f.reason, format!("{}: pod {}: {}", s.release.stable.name, f.pod, f.message)))
                }
                _ if overdue => Some((
                    Reason::ProgressDeadlineExceeded,
                    format!("{} is not ready after {} s", s.release.stable.name, deadline.as_secs()),
                )),
                _ => None,
            }
        }
        Phase::Shadowing | Phase::Analyzing if overdue(s) => {
            let message =
                format!("{} is undecided after maxDuration; it keeps its weight", name(s, Track::Canary));
            Some((Reason::Inconclusive, message))
        }
        Phase::Promoting if held_by_share(s).is_some() && s.phase_age() >= deadline => {
            Some((Reason::Inconclusive, held_by_share(s)?))
        }
        Phase::Promoting if s.committed_percent() < 100 && s.phase_age() >= deadline => {
            let message =
                format!("{} does not reach the size that all traffic needs", name(s, Track::Canary));
            Some((Reason::InsufficientCapacity, message))
        }
        Phase::RollingBack => {
            let stable = s.hash(Track::Stable)?;
            let without = s.endpoints(&stable) == 0 && s.weight(&stable) == 0;
            let message = || format!("{} is being made ready to take traffic back", name(s, Track::Stable));
            without.then(|| (Reason::FallbackNotReady, message())).or_else(|| not_applied(s, SETTLING))
        }
        Phase::RolledBack => {
            let barred = s.release.canary.as_ref().map(|c| c.hash.as_str());
            let entry = s.status.quarantine.iter().rev().find(|q| Some(q.hash.as_str()) == barred);
            let entry = entry.or(s.status.quarantine.last());
            let message = entry.map_or_else(
                || format!("{} has all traffic", name(s, Track::Stable)),
                |q| {
                    let stable = name(s, Track::Stable);
                    format!(
                        "{} was rolled back ({}); {stable} has all traffic; change it to try again",
                        q.version, q.reason
                    )
                },
            );
            Some((Reason::RolledBack, message))
        }
        _ => not_applied(s, SETTLING).or_else(|| not_routed(s, SETTLING)),
    }
}

/// Weights that are committed and not in force for so many seconds, and the gateway's pod that still follows others.
pub(super) fn not_applied(s: &Situation, seconds: i64) -> Option<(Reason, String)> {
    let memory = &s.status.state.traffic;
    let since = memory.changed_at.filter(|_| memory.settled_at.is_none())?;
    let follows = |answer: &GatewayAnswer| {
        let behind = answer.seq.filter(|seq| *seq < memory.seq);
        behind.map(|seq| {
            format!(
                "pod {} of gateway set {} follows decision {seq}, not {}; ",
                answer.pod, answer.set, memory.seq
            )
        })
    };
    (s.elapsed(since).as_secs() >= seconds).then(|| {
        let behind = s.observed.gateways.iter().find_map(follows).unwrap_or_default();
        let message = format!(
            "{behind}weights are not in force everywhere after {seconds} s; nothing is scaled down until they are{}",
            pushed::not_taken(s)
        );
        (Reason::NotApplied, message)
    })
}

/// Gateways that do not lead to the version on the way so many seconds after they could: the pod, and what it answered.
pub(super) fn not_routed(s: &Situation, seconds: i64) -> Option<(Reason, String)> {
    s.route_to_check()?;
    let since = s.status.state.traffic.settled_at?;
    let told = &s.candidate().filter(|c| !c.unrouted.is_empty())?.unrouted;
    let canary = name(s, Track::Canary);
    (s.elapsed(since).as_secs() >= seconds).then(|| {
        let message = format!(
            "{told} when {canary} was asked for by its own route; it is asked again, and {canary} gets no weight before. \
             Look whether that pod may reach the pods of {canary}, and at its log and istiod's"
        );
        (Reason::NotApplied, message)
    })
}

/// What keeps a canary from more weight whatever the evidence says: requests that do not go by its weight.
fn held_by_share(s: &Situation) -> Option<String> {
    let by_hand = s.phase() == Phase::Promoting && s.candidate().is_some_and(|c| c.by_hand);
    share::sentence(s).filter(|_| s.skewed() && !by_hand && s.committed_percent() < 100)
}

/// What happens, or what is awaited.
pub(super) fn doing(s: &Situation) -> String {
    let stable = name(s, Track::Stable);
    let canary = name(s, Track::Canary);
    if s.release.deleted_at.is_some() {
        return "the release is being deleted".to_owned();
    }
    if s.suspended() {
        return "spec.suspend is set: nothing is touched, and nothing is decided".to_owned();
    }
    if let Some((_, message)) = s.malformed() {
        return message;
    }
    if let Some(what) = held_back(s) {
        return format!("{stable} has all traffic; the rollback annotation holds {what} back");
    }
    let what = in_phase(s, &stable, &canary);
    if holding(s) { format!("paused by annotation: {what}") } else { what }
}

/// What happens in this phase, or is awaited there.
fn in_phase(s: &Situation, stable: &str, canary: &str) -> String {
    if let Some((_, message)) = not_routed(s, 0) {
        return message;
    }
    match s.phase() {
        Phase::Pending => format!("{} is being made ready", s.release.stable.name),
        Phase::Stable if s.spec_lags() => format!(
            "{stable} is promoted; move the canary's lines to stable to make it permanent; removing the block would \
             return to {}",
            s.release.stable.name
        ),
        Phase::Stable | Phase::RolledBack => format!("{stable} has all traffic"),
        Phase::Starting => {
            let failure = s.hash(Track::Canary).and_then(|hash| s.pod_failure(&hash));
            let why = failure.map_or_else(String::new, |f| format!("; pod {}: {}", f.pod, f.message));
            format!("{canary} is being made ready at weight 0{why}")
        }
        Phase::Warming if !s.warmed_up() => format!("{canary} is ready and is warmed up at weight 0"),
        Phase::Warming => format!("{canary} is ready; its route is being proven at weight 0"),
        Phase::Analyzing if s.release.rollout.dark() => {
            format!("{canary} gets no traffic of the split; it waits for the annotation promote={canary}")
        }
        Phase::Analyzing if awaits_promotion(s) => {
            format!(
                "{canary} passed with {} %; it waits for the annotation promote={canary}",
                s.committed_percent()
            )
        }
        Phase::Shadowing | Phase::Analyzing => {
            let share = match s.release.rollout.shadow.as_ref().filter(|_| s.phase() == Phase::Shadowing) {
                Some(shadow) => format!("gets copies of {} % of the requests", shadow.mirror_percent),
                None => format!("has {} %", s.committed_percent()),
            };
            if let Some(held) = held_by_share(s) {
                return held;
            }
            let evidence = match s.look.map(|look| &look.outcome) {
                Some(
                    Outcome::Undecided { message }
                    | Outcome::Pass { message, .. }
                    | Outcome::Fail { message, .. },
                ) => message.clone(),
                None => "evidence has not begun".to_owned(),
            };
            format!("{canary} {share}; {evidence}")
        }
        Phase::Promoting if s.committed_percent() == 100 => format!("{canary} gets all traffic"),
        Phase::Promoting if held_by_share(s).is_some() => held_by_share(s).unwrap_or_default(),
        Phase::Promoting => format!("{canary} grows to the size that all traffic needs"),
        Phase::Baking => format!(
            "{stable} has all traffic and is watched for {} s; {} is kept warm",
            s.release.rollout.bake.as_secs(),
            name(s, Track::Previous)
        ),
        Phase::RollingBack => format!("{} leaves; {stable} has all traffic", name(s, Track::Failed)),
        Phase::Replacing => format!("{canary} is made ready to replace {stable}"),
    }
}
