//! Labels that come for another part of one version's answers, or later than they are waited for.

use super::*;

const QUALITY: &str = check::QUALITY;

fn trial() -> Trial {
    Trial::new(&json!({"quality": {"maxDrop": "0.02", "minSamples": 100}, "guardrails": []}))
}

/// A canary whose mistakes are hardly labelled: of its 50 answers 43 are right, and labels come for so many of the rest.
fn selected(mistakes: f64) -> impl Fn(i64) -> Block {
    move |_| Block {
        answers: [Some(450.0), Some(50.0)],
        counts: [Some(405.0), Some(450.0), Some(30.0), Some(30.0 + mistakes)],
        ..good(0)
    }
}

#[test]
fn what_was_labelled_of_unlike_choices_is_not_compared() {
    let mut trial = trial();
    let look = trial.run(1..=200, selected(1.0));
    assert!(!passes(&look) && !look.step_gate && fails(&look).is_none(), "{}", message(&look));
    assert_eq!(look.available.1, Reason::PartialData);
    assert!(
        message(&look).contains("labels come for another part of 2's answers than of 1's"),
        "{}",
        message(&look)
    );
    // Who does not count answers cannot be asked.
    let uncounted = |block| Block { answers: [None, None], ..selected(1.0)(block) };
    assert!(passes(&self::trial().run(1..=200, uncounted)));
}

#[test]
fn labels_for_a_part_of_the_answers_do_no_harm_if_it_is_the_same_part() {
    let fifth = |_| Block { answers: [Some(2250.0), Some(250.0)], ..good(0) };
    let mut trial = trial();
    let look = trial.run(1..=60, fifth);
    assert!(passes(&look), "{}", message(&look));
    assert!(!trial.kept(QUALITY).uneven);
}

#[test]
fn labels_that_come_by_the_hour_for_both_do_no_harm() {
    // None for 119 blocks, then all of them.
    let by_the_hour = |block: i64| {
        let labels = if block % 120 == 0 { 120 } else { 0 };
        Block {
            answers: [Some(450.0), Some(50.0)],
            ..Block::new([405 * labels, 450 * labels, 45 * labels, 50 * labels], [0, 450, 0, 50])
        }
    };
    let mut trial = trial();
    for block in 1..=600 {
        trial.step(due(block), by_the_hour);
        assert!(!trial.kept(QUALITY).uneven, "block {block}");
    }
}

#[test]
fn evidence_begins_anew_once_labels_come_alike() {
    let mut trial = trial();
    let late = |block: i64| {
        if block <= 20 {
            selected(0.0)(block)
        } else {
            Block { answers: [Some(450.0), Some(50.0)], ..good(block) }
        }
    };
    trial.run(1..=20, late);
    assert!(trial.kept(QUALITY).uneven);
    let at_first = trial.labelled();
    let look = trial.run(21..=50, late);
    assert!(!trial.kept(QUALITY).uneven, "{}", message(&look));
    assert!(trial.labelled() < 50.0 * 30.0 && at_first <= 0.0, "{at_first} {}", trial.labelled());
    assert_eq!(look.available.0, Is::True);
    let look = trial.run(51..=130, late);
    assert!(passes(&look), "{}", message(&look));
}

#[test]
fn labels_that_take_longer_than_they_are_waited_for_are_a_doubt() {
    let doubts = |delay: Option<f64>| {
        let look = trial().run(1..=3, move |block| Block { label_delay: delay, ..good(block) });
        look.status.quality.unwrap().doubts
    };
    assert_eq!(
        doubts(Some(1800.0)),
        [
            "of 100 labels of stable 99 came within 30m, and spec.analysis.quality.labelDelay is 0s: until slow labels are in, fast ones stand for all"
        ]
    );
    assert!(doubts(Some(0.0)).is_empty() && doubts(None).is_empty());
}

#[test]
fn outcomes_in_clusters_are_a_doubt() {
    // Whole blocks are right or wrong together.
    let clustered = |block: i64| {
        let right = if block % 10 == 0 { 150 } else { 430 };
        Block::new([right, 450, right / 9, 50], [0, 450, 0, 50])
    };
    let look = trial().run(1..=3, clustered);
    let doubts = look.status.quality.unwrap().doubts;
    assert!(doubts.iter().any(|doubt| doubt.contains("in clusters")), "{doubts:?}");
    assert!(trial().run(1..=3, good).status.quality.unwrap().doubts.is_empty());
}
