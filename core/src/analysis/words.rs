//! Sentences about evidence. They hold numbers and names of ours only, never text of an answer.

use jiff::SignedDuration;

use super::Subject;
use super::check::{Check, Rule, gauge, totals};
use super::evidence::{Finding, LEAST_READINGS, Line};
use super::kernel::{Count, GuardrailBounds, Interval, QualityBounds};
use super::outlook::{ToGo, to_go};
use super::promql::{Asked, PAIRS};
use super::verdict::Judged;
use crate::api::reasons::Reason;
use crate::api::status::{Grade, Verdict};
use crate::release::{Counted, Release, Series};
use crate::settings::Entrance;
use crate::span::span;
use crate::version::Hash;

/// Odds beyond which nobody reads on.
const MOST_ODDS: f64 = 1e6;

/// φ beyond which it is told.
const CLUSTERED: f64 = 5.0;
const DECLARED: &str = "neither gauge ever moved: that is declared, not measured";

/// Evidence as odds, one place while it is small.
pub(super) fn odds(evidence: f64) -> String {
    if evidence < 99.95 { format!("{evidence:.1}") } else { format!("{:.0}", evidence.min(MOST_ODDS)) }
}

/// Four places; never a negative zero.
pub(super) fn four(number: f64) -> String {
    let text = format!("{number:.4}");
    if text == "-0.0000" { "0.0000".to_owned() } else { text }
}

/// A number of events as a whole one.
#[allow(clippy::cast_possible_truncation, reason = "clamped to what fits")]
pub(super) fn whole(number: f64) -> i64 {
    number.round().clamp(0.0, 9e15) as i64
}

/// A bound as it was written, without needless places.
fn plain(number: f64) -> String {
    format!("{number}")
}

/// The bounds of a check, as in `loss <= 0.0200, >= 0.9000`.
pub(super) fn bound(rule: &Rule<'_>) -> String {
    let (relative, absolute) = match rule {
        Rule::Quality(b, _) => {
            (b.max_drop.map(|d| format!("loss <= {}", four(d))), b.min.map(|m| format!(">= {}", four(m))))
        }
        Rule::Guardrail(_, b) => (
            b.max_ratio.map(|r| format!("<= {} x stable", plain(r))),
            b.max.map(|m| format!("<= {}", four(m))),
        ),
    };
    [relative, absolute].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Name of a version for people; its hash if the spec no longer names it.
fn name<'a>(release: &'a Release, hash: &'a Hash) -> &'a str {
    release.version(hash).map_or(hash.as_str(), |version| version.name.as_str())
}

/// What a check says, in a sentence.
pub(super) fn sentence(judged: &Judged<'_>, release: &Release, subject: &Subject<'_>) -> String {
    let canary = name(release, subject.canary);
    let says = match (judged.reason, &judged.check.rule) {
        (Some(Reason::TooFewSamples), Rule::Quality(_, b)) if gauge(judged.kept.grade) => format!(
            "{} readings of its gauge are needed, one each {} s if it moves",
            b.min_readings.max(LEAST_READINGS),
            b.window / 1000
        ),
        (Some(Reason::TooFewSamples), Rule::Quality(b, _)) if judged.kept.grade == Some(Grade::Paired) => {
            format!("{} pairs of answers are needed", plain(b.min_samples))
        }
        (Some(Reason::TooFewSamples), Rule::Quality(b, _)) => {
            format!("{} labelled answers of {canary} are needed", plain(b.min_samples))
        }
        (Some(Reason::TooFewSamples), Rule::Guardrail(_, b)) => {
            format!("{} requests of {canary} are needed", plain(b.min_requests.max(1.0)))
        }
        (Some(Reason::QualityRegression | Reason::NotProven) | None, Rule::Quality(b, _)) => {
            judged.finding.map(|found| quality(&found, b, canary)).unwrap_or_default()
        }
        (
            Some(
                Reason::ErrorRateExceeded
                | Reason::LatencyExceeded
                | Reason::GuardrailExceeded
                | Reason::NotProven,
            )
            | None,
            Rule::Guardrail(_, b),
        ) => judged.finding.map(|found| guardrail(&found, b, canary)).unwrap_or_default(),
        (Some(reason), _) => trouble(reason, judged, release, subject),
    };
    let more = to_go(judged).map_or_else(String::new, forecast);
    match numbers(judged) {
        Some(numbers) => format!("{numbers}; {says}{more}"),
        None => format!("{}: {says}{more}", label(judged.check)),
    }
}

/// What more of the same would decide.
fn forecast(to_go: ToGo) -> String {
    let then = if to_go.verdict == Verdict::Fail { "to fail" } else { "to pass" };
    let time = match (to_go.seconds, to_go.per_minute) {
        (Some(seconds), Some(pace)) if pace > 0 => {
            format!(", {} at {pace} a minute", span(SignedDuration::from_secs(seconds)))
        }
        _ => String::new(),
    };
    format!("; about {} more {then}{time}", to_go.events)
}

fn label<'a>(check: &Check<'a>) -> &'a str {
    match check.rule {
        Rule::Quality(..) => "accuracy",
        Rule::Guardrail(..) => check.name,
    }
}

/// `accuracy 0.8510 of 397 against 0.9010 of 3573`.
fn numbers(judged: &Judged<'_>) -> Option<String> {
    let totals = totals(judged.kept);
    let read = gauge(judged.kept.grade);
    let of = |count: Count| {
        let share = four(count.share()?);
        Some(if read { share } else { format!("{share} of {}", whole(count.events)) })
    };
    let canary = of(totals.canary)?;
    let stable = of(totals.stable).map_or_else(String::new, |stable| format!(" against {stable}"));
    let by = match judged.finding.and_then(|found| found.readings) {
        Some(readings) => format!(" by {readings} readings of a gauge"),
        None if judged.kept.grade == Some(Grade::Paired) => " by pairs of answers to one request".to_owned(),
        None => String::new(),
    };
    Some(format!("{} {canary}{stable}{by}", label(judged.check)))
}

/// What is doubtful about a check's evidence. Holds no counts, so that it is said once.
pub(super) fn doubts(judged: &Judged<'_>, release: &Release) -> Vec<String> {
    let clustered = judged.finding.is_some_and(|found| judged.is_quality() && found.phi > CLUSTERED);
    let allowed = release.analysis.quality.label_delay;
    let late = judged.kept.label_delay.filter(|seconds| *seconds > allowed.as_secs_f64());
    let clustered = clustered.then(|| {
        format!(
            "stable's outcomes come in clusters: its counts vary more than {} times as much as independent ones would, and evidence takes as much longer",
            plain(CLUSTERED)
        )
    });
    let late = late.map(|seconds| {
        format!(
            "of 100 labels of stable 99 came within {}, and spec.analysis.quality.labelDelay is {}: until slow labels are in, fast ones stand for all",
            span(SignedDuration::from_secs(whole(seconds))),
            span(allowed)
        )
    });
    let declared = judged.finding.filter(|found| !found.live).map(|_| DECLARED.to_owned());
    [clustered, late, declared].into_iter().flatten().collect()
}

fn quality(found: &Finding, bounds: &QualityBounds, canary: &str) -> String {
    let needed = odds(found.needed);
    let good = odds(found.good.unwrap_or_default());
    let says = match (found.failed(), found.passes()) {
        (true, _) => {
            let than = match found.against {
                Line::Relative => format!("{canary} is worse"),
                Line::Absolute => format!("{canary} is below its floor"),
            };
            format!("evidence {} of {needed} that {than}", odds(found.worse))
        }
        (false, true) => format!("evidence {good} of {needed} that {canary} is good enough"),
        (false, false) => {
            let worse = odds(found.worse);
            format!(
                "not proven yet: evidence {good} of {needed} that {canary} is good enough, {worse} that it is worse"
            )
        }
    };
    let loss = bounds.max_drop.zip(found.difference).map(|(drop, Interval { estimate, lower, upper })| {
        // A loss is a negative difference.
        let [loss, least, most] = [-estimate, -upper, -lower].map(four);
        format!("its loss is {loss} ({least} to {most}), allowed is {}", four(drop))
    });
    let floor = bounds.min.map(|min| format!("the floor is {}", four(min)));
    let declared = (!found.live).then(|| DECLARED.to_owned());
    [Some(says), loss, floor, declared].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn guardrail(found: &Finding, bounds: &GuardrailBounds, canary: &str) -> String {
    let relative = bounds.max_ratio.map(|ratio| format!("{} times stable's share", plain(ratio)));
    let absolute = bounds.max.map(four);
    if found.failed() {
        let (first, second) = match found.against {
            Line::Relative => (relative, absolute),
            Line::Absolute => (absolute, relative),
        };
        return format!(
            "evidence {} of {} that {canary} is above {}",
            odds(found.worse),
            odds(found.needed),
            first.or(second).unwrap_or_default()
        );
    }
    if bounds.max_ratio.is_some() && found.totals.stable.events <= 0.0 {
        return "stable has had no requests to compare with".to_owned();
    }
    let both = [relative, absolute].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    if found.passes() {
        format!("within {both}")
    } else {
        format!(
            "not proven yet: evidence {} of {} that it is above {both}",
            odds(found.worse),
            odds(found.needed)
        )
    }
}

/// Why a check has no evidence, in a sentence without counts.
pub(super) fn lacking(
    judged: &Judged<'_>,
    reason: Reason,
    release: &Release,
    subject: &Subject<'_>,
) -> String {
    format!("{}: {}", label(judged.check), trouble(reason, judged, release, subject))
}

/// What is wrong with the answers, and what helps.
fn trouble(reason: Reason, judged: &Judged<'_>, release: &Release, subject: &Subject<'_>) -> String {
    let source = &release.analysis.provider;
    match reason {
        Reason::UnknownProvider => {
            format!("the administrator has no Prometheus source named {source}; add it to the operator's settings, or name another in spec.analysis.provider")
        }
        Reason::ProviderUnavailable => {
            format!("Prometheus source {source} does not answer; it is asked again, and blocks missed meanwhile are fetched then")
        }
        Reason::BadQuery => {
            format!("Prometheus source {source} refuses the question; see its own log, and that its URL leads to a Prometheus 2.42 or later")
        }
        Reason::PartialData if judged.kept.trouble != Some(reason) => {
            let stable = subject.stable.map_or("stable", |stable| name(release, stable));
            let canary = name(release, subject.canary);
            format!("labels come for another part of {canary}'s answers than of {stable}'s, and what was labelled of unlike choices is not compared; label both alike, and set spec.analysis.quality.labelDelay to the time that slow labels take")
        }
        Reason::PartialData => {
            format!("Prometheus source {source} answered in part only, which counts for nothing; see its warnings")
        }
        Reason::AmbiguousSeries => {
            format!("Prometheus source {source} has these counters twice for one version, or not as plain numbers; see that each pod is scraped once")
        }
        Reason::NotANumber => {
            "a counter of this release is NaN, infinite, negative or beyond 1e9 a block; see what its pods export".to_owned()
        }
        Reason::InconsistentCounts => {
            "more events were counted than there were; raise both counters together, and give model_accuracy as a share from 0 to 1".to_owned()
        }
        Reason::BoundNotABucket => {
            let bound = match judged.check.rule {
                Rule::Guardrail(guardrail, _) => guardrail.metric.bound().unwrap_or_default(),
                Rule::Quality(..) => 0,
            };
            format!("no bucket of the histogram ends at {bound} ms; give a bound that one of them ends at (Istio's and Envoy's own end at 1, 5, 10, 25, 50, 100, 250 and 500 ms, 1, 2.5, 5, 10, 30 and 60 s)")
        }
        Reason::StaleData => "there has been nothing new of it for too long; see that it gets requests and labels".to_owned(),
        _ => missing(judged, release, subject),
    }
}

/// Which series were looked for and not found.
fn missing(judged: &Judged<'_>, release: &Release, subject: &Subject<'_>) -> String {
    let source = &release.analysis.provider;
    let canary = name(release, subject.canary);
    if judged.check.paired && subject.stable.is_none() {
        return format!("there is no stable version to compare {canary} with");
    }
    let versions = match subject.stable {
        Some(stable) if judged.check.paired => format!("both {canary} and {}", name(release, stable)),
        _ => canary.to_owned(),
    };
    let labels = "see that the pods are scraped with the labels namespace, modelrelease_dev_name and modelrelease_dev_version";
    let template = match &judged.check.rule {
        Rule::Quality(..) => match &release.analysis.quality.series {
            Series::Template(template) => Some(template),
            _ => None,
        },
        Rule::Guardrail(guardrail, _) => match &guardrail.metric {
            Counted::Template(template) => Some(template),
            _ => None,
        },
    };
    if let Some(template) = template {
        return format!(
            "no rows of {versions} by template {} in Prometheus source {source}; see that they bear the labels namespace, \
             modelrelease_dev_name and modelrelease_dev_version",
            template.name
        );
    }
    match (&judged.check.rule, judged.kept.grade) {
        (Rule::Quality(..), grade) => {
            let Asked { counters, gauge } = Asked::of(&release.analysis.quality.series);
            let counted = counters.map(|(right, all)| format!("{right} with {all}"));
            let shown = gauge.map(|(gauge, samples)| match grade {
                Some(Grade::Samples) => format!("{gauge} with {samples}"),
                Some(Grade::Gauge | Grade::Declared) => gauge,
                Some(Grade::Counts | Grade::Paired) | None => format!("{gauge}, alone or with {samples},"),
            });
            if grade == Some(Grade::Paired) {
                return format!("no {PAIRS} of {canary} in Prometheus source {source}; {labels}");
            }
            let series = match (grade, counted, shown) {
                (Some(Grade::Counts), Some(counted), _) | (None, Some(counted), None) => {
                    format!("no {counted}")
                }
                (None, Some(counted), Some(shown)) => format!("neither {counted} nor {shown}"),
                (_, _, shown) => format!("no {}", shown.unwrap_or_default()),
            };
            format!("{series} of {versions} in Prometheus source {source}; {labels}")
        }
        (Rule::Guardrail(guardrail, _), _) => {
            let entrance = release.analysis.source.as_ref().map(|s| s.entrance).unwrap_or_default();
            let metric = match (&guardrail.metric, entrance) {
                (Counted::FirstToken { .. } | Counted::Template(_), _) | (_, Entrance::Server) => {
                    return format!(
                        "no series of its kind of {versions} in Prometheus source {source}, by the names of their preset; {labels}"
                    );
                }
                (Counted::ErrorRate, Entrance::Envoy) => "envoy_cluster_upstream_rq",
                (Counted::ErrorRate, _) => "istio_requests_total",
                (Counted::Latency { .. }, Entrance::Envoy) => "envoy_cluster_upstream_rq_time_bucket",
                (Counted::Latency { .. }, _) => "istio_request_duration_milliseconds_bucket",
            };
            format!(
                "no {metric} of {versions} in Prometheus source {source}; see that the entrance is scraped, and that requests arrive"
            )
        }
    }
}
