//! What each model server exports, by its documentation: names, labels, units. Values are the tests' own.
//!
//! Sources: Triton's `docs/user_guide/metrics.md`, vLLM's production metrics, TensorFlow Serving's monitoring
//! configuration, TorchServe's `metrics.md`, `MLServer`'s metrics guide, `KServe`'s runtime metrics, `BentoML`'s
//! observability page.

use super::history::History;

/// Requests of a pod between two scrapes, failed ones of the canary among them, and answers that were late.
const REQUESTS: f64 = 40.0;
const FAILED: f64 = 8.0;
/// Share of the canary's answers that took longer than 500 ms.
pub const LATE: f64 = 0.25;

type Labels = &'static [(&'static str, &'static str)];

/// One server.
pub struct Server {
    pub preset: &'static str,
    pub counts_failures: bool,
    /// Counters of a pod: name, labels, and how much of the good and of the failed requests each has.
    counters: &'static [(&'static str, Labels, f64, f64)],
    /// Histogram of answers, with the labels beside `le`, and its bounds: the last before 500 ms, that one, the next.
    pub latency: Option<Histogram>,
    /// The same of first tokens.
    pub first_token: Option<Histogram>,
}

pub struct Histogram {
    name: &'static str,
    labels: Labels,
    bounds: [&'static str; 3],
}

pub const SERVERS: [Server; 8] = [
    Server {
        preset: "triton",
        counts_failures: true,
        counters: &[
            ("nv_inference_request_success", &[("model", "fraud"), ("version", "1")], 1.0, 0.0),
            (
                "nv_inference_request_failure",
                &[("model", "fraud"), ("version", "1"), ("reason", "BACKEND")],
                0.0,
                1.0,
            ),
            // Clients that gave up are nobody's failure.
            (
                "nv_inference_request_failure",
                &[("model", "fraud"), ("version", "1"), ("reason", "CANCELED")],
                0.1,
                0.1,
            ),
            ("nv_inference_count", &[("model", "fraud"), ("version", "1")], 1.0, 1.0),
        ],
        latency: None,
        first_token: Some(Histogram {
            name: "nv_inference_first_response_histogram_ms_bucket",
            labels: &[("model", "fraud"), ("version", "1")],
            bounds: ["100", "500", "2000"],
        }),
    },
    Server {
        preset: "vllm",
        counts_failures: true,
        counters: &[
            (
                "http_requests_total",
                &[("handler", "/v1/completions"), ("method", "POST"), ("status", "2xx")],
                1.0,
                0.0,
            ),
            (
                "http_requests_total",
                &[("handler", "/v1/chat/completions"), ("method", "POST"), ("status", "5xx")],
                0.0,
                1.0,
            ),
            (
                "http_requests_total",
                &[("handler", "/metrics"), ("method", "GET"), ("status", "2xx")],
                0.3,
                0.3,
            ),
        ],
        latency: Some(Histogram {
            name: "vllm:e2e_request_latency_seconds_bucket",
            labels: &[("engine", "0"), ("model_name", "fraud")],
            bounds: ["0.3", "0.5", "0.8"],
        }),
        first_token: Some(Histogram {
            name: "vllm:time_to_first_token_seconds_bucket",
            labels: &[("engine", "0"), ("model_name", "fraud")],
            bounds: ["0.25", "0.5", "0.75"],
        }),
    },
    Server {
        preset: "tfserving",
        counts_failures: true,
        counters: &[
            (":tensorflow:serving:request_count", &[("model_name", "fraud"), ("status", "OK")], 1.0, 0.0),
            (
                ":tensorflow:serving:request_count",
                &[("model_name", "fraud"), ("status", "INTERNAL")],
                0.0,
                1.0,
            ),
            (
                ":tensorflow:serving:request_count",
                &[("model_name", "fraud"), ("status", "CANCELLED")],
                0.1,
                0.1,
            ),
        ],
        // Its bounds are 10 µs times powers of 1.8: none is a whole number of milliseconds.
        latency: None,
        first_token: None,
    },
    Server {
        preset: "torchserve",
        counts_failures: true,
        counters: &[
            ("Requests2XX", &[("Level", "Host"), ("Hostname", "h")], 0.5, 0.0),
            ("Requests4XX", &[("Level", "Host"), ("Hostname", "h")], 0.5, 0.0),
            ("Requests5XX", &[("Level", "Host"), ("Hostname", "h")], 0.0, 1.0),
        ],
        latency: None,
        first_token: None,
    },
    Server {
        preset: "mlserver",
        counts_failures: true,
        counters: &[
            ("model_infer_request_success_total", &[("model", "fraud"), ("version", "1")], 1.0, 0.0),
            ("model_infer_request_failure_total", &[("model", "fraud"), ("version", "1")], 0.0, 1.0),
        ],
        latency: Some(Histogram {
            name: "rest_server_requests_duration_seconds_bucket",
            labels: &[("method", "POST"), ("path", "/v2/models/fraud/infer"), ("status_code", "200")],
            bounds: ["0.25", "0.5", "0.75"],
        }),
        first_token: None,
    },
    Server {
        preset: "kserve",
        counts_failures: false,
        counters: &[],
        latency: Some(Histogram {
            name: "request_predict_seconds_bucket",
            labels: &[("model_name", "fraud")],
            bounds: ["0.25", "0.5", "0.75"],
        }),
        first_token: None,
    },
    Server {
        preset: "bentoml",
        counts_failures: true,
        counters: &[
            (
                "bentoml_service_request_total",
                &[("endpoint", "/predict"), ("http_response_code", "200"), ("service_name", "fraud")],
                1.0,
                0.0,
            ),
            (
                "bentoml_service_request_total",
                &[("endpoint", "/predict"), ("http_response_code", "503"), ("service_name", "fraud")],
                0.0,
                1.0,
            ),
        ],
        latency: Some(Histogram {
            name: "bentoml_service_request_duration_seconds_bucket",
            labels: &[("endpoint", "/predict"), ("http_response_code", "200"), ("service_name", "fraud")],
            bounds: ["0.25", "0.5", "1.0"],
        }),
        first_token: None,
    },
    Server { preset: "custom", counts_failures: false, counters: &[], latency: None, first_token: None },
];

/// Hashes of the two versions.
pub const STABLE: &str = "5f3c0a9b11";
pub const CANARY: &str = "9ab1c2d3e4";

impl Server {
    /// Two pods of stable and one of the canary, which fails and is late.
    pub fn export(&self, history: &mut History) {
        for (pod, version) in [("a", STABLE), ("b", STABLE), ("c", CANARY)] {
            let instance = format!("{}-{pod}:8080", self.preset);
            let target: [(&str, &str); 5] = [
                ("job", "model-releases"),
                ("instance", &instance),
                ("namespace", "ml"),
                ("modelrelease_dev_name", self.preset),
                ("modelrelease_dev_version", version),
            ];
            history.target(&target);
            let (failed, late) = if version == CANARY { (FAILED, LATE) } else { (0.0, 0.0) };
            for (name, labels, of_good, of_failed) in self.counters {
                let by = (REQUESTS - failed) * of_good + failed * of_failed;
                history.counter(name, &[target.as_slice(), labels].concat(), by);
            }
            for histogram in [&self.latency, &self.first_token].into_iter().flatten() {
                for (bound, share) in histogram.bounds.iter().zip([0.5, 1.0 - late, 1.0]) {
                    let labels = [target.as_slice(), histogram.labels, &[("le", bound)]].concat();
                    history.counter(histogram.name, &labels, REQUESTS * share);
                }
                let labels = [target.as_slice(), histogram.labels, &[("le", "+Inf")]].concat();
                history.counter(histogram.name, &labels, REQUESTS);
            }
        }
    }
}
