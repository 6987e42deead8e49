//! From what was written to what is meant: defaults, durations, decimals, and what the administrator allows.

use jiff::SignedDuration;

use super::{Analysis, Bucket, Counted, Guardrail, Quality, Rollout, Series, Shadow, Step, Traffic, secret};
use crate::api::reasons::Reason;
use crate::api::spec;
use crate::settings::{GatewaySet, QueryTemplate, Settings, TemplateKind};

/// The first thing that is refused; later ones would only distract.
#[derive(Default)]
pub(super) struct Refusal(pub(super) Option<(Reason, String)>);

impl Refusal {
    pub(super) fn add(&mut self, reason: Reason, message: String) {
        self.0.get_or_insert((reason, message));
    }
}

pub(super) fn traffic(
    spec: Option<&spec::Traffic>,
    (namespace, uid): (&str, &str),
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
        provider: spec.provider.unwrap_or_default(),
        mesh,
        gateways,
        sets,
        hosts,
        path: spec.path.as_deref().map_or_else(String::new, |path| below(path, uid)),
        client_header: spec.client_header.clone(),
        sticky: spec.sticky.unwrap_or_default(),
        per_client: limit.per_client.as_ref().map(|b| bucket(b, "perClient")),
        total: limit.total.as_ref().map(|b| bucket(b, "total")),
        per_pod: limit.per_pod.as_ref().map(|b| bucket(b, "perPod")),
        limit_mode: limit.mode.unwrap_or_default(),
        version_header: spec.version_header.clone(),
        timeout: spec.timeout.as_ref().map(|t| time(Some(t), 0, "spec.traffic.timeout", refused)),
    }
}

/// A path as it is matched: `{uid}` filled in, no slash at its end.
fn below(path: &str, uid: &str) -> String {
    path.trim_end_matches('/').replace("{uid}", &secret(uid, "path"))
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

pub(super) fn rollout(
    spec: Option<&spec::Rollout>,
    timeout: Option<SignedDuration>,
    refused: &mut Refusal,
) -> Rollout {
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
            percent: spec.traffic_percent.unwrap_or(10).clamp(0, 99),
            min_duration: SignedDuration::from_mins(5),
        }],
    };
    let mut at = |value: &Option<String>, default: i64, field: &str| {
        time(value.as_ref(), default, &format!("spec.rollout.{field}"), refused)
    };
    let shadow = spec.shadow.as_ref().map(|own| Shadow {
        mirror_percent: own.mirror_percent.unwrap_or(100).clamp(1, 100),
        min_duration: at(&own.min_duration, 600, "shadow.minDuration"),
    });
    Rollout {
        shadow,
        steps,
        canary_replicas: spec.canary_replicas.unwrap_or(1).max(1),
        progress_deadline: SignedDuration::from_secs(i64::from(
            spec.progress_deadline_seconds.unwrap_or(1200),
        )),
        max_duration: at(&spec.max_duration, 86_400, "maxDuration"),
        on_inconclusive: spec.on_inconclusive.unwrap_or_default(),
        promotion: spec.promotion.unwrap_or_default(),
        warmup: at(&spec.warmup, 0, "warmup"),
        bake: at(&spec.bake, 600, "bake"),
        retention: at(&spec.retention, 3600, "retention"),
        drain: at(&spec.drain, 30, "drain").max(timeout.unwrap_or(SignedDuration::ZERO)),
        ttl_after_failure: at(&spec.ttl_after_failure, 86_400, "ttlAfterFailure"),
    }
}

pub(super) fn analysis(
    spec: Option<&spec::Analysis>,
    settings: &Settings,
    refused: &mut Refusal,
) -> Analysis {
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
        vec![spec::Guardrail {
            name: "errors".into(),
            metric: Some(spec::GuardrailMetric::ErrorRate),
            max_ratio: Some("2".into()),
            ..Default::default()
        }]
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
            series: series(&quality, settings, refused),
            max_drop: decimal(quality.max_drop.as_ref(), "spec.analysis.quality.maxDrop", refused)
                .unwrap_or(0.02),
            min: decimal(quality.min.as_ref(), "spec.analysis.quality.min", refused),
            min_samples: quality.min_samples.unwrap_or(100),
            min_readings: quality.min_samples.and_then(|least| u32::try_from(least).ok()).unwrap_or(0),
            window: time(quality.window.as_ref(), 300, "spec.analysis.quality.window", refused),
            label_delay: time(quality.label_delay.as_ref(), 0, "spec.analysis.quality.labelDelay", refused),
        },
        guardrails: guardrails
            .iter()
            // What is disabled is not made, and what is refused must not be taken for something else.
            .filter(|g| g.mode != Some(spec::CheckMode::Disabled))
            .filter_map(|g| Some((g, counted(g).or_else(|| counted_by_template(g, settings, refused))?)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(g, metric)| Guardrail {
                name: g.name.clone(),
                metric,
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

/// Which series tell quality.
fn series(quality: &spec::Quality, settings: &Settings, refused: &mut Refusal) -> Series {
    if let Some(name) = &quality.template {
        return template(name, "spec.analysis.quality.template", settings, refused)
            .map_or(Series::Best, |found| Series::Template(found.clone()));
    }
    match (&quality.metric, &quality.correct_metric, &quality.total_metric) {
        (Some(name), _, _) => Series::Gauge(name.clone()),
        (None, Some(right), Some(all)) => Series::Counters { right: right.clone(), all: all.clone() },
        (None, _, _) => Series::Best,
    }
}

/// What a guardrail counts by a template of the administrator's.
fn counted_by_template(
    guardrail: &spec::Guardrail,
    settings: &Settings,
    refused: &mut Refusal,
) -> Option<Counted> {
    let place = format!("spec.analysis.guardrails[{}].template", guardrail.name);
    let found = template(guardrail.template.as_ref()?, &place, settings, refused)?;
    if found.kind == TemplateKind::Gauge {
        refused.add(
            Reason::UnknownTemplate,
            format!(
                "{place}: {} is a gauge, and a guardrail needs counts; name a template of kind Counts",
                found.name
            ),
        );
        return None;
    }
    Some(Counted::Template(found.clone()))
}

/// The administrator's template of this name.
fn template<'s>(
    name: &str,
    place: &str,
    settings: &'s Settings,
    refused: &mut Refusal,
) -> Option<&'s QueryTemplate> {
    let found = settings.query_templates.iter().find(|template| template.name == name);
    if found.is_none() {
        let known: Vec<&str> =
            settings.query_templates.iter().map(|template| template.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        refused.add(
            Reason::UnknownTemplate,
            format!("{place}: {name} is not among the templates that the administrator gives ({known})"),
        );
    }
    found
}

/// What a guardrail counts, if it can be counted.
pub(super) fn counted(guardrail: &spec::Guardrail) -> Option<Counted> {
    match guardrail.metric? {
        spec::GuardrailMetric::ErrorRate => Some(Counted::ErrorRate),
        spec::GuardrailMetric::Latency => Some(Counted::Latency { bound: too_late(guardrail)? }),
        spec::GuardrailMetric::FirstTokenLatency => Some(Counted::FirstToken { bound: too_late(guardrail)? }),
    }
}

/// A guardrail's bound in milliseconds.
fn too_late(guardrail: &spec::Guardrail) -> Option<i64> {
    let bound: kube_core::Duration = guardrail.bound.as_ref()?.parse().ok()?;
    i64::try_from(std::time::Duration::from(bound).as_millis()).ok().filter(|bound| *bound > 0)
}

/// A duration in Go's syntax, or the default in seconds.
pub(super) fn time(
    text: Option<&String>,
    default: i64,
    field: &str,
    refused: &mut Refusal,
) -> SignedDuration {
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
