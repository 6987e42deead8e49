//! The object parsed once: its spec with the operator's defaults, valid or refused; its annotations.

mod read;
mod sense;
#[cfg(test)]
mod tests;
mod unsupported;

use jiff::{SignedDuration, Timestamp};

use crate::api::annotations::Annotations;
use crate::api::reasons::Reason;
use crate::api::spec::{CheckMode, LimitMode, ModelRelease, OnInconclusive, Promotion, Provider};
use crate::settings::{GatewaySet, QueryTemplate, Settings, Source};
use crate::version::{Version, block_digest, text_digest};

/// Kubernetes' finalizer of a deletion with `--cascade=orphan`.
const ORPHANS: &str = "orphan";

/// A release, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Generation of its spec.
    pub generation: i64,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its deletion was asked for, if it was.
    pub deleted_at: Option<Timestamp>,
    /// Whether our finalizer is on it.
    pub has_finalizer: bool,
    /// Whether its children are to be left as they are when it is deleted.
    pub orphans: bool,
    /// Hands off: only deletion and the rollback annotation move anything.
    pub suspend: bool,
    /// How long it lives from its creation.
    pub ttl: Option<SignedDuration>,
    /// What the user says by annotations.
    pub annotations: Annotations,
    /// The version of the `stable` block.
    pub stable: Version,
    /// Digest of the `stable` block alone, as written.
    pub stable_block: String,
    /// The version of the `canary` block, if there is one.
    pub canary: Option<Version>,
    /// How clients reach it.
    pub traffic: Traffic,
    /// Share, order and times.
    pub rollout: Rollout,
    /// What counts as good enough.
    pub analysis: Analysis,
    /// What the operator refuses about it.
    pub refused: Option<(Reason, String)>,
}

/// How clients reach a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Whose objects carry the weights.
    pub provider: Provider,
    /// Whether callers with a sidecar reach it.
    pub mesh: bool,
    /// The Gateways it names, of its provider, each `namespace/name`.
    pub gateways: Vec<String>,
    /// The sets of gateway pods behind them.
    pub sets: Vec<GatewaySet>,
    /// Its hosts there.
    pub hosts: Vec<String>,
    /// Path there below which it answers, without a slash at its end; empty for all paths.
    pub path: String,
    /// Header that names a client.
    pub client_header: Option<String>,
    /// Whether a client keeps its version.
    pub sticky: bool,
    /// Limit of one client.
    pub per_client: Option<Bucket>,
    /// Limit of the release.
    pub total: Option<Bucket>,
    /// Limit of each pod.
    pub per_pod: Option<Bucket>,
    /// Whether limits refuse.
    pub limit_mode: LimitMode,
    /// Header that names the version.
    pub version_header: Option<String>,
    /// Time for a whole request.
    pub timeout: Option<SignedDuration>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Requests per window.
    pub requests: i32,
    /// The window.
    pub window: SignedDuration,
    /// Requests at once.
    pub burst: i32,
}

/// Share, order and times of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Copies of requests before the first weight.
    pub shadow: Option<Shadow>,
    /// Rungs, each larger than the one before; at least one.
    pub steps: Vec<Step>,
    /// Least number of canary pods.
    pub canary_replicas: i32,
    /// How long a version may be unready in all.
    pub progress_deadline: SignedDuration,
    /// How long a canary may stay undecided.
    pub max_duration: SignedDuration,
    /// What happens then.
    pub on_inconclusive: OnInconclusive,
    /// Who promotes a canary that passed.
    pub promotion: Promotion,
    /// Least time from ready to the first weight.
    pub warmup: SignedDuration,
    /// Guarded time after promotion.
    pub bake: SignedDuration,
    /// How long the previous version stays warm.
    pub retention: SignedDuration,
    /// Time between weight 0 and scale down; not below the request timeout.
    pub drain: SignedDuration,
    /// How long a rolled-back version's objects are kept.
    pub ttl_after_failure: SignedDuration,
}

impl Rollout {
    /// Whether the canary never gets weight before it is promoted by hand.
    pub fn dark(&self) -> bool {
        matches!(self.steps.as_slice(), [only] if only.percent == 0)
    }
}

/// Copies of requests before the first weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Percent of the requests that are copied, 1 to 100.
    pub mirror_percent: i32,
    /// Least time of it.
    pub min_duration: SignedDuration,
}

/// One rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The canary's percent, 0 to 99; 0 only where it is the one rung.
    pub percent: i32,
    /// Least time at it.
    pub min_duration: SignedDuration,
}

/// What counts as good enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// Name of the source.
    pub provider: String,
    /// The source itself; none if the administrator has none of that name.
    pub source: Option<Source>,
    /// Time between looks and length of a block.
    pub interval: SignedDuration,
    /// Time after the first weight that is ignored.
    pub initial_delay: SignedDuration,
    /// Accepted share of wrong decisions: one minus the confidence.
    pub alpha: f64,
    /// Restarts beyond which a canary is rolled back.
    pub max_restarts: i32,
    /// The quality gate.
    pub quality: Quality,
    /// The guardrails.
    pub guardrails: Vec<Guardrail>,
    /// Whether the user wrote none, so that the one above is the default.
    pub default_guardrails: bool,
}

/// Which series tell quality.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Series {
    /// Of the names that servers are asked to use the best that both versions export.
    #[default]
    Best,
    /// A gauge of this name, with what it averages over if that is exported as `<name>_samples`.
    Gauge(String),
    /// Counters of these names.
    Counters {
        /// Of right answers.
        right: String,
        /// Of all that were judged.
        all: String,
    },
    /// What the administrator asks for under this name.
    Template(QueryTemplate),
}

/// The quality gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Whether it decides.
    pub mode: CheckMode,
    /// What tells it.
    pub series: Series,
    /// How much worse than stable is still good, 0 to 0.5.
    pub max_drop: f64,
    /// The floor, if any.
    pub min: Option<f64>,
    /// Labelled answers of the canary before any decision.
    pub min_samples: i32,
    /// The same of readings of a gauge, if somebody wrote it.
    pub min_readings: u32,
    /// What a gauge averages over.
    pub window: SignedDuration,
    /// How late labels are: so much of the beginning is ignored, and again after each change of the weight.
    pub label_delay: SignedDuration,
}

/// A guardrail.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// What it counts.
    pub metric: Counted,
    /// Whether it decides.
    pub mode: CheckMode,
    /// Limit of the share.
    pub max: Option<f64>,
    /// Limit of its ratio to stable's share.
    pub max_ratio: Option<f64>,
    /// Canary requests needed before promotion.
    pub min_requests: i32,
    /// Failing looks in a row until it acts.
    pub failure_limit: i32,
}

/// What a guardrail counts. Metrics of the spec that are not here are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Requests answered with a server error, of all requests.
    ErrorRate,
    /// Requests answered later than this, of all requests.
    Latency {
        /// Milliseconds; the end of a bucket.
        bound: i64,
    },
    /// Answers whose first token came later than this, of all answers.
    FirstToken {
        /// Milliseconds; the end of a bucket.
        bound: i64,
    },
    /// What the administrator asks for under this name.
    Template(QueryTemplate),
}

impl Counted {
    /// What is too late, in milliseconds, if that is what is counted.
    pub fn bound(&self) -> Option<i64> {
        match self {
            Self::ErrorRate | Self::Template(_) => None,
            Self::Latency { bound } | Self::FirstToken { bound } => Some(*bound),
        }
    }
}

impl Release {
    /// Parses an object as the API server stores it.
    ///
    /// Never fails: what cannot be meant is named in `refused`, and nothing new starts.
    pub fn parse(object: &ModelRelease, settings: &Settings) -> Self {
        let spec = &object.spec;
        let meta = &object.metadata;
        let mut refused = read::Refusal::default();
        let traffic = read::traffic(
            spec.traffic.as_ref(),
            (meta.namespace.as_deref().unwrap_or_default(), meta.uid.as_deref().unwrap_or_default()),
            settings,
            &mut refused,
        );
        let rollout = read::rollout(spec.rollout.as_ref(), traffic.timeout, &mut refused);
        let analysis = read::analysis(spec.analysis.as_ref(), settings, &mut refused);
        let stable = Version::of(spec.runtime.as_ref(), &spec.stable);
        let canary = spec.canary.as_ref().map(|block| Version::of(spec.runtime.as_ref(), block));
        for (block, version) in [("stable", Some(&stable)), ("canary", canary.as_ref())] {
            if let Some(version) = version {
                sense::version(block, version, settings, &mut refused);
            }
        }
        sense::metrics(&analysis, &[Some(&stable), canary.as_ref()], &mut refused);
        unsupported::refuse(spec, &mut refused);
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or(0),
            created: meta.creation_timestamp.as_ref().map(|t| t.0),
            deleted_at: meta.deletion_timestamp.as_ref().map(|t| t.0),
            has_finalizer: meta.finalizers.iter().flatten().any(|f| f == crate::api::FINALIZER),
            orphans: meta.finalizers.iter().flatten().any(|f| f == ORPHANS),
            suspend: spec.suspend.unwrap_or_default(),
            ttl: spec.ttl.as_ref().map(|text| read::time(Some(text), 0, "spec.ttl", &mut refused)),
            annotations: Annotations::read(meta.annotations.as_ref()),
            stable,
            stable_block: block_digest(&spec.stable),
            canary,
            traffic,
            rollout,
            analysis,
            refused: refused.0,
        }
    }

    /// Name of a version's Deployment, Service and record.
    pub fn object_name(&self, hash: &crate::version::Hash) -> String {
        crate::version::object_name(&self.name, hash)
    }

    /// Name of the Deployment and Service of a version's app.
    pub fn app_name(&self, hash: &crate::version::Hash) -> String {
        format!("{}-app", self.object_name(hash))
    }

    /// The version of a hash, if the spec names it.
    pub fn version(&self, hash: &crate::version::Hash) -> Option<&Version> {
        [Some(&self.stable), self.canary.as_ref()].into_iter().flatten().find(|v| v.hash == *hash)
    }

    /// The secret by which gateways recognise our own questions: the first 20 hex digits of SHA-256(UID + "probe").
    pub fn probe_token(&self) -> String {
        secret(&self.uid, "probe")
    }
}

/// What nobody guesses who does not know a release's UID: the first 20 hex digits of SHA-256(UID + what it is for).
fn secret(uid: &str, what: &str) -> String {
    text_digest(&format!("{uid}{what}")).chars().take(20).collect()
}
