//! Copied requests that both versions answered.

use super::*;
use crate::api::status::Grade;

const QUALITY: &str = check::QUALITY;

/// A trial under copies of requests.
fn copied() -> Trial {
    let mut trial = Trial::new(&json!({"quality": {"maxDrop": "0.02", "minSamples": 100}, "guardrails": []}));
    trial.copied = true;
    trial
}

/// Both versions' counters, and these pairs beside them.
fn paired(pairs: [f64; 4]) -> impl Fn(i64) -> Block {
    move |block| Block { pairs: Some(pairs), ..good(block) }
}

#[test]
fn pairs_are_taken_where_somebody_compares_and_open_the_gate_with_fewer_answers() {
    let mut trial = copied();
    // 20 a block of which 3 of 100 fall to either side: an equal canary.
    let look = trial.run(1..=120, paired([17.7, 0.3, 0.3, 1.7]));
    assert_eq!(trial.kept(QUALITY).grade, Some(Grade::Paired));
    assert!(look.step_gate, "{}", message(&look));
    assert!(
        message(&look).starts_with(
            "accuracy 0.9000 of 2400 against 0.9000 of 2400 by pairs of answers to one request; "
        ),
        "{}",
        message(&look)
    );
    let pairs = (1..=120).find(|last| copied().run(1..=*last, paired([17.7, 0.3, 0.3, 1.7])).step_gate);
    let split = (1..=400).find(|last| {
        let mut trial = copied();
        let look = trial.run(1..=*last, |_| Block::new([405, 450, 18, 20], [0, 450, 0, 20]));
        passes(&look)
    });
    assert!(pairs < split, "{pairs:?} blocks of pairs, {split:?} of the split");
}

#[test]
fn a_canary_that_is_wrong_where_stable_was_right_fails_by_its_pairs() {
    let mut trial = copied();
    let look = trial.run(1..=20, paired([17.0, 0.0, 2.0, 1.0]));
    assert_eq!(fails(&look), Some(Reason::QualityRegression), "{}", message(&look));
    assert!(trial.kept(QUALITY).canary_events < 200.0, "{}", message(&look));
}

#[test]
fn pairs_are_never_evidence_once_it_has_a_weight() {
    let mut trial = copied();
    let look = trial.run(1..=120, paired([18.2, 0.3, 0.3, 1.2]));
    assert!(look.step_gate);
    trial.copied = false;
    let look = trial.step(due(121), paired([18.2, 0.3, 0.3, 1.2]));
    assert!(!passes(&look) && !look.step_gate, "{}", message(&look));
    assert!(trial.kept(QUALITY).canary_events < 100.0, "it begins anew");
    assert_ne!(trial.kept(QUALITY).grade, Some(Grade::Paired));
}

#[test]
fn without_pairs_copies_are_judged_by_what_both_versions_count() {
    let mut trial = copied();
    trial.run(1..=3, good);
    assert_eq!(trial.kept(QUALITY).grade, Some(Grade::Counts));
}

#[test]
fn pairs_that_are_not_told_any_more_hold() {
    let mut trial = copied();
    trial.run(1..=20, paired([18.0, 0.0, 0.0, 2.0]));
    let look = trial.run(21..=21, good);
    assert!(message(&look).contains("no model_shadow_pairs_total of 2"), "{}", message(&look));
    assert!(!look.step_gate);
}

#[test]
fn an_operator_that_starts_anew_goes_on_with_the_same_pairs() {
    let world = paired([17.6, 0.3, 0.8, 1.3]);
    let (mut one, mut other) = (copied(), copied());
    let whole = one.run(1..=60, &world);
    other.run(1..=30, &world);
    other.checks = serde_json::from_value(serde_json::to_value(&other.checks).unwrap()).unwrap();
    assert_eq!(other.run(31..=60, &world), whole);
}
