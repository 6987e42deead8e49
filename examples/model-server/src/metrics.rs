//! What a version says about itself: answers given, answers judged, how many of those were right, how long they took.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The media type of [`Metrics::render`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds; a latency guardrail's `bound` must be one of them.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Counted since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers given.
    pub answered: u64,
    /// Answers whose label came.
    pub labelled: u64,
    /// Of those, how many were right.
    pub correct: u64,
}

/// All series of one process.
#[derive(Debug)]
pub struct Metrics {
    tally: Arc<Counts>,
    latency: Histogram,
    registry: Registry,
}

/// Behind one lock, so that no scrape sees more right answers than judged ones.
#[derive(Debug, Default)]
struct Counts(Mutex<Tally>);

impl Counts {
    fn with<T>(&self, act: impl FnOnce(&mut Tally) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let tally = self.with(|t| *t);
        for (name, help, value) in [
            ("model_predictions", "Answers given", tally.answered),
            ("model_predictions_labelled", "Answers whose label came", tally.labelled),
            ("model_predictions_correct", "Labelled answers that were right", tally.correct),
        ] {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        // Before the first label there is no accuracy: an absent series is honest, a 0 would be a terrible model.
        if tally.labelled > 0 {
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
            let (correct, labelled) = (tally.correct as f64, tally.labelled as f64);
            for (name, help, value) in [
                (
                    "model_accuracy",
                    "Share of right answers among the labelled ones of this process",
                    correct / labelled,
                ),
                ("model_accuracy_samples", "Labelled answers that model_accuracy averages over", labelled),
            ] {
                let metric = ConstGauge::new(value);
                metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
            }
        }
        Ok(())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let (tally, latency) = (Arc::new(Counts::default()), Histogram::new(BOUNDS));
        let mut registry = Registry::default();
        registry.register(
            "model_prediction_duration_seconds",
            "Time from a request's arrival to its answer",
            latency.clone(),
        );
        registry.register_collector(Box::new(Arc::clone(&tally)));
        Self { tally, latency, registry }
    }
}

impl Metrics {
    /// An answer was given after `took`.
    pub fn answered(&self, took: Duration) {
        self.latency.observe(took.as_secs_f64());
        self.tally.with(|t| t.answered += 1);
    }

    /// The label of an answer came. Returns all that is counted by now.
    pub fn labelled(&self, right: bool) -> Tally {
        self.tally.with(|t| {
            t.labelled += 1;
            t.correct += u64::from(right);
            *t
        })
    }

    /// The text for Prometheus.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).map(|()| out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, series: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn accuracy_is_the_share_of_right_ones_and_comes_with_its_samples() {
        let metrics = Metrics::default();
        for right in [true, true, true, false] {
            metrics.answered(Duration::from_millis(2));
            metrics.labelled(right);
        }
        metrics.answered(Duration::from_millis(700));
        let text = metrics.render().unwrap();
        for (series, wanted) in [
            ("model_predictions_total", 5.0),
            ("model_predictions_labelled_total", 4.0),
            ("model_predictions_correct_total", 3.0),
            ("model_accuracy", 0.75),
            ("model_accuracy_samples", 4.0),
            ("model_prediction_duration_seconds_count", 5.0),
            ("model_prediction_duration_seconds_bucket{le=\"0.5\"}", 4.0),
        ] {
            assert_eq!(value(&text, series), Some(wanted), "{series} in\n{text}");
        }
    }

    #[test]
    fn without_labels_there_is_no_accuracy_but_counters_are_there_at_zero() {
        let text = Metrics::default().render().unwrap();
        assert!(!text.contains("model_accuracy"), "{text}");
        assert_eq!(value(&text, "model_predictions_correct_total"), Some(0.0), "{text}");
    }
}
