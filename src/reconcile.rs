//! One look at one release: observe, decide, commit, apply. The only caller of the core's `step`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use model_release_core::api::conditions::{self, Is, Type};
use model_release_core::api::reasons::Reason;
use model_release_core::api::spec::ModelRelease;
use model_release_core::api::status::{Act, HistoryEntry, ModelReleaseStatus};
use model_release_core::observed::Observed;
use model_release_core::plan::{Asks, Event, Plan};
use model_release_core::settings::Settings;
use model_release_core::{bury, queries};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::cluster::{ApiError, ApplyError, Cluster, Read};
use crate::gateway::Gateways;
use crate::istiod::Istiod;
use crate::memory::{Memory, at_least};
use crate::metrics::Metrics;
use crate::notify::{Notification, Notifier};
use crate::observe::observe;
use crate::prometheus::Prometheus;
use crate::settings::Current;
use crate::warmup::Warmups;
use crate::watch::{Caches, ReleaseKey};

/// How long the cache may take to show our own last write of the release.
const BARRIER: Duration = Duration::from_secs(2);

/// [`model_release_core::step`].
pub type Step = fn(&ModelRelease, &Observed, &Settings, Timestamp) -> Plan;

/// Everything that a look touches. Clones share it.
#[derive(Clone, Debug)]
pub struct Ports {
    /// The administrator's settings.
    pub settings: Current,
    /// What the watches have seen.
    pub caches: Caches,
    /// What is remembered between looks.
    pub memory: Memory,
    /// Kubernetes.
    pub cluster: Cluster,
    /// Prometheus.
    pub prometheus: Prometheus,
    /// Gateways.
    pub gateways: Gateways,
    /// istiod's view of them, where the administrator has it asked.
    pub istiod: Istiod,
    /// Running warm-ups.
    pub warmups: Warmups,
    /// Who is told of decisions.
    pub notifier: Notifier,
    /// The time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// What decides: [`model_release_core::step`]. It cannot be made to panic at will, so a test of that puts another here.
    pub step: Step,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Look again then.
    At(Timestamp),
    /// There is no such release.
    Gone,
}

/// Why a look came to no end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A read or the commit.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A write that a commit ordered.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The core panicked: a fault of ours.
    #[error("deciding on the release panicked; nothing was written for it")]
    Panicked,
}

impl Failure {
    /// The call that failed, if it was one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            Self::Apply(error) => Some(&*error.cause),
            Self::Panicked => None,
        }
    }
}

/// Looks at a release.
///
/// # Errors
/// [`Failure`]; whatever was done stays done, and the next look computes the rest.
pub async fn reconcile(key: &ReleaseKey, ports: &Ports) -> Result<Looked, Failure> {
    // One look rests on one version of them, whatever is edited meanwhile.
    let settings = ports.settings.now();
    let Some((read, observed)) = world(key, ports, &settings).await? else {
        ports.memory.forget(key);
        ports.warmups.follow(key, &ports.caches, None);
        return Ok(Looked::Gone);
    };
    let release: ModelRelease = match serde_json::from_value(read.value()) {
        Ok(release) => release,
        Err(cause) => match read.deleted() {
            Some(metadata) => {
                let plan = guarded(|| bury(metadata, &observed, &settings, ports.clock.now()));
                return follow(key, &read, plan, ports).await;
            }
            None => return undecodable(&read, ports, &cause).await,
        },
    };
    let plan = guarded(|| (ports.step)(&release, &observed, &settings, ports.clock.now()));
    follow(key, &read, plan, ports).await
}

/// Commits a plan and does what it orders. There is none if the core panicked.
async fn follow(key: &ReleaseKey, read: &Read, plan: Option<Plan>, ports: &Ports) -> Result<Looked, Failure> {
    let Some(plan) = plan else {
        stall(read, ports, Reason::InternalError, INTERNAL).await?;
        return Err(Failure::Panicked);
    };
    let (next_look, drifted) = (plan.next_look, plan.drifted.clone());
    // Its numbers are worth keeping only where something was decided.
    let decided = plan.decision.clone().zip(plan.status.clone());
    let committed = ports.cluster.commit(read, plan).await?;
    if let Some((decision, status)) = decided.filter(|_| committed.written) {
        tell(key, ports, &decision, &status);
        // From here on it is decided, even if a write of it fails or this look is cut off. Others send it.
        let (release, uid, stable) = (key.clone(), read.uid(), status.stable_version.clone());
        ports.notifier.hand_over(Notification { release, uid, stable, decision });
    }
    ports.cluster.apply(committed).await?;
    // What was not written is not put right yet, and is drift again at the next look.
    ports.metrics.drifted(key, &drifted);
    Ok(Looked::At(next_look))
}

/// Everything that a decision rests on, the release read last. None if there is none.
async fn world(
    key: &ReleaseKey,
    ports: &Ports,
    settings: &Settings,
) -> Result<Option<(Read, Observed)>, ApiError> {
    let cached = up_to_date(key, ports).await;
    if ports.caches.release(key).is_none() {
        // What a deleted release leaves wakes it until all of it is gone. It is not asked for each time: if one of that
        // name comes again, its own watch tells.
        return Ok(None);
    }
    let uid = cached.as_ref().and_then(|release| release.metadata.uid.clone()).unwrap_or_default();
    ports.memory.meet(key, &uid);
    let mut observed = observe(key, &uid, &ports.caches, &ports.memory, &ports.cluster).await?;
    if let Some(cached) = &cached {
        let now = ports.clock.now();
        let asks = guarded(|| queries(cached, &observed, settings, now)).unwrap_or_default();
        observed.warmup = ports.warmups.follow(key, &ports.caches, asks.warmup.as_ref());
        observed.pushes = ports.istiod.pushes();
        if let Some(until) = asks.pushes_until {
            ports.istiod.wanted(until);
        }
        if !asks.queries.is_empty() || !asks.probes.is_empty() {
            tokio::select! {
                () = ask(asks, ports, &mut observed) => {}
                // A human's word is not kept waiting by a slow server: answers that are not there yet are asked for
                // again at the next look.
                () = changed(key, cached, ports) => {}
            }
        }
    } else {
        ports.warmups.follow(key, &ports.caches, None);
    }
    let read = ports.cluster.read(key).await?;
    // A release of the same name but another UID is not what was observed.
    match read {
        Some(read) if read.uid() == uid => Ok(Some((read, observed))),
        Some(read) => {
            let uid = read.uid();
            ports.memory.meet(key, &uid);
            let observed = observe(key, &uid, &ports.caches, &ports.memory, &ports.cluster).await?;
            Ok(Some((read, observed)))
        }
        None => Ok(None),
    }
}

/// The release from the cache, once that shows our own last write of it.
async fn up_to_date(key: &ReleaseKey, ports: &Ports) -> Option<ModelRelease> {
    if let Some(wrote) = ports.memory.version(key) {
        let seen = |caches: &Caches| {
            caches.release(key).is_none_or(|release| at_least(&release.resource_version, &wrote))
        };
        ports.caches.wait_until(BARRIER, seen).await;
    }
    ports.caches.release(key)?.decoded.clone().ok()
}

async fn ask(asks: Asks, ports: &Ports, observed: &mut Observed) {
    let Asks { queries, probes, .. } = asks;
    let (answers, gateways) =
        tokio::join!(ports.prometheus.ask(queries), ports.gateways.ask(&ports.caches, probes));
    observed.answers = answers;
    observed.gateways = gateways;
}

/// Waits until the user has changed the release, or deleted it.
async fn changed(key: &ReleaseKey, before: &ModelRelease, ports: &Ports) {
    let differs = |caches: &Caches| {
        caches.release(key).is_none_or(|now| {
            now.decoded.as_ref().is_ok_and(|now| {
                let (now, before) = (&now.metadata, &before.metadata);
                now.generation != before.generation
                    || now.annotations != before.annotations
                    || now.deletion_timestamp != before.deletion_timestamp
            })
        })
    };
    while !ports.caches.wait_until(Duration::from_secs(60), differs).await {}
}

/// What the core makes of it; none if it panicked. The core holds no state, so nothing of it is half done then.
fn guarded<T>(act: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(act)).ok()
}

const INTERNAL: &str = "the operator failed while deciding on this release; nothing is changed meanwhile. Report it with the operator's log";

fn tell(key: &ReleaseKey, ports: &Ports, decision: &HistoryEntry, status: &ModelReleaseStatus) {
    ports.metrics.decided(key, decision, status);
    info!(
        release = %key, seq = decision.seq, decision = decision.verdict.as_str(), reason = %decision.reason,
        phase_from = decision.from.as_str(), phase_to = decision.to.as_str(), version = %decision.version,
        hash = %decision.hash, from = decision.from_percent, to = decision.to_percent,
        why = %decision.message, "decision committed",
    );
}

/// A release that this operator cannot read is told so, and nothing else is done with it.
async fn undecodable(read: &Read, ports: &Ports, cause: &serde_json::Error) -> Result<Looked, Failure> {
    let message = format!(
        "this operator cannot read the object, and leaves everything as it is: {}",
        crate::cluster::plain(&cause.to_string())
    );
    stall(read, ports, Reason::Undecodable, &message).await?;
    let hour = jiff::SignedDuration::from_hours(1);
    Ok(Looked::At(ports.clock.now().checked_add(hour).unwrap_or(Timestamp::MAX)))
}

/// Sets `Stalled` and `Ready` on the status as it is stored, and nothing else; says so by an event. Not twice.
async fn stall(read: &Read, ports: &Ports, reason: Reason, message: &str) -> Result<(), Failure> {
    let mut status = read.status().cloned().unwrap_or_else(|| json!({}));
    let known: Vec<Condition> =
        status.get("conditions").cloned().and_then(|c| serde_json::from_value(c).ok()).unwrap_or_default();
    let mut wanted = known.clone();
    let generation = read.value().pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let now = ports.clock.now();
    for (kind, is) in [(Type::Ready, Is::False), (Type::Reconciling, Is::False), (Type::Stalled, Is::True)] {
        conditions::set(&mut wanted, kind, (is, reason, message.to_owned()), generation, now);
    }
    if wanted == known {
        return Ok(());
    }
    warn!(release = %read.key(), %reason, message, "a release is left alone");
    let told = Event { warning: true, reason, action: Act::Hold.as_str(), message: message.to_owned() };
    ports.cluster.tell(read, told);
    let Ok(value) = serde_json::to_value(wanted) else { return Ok(()) };
    if let Value::Object(fields) = &mut status {
        fields.insert("conditions".into(), value);
    }
    match ports.cluster.write_status(read, status).await {
        Ok(_) => Ok(()),
        // What cannot be read may not be writable either. That must not keep anybody else waiting.
        Err(ApiError::Refused { what, code, message, .. }) => {
            warn!(what, code, message, "a stalled release could not be told so");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Logs what a look failed with, once in a while.
pub fn complain(key: &ReleaseKey, failure: &Failure) {
    match failure {
        Failure::Panicked => error!(release = %key, reason = %Reason::InternalError, "deciding panicked"),
        Failure::Api(cause) => warn!(release = %key, error = %cause, cause = chain(cause), "a look failed"),
        Failure::Apply(ApplyError { cause, .. }) => {
            warn!(release = %key, error = %cause, cause = chain(cause), "a decision could not be followed to its end; it is tried again");
        }
    }
}

fn chain(error: &ApiError) -> String {
    let mut words = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words.push(crate::cluster::plain(&inner.to_string()));
        cause = inner.source();
    }
    words.join(": ")
}
