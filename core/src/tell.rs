//! Every word that a user reads of a look: the message, the conditions, the events.

use crate::api::annotations::Rollback;
use crate::api::conditions::{self, Is, Type};
use crate::api::reasons::Reason;
use crate::api::status::{Act, HistoryEntry, ModelReleaseStatus, Phase, Track};
use crate::effects::on_the_way;
use crate::plan::{Event, Key};
use crate::situation::Situation;
use crate::traffic;
use crate::version::Hash;
use crate::wanted;

/// Time after which weights that are not in force everywhere are said to be stuck, in seconds.
const SETTLING: i64 = 30;

type Said = (Is, Reason, String);

/// The status with everything in it that is there to be read.
pub fn tell(s: &Situation) -> ModelReleaseStatus {
    let mut status = s.status.clone();
    status.observed_generation = s.release.generation;
    status.url = traffic::url(s.release, s.settings);
    status.stable_version = s.role(Track::Stable).map(|v| v.version.clone()).unwrap_or_default();
    let other = s.role(Track::Canary).or(s.role(Track::Failed));
    status.canary_version = other.map(|v| v.version.clone()).unwrap_or_default();
    status.canary_percent = other.map(|v| s.weight(&Hash::known(&v.hash)));
    status.quality_summary =
        status.analysis.as_ref().map(crate::analysis::quality_summary).unwrap_or_default();
    status.phase.get_or_insert(Phase::Pending);
    status.phase_started_at.get_or_insert(s.now);
    let stalled = stalled(s);
    status.message = match &stalled {
        Some((_, message)) => message.clone(),
        None => doing(s),
    };
    for (kind, said) in said(s, stalled, &status.message) {
        conditions::set(&mut status.conditions, kind, said, s.release.generation, s.now);
    }
    status
}

fn name(s: &Situation, track: Track) -> String {
    s.role(track).map(|v| v.version.clone()).unwrap_or_default()
}

fn said(s: &Situation, stalled: Option<(Reason, String)>, message: &str) -> Vec<(Type, Said)> {
    let idle = || (Is::False, Reason::Idle, String::new());
    let (ready, reconciling, stalled) = match stalled {
        Some((reason, why)) => ((Is::False, reason, why.clone()), idle(), (Is::True, reason, why)),
        None if s.phase() == Phase::Stable && !holding(s) => {
            let reason = if s.spec_lags() { Reason::SpecLags } else { Reason::Stable };
            ((Is::True, reason, message.to_owned()), idle(), idle())
        }
        None => {
            let reason = if holding(s) { Reason::ManualRollback } else { phase_reason(s.phase()) };
            ((Is::Unknown, reason, message.to_owned()), (Is::True, reason, message.to_owned()), idle())
        }
    };
    vec![
        (Type::Ready, ready),
        (Type::Reconciling, reconciling),
        (Type::Stalled, stalled),
        (Type::Accepted, accepted(s)),
        (Type::StableReady, stable_ready(s)),
        (Type::CanaryReady, canary_ready(s)),
        (Type::ArtifactsVerified, artifacts(s)),
        (Type::TrafficApplied, traffic_applied(s)),
        (Type::AnalysisAvailable, analysis_available(s)),
        (Type::Promoted, promoted(s)),
        (Type::RolledBack, rolled_back(s)),
        (Type::Held, held(s)),
    ]
}

fn phase_reason(phase: Phase) -> Reason {
    match phase {
        Phase::Pending => Reason::Pending,
        Phase::Stable => Reason::Stable,
        Phase::Starting => Reason::Starting,
        Phase::Warming => Reason::Warming,
        Phase::Analyzing => Reason::Analyzing,
        Phase::Promoting => Reason::Promoting,
        Phase::Baking => Reason::Baking,
        Phase::RollingBack => Reason::RollingBack,
        Phase::RolledBack => Reason::RolledBack,
        Phase::Replacing => Reason::Replacing,
    }
}

/// Whether a human's word keeps something from starting that the spec asks for.
fn holding(s: &Situation) -> bool {
    match s.release.rollback {
        Rollback::Absent => false,
        Rollback::Malformed => true,
        Rollback::True | Rollback::Version(_) => {
            s.canary_wanted().is_some_and(|hash| s.held(hash) && !s.quarantined(hash))
        }
    }
}

/// Why the release cannot go on alone, if it cannot.
fn stalled(s: &Situation) -> Option<(Reason, String)> {
    if let Some((_, message)) = &s.release.refused {
        return Some((Reason::NotAccepted, message.clone()));
    }
    if let Some(key) = wanted::foreign(s) {
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
        Phase::Analyzing => {
            let since = s.candidate().exposed_at?;
            let undecided = matches!(s.look?.outcome, crate::analysis::Outcome::Undecided { .. });
            let message =
                || format!("{} is undecided after maxDuration; it keeps its weight", name(s, Track::Canary));
            (undecided && s.elapsed(since) >= s.release.rollout.max_duration)
                .then(|| (Reason::Inconclusive, message()))
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
            without.then(|| (Reason::FallbackNotReady, message())).or_else(|| not_applied(s))
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
        _ => not_applied(s),
    }
}

/// Weights that are committed and not in force for too long.
fn not_applied(s: &Situation) -> Option<(Reason, String)> {
    let memory = &s.status.state.traffic;
    let since = memory.changed_at.filter(|_| memory.settled_at.is_none())?;
    (s.elapsed(since).as_secs() >= SETTLING).then(|| {
        let message = format!(
            "weights are not in force everywhere after {SETTLING} s; nothing is scaled down until they are"
        );
        (Reason::NotApplied, message)
    })
}

/// What happens, or what is awaited.
fn doing(s: &Situation) -> String {
    let stable = name(s, Track::Stable);
    let canary = name(s, Track::Canary);
    if holding(s) {
        return match s.release.rollback {
            Rollback::Malformed => {
                "rollback is neither true nor a version name; nothing moves forward until it is corrected or removed"
                    .to_owned()
            }
            _ => format!("{stable} has all traffic; the rollback annotation holds the canary back"),
        };
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
        Phase::Warming => format!("{canary} is ready; its route is being proven at weight 0"),
        Phase::Analyzing => {
            let percent = s.committed_percent();
            let evidence = match s.look.map(|look| &look.outcome) {
                Some(
                    crate::analysis::Outcome::Undecided { message }
                    | crate::analysis::Outcome::Pass { message, .. }
                    | crate::analysis::Outcome::Fail { message, .. },
                ) => message.clone(),
                None => "evidence has not begun".to_owned(),
            };
            format!("{canary} has {percent} %; {evidence}")
        }
        Phase::Promoting if s.committed_percent() == 100 => format!("{canary} gets all traffic"),
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

fn accepted(s: &Situation) -> Said {
    match &s.release.refused {
        Some((reason, message)) => (Is::False, *reason, message.clone()),
        None => (Is::True, Reason::Accepted, String::new()),
    }
}

fn stable_ready(s: &Situation) -> Said {
    let Some(hash) = s.hash(Track::Stable) else {
        let why = s.pod_failure(&s.release.stable.hash).map(|f| format!("pod {}: {}", f.pod, f.message));
        return (Is::Unknown, Reason::Starting, why.unwrap_or_default());
    };
    let stable = name(s, Track::Stable);
    if s.endpoints(&hash) > 0 {
        (Is::True, Reason::StableReady, format!("{stable} has {}", ready_pods(s.endpoints(&hash))))
    } else {
        (Is::False, Reason::StableUnavailable, format!("{stable} has no ready endpoint"))
    }
}

fn ready_pods(count: i32) -> String {
    if count == 1 { "1 ready pod".to_owned() } else { format!("{count} ready pods") }
}

fn canary_ready(s: &Situation) -> Said {
    let Some(version) = s.role(Track::Canary) else {
        let barred =
            s.canary_wanted().filter(|hash| s.quarantined(hash)).and_then(|hash| s.release.version(hash));
        return match barred {
            Some(v) => {
                (Is::False, Reason::Quarantined, format!("{} was rolled back and has not changed", v.name))
            }
            None => (Is::Unknown, Reason::NoCanary, String::new()),
        };
    };
    let hash = Hash::known(&version.hash);
    match s.pod_failure(&hash) {
        _ if s.ready(&hash, 1) => (
            Is::True,
            Reason::CanaryReady,
            format!("{} has {}", version.version, ready_pods(s.endpoints(&hash))),
        ),
        Some(f) => (Is::False, f.reason, format!("{}: pod {}: {}", version.version, f.pod, f.message)),
        None if s.phase() == Phase::Starting || s.phase() == Phase::Replacing => {
            (Is::Unknown, Reason::Starting, format!("{} is being made ready", version.version))
        }
        None => (Is::False, Reason::CanaryNotReady, format!("{} has no ready endpoint", version.version)),
    }
}

fn artifacts(s: &Situation) -> Said {
    let fetching = s.status.versions.iter().filter(|v| v.track != Track::Failed);
    let mut worst: Said =
        (Is::Unknown, Reason::NoDigest, "no version has a digest to hold its artifact to".to_owned());
    for version in fetching {
        let hash = Hash::known(&version.hash);
        let asks = s.release.version(&hash).is_some_and(|v| v.effective.verification.is_some());
        match (&version.failure, &version.artifact) {
            (Some(f), _)
                if matches!(
                    f.reason,
                    Reason::DigestMismatch
                        | Reason::ArtifactNotFound
                        | Reason::ArtifactDenied
                        | Reason::OutOfDisk
                        | Reason::FetchTimeout
                ) =>
            {
                return (Is::False, f.reason, format!("{}: pod {}: {}", version.version, f.pod, f.message));
            }
            (_, Some(artifact)) if artifact.verified && worst.1 != Reason::Fetching => {
                worst =
                    (Is::True, Reason::DigestMatches, format!("{} is what its digest says", version.version));
            }
            (_, None) if asks => {
                worst = (Is::Unknown, Reason::Fetching, format!("{} is being fetched", version.version));
            }
            _ => {}
        }
    }
    worst
}

fn traffic_applied(s: &Situation) -> Said {
    let memory = &s.status.state.traffic;
    if s.role(Track::Stable).is_none() {
        return (Is::Unknown, Reason::Propagating, "nothing serves yet".to_owned());
    }
    if s.traffic_object().is_some_and(|live| traffic::read_back(&live.body).is_none()) {
        return (
            Is::False,
            Reason::RoutingConflict,
            "the traffic object does not say what was written".to_owned(),
        );
    }
    if let Some((reason, message)) = traffic::dispute(s.release, &s.observed.claims) {
        return (Is::False, reason, message);
    }
    if memory.settled_at.is_some() {
        return (Is::True, Reason::WeightsInForce, "every gateway has the committed weights".to_owned());
    }
    match not_applied(s) {
        Some((reason, message)) => (Is::False, reason, message),
        None => (
            Is::Unknown,
            Reason::Propagating,
            "the committed weights are on their way to the gateways".to_owned(),
        ),
    }
}

fn analysis_available(s: &Situation) -> Said {
    match s.look {
        Some(look) => look.available.clone(),
        None if s.phase() == Phase::Analyzing => {
            (Is::Unknown, Reason::InitialDelay, "evidence has not begun".to_owned())
        }
        None => (Is::Unknown, Reason::NotNeeded, String::new()),
    }
}

fn promoted(s: &Situation) -> Said {
    let Some(live) = s.role(Track::Stable) else { return (Is::Unknown, Reason::NoCanary, String::new()) };
    if live.promoted_from.is_some() {
        // The reason is that of the decision which proved it, on record until newer ones push it out.
        let proof =
            s.status.history.iter().find(|entry| {
                entry.hash == live.hash && entry.to == Phase::Promoting && entry.from != entry.to
            });
        let reason = proof.map_or(Reason::QualityPassed, |entry| entry.reason);
        return (Is::True, reason, format!("{} was promoted", live.version));
    }
    match s.phase() {
        Phase::RolledBack | Phase::RollingBack => (Is::False, Reason::RolledBack, String::new()),
        _ if s.role(Track::Canary).is_some() => (Is::False, Reason::NotPromoted, String::new()),
        _ => (Is::Unknown, Reason::NoCanary, String::new()),
    }
}

fn rolled_back(s: &Situation) -> Said {
    let gone = matches!(s.phase(), Phase::RollingBack | Phase::RolledBack);
    let last = s.status.quarantine.last().filter(|_| gone);
    match last {
        Some(q) => (Is::True, q.reason, format!("{} was rolled back", q.version)),
        None => (Is::False, Reason::NotRolledBack, String::new()),
    }
}

fn held(s: &Situation) -> Said {
    let decision = s.status.decision.as_ref();
    match &s.release.rollback {
        Rollback::Malformed => (Is::True, Reason::MalformedAnnotation, doing(s)),
        Rollback::True | Rollback::Version(_) if holding(s) => (Is::True, Reason::ManualRollback, doing(s)),
        Rollback::True | Rollback::Version(_)
            if s.rollback_handled() && decision.is_some_and(|d| d.reason == Reason::NothingToRollBack) =>
        {
            (
                Is::True,
                Reason::NothingToRollBack,
                "the rollback annotation found nothing to roll back".to_owned(),
            )
        }
        Rollback::True if on_the_way(s.phase()) || s.phase() == Phase::RollingBack => {
            (Is::True, Reason::ManualRollback, "the rollback annotation is set".to_owned())
        }
        _ => (Is::False, Reason::NotHeld, String::new()),
    }
}

/// The events of a look: its decision, and what has begun.
pub fn events(
    old: &ModelReleaseStatus,
    new: &ModelReleaseStatus,
    decided: Option<&HistoryEntry>,
    drifted: &[Key],
) -> Vec<Event> {
    let mut all = Vec::new();
    let noted = new.decision.as_ref().filter(|d| decided.is_none() && old.decision.as_ref() != Some(d));
    if let Some(entry) = decided {
        let warning = (entry.verdict == Act::Rollback
            && entry.to == Phase::RollingBack
            && entry.from != entry.to)
            || matches!(
                entry.reason,
                Reason::CanaryNotReady | Reason::Quarantined | Reason::BakeUnverified | Reason::RolledBack
            );
        all.push(Event {
            warning,
            reason: entry.reason,
            action: entry.verdict.as_str(),
            message: entry.message.clone(),
        });
    } else if let Some(decision) = noted {
        let malformed = decision.reason == Reason::MalformedAnnotation;
        let reason = if malformed { Reason::AnnotationMalformed } else { Reason::AnnotationIgnored };
        all.push(Event {
            warning: true,
            reason,
            action: decision.verdict.as_str(),
            message: new.message.clone(),
        });
    }
    for (kind, reason) in
        [(Type::Accepted, Reason::NotAccepted), (Type::AnalysisAvailable, Reason::AnalysisUnavailable)]
    {
        let state = |status: &ModelReleaseStatus| {
            status.conditions.iter().find(|c| c.type_ == kind.as_str() && c.status == "False").cloned()
        };
        if let Some(condition) = state(new)
            && state(old).is_none_or(|before| before.reason != condition.reason)
        {
            let message = format!("{}: {}", condition.reason, condition.message);
            all.push(Event { warning: true, reason, action: "Hold", message });
        }
    }
    for key in drifted {
        let message = format!("{key} was changed by somebody else and is put right");
        all.push(Event { warning: true, reason: Reason::DriftCorrected, action: "Hold", message });
    }
    all
}
