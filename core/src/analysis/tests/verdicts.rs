//! What the counts decide.

use super::*;

fn quality(look: &Look) -> &crate::api::status::CheckStatus {
    look.status.quality.as_ref().unwrap()
}

#[test]
fn an_equal_canary_passes_once_it_is_proven_and_not_before() {
    let mut trial = Trial::new(&json!({}));
    let early = trial.run(1..=10, good);
    assert!(matches!(early.outcome, Outcome::Undecided { .. }), "500 answers are too few for 0.02");
    assert!(early.step_gate, "and enough for a step: {early:?}");
    let look = trial.run(11..=80, good);
    let Outcome::Pass { reason, message, numbers } = &look.outcome else { panic!("{look:?}") };
    assert_eq!(*reason, Reason::QualityPassed);
    assert!(
        message.starts_with("accuracy 0.9000 of 4000 against 0.9000 of 36000; evidence 681 of 20.0 that 2 is good enough; its loss is 0.0000 (-0.0161 to 0.0161), allowed is 0.0200"),
        "{message}"
    );
    assert!(
        message.ends_with("; errors 0.0000 of 4000 against 0.0000 of 36000; within 2 times stable's share"),
        "{message}"
    );
    assert_eq!(numbers.len(), 2);
    assert_eq!((numbers[0].canary.as_str(), numbers[0].canary_events), ("0.9000", 4000));
    assert_eq!(numbers[0].bound, "loss <= 0.0200");
    assert_eq!(quality_summary(&look.status), "0.9000/0.9000");
    assert_eq!(look.status.verdict, Verdict::Pass);
    assert_eq!(look.available.0, Is::True);
    assert!(!look.blind);
    assert_eq!(look.next_at, at(due(81)));
}

#[test]
fn a_worse_canary_fails_and_stays_failed() {
    let mut trial = Trial::new(&json!({}));
    let look = trial.run(1..=10, poor);
    assert_eq!(fails(&look), Some(Reason::QualityRegression));
    assert!(message(&look).contains(" against 0.9000 of "), "{}", message(&look));
    assert!(message(&look).contains(" of 20.0 that 2 is worse; its loss is 0.2000 ("), "{}", message(&look));
    assert!(!look.step_gate);
    let counted = trial.labelled();
    let later = trial.run(11..=60, good);
    assert_eq!(fails(&later), Some(Reason::QualityRegression), "latched");
    assert_eq!(message(&later), message(&look), "with the numbers that it failed by");
    assert!((trial.labelled() - counted).abs() < f64::EPSILON);
    assert!(trial.queries(due(60)).iter().all(|q| q.id.check != check::QUALITY), "nothing is asked any more");
    let again = look_without_answers(&trial, due(60));
    assert_eq!(again.outcome, later.outcome);
}

fn look_without_answers(trial: &Trial, now: i64) -> Look {
    look(&trial.release, &trial.subject(), &trial.checks, &[], at(now))
}

#[test]
fn guardrails_fail_before_quality_does() {
    let mut trial = Trial::new(&json!({}));
    let look = trial.run(1..=20, |_| Block::new([405, 450, 25, 50], [0, 450, 25, 50]));
    assert_eq!(fails(&look), Some(Reason::ErrorRateExceeded));
    let Outcome::Fail { message, numbers, .. } = &look.outcome else { panic!() };
    assert!(message.ends_with("of 20.0 that 2 is above 2 times stable's share"), "{message}");
    assert_eq!(numbers.iter().map(|n| n.metric.as_str()).collect::<Vec<_>>(), ["errors", "model_accuracy"]);
}

#[test]
fn a_guardrail_acts_after_its_failing_looks_in_a_row() {
    let spec =
        json!({"guardrails": [{"name": "errors", "metric": "ErrorRate", "max": "0.01", "failureLimit": 3}]});
    let mut trial = Trial::new(&spec);
    let bad = |_| Block::new([405, 450, 45, 50], [0, 450, 50, 50]);
    assert_eq!(fails(&trial.run(1..=2, bad)), None);
    // A block without requests is no look.
    assert_eq!(fails(&trial.run(3..=3, |_| Block::new([405, 450, 45, 50], [0, 450, 0, 0]))), None);
    assert_eq!(fails(&trial.run(4..=4, bad)), Some(Reason::ErrorRateExceeded));
}

#[test]
fn a_floor_is_proven_either_way() {
    let spec = json!({"quality": {"maxDrop": "0.5", "min": "0.85"}});
    let look = Trial::new(&spec).run(1..=40, |_| Block::new([405, 450, 40, 50], [0, 450, 0, 50]));
    assert_eq!(fails(&look), Some(Reason::QualityRegression));
    assert!(message(&look).contains("the floor is 0.8500"), "{}", message(&look));
    assert!(passes(&Trial::new(&spec).run(1..=40, good)));
}

#[test]
fn too_few_answers_hold_even_a_perfect_canary() {
    let mut trial = Trial::new(&json!({"quality": {"maxDrop": "0.3"}}));
    let look = trial.run(1..=9, |_| Block::new([225, 450, 10, 10], [0, 450, 0, 50]));
    assert_eq!(quality(&look).reason, Some(Reason::TooFewSamples));
    assert!(!look.step_gate);
    assert!(
        message(&look).contains("100 labelled answers of 2 are needed; about 10 more to pass"),
        "{}",
        message(&look)
    );
    assert!(passes(&trial.run(10..=10, |_| Block::new([225, 450, 10, 10], [0, 450, 0, 50]))));
}

#[test]
fn requests_that_no_bound_was_held_against_are_too_few_however_many() {
    let spec = json!({
        "quality": {"mode": "Observe"},
        "guardrails": [{"name": "errors", "metric": "ErrorRate", "maxRatio": "2", "minRequests": 40}],
    });
    let waits = |look: &Look, why: &str| {
        let errors = &look.status.guardrails[0];
        assert_eq!((errors.verdict, errors.reason), (Verdict::Inconclusive, Some(Reason::TooFewSamples)));
        assert!(!look.step_gate && message(look).contains(why), "{}", message(look));
    };
    // Nothing is known of stable before its first block, neither by its past nor by this attempt.
    let mut trial = Trial::new(&spec);
    let first = |block| if block < 1 { Block::default() } else { good(block) };
    waits(&trial.run(1..=1, first), "40 requests of 2 are needed after stable's share is known");
    assert!(passes(&trial.run(2..=2, first)), "the next fifty could be held against it");
    let mut alone = Trial::new(&spec);
    let idle = |_| Block { errors: events([0, 0, 0, 50]), ..Block::default() };
    waits(&alone.run(1..=2, idle), "stable has had no requests to compare with");
    let few = |_| Block::new([405, 450, 45, 50], [0, 450, 0, 30]);
    waits(&Trial::new(&spec).run(1..=1, few), "40 requests of 2 are needed; ");
}

#[test]
fn what_is_only_observed_is_shown_and_never_acts() {
    let spec = json!({
        "quality": {"maxDrop": "0.05"},
        "guardrails": [{"name": "errors", "metric": "ErrorRate", "max": "0.01", "mode": "Observe"}],
    });
    let mut trial = Trial::new(&spec);
    let look = trial.run(1..=40, |_| Block::new([405, 450, 45, 50], [0, 450, 25, 50]));
    assert_eq!(look.status.guardrails[0].verdict, Verdict::Fail);
    assert!(passes(&look), "{look:?}");
    let nothing = json!({
        "quality": {"mode": "Observe"},
        "guardrails": [{"name": "errors", "metric": "ErrorRate", "max": "0.01", "mode": "Observe"}],
    });
    let look = Trial::new(&nothing).run(1..=80, good);
    assert!(matches!(look.outcome, Outcome::Undecided { .. }) && !look.step_gate && !look.blind);
    assert_eq!(look.available.1, Reason::NotNeeded);
}

#[test]
fn without_quality_the_guardrails_may_promote() {
    let spec = json!({
        "quality": {"mode": "Observe"},
        "guardrails": [{"name": "errors", "metric": "ErrorRate", "max": "0.01"}],
    });
    let look = Trial::new(&spec).run(1..=3, good);
    let Outcome::Pass { reason, .. } = look.outcome else { panic!("{look:?}") };
    assert_eq!(reason, Reason::GuardrailsPassed);
}

fn without_requests(block: i64) -> Block {
    Block { errors: [None; 4], ..good(block) }
}

#[test]
fn the_default_guardrail_does_not_hold_while_there_was_never_a_series() {
    let look = Trial::new(&json!({})).run(1..=80, without_requests);
    assert!(passes(&look) && !look.blind, "{look:?}");
    assert_eq!(look.available.0, Is::True);
    let written = json!({"guardrails": [{"name": "errors", "metric": "ErrorRate", "maxRatio": "2"}]});
    let look = Trial::new(&written).run(1..=80, without_requests);
    assert!(!passes(&look) && look.blind, "one that the user wrote does");
    assert_eq!(look.available.1, Reason::NoData);
    let mut trial = Trial::new(&json!({}));
    trial.run(1..=1, good);
    let look = trial.run(2..=80, without_requests);
    assert!(!passes(&look) && look.blind, "and so does one whose series went away");
    let alone = json!({"quality": {"mode": "Observe"}});
    assert!(!passes(&Trial::new(&alone).run(1..=80, without_requests)), "nothing is proven by nothing");
}

#[test]
fn baking_watches_absolute_bounds_only_and_starts_afresh() {
    let spec = json!({
        "quality": {"min": "0.85"},
        "guardrails": [
            {"name": "most", "metric": "ErrorRate", "max": "0.05", "maxRatio": "2"},
            {"name": "ratio", "metric": "ErrorRate", "maxRatio": "2"},
        ],
    });
    let mut trial = Trial::new(&spec);
    trial.run(1..=80, good);
    trial.baking = true;
    trial.from = BEGIN + 80 * W;
    let look = look_without_answers(&trial, due(80));
    assert_eq!(look.checks.keys().collect::<Vec<_>>(), ["model_accuracy", "most"]);
    assert!(look.checks.values().all(|c| c.canary_events == 0.0));
    let alone = |_| Block {
        counts: [None, None, Some(90.0), Some(100.0)],
        counters: true,
        errors: [None, None, Some(0.0), Some(500.0)],
        ..Block::default()
    };
    let look = trial.run(81..=100, alone);
    assert!(passes(&look) && !look.blind, "{look:?}");
    let broken = |_| Block { errors: [None, None, Some(250.0), Some(500.0)], ..alone(0) };
    assert_eq!(fails(&trial.run(101..=130, broken)), Some(Reason::ErrorRateExceeded));

    let mut nothing = Trial::new(&json!({}));
    nothing.baking = true;
    let look = nothing.run(1..=9, alone);
    assert!(look.checks.is_empty() && !look.blind && nothing.queries(due(9)).is_empty());
    assert_eq!((look.available.0, look.available.1), (Is::Unknown, Reason::NotNeeded));
}

#[test]
fn without_a_stable_version_nothing_is_compared() {
    let mut trial = Trial::new(&json!({}));
    trial.with_stable = false;
    let look = trial.run(1..=80, good);
    assert!(!passes(&look) && fails(&look).is_none());
    assert!(message(&look).contains("there is no stable version to compare 2 with"), "{}", message(&look));
}

#[test]
fn old_evidence_does_not_promote() {
    let mut trial = Trial::new(&json!({}));
    assert!(passes(&trial.run(1..=80, good)));
    let idle = |_| Block::new([0, 0, 0, 0], [0, 450, 0, 50]);
    // Two windows of five minutes are twenty intervals.
    assert!(passes(&trial.run(81..=99, idle)));
    let look = trial.run(100..=101, idle);
    assert_eq!(quality(&look).reason, Some(Reason::StaleData));
    assert!(!passes(&look) && !look.step_gate && !look.blind, "answers came, only no events");
}

#[test]
fn requests_that_come_too_late_are_a_guardrail_as_failed_ones_are() {
    let spec =
        json!({"guardrails": [{"name": "slow", "metric": "Latency", "bound": "250ms", "max": "0.05"}]});
    let late = |_| Block::new([405, 450, 45, 50], [0, 450, 25, 50]);
    let look = Trial::new(&spec).run(1..=20, late);
    assert_eq!(fails(&look), Some(Reason::LatencyExceeded), "{}", message(&look));
    assert!(passes(&Trial::new(&spec).run(1..=80, good)));
    let look = Trial::new(&spec).run(1..=5, |block| Block { no_bucket: true, ..late(block) });
    assert_eq!((look.available.0, look.available.1), (Is::False, Reason::BoundNotABucket));
    assert!(look.blind && look.available.2.contains("no bucket of the histogram ends at 250 ms"), "{look:?}");
}

#[test]
fn the_guardrail_that_is_most_beyond_doubt_is_named() {
    let spec = json!({"guardrails": [
        {"name": "some", "metric": "ErrorRate", "max": "0.1"},
        {"name": "slow", "metric": "Latency", "bound": "250ms", "max": "0.01"},
    ]});
    let look = Trial::new(&spec).run(1..=1, |_| Block::new([405, 450, 45, 50], [0, 450, 40, 50]));
    assert_eq!(fails(&look), Some(Reason::LatencyExceeded), "{}", message(&look));
    assert!(message(&look).starts_with("slow 0.8000 of 50"), "{}", message(&look));
}
