//! What model servers themselves count: requests, failed ones, and how long they took, by the names and labels that
//! each server documents. Who puts its own gateway before the pods, or none, has nobody else to ask.
//!
//! Sources: Triton's `docs/user_guide/metrics.md`, vLLM's production metrics, TensorFlow Serving's monitoring
//! configuration, TorchServe's `metrics.md`, `MLServer`'s metrics guide, `KServe`'s runtime metrics, `BentoML`'s
//! observability page.

use super::question::Scope;
use super::{POD_KEY, Rows, delta, fell, without};
use crate::api::pods::Preset;

/// A counter, and what of it is meant.
type Counter = (&'static str, &'static str);

/// A histogram of times, and how many of its units a millisecond has.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Histogram {
    name: &'static str,
    per_millisecond: f64,
}

const SECONDS: f64 = 0.001;
const MILLISECONDS: f64 = 1.0;

/// What a server counts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    /// Requests that failed by the server's fault.
    failed: Counter,
    /// All of them together: the counters that they are spread over.
    all: &'static [Counter],
}

fn counts(preset: Preset) -> Option<Counts> {
    let (failed, all): (Counter, &'static [Counter]) = match preset {
        Preset::Triton => (
            ("nv_inference_request_failure", "reason!=\"CANCELED\""),
            &[("nv_inference_request_failure", "reason!=\"CANCELED\""), ("nv_inference_request_success", "")],
        ),
        Preset::Vllm => (
            ("http_requests_total", "handler=~\"/v1/.*\",status=\"5xx\""),
            &[("http_requests_total", "handler=~\"/v1/.*\"")],
        ),
        Preset::Tfserving => (
            (
                ":tensorflow:serving:request_count",
                "status!~\"OK|INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|CANCELLED\"",
            ),
            &[(":tensorflow:serving:request_count", "status!=\"CANCELLED\"")],
        ),
        Preset::Torchserve => {
            (("Requests5XX", ""), &[("Requests5XX", ""), ("Requests2XX", ""), ("Requests4XX", "")])
        }
        Preset::Mlserver => (
            ("model_infer_request_failure_total", ""),
            &[("model_infer_request_failure_total", ""), ("model_infer_request_success_total", "")],
        ),
        Preset::Bentoml => (
            ("bentoml_service_request_total", "http_response_code=~\"5..\""),
            &[("bentoml_service_request_total", "")],
        ),
        Preset::Kserve | Preset::Custom => return None,
    };
    Some(Counts { failed, all })
}

fn times(preset: Preset) -> Option<Histogram> {
    let of = |name, per_millisecond| Some(Histogram { name, per_millisecond });
    match preset {
        Preset::Vllm => of("vllm:e2e_request_latency_seconds_bucket", SECONDS),
        Preset::Mlserver => of("rest_server_requests_duration_seconds_bucket", SECONDS),
        Preset::Kserve => of("request_predict_seconds_bucket", SECONDS),
        Preset::Bentoml => of("bentoml_service_request_duration_seconds_bucket", SECONDS),
        // Triton and TorchServe count sums of times alone, of which no share can be made; the buckets of TensorFlow
        // Serving end at 10 µs times powers of 1.8, which no bound in milliseconds names.
        Preset::Triton | Preset::Torchserve | Preset::Tfserving | Preset::Custom => None,
    }
}

fn first_tokens(preset: Preset) -> Option<Histogram> {
    let of = |name, per_millisecond| Some(Histogram { name, per_millisecond });
    match preset {
        Preset::Triton => of("nv_inference_first_response_histogram_ms_bucket", MILLISECONDS),
        Preset::Vllm => of("vllm:time_to_first_token_seconds_bucket", SECONDS),
        _ => None,
    }
}

/// Whether a server counts failed requests itself.
pub fn counts_failures(preset: Preset) -> bool {
    counts(preset).is_some()
}

/// Whether it has a histogram of how long requests took.
pub fn times_requests(preset: Preset) -> bool {
    times(preset).is_some()
}

/// Whether it has one of how long the first token took.
pub fn times_first_tokens(preset: Preset) -> bool {
    first_tokens(preset).is_some()
}

/// Asks for requests and failed ones of a block: rows `k`, and `n` with its parts. None if the server counts none.
pub(super) fn failures(scope: &Scope<'_>, preset: Preset, width: i64) -> Option<String> {
    let Counts { failed, all } = counts(preset)?;
    let all: Vec<String> = all.iter().map(|counter| selector(scope, counter)).collect();
    let fell = fell(&all.iter().map(String::as_str).collect::<Vec<_>>(), width);
    let mut rows = Rows::default();
    rows.add(POD_KEY, "k", &without(&delta(&selector(scope, &failed), width), &fell));
    for (all, stat) in all.iter().zip(["n", "n1", "n2"]) {
        rows.add(POD_KEY, stat, &without(&delta(all, width), &fell));
    }
    Some(rows.0)
}

/// Asks for all requests of a block: rows `n` and its parts.
pub(super) fn handled(scope: &Scope<'_>, preset: Preset, width: i64) -> Option<String> {
    let all: Vec<String> = counts(preset)?.all.iter().map(|counter| selector(scope, counter)).collect();
    let fell = fell(&all.iter().map(String::as_str).collect::<Vec<_>>(), width);
    let mut rows = Rows::default();
    for (all, stat) in all.iter().zip(["n", "n1", "n2"]) {
        rows.add(POD_KEY, stat, &without(&delta(all, width), &fell));
    }
    Some(rows.0)
}

/// Asks for requests of a block and for those done within `bound` milliseconds: rows `n` and `w`. None if the server has
/// no such histogram.
pub(super) fn in_time(
    scope: &Scope<'_>,
    preset: Preset,
    (first_token, bound): (bool, i64),
    width: i64,
) -> Option<String> {
    let histogram = if first_token { first_tokens(preset)? } else { times(preset)? };
    let within = bucket(scope, histogram, &le(bound, histogram.per_millisecond));
    let all = bucket(scope, histogram, "le=\"+Inf\"");
    let fell = fell(&[&all], width);
    let mut rows = Rows::default();
    rows.add(POD_KEY, "w", &without(&delta(&within, width), &fell));
    rows.add(POD_KEY, "n", &without(&delta(&all, width), &fell));
    Some(rows.0)
}

fn bucket(scope: &Scope<'_>, histogram: Histogram, le: &str) -> String {
    format!("{{__name__=\"{}\",{},{le}}}", histogram.name, scope.pod_matchers())
}

/// A matcher of a bucket's bound, however its number is written.
fn le(milliseconds: i64, per_millisecond: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "an hour has 3,600,000 milliseconds")]
    let bound = milliseconds as f64 * per_millisecond;
    let text = format!("{bound}");
    let number = match text.split_once('.') {
        Some((whole, part)) => format!("{whole}[.]{part}0*"),
        None => format!("{text}([.]0+)?"),
    };
    format!("le=~\"{number}\"")
}

/// Names that begin with a colon can only be written as a label.
fn selector(scope: &Scope<'_>, (name, matchers): &Counter) -> String {
    let comma = if matchers.is_empty() { "" } else { "," };
    format!("{{__name__=\"{name}\",{}{comma}{matchers}}}", scope.pod_matchers())
}
