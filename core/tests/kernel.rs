//! Laws of the evidence kernel, whatever is counted.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "kernel/coverage.rs"]
mod coverage;
#[path = "kernel/examples.rs"]
mod examples;
#[path = "kernel/fair.rs"]
mod fair;
#[path = "kernel/kept.rs"]
mod kept;
#[path = "kernel/laws.rs"]
mod laws;

use model_release_core::analysis::kernel::checkpoint::{self, Discarded, Kept, Mark};
use model_release_core::analysis::kernel::{
    Block, Count, Dispersion, Guardrail, GuardrailBounds, GuardrailFinding, Line, PairBounds, Paired, Pairs,
    Point, Quality, QualityBounds, QualityFinding, ReadingBounds, Readings, Refused, Requests, Side, Skew,
    SkewBounds, Values, answers_expected, answers_to_go, difference,
};
use model_release_core::api::evidence::Verdict;
use proptest::prelude::*;

const MARK: Mark = Mark { begin: 1_000, last_block_end: 31_000 };

fn bytes<S: Kept + Copy>(state: &S) -> Vec<u8> {
    checkpoint::save(state, MARK, &[1; 16])
}

fn of(hits: f64, events: f64) -> Count {
    Count { hits, events }
}

fn both(stable: Count, canary: Count) -> Block {
    Block { stable, canary }
}

fn drop_of(max_drop: f64) -> QualityBounds {
    QualityBounds { max_drop: Some(max_drop), min: None, alpha: 0.05, min_samples: 100.0, dispersion: None }
}

fn known_at_ninety(bounds: QualityBounds) -> Quality {
    let mut check = Quality::new(bounds).unwrap();
    for _ in 0..132 {
        check.learn(of(405.0, 450.0)).unwrap();
    }
    check
}

fn guardrail(max: Option<f64>, max_ratio: Option<f64>) -> GuardrailBounds {
    GuardrailBounds { max, max_ratio, needed: 20.0, min_requests: 100.0, failure_limit: 1, dispersion: None }
}

fn readings() -> Readings {
    let bounds =
        ReadingBounds { max_drop: Some(0.02), min: Some(0.5), alpha: 0.05, window: 300_000, min_readings: 0 };
    Readings::new(bounds, true, &[0.9, 0.91, 0.89, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]).unwrap()
}

fn pairs() -> Pairs {
    Pairs::new(PairBounds { max_drop: 0.02, alpha: 0.05, min_samples: 100.0 }).unwrap()
}

fn skew() -> Skew {
    Skew::new(SkewBounds { tolerance: 0.5, alpha: 0.001 }).unwrap()
}

/// No events, few, or up to a milliard, with any share of hits.
fn count() -> impl Strategy<Value = Count> {
    let share = prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    (prop_oneof![Just(0.0), 0.0..50.0, 0.0..=1e9], share)
        .prop_map(|(events, share): (f64, f64)| of(events * share, events))
}

fn block() -> impl Strategy<Value = Block> {
    (count(), count()).prop_map(|(stable, canary)| both(stable, canary))
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    prop::collection::vec(block(), 1..12)
}

fn quality_bounds() -> impl Strategy<Value = QualityBounds> {
    let drop = prop::option::of(prop_oneof![Just(0.0), 0.0..=0.5]);
    let phi = prop::option::of(1.0..=1000.0);
    (drop, prop::option::of(0.0001..=0.9999), 1e-6..=0.5, 0.0..1e6, phi).prop_map(
        |(max_drop, min, alpha, min_samples, dispersion)| QualityBounds {
            max_drop,
            min,
            alpha,
            min_samples,
            dispersion,
        },
    )
}

fn guardrail_bounds() -> impl Strategy<Value = GuardrailBounds> {
    (prop::option::of(0.0001..=0.9999), prop::option::of(0.01..=100.0))
        .prop_map(|(max, max_ratio)| guardrail(max, max_ratio))
}

/// Counts that no counter can have told.
fn broken() -> impl Strategy<Value = Count> {
    prop_oneof![
        Just(of(f64::NAN, 10.0)),
        Just(of(1.0, f64::NAN)),
        Just(of(1.0, f64::INFINITY)),
        Just(of(f64::NEG_INFINITY, 1.0)),
        Just(of(-1.0, 10.0)),
        Just(of(-2.0, -1.0)),
        Just(of(11.0, 10.0)),
        Just(of(0.0, 1.1e9)),
    ]
}

fn numbers(finding: &QualityFinding) -> Vec<f64> {
    let lines = [finding.good_drop, finding.good_min, finding.worse_drop, finding.worse_min, finding.coarse];
    let rest = [finding.share, finding.phi, finding.good, finding.worse];
    lines.into_iter().flatten().chain(rest).collect()
}

fn numbers_of(finding: &GuardrailFinding) -> Vec<f64> {
    let lines = [finding.max, finding.max_ratio].into_iter().flatten();
    lines.chain([finding.share, finding.phi, finding.worse]).collect()
}

/// Rounding, for comparisons that hold exactly on paper.
fn slack(number: f64) -> f64 {
    1e-9 * number.abs().max(1.0)
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}
