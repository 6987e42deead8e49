//! Single cases, and the numbers that people see.

use super::*;

#[test]
fn a_milliard_of_events_in_a_block_is_no_trouble() {
    for (stable, canary) in [(1e9, 1e9), (0.0, 1e9), (1e9, 0.0), (0.9e9, 0.9e9), (1.0, 1e9 - 1.0)] {
        let mut check = known_at_ninety(QualityBounds { min: Some(0.85), ..drop_of(0.02) });
        for _ in 0..3 {
            let found = check.look(both(of(stable, 1e9), of(canary, 1e9))).unwrap();
            assert!(numbers(&found).iter().all(|n| n.is_finite() && n.abs() <= 1e9), "{found:?}");
        }
    }
}

#[test]
fn dispersion_of_large_counts_is_that_of_small_ones() {
    // The same relative noise at a thousand times the size is a thousand times the dispersion.
    let phi = |scale: f64| {
        let mut dispersion = Dispersion::default();
        for noise in [0.0, 1.0, -1.0, 2.0, -2.0, 1.0, 0.0, -1.0].repeat(17) {
            let block = of(scale * (900_000.0 + 100.0 * noise), scale * 1_000_000.0);
            dispersion.add(block, 0.9).unwrap();
        }
        dispersion.phi()
    };
    assert!((phi(1000.0) / phi(100.0) - 10.0).abs() < 1e-6, "{} {}", phi(1000.0), phi(100.0));
}

#[test]
fn a_gauge_needs_six_readings_and_as_many_as_were_asked_for() {
    for (asked, needed) in [(0, 6), (4, 6), (9, 9)] {
        let bounds = ReadingBounds {
            max_drop: Some(0.02),
            min: None,
            alpha: 0.05,
            window: 60_000,
            min_readings: asked,
        };
        let mut check = Readings::new(bounds, false, &[]).unwrap();
        let passed = (0..20).find(|minute| {
            let values = Values { at: minute * 60_000, stable: Some(0.9), canary: Some(0.9), weight: 10.0 };
            check.look(values).unwrap().verdict == Verdict::Pass
        });
        assert_eq!(passed, Some(needed - 1), "with {asked} asked for");
    }
}

#[test]
fn the_difference_that_people_see_lies_in_its_interval_which_narrows() {
    let width = |events: f64| {
        let totals = both(of(0.9 * 9.0 * events, 9.0 * events), of(0.85 * events, events));
        let shown = difference(&totals, 1.0, &drop_of(0.02)).unwrap();
        assert!((shown.estimate + 0.05).abs() < 1e-12);
        assert!(shown.lower < shown.estimate && shown.estimate < shown.upper);
        shown.upper - shown.lower
    };
    assert!(width(1e3) > width(1e4) && width(1e4) > width(1e6));
    assert_eq!(difference(&Block::default(), 1.0, &drop_of(0.02)), None);
}

#[test]
fn the_answers_that_are_said_to_be_missing_are_about_those_that_it_takes() {
    let mut check = known_at_ninety(QualityBounds { dispersion: Some(1.0), ..drop_of(0.02) });
    let bounds = drop_of(0.02);
    let (mut told, mut took) = (None, None);
    for look in 1..200 {
        let found = check.look(both(of(405.0, 450.0), of(45.0, 50.0))).unwrap();
        if look == 10 {
            told = answers_to_go(&found.totals, found.phi, &bounds, found.good);
        }
        if found.verdict == Verdict::Pass {
            took = Some(f64::from(50 * (look - 10)));
            break;
        }
    }
    let (told, took) = (told.unwrap(), took.unwrap());
    assert!((0.5..=2.0).contains(&(told / took)), "said {told}, took {took}");
    let guess = answers_expected(0.9, 10.0, &bounds).unwrap();
    assert!((0.4..=2.5).contains(&(guess / (took + 500.0))), "beforehand {guess}, took {}", took + 500.0);
    let worse = both(of(900.0, 1000.0), of(800.0, 1000.0));
    assert_eq!(answers_to_go(&worse, 1.0, &bounds, 0.0), None);
}

#[test]
fn what_failed_once_stays_failed_whatever_comes_after() {
    let bounds = QualityBounds { min_samples: 1.0, ..drop_of(0.02) };
    let mut quality = known_at_ninety(bounds);
    let mut guardrail = Guardrail::new(guardrail(Some(0.01), None)).unwrap();
    let (mut pairs, mut readings) = (pairs(), readings());
    let mut look = |minute: i64, is_bad: bool| {
        let (right, bad) = if is_bad { (5.0, 25.0) } else { (50.0, 0.0) };
        let pair = if is_bad {
            Paired { stable: 50.0, ..Paired::default() }
        } else {
            Paired { canary: 50.0, ..Paired::default() }
        };
        let canary = if is_bad { 0.2 } else { 0.9 } + f64::from(i32::try_from(minute).unwrap()) / 1e6;
        let values = Values { at: minute * 300_000, stable: Some(0.9), canary: Some(canary), weight: 10.0 };
        [
            quality.look(both(of(405.0, 450.0), of(right, 50.0))).unwrap().verdict,
            guardrail.look(both(of(1.0, 450.0), of(bad, 50.0))).unwrap().verdict,
            pairs.look(pair).unwrap().verdict,
            readings.look(values).unwrap().verdict,
        ]
    };
    let failed = (0..10).map(|minute| look(minute, true)).last();
    assert_eq!(failed, Some([Verdict::Fail; 4]));
    for minute in 10..300 {
        assert_eq!(look(minute, false), [Verdict::Fail; 4], "at look {minute}");
    }
}

#[test]
fn what_passed_may_fail_later() {
    let mut check = known_at_ninety(drop_of(0.02));
    let verdicts: Vec<Verdict> = [47.0; 40]
        .into_iter()
        .chain([20.0; 20])
        .map(|right| check.look(both(of(405.0, 450.0), of(right, 50.0))).unwrap().verdict)
        .collect();
    assert!(verdicts.contains(&Verdict::Pass));
    assert_eq!(verdicts.last(), Some(&Verdict::Fail));
}

#[test]
fn a_check_without_any_bound_proves_nothing() {
    let mut quality = known_at_ninety(QualityBounds { max_drop: None, ..drop_of(0.02) });
    let mut guardrail = Guardrail::new(guardrail(None, None)).unwrap();
    let bounds = ReadingBounds { max_drop: None, min: None, alpha: 0.05, window: 1, min_readings: 0 };
    let mut readings = Readings::new(bounds, false, &[]).unwrap();
    for at in 0..20 {
        let found = quality.look(both(of(405.0, 450.0), of(50.0, 50.0))).unwrap();
        assert_eq!((found.verdict, found.step_gate), (Verdict::Inconclusive, false));
        let found = guardrail.look(both(of(0.0, 450.0), of(0.0, 50.0))).unwrap();
        assert_eq!(found.verdict, Verdict::Inconclusive);
        let values = Values { at, stable: Some(0.9), canary: Some(0.9), weight: 10.0 };
        let found = readings.look(values).unwrap();
        assert_eq!((found.verdict, found.step_gate), (Verdict::Inconclusive, false));
    }
}

#[test]
fn a_block_that_no_bound_could_be_held_against_says_nothing_for_the_canary() {
    let half_bad = || both(of(0.0, 45_000.0), of(2_500.0, 5_000.0));
    // Nothing was known of stable, so what is above twice its share could not be told.
    let mut check = Guardrail::new(guardrail(None, Some(2.0))).unwrap();
    let first = check.look(half_bad()).unwrap();
    assert_eq!((first.used, first.verdict), (false, Verdict::Inconclusive));
    assert!(check.look(half_bad()).unwrap().used);
    // A limit of its own can be held against it at once.
    let mut check = Guardrail::new(guardrail(Some(0.5), Some(2.0))).unwrap();
    assert_eq!(check.look(half_bad()).unwrap().verdict, Verdict::Inconclusive, "its other bound could not");
    // Where stable fails nearly always, nothing can be twice as bad.
    let mut check = Guardrail::new(guardrail(None, Some(2.0))).unwrap();
    check.learn(of(600.0, 1_000.0)).unwrap();
    assert_eq!(check.look(both(of(600.0, 1_000.0), of(60.0, 100.0))).unwrap().verdict, Verdict::Pass);
}
