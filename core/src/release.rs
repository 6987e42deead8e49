//! The object parsed once: its spec with the operator's defaults, valid or refused; its annotations.

use jiff::{SignedDuration, Timestamp};

use crate::api::annotations::{self, Rollback};
use crate::api::reasons::Reason;
use crate::api::spec::{self, CheckMode, GuardrailMetric, LimitMode, ModelRelease, OnInconclusive};
use crate::settings::{GatewaySet, Settings, Source};
use crate::version::{Version, block_digest, text_digest};

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
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether our finalizer is on it.
    pub has_finalizer: bool,
    /// What the rollback annotation asks for.
    pub rollback: Rollback,
    /// Digest of that annotation's value; empty if it is absent.
    pub rollback_digest: String,
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
    /// Whether callers with a sidecar reach it.
    pub mesh: bool,
    /// The Istio Gateways it names, each `namespace/name`.
    pub gateways: Vec<String>,
    /// The sets of gateway pods behind them.
    pub sets: Vec<GatewaySet>,
    /// Its hosts there.
    pub hosts: Vec<String>,
    /// Header that names a client.
    pub client_header: Option<String>,
    /// Limit of one client.
    pub per_client: Option<Bucket>,
    /// Limit of the release.
    pub total: Option<Bucket>,
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

/// One rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The canary's percent, 1 to 99.
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

/// The quality gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Whether it decides.
    pub mode: CheckMode,
    /// How much worse than stable is still good, 0 to 0.5.
    pub max_drop: f64,
    /// The floor, if any.
    pub min: Option<f64>,
    /// Labelled answers of the canary before any decision.
    pub min_samples: i32,
    /// What a gauge averages over.
    pub window: SignedDuration,
}

/// A guardrail.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// What it counts.
    pub metric: GuardrailMetric,
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

impl Release {
    /// Parses an object as the API server stores it.
    ///
    /// Never fails: what cannot be meant is named in `refused`, and nothing new starts.
    pub fn parse(object: &ModelRelease, settings: &Settings) -> Self {
        let spec = &object.spec;
        let meta = &object.metadata;
        let mut refused = Refusal::default();
        let traffic = traffic(
            spec.traffic.as_ref(),
            meta.namespace.as_deref().unwrap_or_default(),
            settings,
            &mut refused,
        );
        let rollout = rollout(spec.rollout.as_ref(), traffic.timeout, &mut refused);
        let analysis = analysis(spec.analysis.as_ref(), settings, &mut refused);
        let stable = Version::of(spec.runtime.as_ref(), &spec.stable);
        let canary = spec.canary.as_ref().map(|block| Version::of(spec.runtime.as_ref(), block));
        if stable.effective.pod.image.is_none()
            || canary.as_ref().is_some_and(|c| c.effective.pod.image.is_none())
        {
            refused.add(
                Reason::InvalidSpec,
                "no image: give spec.runtime.image, or an image in each version".into(),
            );
        }
        let rollback_value = meta.annotations.as_ref().and_then(|all| all.get(annotations::ROLLBACK));
        let rollback = annotations::rollback(meta.annotations.as_ref());
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or(0),
            created: meta.creation_timestamp.as_ref().map(|t| t.0),
            deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: meta.finalizers.iter().flatten().any(|f| f == crate::api::FINALIZER),
            rollback_digest: match (&rollback, rollback_value) {
                (Rollback::Absent, _) | (_, None) => String::new(),
                (_, Some(value)) => text_digest(value.trim()).chars().take(16).collect(),
            },
            rollback,
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

    /// The version of a hash, if the spec names it.
    pub fn version(&self, hash: &crate::version::Hash) -> Option<&Version> {
        [Some(&self.stable), self.canary.as_ref()].into_iter().flatten().find(|v| v.hash == *hash)
    }

    /// The secret by which gateways recognise our own questions: the first 20 hex digits of SHA-256(UID + "probe").
    pub fn probe_token(&self) -> String {
        text_digest(&format!("{}probe", self.uid)).chars().take(20).collect()
    }
}

/// The first thing that is refused; later ones would only distract.
#[derive(Default)]
struct Refusal(Option<(Reason, String)>);

impl Refusal {
    fn add(&mut self, reason: Reason, message: String) {
        self.0.get_or_insert((reason, message));
    }
}

fn traffic(
    spec: Option<&spec::Traffic>,
    namespace: &str,
    settings: &Settings,
    refused: &mut Refusal,
) -> Traffic {
    let none = spec::Traffic::default();
    let spec = spec.unwrap_or(&none);
    let named = spec.gateways.clone().unwrap_or_else(|| vec!["mesh".to_owned()]);
    let mesh = named.iter().any(|g| g == "mesh");
    let gateways: Vec<String> = named
        .iter()
        .filter(|g| *g != "mesh")
        .map(|g| if g.contains('/') { g.clone() } else { format!("{namespace}/{g}") })
        .collect();
    let hosts = spec.hosts.clone().unwrap_or_default();
    let mut sets: Vec<GatewaySet> = Vec::new();
    for gateway in &gateways {
        let Some(set) = settings.gateways.iter().find(|set| set.gateways.contains(gateway)) else {
            let known: Vec<&str> =
                settings.gateways.iter().flat_map(|s| s.gateways.iter().map(String::as_str)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            refused.add(
                Reason::GatewayNotAllowed,
                format!("spec.traffic.gateways: {gateway} is not among the gateways that the administrator allows ({known})"),
            );
            continue;
        };
        for host in &hosts {
            if !set.hosts.iter().any(|pattern| host_matches(pattern, host, namespace)) {
                refused.add(
                    Reason::HostNotAllowed,
                    format!("spec.traffic.hosts: {host} is not a host that namespace {namespace} may claim at gateway {gateway}"),
                );
            }
        }
        if !sets.iter().any(|s| s.name == set.name) {
            sets.push(set.clone());
        }
    }
    let limit = spec.rate_limit.clone().unwrap_or_default();
    let mut bucket = |b: &spec::Bucket, field: &str| Bucket {
        requests: b.requests,
        window: time(b.window.as_ref(), 60, &format!("spec.traffic.rateLimit.{field}.window"), refused),
        burst: b.burst.unwrap_or(b.requests),
    };
    Traffic {
        mesh,
        gateways,
        sets,
        hosts,
        client_header: spec.client_header.clone(),
        per_client: limit.per_client.as_ref().map(|b| bucket(b, "perClient")),
        total: limit.total.as_ref().map(|b| bucket(b, "total")),
        limit_mode: limit.mode.unwrap_or_default(),
        version_header: spec.version_header.clone(),
        timeout: spec.timeout.as_ref().map(|t| time(Some(t), 0, "spec.traffic.timeout", refused)),
    }
}

/// Whether a namespace may claim a host under an administrator's pattern: `*`, `*.example.com`,
/// `*.{namespace}.example.com` or a host itself.
fn host_matches(pattern: &str, host: &str, namespace: &str) -> bool {
    let pattern = pattern.replace("{namespace}", namespace);
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

fn rollout(spec: Option<&spec::Rollout>, timeout: Option<SignedDuration>, refused: &mut Refusal) -> Rollout {
    let none = spec::Rollout::default();
    let spec = spec.unwrap_or(&none);
    let steps = match &spec.steps {
        Some(steps) if !steps.is_empty() => steps
            .iter()
            .map(|s| Step {
                percent: s.traffic_percent.clamp(1, 99),
                min_duration: time(s.min_duration.as_ref(), 300, "spec.rollout.steps[].minDuration", refused),
            })
            .collect(),
        _ => vec![Step {
            percent: spec.traffic_percent.unwrap_or(10).clamp(1, 99),
            min_duration: SignedDuration::from_mins(5),
        }],
    };
    let mut at = |value: &Option<String>, default: i64, field: &str| {
        time(value.as_ref(), default, &format!("spec.rollout.{field}"), refused)
    };
    Rollout {
        steps,
        canary_replicas: spec.canary_replicas.unwrap_or(1).max(1),
        progress_deadline: SignedDuration::from_secs(i64::from(
            spec.progress_deadline_seconds.unwrap_or(1200),
        )),
        max_duration: at(&spec.max_duration, 86_400, "maxDuration"),
        on_inconclusive: spec.on_inconclusive.unwrap_or_default(),
        warmup: at(&spec.warmup, 0, "warmup"),
        bake: at(&spec.bake, 600, "bake"),
        retention: at(&spec.retention, 3600, "retention"),
        drain: at(&spec.drain, 30, "drain").max(timeout.unwrap_or(SignedDuration::ZERO)),
        ttl_after_failure: at(&spec.ttl_after_failure, 86_400, "ttlAfterFailure"),
    }
}

fn analysis(spec: Option<&spec::Analysis>, settings: &Settings, refused: &mut Refusal) -> Analysis {
    let none = spec::Analysis::default();
    let spec = spec.unwrap_or(&none);
    let provider = spec.provider.clone().unwrap_or_else(|| "default".to_owned());
    let source = settings.prometheus.sources.iter().find(|s| s.name == provider).cloned();
    if source.is_none() && spec.provider.is_some() {
        refused.add(
            Reason::UnknownProvider,
            format!("spec.analysis.provider: the administrator has no Prometheus source named {provider}"),
        );
    }
    let quality = spec.quality.clone().unwrap_or_default();
    let default_guardrails = spec.guardrails.is_none();
    let guardrails = spec.guardrails.clone().unwrap_or_else(|| {
        vec![spec::Guardrail { name: "errors".into(), max_ratio: Some("2".into()), ..Default::default() }]
    });
    let interval = time(spec.interval.as_ref(), 30, "spec.analysis.interval", refused);
    Analysis {
        provider,
        source,
        interval: interval.max(SignedDuration::from_secs(1)),
        initial_delay: time(spec.initial_delay.as_ref(), 60, "spec.analysis.initialDelay", refused),
        alpha: 1.0 - decimal(spec.confidence.as_ref(), "spec.analysis.confidence", refused).unwrap_or(0.95),
        max_restarts: spec.max_restarts.unwrap_or(2),
        quality: Quality {
            mode: quality.mode.unwrap_or_default(),
            max_drop: decimal(quality.max_drop.as_ref(), "spec.analysis.quality.maxDrop", refused)
                .unwrap_or(0.02),
            min: decimal(quality.min.as_ref(), "spec.analysis.quality.min", refused),
            min_samples: quality.min_samples.unwrap_or(100),
            window: time(quality.window.as_ref(), 300, "spec.analysis.quality.window", refused),
        },
        guardrails: guardrails
            .iter()
            .map(|g| Guardrail {
                name: g.name.clone(),
                metric: g.metric,
                mode: g.mode.unwrap_or_default(),
                max: decimal(g.max.as_ref(), "spec.analysis.guardrails[].max", refused),
                max_ratio: decimal(g.max_ratio.as_ref(), "spec.analysis.guardrails[].maxRatio", refused),
                min_requests: g.min_requests.unwrap_or(100),
                failure_limit: g.failure_limit.unwrap_or(1),
            })
            .collect(),
        default_guardrails,
    }
}

/// A duration in Go's syntax, or the default in seconds.
fn time(text: Option<&String>, default: i64, field: &str, refused: &mut Refusal) -> SignedDuration {
    let default = SignedDuration::from_secs(default);
    let Some(text) = text else { return default };
    let parsed = text.parse::<kube_core::Duration>().ok().filter(|d| !d.is_negative());
    if let Some(parsed) = parsed.and_then(|d| SignedDuration::try_from(std::time::Duration::from(d)).ok()) {
        parsed
    } else {
        refused.add(
            Reason::InvalidSpec,
            format!("{field}: {text:?} is no duration; write it as in 90s or 1h30m"),
        );
        default
    }
}

/// A quoted decimal.
fn decimal(text: Option<&String>, field: &str, refused: &mut Refusal) -> Option<f64> {
    let text = text?;
    let parsed = text.parse::<f64>().ok().filter(|number| number.is_finite());
    if parsed.is_none() {
        refused.add(Reason::InvalidSpec, format!("{field}: {text:?} is no number; write it as in \"0.02\""));
    }
    parsed
}
