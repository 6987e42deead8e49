//! Sentences about evidence. They hold numbers and names of ours only, never text of an answer.

use super::Subject;
use super::check::{Check, Rule, totals};
use super::evidence::{Count, Finding, GuardrailBounds, Interval, Line, QualityBounds};
use super::promql;
use super::verdict::Judged;
use crate::api::reasons::Reason;
use crate::api::status::Grade;
use crate::release::Release;
use crate::settings::Entrance;
use crate::version::Hash;

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
        Rule::Quality(b) => {
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
        (Some(Reason::TooFewSamples), Rule::Quality(b)) => {
            format!("{} labelled answers of {canary} are needed", plain(b.min_samples))
        }
        (Some(Reason::TooFewSamples), Rule::Guardrail(_, b)) => {
            format!("{} requests of {canary} are needed", plain(b.min_requests.max(1.0)))
        }
        (Some(Reason::QualityRegression | Reason::NotProven) | None, Rule::Quality(b)) => {
            quality(&judged.finding, b, canary)
        }
        (Some(Reason::ErrorRateExceeded | Reason::NotProven) | None, Rule::Guardrail(_, b)) => {
            guardrail(&judged.finding, b, canary)
        }
        (Some(reason), _) => trouble(reason, judged, release, subject),
    };
    match numbers(judged) {
        Some(numbers) => format!("{numbers}; {says}"),
        None => format!("{}: {says}", label(judged.check)),
    }
}

fn label<'a>(check: &Check<'a>) -> &'a str {
    match check.rule {
        Rule::Quality(_) => "accuracy",
        Rule::Guardrail(..) => check.name,
    }
}

/// `accuracy 0.8510 of 397 against 0.9010 of 3573`.
fn numbers(judged: &Judged<'_>) -> Option<String> {
    let totals = totals(judged.kept);
    let of = |count: Count| Some(format!("{} of {}", four(count.share()?), whole(count.events)));
    let canary = of(totals.canary)?;
    let stable = of(totals.stable).map_or_else(String::new, |stable| format!(" against {stable}"));
    Some(format!("{} {canary}{stable}", label(judged.check)))
}

fn quality(finding: &Finding, bounds: &QualityBounds, canary: &str) -> String {
    // A loss is a negative difference.
    let loss = |d: Interval| (four(-d.upper), four(-d.lower));
    let mut parts = Vec::new();
    if let (Some(drop), Some(difference)) = (bounds.max_drop, finding.difference) {
        let (least, most) = loss(difference);
        let allowed = four(drop);
        match finding.beyond {
            Some(Line::Relative) => {
                return format!("{canary} is worse by {least} to {most}, allowed is a loss of {allowed}");
            }
            Some(Line::Absolute) => {}
            None if difference.lower >= -drop => {
                parts.push(format!("its loss is at most {most}, allowed is {allowed}"));
            }
            None => parts.push(format!(
                "not proven yet: its loss is between {least} and {most}, allowed is {allowed}"
            )),
        }
    }
    if let (Some(min), Some(own)) = (bounds.min, finding.own) {
        let min = four(min);
        if finding.beyond == Some(Line::Absolute) {
            return format!("{canary} is at most {}, the floor is {min}", four(own.upper));
        }
        let proven = if own.lower >= bounds.min.unwrap_or_default() { "" } else { "not proven yet: " };
        parts.push(format!("{proven}it is at least {}, the floor is {min}", four(own.lower)));
    }
    parts.join("; ")
}

fn guardrail(finding: &Finding, bounds: &GuardrailBounds, canary: &str) -> String {
    let relative = bounds.max_ratio.map(|ratio| format!("{} times stable's share", plain(ratio)));
    let absolute = bounds.max.map(four);
    match finding.beyond {
        Some(Line::Relative) => {
            format!("{canary} is proven above {}", relative.or(absolute).unwrap_or_default())
        }
        Some(Line::Absolute) => {
            format!("{canary} is proven above {}", absolute.or(relative).unwrap_or_default())
        }
        None => {
            if bounds.max_ratio.is_some() && finding.difference.is_none() {
                return "stable has had no requests to compare with".to_owned();
            }
            let bounds = [relative, absolute].into_iter().flatten().collect::<Vec<_>>().join(" and ");
            if finding.within {
                format!("within {bounds}")
            } else {
                format!("more than {bounds}, but not proven to be")
            }
        }
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
    match (&judged.check.rule, judged.kept.grade) {
        (Rule::Quality(_), Some(Grade::Counts)) => {
            format!("no {} of {versions} in Prometheus source {source}; {labels}", promql::LABELLED)
        }
        (Rule::Quality(_), Some(Grade::Samples)) => {
            format!(
                "no {} with {} of {versions} in Prometheus source {source}; {labels}",
                promql::ACCURACY,
                promql::SAMPLES
            )
        }
        (Rule::Quality(_), None) => format!(
            "neither {} with {} nor {} with {} of {versions} in Prometheus source {source}; {labels}",
            promql::CORRECT,
            promql::LABELLED,
            promql::ACCURACY,
            promql::SAMPLES
        ),
        (Rule::Guardrail(..), _) => {
            let metric = match release.analysis.source.as_ref().map(|s| s.entrance).unwrap_or_default() {
                Entrance::Envoy => "envoy_cluster_upstream_rq",
                Entrance::Istio | Entrance::IstioGateway => "istio_requests_total",
            };
            format!(
                "no {metric} of {versions} in Prometheus source {source}; see that the entrance is scraped, and that requests arrive"
            )
        }
    }
}
