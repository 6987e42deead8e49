//! What must hold whatever is counted.

use proptest::sample::Index;

use super::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn more_right_answers_of_the_canary_never_lower_good_nor_raise_worse(
        before in blocks(), bounds in quality_bounds(), at in any::<Index>(), part in 0.0..=1.0_f64,
    ) {
        // Sizes and stable's answers stay, so p and φ do: in whichever block the answers are, and at every look after.
        let mut better = before.clone();
        let canary = &mut at.get_mut::<Block>(&mut better).canary;
        canary.hits = (canary.hits + part * (canary.events - canary.hits)).min(canary.events);
        let (mut one, mut other) = (Quality::new(bounds).unwrap(), Quality::new(bounds).unwrap());
        for (less, more) in before.iter().zip(&better) {
            let (less, more) = (one.look(*less).unwrap(), other.look(*more).unwrap());
            prop_assert!(more.good >= less.good - slack(less.good), "{} {}", more.good, less.good);
            prop_assert!(more.worse <= less.worse + slack(less.worse), "{} {}", more.worse, less.worse);
        }
    }

    #[test]
    fn more_bad_events_of_the_canary_never_lower_the_evidence_against_it(
        before in blocks(), bounds in guardrail_bounds(), at in any::<Index>(), part in 0.0..=1.0_f64,
    ) {
        let mut worse = before.clone();
        let canary = &mut at.get_mut::<Block>(&mut worse).canary;
        canary.hits = (canary.hits + part * (canary.events - canary.hits)).min(canary.events);
        let (mut one, mut other) = (Guardrail::new(bounds).unwrap(), Guardrail::new(bounds).unwrap());
        for (less, more) in before.iter().zip(&worse) {
            let (less, more) = (one.look(*less).unwrap(), other.look(*more).unwrap());
            prop_assert!(more.worse >= less.worse - slack(less.worse));
            prop_assert!(less.verdict != Verdict::Fail || more.verdict == Verdict::Fail);
        }
    }

    #[test]
    fn only_the_totals_of_a_block_matter(
        answers in prop::collection::vec(any::<(bool, bool)>(), 1..60), turn in 0_usize..60,
    ) {
        let totals = |answers: &[(bool, bool)]| {
            let mut block = Block::default();
            for &(of_canary, right) in answers {
                let count = if of_canary { &mut block.canary } else { &mut block.stable };
                count.events += 1.0;
                count.hits += f64::from(u8::from(right));
            }
            block
        };
        let mut turned = answers.clone();
        turned.rotate_left(turn % answers.len());
        let (mut one, mut other) = (known_at_ninety(drop_of(0.02)), known_at_ninety(drop_of(0.02)));
        prop_assert_eq!(one.look(totals(&answers)).unwrap(), other.look(totals(&turned)).unwrap());
        prop_assert_eq!(bytes(&one), bytes(&other));
    }

    #[test]
    fn blocks_without_events_change_nothing(
        blocks in blocks(), bounds in quality_bounds(), limits in guardrail_bounds(), last in block(),
    ) {
        let (mut quality, mut guardrail) = (Quality::new(bounds).unwrap(), Guardrail::new(limits).unwrap());
        for block in blocks {
            quality.look(block).unwrap();
            guardrail.look(block).unwrap();
        }
        let was = (bytes(&quality), bytes(&guardrail));
        for _ in 0..3 {
            quality.look(Block::default()).unwrap();
            guardrail.look(Block::default()).unwrap();
        }
        prop_assert_eq!(was, (bytes(&quality), bytes(&guardrail)));
        let (mut pairs, mut skew, mut readings) = (pairs(), skew(), readings());
        pairs.look(Paired { canary: 3.0, stable: 1.0, same: 9.0 }).unwrap();
        let (stable, canary) = (last.stable.hits / 2.0, last.canary.hits / 2.0);
        skew.look(Requests { weight: 10.0, stable, canary }).unwrap();
        let was = (bytes(&pairs), bytes(&skew), bytes(&readings));
        pairs.look(Paired::default()).unwrap();
        skew.look(Requests { weight: 10.0, stable: 0.0, canary: 0.0 }).unwrap();
        readings.look(Values { at: 0, stable: Some(0.9), canary: None, weight: 10.0 }).unwrap();
        prop_assert_eq!(was, (bytes(&pairs), bytes(&skew), bytes(&readings)));
    }

    #[test]
    fn before_one_estimate_two_blocks_prove_what_their_sum_does_if_both_are_split_alike(
        p in 0.05..0.95, gap in 0.001..0.5_f64, drop in 0.0..0.05_f64,
        first in 1.0..1e4, second in 1.0..1e4, ratio in 0.05..20.0,
        shares in prop::array::uniform4(0.0..=1.0),
    ) {
        let line = Line { slope: 1.0, offset: -drop };
        let alternative = Point { stable: p, canary: (p - drop - gap).max(0.001) };
        let sized = |events: f64, stable: f64, canary: f64| {
            both(of(events * ratio * stable, events * ratio), of(events * canary, events))
        };
        let [a, b, c, d] = shares;
        let (one, two) = (sized(first, a, b), sized(second, c, d));
        let sum = both(
            of(one.stable.hits + two.stable.hits, one.stable.events + two.stable.events),
            of(one.canary.hits + two.canary.hits, one.canary.events + two.canary.events),
        );
        let evidence = |block: &Block| line.evidence(Side::Below, alternative, block);
        let (apart, joined) = (evidence(&one) + evidence(&two), evidence(&sum));
        prop_assert!((apart - joined).abs() <= 1e-9 * (first + second) * (1.0 + ratio), "{apart} {joined}");
        let absolute = Line { slope: 0.0, offset: 0.5 };
        let alternative = Point { stable: p, canary: 0.7 };
        let evidence = |block: &Block| absolute.evidence(Side::Above, alternative, block);
        prop_assert!((evidence(&one) + evidence(&two) - evidence(&sum)).abs() <= 1e-9 * (first + second));
    }

    #[test]
    fn split_differently_their_sum_proves_no_less_if_the_alternative_is_met_exactly(
        p in 0.05..0.95_f64, gap in 0.001..0.5_f64, sizes in prop::array::uniform4(1.0..1e4),
    ) {
        // One point of the line must serve for both, so it is no nearer than the two together. Met otherwise, either
        // may prove more.
        let line = Line { slope: 1.0, offset: 0.0 };
        let alternative = Point { stable: p, canary: (p - gap).max(0.001) };
        let met = |stable: f64, canary: f64| {
            both(of(stable * alternative.stable, stable), of(canary * alternative.canary, canary))
        };
        let evidence = |block: &Block| line.evidence(Side::Below, alternative, block);
        let [a, b, c, d] = sizes;
        let apart = evidence(&met(a, b)) + evidence(&met(c, d));
        let joined = evidence(&met(a + c, b + d));
        prop_assert!(joined >= apart - slack(apart), "{joined} {apart}");
    }

    #[test]
    fn neither_a_nan_nor_an_infinity_ever_leaves(
        blocks in blocks(), bounds in quality_bounds(), limits in guardrail_bounds(),
        values in prop::array::uniform3(-1e9..1e9),
    ) {
        let (mut quality, mut guardrail) = (Quality::new(bounds).unwrap(), Guardrail::new(limits).unwrap());
        let (mut pairs, mut skew, mut readings) = (pairs(), skew(), readings());
        for (at, block) in (0_i64..).zip(&blocks) {
            let found = quality.look(*block).unwrap();
            prop_assert!(numbers(&found).iter().all(|number| number.is_finite()), "{found:?}");
            let interval = difference(&found.totals, found.phi, &bounds);
            prop_assert!(interval.is_none_or(|i| i.lower.is_finite() && i.upper.is_finite()));
            let to_go = answers_to_go(&found.totals, found.phi, &bounds, found.good);
            prop_assert!(to_go.is_none_or(f64::is_finite), "{to_go:?}");
            let found = guardrail.look(*block).unwrap();
            prop_assert!(numbers_of(&found).iter().all(|number| number.is_finite()), "{found:?}");
            let Block { stable, canary } = *block;
            let found =
                pairs.look(Paired { canary: stable.hits, stable: canary.hits, same: stable.events }).unwrap();
            prop_assert!(found.good.is_finite() && found.worse.is_finite(), "{found:?}");
            let weight = 100.0 * stable.share().unwrap_or(0.1);
            let requests = Requests { weight, stable: stable.hits / 2.0, canary: canary.hits / 2.0 };
            let found = skew.look(requests).unwrap();
            prop_assert!(found.low.is_finite() && found.high.is_finite(), "{found:?}");
            let [stable, canary, weight] = values;
            let seen = Values { at: at * 300_000, stable: Some(stable), canary: Some(canary), weight };
            let found = readings.look(seen).unwrap();
            prop_assert!(found.good.is_finite() && found.worse.is_finite(), "{found:?}");
            prop_assert!(found.gross_line.is_none_or(f64::is_finite));
        }
    }

    #[test]
    fn a_broken_block_is_refused_and_changes_nothing(
        blocks in blocks(), broken in broken(), good in count(),
    ) {
        let mut quality = Quality::new(QualityBounds { min: Some(0.8), ..drop_of(0.02) }).unwrap();
        let mut guardrail = Guardrail::new(guardrail(Some(0.01), Some(2.0))).unwrap();
        for block in blocks {
            quality.look(block).unwrap();
            guardrail.look(block).unwrap();
        }
        let was = (bytes(&quality), bytes(&guardrail));
        for block in [both(broken, good), both(good, broken)] {
            prop_assert!(quality.look(block).is_err());
            prop_assert!(guardrail.look(block).is_err());
        }
        prop_assert!(quality.learn(broken).is_err());
        prop_assert_eq!(was, (bytes(&quality), bytes(&guardrail)));
    }
}

#[test]
fn every_number_that_is_none_is_refused_by_every_check() {
    let (mut pairs, mut skew, mut readings) = (pairs(), skew(), readings());
    let was = (bytes(&pairs), bytes(&skew), bytes(&readings));
    for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for block in [
            Paired { canary: none, ..Paired::default() },
            Paired { stable: none, ..Paired::default() },
            Paired { same: none, ..Paired::default() },
        ] {
            assert!(matches!(pairs.look(block), Err(Refused::NotANumber(_))));
        }
        for (weight, stable, canary) in [(none, 1.0, 1.0), (10.0, none, 1.0), (10.0, 1.0, none)] {
            assert!(matches!(skew.look(Requests { weight, stable, canary }), Err(Refused::NotANumber(_))));
        }
        for (stable, canary, weight) in [(none, 0.9, 10.0), (0.9, none, 10.0), (0.9, 0.9, none)] {
            let values = Values { at: 0, stable: Some(stable), canary: Some(canary), weight };
            assert!(matches!(readings.look(values), Err(Refused::NotANumber(_))));
        }
        assert!(Quality::new(drop_of(none)).is_err());
        assert!(Guardrail::new(guardrail(Some(none), None)).is_err());
    }
    assert_eq!(was, (bytes(&pairs), bytes(&skew), bytes(&readings)));
}
