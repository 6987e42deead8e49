//! Label coverage: hardly ever a false alarm, whenever labels come and in what numbers; a real one soon.

use model_release_core::analysis::kernel::{Coverage, CoverageBounds, Labelled};
use rand::SeedableRng;
use rand_distr::{Binomial, Distribution, LogNormal, Poisson};
use rand_xorshift::XorShiftRng;

use super::*;

const BOUNDS: CoverageBounds = CoverageBounds { ratio: 0.8, alpha: 0.001, cleared: 0.05 };
const LOOKS: u32 = 400;

/// How labels come.
#[derive(Clone, Copy, Debug)]
enum Labels {
    /// Within the block of their answer.
    AtOnce,
    /// Blocks later, whatever is answered meanwhile.
    Later,
    /// Later, and answers come at rates that change all the time.
    Bursty,
}

/// Canary answers a block, coverage of stable and of the canary.
#[derive(Clone, Copy, Debug)]
struct Setting {
    rate: f64,
    stable: f64,
    canary: f64,
    labels: Labels,
}

impl Setting {
    fn block(&self, random: &mut XorShiftRng) -> (Labelled, Labelled) {
        let burst = match self.labels {
            Labels::Bursty => LogNormal::new(-0.5, 1.0).unwrap().sample(random),
            Labels::AtOnce | Labels::Later => 1.0,
        };
        let mut of = |rate: f64, coverage: f64| {
            let poisson = |mean: f64, random: &mut XorShiftRng| Poisson::new(mean).unwrap().sample(random);
            let answers: f64 = poisson(rate * burst, random);
            let labels = match self.labels {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a Poisson number"
                )]
                Labels::AtOnce => Binomial::new(answers as u64, coverage).unwrap().sample(random) as f64,
                Labels::Later | Labels::Bursty => poisson(rate * coverage, random),
            };
            Labelled { labels, answers }
        };
        (of(9.0 * self.rate, self.stable), of(self.rate, self.canary))
    }

    /// In which look it is first said to be uneven; two hours of stable's past are known.
    fn alarm(&self, seed: u64) -> Option<u32> {
        let mut random = XorShiftRng::seed_from_u64(seed);
        let mut coverage = Coverage::new(BOUNDS).unwrap();
        for _ in 0..240 {
            coverage.learn(self.block(&mut random).0).unwrap();
        }
        (1..=LOOKS).find(|_| {
            let (stable, canary) = self.block(&mut random);
            coverage.look(stable, canary).unwrap().uneven
        })
    }
}

#[test]
fn even_coverage_hardly_ever_raises_an_alarm() {
    let runs = 500_u32;
    // The rate, and 3 standard errors of so many runs.
    let allowed = f64::from(runs) * 0.001 + 3.0 * (f64::from(runs) * 0.001_f64).sqrt();
    for (rate, stable, canary, labels) in [
        (50.0, 1.0, 1.0, Labels::AtOnce),
        (50.0, 0.3, 0.3, Labels::AtOnce),
        (50.0, 0.3, 0.3, Labels::Later),
        (1.0, 0.9, 0.9, Labels::Later),
        (1.0, 0.9, 0.9, Labels::AtOnce),
        (20.0, 0.5, 0.5, Labels::Bursty),
        // As uneven as is still even.
        (50.0, 0.9, 0.72, Labels::Later),
        (50.0, 0.72, 0.9, Labels::Later),
    ] {
        let setting = Setting { rate, stable, canary, labels };
        let alarms: u32 = (0..runs).map(|run| u32::from(setting.alarm(u64::from(run)).is_some())).sum();
        assert!(f64::from(alarms) <= allowed, "{setting:?}: {alarms} false alarms of {runs}");
    }
}

#[test]
fn half_of_the_labels_are_missed_within_five_hundred_answers_mostly_and_two_thousand_always() {
    for labels in [Labels::AtOnce, Labels::Later] {
        for (stable, canary) in [(0.9, 0.45), (0.45, 0.9)] {
            let setting = Setting { rate: 10.0, stable, canary, labels };
            let mut alarms: Vec<u32> = (0..50).map(|seed| setting.alarm(seed).unwrap_or(LOOKS + 1)).collect();
            alarms.sort_unstable();
            assert!(alarms[25] <= 50 && alarms[49] <= 200, "{setting:?}: {alarms:?}");
        }
    }
}

#[test]
fn an_alarm_stays_until_labels_are_proven_to_come_alike() {
    let of = |labels: f64, answers: f64| Labelled { labels, answers };
    let mut coverage = Coverage::new(BOUNDS).unwrap();
    let mut looks = |canary: Labelled, number: u32| {
        let looks = (0..number).map(|_| coverage.look(of(90.0, 90.0), canary).unwrap().uneven);
        looks.collect::<Vec<_>>()
    };
    let uneven = looks(of(5.0, 10.0), 200);
    let begun = uneven.iter().position(|uneven| *uneven).unwrap();
    assert!(uneven[begun..].iter().all(|uneven| *uneven), "it lasts as long as they come unlike");
    let after = looks(of(10.0, 10.0), 400);
    assert!(after[0] && !after[399], "{after:?}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn coverage_is_finite_goes_on_from_its_record_and_refuses_what_is_no_number(
        blocks in prop::collection::vec((0.0..1e8_f64, 0.0..1e8_f64, 0.0..1e8_f64, 0.0..1e8_f64), 1..12),
        cut in any::<prop::sample::Index>(), bad in prop_oneof![Just(f64::NAN), Just(-1.0), Just(1e10)],
    ) {
        let of = |labels, answers| Labelled { labels, answers };
        let fresh = Coverage::new(BOUNDS).unwrap();
        let mut whole = fresh;
        let mut parted = fresh;
        let cut = cut.index(blocks.len());
        for (at, (one, two, three, four)) in blocks.iter().enumerate() {
            if at == cut {
                let record = bytes(&parted);
                prop_assert!(record.len() <= checkpoint::MOST_BYTES);
                parted = checkpoint::restore(fresh, &[1; 16], &record).state;
                let before = whole;
                prop_assert!(whole.look(of(bad, 1.0), of(1.0, 1.0)).is_err());
                prop_assert_eq!(whole, before);
            }
            let found = whole.look(of(*one, *two), of(*three, *four)).unwrap();
            prop_assert_eq!(parted.look(of(*one, *two), of(*three, *four)).unwrap(), found);
            prop_assert!(found.low.is_finite() && found.high.is_finite() && found.even.is_finite());
        }
        prop_assert_eq!(bytes(&whole), bytes(&parted));
    }
}
