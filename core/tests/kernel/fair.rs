//! Evidence for what is false is fair at best: its mean over all outcomes there are is at most 1.

use super::*;

/// Both versions' true shares, and their events at each look.
#[derive(Clone, Copy, Debug)]
struct Design {
    truth: Point,
    sizes: [(u32, u32); 3],
}

/// The mean of what `e` makes of the last of three looks, over all outcomes there are.
fn mean<S: Copy>(check: S, design: Design, e: &impl Fn(&mut S, Block) -> f64) -> f64 {
    fn from<S: Copy>(check: S, looks: &[(u32, u32)], truth: Point, e: &impl Fn(&mut S, Block) -> f64) -> f64 {
        let [(stable, canary), later @ ..] = looks else { return 0.0 };
        let mut sum = 0.0;
        for right in 0..=*stable {
            for too in 0..=*canary {
                let chance = chance(right, *stable, truth.stable) * chance(too, *canary, truth.canary);
                let block = both(of(right.into(), f64::from(*stable)), of(too.into(), f64::from(*canary)));
                let mut next = check;
                let now = e(&mut next, block);
                sum += chance * if later.is_empty() { now } else { from(next, later, truth, e) };
            }
        }
        sum
    }
    from(check, &design.sizes, design.truth, e)
}

/// Chance of exactly k hits in n ≤ 3 events.
fn chance(k: u32, n: u32, p: f64) -> f64 {
    let ways = match (k, n) {
        (1 | 2, 3) => 3.0,
        (1, 2) => 2.0,
        _ => 1.0,
    };
    ways * p.powi(k.cast_signed()) * (1.0 - p).powi((n - k).cast_signed())
}

#[test]
fn the_mean_of_the_evidence_for_what_is_false_is_at_most_one() {
    let sizes = [[(3, 2), (1, 1), (2, 2)], [(1, 2), (3, 1), (0, 2)], [(2, 1), (2, 0), (3, 2)]];
    for (known, share) in [(450.0, 0.9), (450.0, 0.6), (4.0, 0.5), (450.0, 0.99)] {
        for drop in [0.0, 0.02, 0.2] {
            let bounds = QualityBounds { min: Some(0.7), dispersion: Some(1.0), ..drop_of(drop) };
            let mut check = Quality::new(bounds).unwrap();
            check.learn(of(known * share, known)).unwrap();
            for (sizes, stable) in sizes.into_iter().zip([0.95, 0.7, 0.25]) {
                for beyond in [0.0, 0.1] {
                    let at = |canary: f64| Design {
                        truth: Point { stable, canary: canary.clamp(0.0, 1.0) },
                        sizes,
                    };
                    let told = |pick: fn(&QualityFinding) -> f64| {
                        move |check: &mut Quality, block: Block| pick(&check.look(block).unwrap()).exp()
                    };
                    let good = at(stable - drop - beyond);
                    let means = [
                        mean(check, good, &told(|f| f.good)),
                        mean(check, good, &told(|f| f.good_drop.unwrap())),
                        mean(check, at(0.7 - beyond), &told(|f| f.good_min.unwrap())),
                        mean(check, at(0.7 + beyond), &told(|f| f.worse_min.unwrap())),
                        mean(check, at(stable - drop / 2.0 + beyond), &told(|f| f.worse_drop.unwrap())),
                    ];
                    for mean in means {
                        assert!(mean <= 1.0 + 1e-9, "{means:?} {known} {share} {drop} {beyond} {good:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_mean_of_the_evidence_against_a_version_within_its_bounds_is_at_most_one() {
    let sizes = [(3, 2), (1, 2), (3, 1)];
    for (share, max, ratio) in [(0.01, 0.02, 2.0), (0.3, 0.6, 2.0), (0.1, 0.1, 1.0)] {
        let bounds = GuardrailBounds { dispersion: Some(1.0), ..guardrail(Some(max), Some(ratio)) };
        let mut check = Guardrail::new(bounds).unwrap();
        check.learn(of(4500.0 * share, 4500.0)).unwrap();
        for part in [1.0, 0.5] {
            let truth = Point { stable: share, canary: part * ratio * share };
            let e = |check: &mut Guardrail, block: Block| check.look(block).unwrap().max_ratio.unwrap().exp();
            assert!(mean(check, Design { truth, sizes }, &e) <= 1.0 + 1e-9);
            let truth = Point { stable: share, canary: part * max };
            let e = |check: &mut Guardrail, block: Block| check.look(block).unwrap().max.unwrap().exp();
            assert!(mean(check, Design { truth, sizes }, &e) <= 1.0 + 1e-9);
        }
    }
}
