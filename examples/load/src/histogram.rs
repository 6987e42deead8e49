//! Latencies, kept as counts of logarithmic buckets.

use std::time::Duration;

/// Buckets per factor of e; a bucket is 3 % wide.
const PER_E: f64 = 32.0;
/// From a microsecond to beyond a minute.
const BUCKETS: usize = 600;

/// How often answers took how long. Percentiles are exact to 2 %.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, took: Duration) {
        let micros = (took.as_secs_f64() * 1e6).max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "ln of at least 1, held in range"
        )]
        let at = ((micros.ln() * PER_E) as usize).min(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Milliseconds that a share `q` of all answers stayed below; none without answers.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts of answers stay far below 2^52")]
        let rank = (self.total as f64 * q).ceil().max(1.0);
        let mut below = 0.0;
        for (at, count) in self.counts.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            let (count, at) = (*count as f64, at as f64);
            below += count;
            if below >= rank {
                let millis = ((at + 0.5) / PER_E).exp() / 1000.0;
                return Some((millis * 1000.0).round() / 1000.0);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_two_percent() {
        let mut histogram = Histogram::default();
        for millis in 1..=1000 {
            histogram.add(Duration::from_millis(millis));
        }
        for (q, wanted) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = histogram.quantile_ms(q).unwrap();
            assert!((got / wanted - 1.0).abs() < 0.02, "{q}: {got}, {wanted}");
        }
    }

    #[test]
    fn extremes_are_kept_and_nothing_is_nothing() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        histogram.add(Duration::ZERO);
        histogram.add(Duration::from_secs(1_000_000));
        assert!(histogram.quantile_ms(0.5).unwrap() < 0.01);
        assert!(histogram.quantile_ms(1.0).unwrap() > 60_000.0);
    }
}
