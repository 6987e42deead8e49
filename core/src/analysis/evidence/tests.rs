//! Simulations of the three promises, and laws of the findings.

use proptest::prelude::*;

use super::*;

/// xorshift64* of Marsaglia (2003) and Vigna (2016): seeded, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring streams.
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// In [0, 1).
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of `n` trials succeed. Gaps between successes are geometric, so it takes n·min(p, 1 − p) steps.
    fn binomial(&mut self, n: u32, p: f64) -> f64 {
        if p > 0.5 {
            return f64::from(n) - self.binomial(n, 1.0 - p);
        }
        if p <= 0.0 {
            return 0.0;
        }
        let (scale, mut at, mut hits) = ((1.0 - p).ln(), 0.0, 0.0);
        loop {
            at += ((1.0 - self.unit()).ln() / scale).floor() + 1.0;
            if at > f64::from(n) {
                return hits;
            }
            hits += 1.0;
        }
    }
}

/// One kind of run: events of stable and canary a block, their true shares, and how many blocks are looked at.
#[derive(Clone, Copy)]
struct Setting {
    block: (u32, u32),
    shares: (f64, f64),
    blocks: u32,
}

/// Share of runs that pass, and that fail, where a run ends at whatever comes first.
fn run(runs: u32, setting: Setting, judge: impl Fn(Totals) -> Finding) -> (f64, f64, f64) {
    let (mut passed, mut failed, mut events) = (0, 0, 0.0);
    for seed in 0..runs {
        let mut random = Random::new(u64::from(seed) + 1);
        let mut totals = Totals::default();
        for _ in 0..setting.blocks {
            for (count, n, p) in [
                (&mut totals.stable, setting.block.0, setting.shares.0),
                (&mut totals.canary, setting.block.1, setting.shares.1),
            ] {
                count.hits += random.binomial(n, p);
                count.events += f64::from(n);
            }
            let finding = judge(totals);
            if finding.beyond.is_some() {
                failed += 1;
                break;
            }
            if finding.within {
                passed += 1;
                break;
            }
        }
        events += totals.canary.events;
    }
    let runs = f64::from(runs);
    (f64::from(passed) / runs, f64::from(failed) / runs, events / runs)
}

fn drop_of(max_drop: f64) -> QualityBounds {
    QualityBounds { max_drop: Some(max_drop), min: None, min_samples: 100.0, alpha: 0.05 }
}

fn bad(max: Option<f64>, max_ratio: Option<f64>) -> GuardrailBounds {
    GuardrailBounds { max, max_ratio, min_requests: 100.0, alpha: 0.05 }
}

const RUNS: u32 = 1000;
/// 0.05 and three standard errors of a share of 0.05 in 1,000 runs.
const ALLOWED: f64 = 0.05 + 3.0 * 0.0069;

#[test]
fn equal_versions_are_hardly_ever_rolled_back_however_often_one_looks() {
    for (block, shares) in [
        ((9, 1), (0.90, 0.90)),
        ((90, 10), (0.90, 0.90)),
        ((50, 50), (0.90, 0.90)),
        ((10, 90), (0.90, 0.90)),
        ((9, 1), (0.99, 0.99)),
        ((90, 10), (0.60, 0.60)),
        ((9, 1), (0.999, 0.999)),
        ((9, 1), (0.05, 0.05)),
    ] {
        let setting = Setting { block, shares, blocks: 1000 };
        // Judged on failure alone: a run goes on where a pass would have ended it.
        let (_, failed, _) = run(RUNS, setting, |t| Finding { within: false, ..quality(t, drop_of(0.02)) });
        assert!(failed <= 0.05, "{failed} of equal versions at {block:?}, {shares:?} are rolled back");
    }
}

#[test]
fn half_a_drop_is_hardly_ever_rolled_back() {
    let setting = Setting { block: (90, 10), shares: (0.90, 0.89), blocks: 1000 };
    let (_, failed, _) = run(RUNS, setting, |t| Finding { within: false, ..quality(t, drop_of(0.02)) });
    assert!(failed <= ALLOWED, "{failed}");
}

#[test]
fn a_loss_of_the_whole_drop_is_hardly_ever_promoted() {
    for (block, shares, drop) in [
        ((90, 10), (0.90, 0.88), 0.02),
        ((9, 1), (0.90, 0.88), 0.02),
        ((90, 10), (0.99, 0.97), 0.02),
        ((90, 10), (0.60, 0.55), 0.05),
        ((90, 10), (1.00, 0.98), 0.02),
        ((900, 100), (0.995, 0.975), 0.02),
        ((50, 50), (0.97, 0.96), 0.01),
        ((90, 10), (0.90, 0.40), 0.50),
        ((90, 10), (0.30, 0.28), 0.02),
    ] {
        let setting = Setting { block, shares, blocks: 1000 };
        let (passed, _, _) = run(RUNS, setting, |t| Finding { beyond: None, ..quality(t, drop_of(drop)) });
        assert!(passed <= ALLOWED, "{passed} of {shares:?} at {block:?} are promoted");
    }
}

#[test]
fn a_version_at_its_floor_is_hardly_ever_decided_wrongly() {
    let bounds = QualityBounds { max_drop: None, min: Some(0.9), min_samples: 100.0, alpha: 0.05 };
    let setting = Setting { block: (0, 10), shares: (0.0, 0.9), blocks: 1000 };
    let (passed, _, _) = run(RUNS, setting, |t| Finding { beyond: None, ..quality(t, bounds) });
    let (_, failed, _) = run(RUNS, setting, |t| Finding { within: false, ..quality(t, bounds) });
    assert!(passed <= ALLOWED && failed <= ALLOWED, "{passed} promoted, {failed} rolled back");
}

#[test]
fn good_and_bad_versions_are_told_apart_within_reason() {
    let equal = Setting { block: (90, 10), shares: (0.90, 0.90), blocks: 2000 };
    let (passed, _, answers) = run(200, equal, |t| quality(t, drop_of(0.02)));
    assert!(passed >= 0.99 && answers <= 4000.0, "{passed} promoted, {answers} answers");
    let bad = Setting { shares: (0.90, 0.85), ..equal };
    let (_, failed, answers) = run(200, bad, |t| quality(t, drop_of(0.02)));
    assert!(failed >= 0.99 && answers <= 2000.0, "{failed} rolled back, {answers} answers");
    let gross = Setting { shares: (0.90, 0.70), ..equal };
    let (_, failed, answers) = run(200, gross, |t| quality(t, drop_of(0.02)));
    assert!(failed >= 0.999 && answers <= 250.0, "{failed} rolled back, {answers} answers");
}

#[test]
fn a_guardrail_hardly_ever_fails_a_version_at_its_bound() {
    for (block, shares, bounds) in [
        ((540, 60), (0.001, 0.002), bad(None, Some(2.0))),
        ((54, 6), (0.01, 0.02), bad(None, Some(2.0))),
        ((9, 1), (0.1, 0.2), bad(None, Some(2.0))),
        ((540, 60), (0.01, 0.01), bad(None, Some(1.0))),
        ((540, 60), (0.0, 0.01), bad(Some(0.01), None)),
        ((54, 6), (0.0, 0.01), bad(Some(0.01), None)),
        ((0, 10), (0.0, 0.001), bad(Some(0.001), None)),
    ] {
        let setting = Setting { block, shares, blocks: 1000 };
        let (_, failed, _) = run(RUNS, setting, |t| Finding { within: false, ..guardrail(t, bounds) });
        assert!(failed <= ALLOWED, "{failed} of {shares:?} at {block:?} with {bounds:?} are rolled back");
    }
}

#[test]
fn a_failing_version_is_caught_within_few_requests() {
    let setting = Setting { block: (27, 3), shares: (0.001, 1.0), blocks: 100 };
    let (_, failed, requests) = run(200, setting, |t| guardrail(t, bad(None, Some(2.0))));
    assert!(failed >= 1.0 && requests <= 20.0, "{failed} after {requests}");
    let tenth = Setting { shares: (0.001, 0.1), blocks: 400, ..setting };
    let (_, failed, requests) =
        run(200, tenth, |t| Finding { within: false, ..guardrail(t, bad(None, Some(2.0))) });
    assert!(failed >= 0.99 && requests <= 400.0, "{failed} after {requests}");
}

#[test]
fn few_failures_against_a_flawless_stable_pass_and_many_do_not() {
    let totals = |hits| Totals {
        stable: Count { hits: 0.0, events: 90_000.0 },
        canary: Count { hits, events: 10_000.0 },
    };
    assert!(guardrail(totals(0.0), bad(None, Some(2.0))).within);
    assert!(guardrail(totals(4.0), bad(None, Some(2.0))).within);
    let some = guardrail(totals(8.0), bad(None, Some(2.0)));
    assert!(!some.within && some.beyond.is_none(), "{some:?}");
    assert_eq!(guardrail(totals(30.0), bad(None, Some(2.0))).beyond, Some(Line::Relative));
}

#[test]
fn nothing_is_proven_by_nothing() {
    for finding in [
        quality(Totals::default(), QualityBounds { min: Some(0.5), ..drop_of(0.02) }),
        guardrail(Totals::default(), GuardrailBounds { min_requests: 0.0, ..bad(Some(1.0), Some(2.0)) }),
    ] {
        assert_eq!((finding.beyond, finding.within, finding.enough), (None, false, false));
        assert_eq!((finding.difference, finding.own), (None, None));
    }
    let alone = Totals { canary: Count { hits: 900.0, events: 1000.0 }, ..Totals::default() };
    assert!(!quality(alone, drop_of(0.5)).within, "a drop needs somebody to drop from");
}

#[test]
fn with_no_drop_allowed_only_a_proven_loss_fails() {
    let totals = |hits| Totals {
        stable: Count { hits: 9000.0, events: 10_000.0 },
        canary: Count { hits, events: 10_000.0 },
    };
    assert_eq!(quality(totals(9000.0), drop_of(0.0)).beyond, None);
    assert_eq!(quality(totals(8500.0), drop_of(0.0)).beyond, Some(Line::Relative));
    assert!(quality(totals(9500.0), drop_of(0.0)).within);
}

fn count() -> impl Strategy<Value = Count> {
    (prop_oneof![Just(0.0), 0.0..50.0, 0.0..1e9], 0.0..=1.0)
        .prop_map(|(events, share): (f64, f64)| Count { hits: events * share, events })
}

proptest! {
    #[test]
    fn findings_are_finite_and_never_both(
        stable in count(), canary in count(), drop in 0.0..0.5, min in 0.0001..0.9999, ratio in 1.0..99.0,
    ) {
        let totals = Totals { stable, canary };
        let bounds = QualityBounds { min: Some(min), ..drop_of(drop) };
        for finding in [quality(totals, bounds), guardrail(totals, bad(Some(min), Some(ratio)))] {
            prop_assert!(!(finding.within && finding.beyond.is_some()));
            for interval in [finding.difference, finding.own].into_iter().flatten() {
                prop_assert!(interval.lower.is_finite() && interval.upper.is_finite());
                prop_assert!(interval.lower <= interval.estimate && interval.estimate <= interval.upper);
            }
        }
    }
}
