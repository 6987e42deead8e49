//! Every word that a user reads of a look: the message, the conditions, the events.

mod events;
mod lacking;
mod message;
mod pushed;

use crate::api::annotations::Rollback;
use crate::api::conditions::{self, Is, Type};
use crate::api::reasons::Reason;
use crate::api::status::{ModelReleaseStatus, Phase, Track};
use crate::drift;
use crate::share;
use crate::situation::Situation;
use crate::traffic;
use crate::version::Hash;

pub use events::events;
use lacking::{lacking, not_in_the_mesh};
use message::{awaits_promotion, doing, holding, not_applied, stalled};

type Said = (Is, Reason, String);

/// Time after which weights that are not in force are told in their condition; later the release stalls on it. Seconds.
const TOLD: i64 = 8;

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
    share::show(&mut status);
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
            let held = holding(s) || awaits_promotion(s);
            let reason = if held { Reason::Held } else { phase_reason(s.phase()) };
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
        Phase::Shadowing => Reason::Shadowing,
        Phase::Analyzing => Reason::Analyzing,
        Phase::Promoting => Reason::Promoting,
        Phase::Baking => Reason::Baking,
        Phase::RollingBack => Reason::RollingBack,
        Phase::RolledBack => Reason::RolledBack,
        Phase::Replacing => Reason::Replacing,
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
        _ if s.ready(&hash, 1) => {
            let pods = ready_pods(s.endpoints(&hash));
            if s.candidate().is_some_and(|c| c.warmup_unreachable) {
                let message = "its pods cannot be reached for a warm-up, so only rollout.warmup counts";
                (Is::True, Reason::WarmupUnreachable, format!("{} has {pods}; {message}", version.version))
            } else {
                (Is::True, Reason::CanaryReady, format!("{} has {pods}", version.version))
            }
        }
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
    if s.weights.is_none() && s.traffic_object().is_some() {
        return (
            Is::False,
            Reason::RoutingConflict,
            "the traffic object does not say what was written".to_owned(),
        );
    }
    if drift::fight(&s.status.state.drift, s.now) {
        let message = "somebody else keeps changing this release's objects back; they are put right every 30 s: find \
                       out who writes them";
        return (Is::False, Reason::RoutingConflict, message.to_owned());
    }
    if let Some((reason, message)) = traffic::dispute(s.release, &s.observed.claims) {
        return (Is::False, reason, message);
    }
    if memory.settled_at.is_some() {
        let in_force =
            || format!("every gateway has the committed weights{}{}", not_in_the_mesh(s), pushed::awaited(s));
        return lacking(s).map_or_else(
            || (Is::True, Reason::WeightsInForce, in_force()),
            |(reason, message)| (Is::False, reason, message),
        );
    }
    match not_applied(s, TOLD) {
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
        None if matches!(s.phase(), Phase::Shadowing | Phase::Analyzing) && !s.release.rollout.dark() => {
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
    // Its decision says on which numbers, or which pod; in a long life it may be no longer on record.
    let why = |seq| s.status.history.iter().find(|entry| entry.seq == seq).map(|entry| entry.message.clone());
    match last {
        Some(q) => {
            (Is::True, q.reason, why(q.seq).unwrap_or_else(|| format!("{} was rolled back", q.version)))
        }
        None => (Is::False, Reason::NotRolledBack, String::new()),
    }
}

fn held(s: &Situation) -> Said {
    let decision = s.status.decision.as_ref();
    let held = |reason, message: String| (Is::True, reason, message);
    if s.suspended() {
        return held(Reason::Suspended, doing(s));
    }
    if let Some((_, message)) = s.malformed() {
        return held(Reason::MalformedAnnotation, message);
    }
    let rollback = &s.release.annotations.rollback;
    if *rollback != Rollback::Absent {
        if message::held_back(s).is_some() {
            return held(Reason::ManualRollback, doing(s));
        }
        if s.rollback_handled() && decision.is_some_and(|d| d.reason == Reason::NothingToRollBack) {
            let message = "the rollback annotation found nothing to roll back".to_owned();
            return held(Reason::NothingToRollBack, message);
        }
        if *rollback == Rollback::True && (s.on_the_way() || s.phase() == Phase::RollingBack) {
            return held(Reason::ManualRollback, "the rollback annotation is set".to_owned());
        }
    }
    if s.paused() {
        return held(Reason::Paused, "the pause annotation is set: nothing new happens".to_owned());
    }
    if awaits_promotion(s) {
        return held(Reason::AwaitingPromotion, doing(s));
    }
    if message::overdue(s) {
        return held(Reason::Inconclusive, doing(s));
    }
    (Is::False, Reason::NotHeld, String::new())
}
