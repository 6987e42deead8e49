//! Which blocks count: each once, in order, whenever one looks; and what a useless answer does.

use super::*;
use crate::api::status::Grade;
use crate::observed::Unanswered;

/// Blocks that differ, so that a lost, a doubled and a swapped one show.
fn varied(block: i64) -> Block {
    let n = i32::try_from(10 + (block * 7).rem_euclid(31)).unwrap();
    Block::new([9 * n, 10 * n, n - 1, n], [0, 10 * n, 0, n])
}

#[test]
fn evidence_begins_with_whole_blocks_after_its_beginning() {
    let mut trial = Trial::new(&json!({}));
    trial.from = BEGIN + 1;
    let past = |q: &Query| q.id.check.ends_with("/past");
    assert!(trial.queries(due(1) - 1).is_empty(), "before that there is nothing to learn from");
    assert!(trial.queries(due(1)).iter().all(past), "that block began too early");
    assert!(trial.queries(due(2) - 1).iter().all(past), "its scrapes may not all be in");
    let mut asked = trial.queries(due(2));
    assert_eq!(
        asked.iter().map(|q| q.id.check.as_str()).collect::<Vec<_>>(),
        ["model_accuracy/past", "model_accuracy", "errors/past", "errors"]
    );
    assert!(
        asked
            .iter()
            .filter(|q| past(q))
            .all(|q| q.time == at(BEGIN + W) && q.promql().ends_with("[7200s:30s]"))
    );
    asked.retain(|q| !past(q));
    assert!(asked.iter().all(|q| q.time == at(BEGIN + 2 * W) && q.id.at == q.time && q.source == "default"));
    let look = trial.look(&[], due(1));
    assert_eq!((look.available.0, look.available.1), (Is::Unknown, Reason::InitialDelay));
    assert_eq!(look.next_at, at(due(1) + 1), "stable's past is asked for first");
    assert!(!look.blind);
}

#[test]
fn stables_past_is_learnt_once_and_makes_verdicts_sooner() {
    // Both versions are equal; with no past nobody knows yet how much stable's counts vary.
    let took = |knows: bool| {
        let mut trial = Trial::new(&json!({}));
        let passed = (1..=200).find(|block| {
            let mut answers = trial.answers(due(*block), good);
            if !knows {
                let nothing = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
                answers
                    .iter_mut()
                    .filter(|answer| answer.id.check.ends_with("/past"))
                    .for_each(|answer| answer.outcome = Ok((200, nothing.to_vec())));
            }
            let asks = answers.iter().any(|answer| answer.id.check.ends_with("/past"));
            assert_eq!(asks, *block == 1, "it is asked for once");
            passes(&trial.look(&answers, due(*block)))
        });
        passed.unwrap()
    };
    let (with, without) = (took(true), took(false));
    assert!(with * 3 <= without * 2, "{with} blocks with stable's past, {without} without");
}

#[test]
fn a_past_that_nobody_answers_is_asked_for_three_times() {
    let mut trial = Trial::new(&json!({"guardrails": []}));
    for try_ in 1..=3 {
        let mut answers = trial.answers(due(try_), good);
        assert!(answers.iter().any(|answer| answer.id.check.ends_with("/past")), "try {try_}");
        let past = answers.iter_mut().find(|answer| answer.id.check.ends_with("/past")).unwrap();
        past.outcome = Err(Unanswered::TimedOut);
        let look = trial.look(&answers, due(try_));
        assert!(trial.kept_blocks() == 0 || try_ == 3, "no block counts before");
        assert!(try_ == 3 || look.next_at > at(due(try_) + 1), "a server that is slow is not hurried");
    }
    assert!(trial.queries(due(4)).iter().all(|query| !query.id.check.ends_with("/past")));
    trial.run(4..=4, good);
    assert_eq!(trial.kept_blocks(), 4, "and nothing is lost by it");
}

#[test]
fn when_one_looks_does_not_matter() {
    let mut steady = Trial::new(&json!({}));
    steady.run(1..=60, varied);
    let mut late = Trial::new(&json!({}));
    let mut often = Trial::new(&json!({}));
    for second in BEGIN..=due(60) {
        if second % 7 == 0 {
            often.step(second, varied);
        }
    }
    often.step(due(60), varied);
    let mut looks = 0;
    // All sixty at once: eight a look, so it looks again soon.
    while late.kept_blocks() < 60 {
        let look = late.step(due(60) + looks, varied);
        looks += 1;
        assert!(late.kept_blocks() == 60 || look.next_at == at(due(60) + looks));
    }
    assert_eq!(looks, 8);
    for other in [&late, &often] {
        for (name, kept) in &steady.checks {
            let other = other.kept(name);
            assert_eq!(
                (other.canary_hits, other.canary_events, other.stable_hits, other.stable_events),
                (kept.canary_hits, kept.canary_events, kept.stable_hits, kept.stable_events)
            );
        }
    }
}

impl Trial {
    fn kept_blocks(&self) -> i64 {
        let end = self.checks.get(check::QUALITY).and_then(|c| c.last_block_end);
        end.map_or(0, |end| (end.as_second() - BEGIN) / W)
    }
}

#[test]
fn an_answer_counts_once_and_only_in_its_turn() {
    let mut trial = Trial::new(&json!({}));
    let answers = trial.answers(due(3), varied);
    let once = trial.look(&answers, due(3));
    let twice = trial.look(&answers, due(3));
    assert_eq!(once.checks, twice.checks);
    let mut gap = Trial::new(&json!({}));
    let later: Vec<Answer> = answers.into_iter().filter(|a| a.id.at > at(BEGIN + W)).collect();
    gap.look(&later, due(3));
    assert!(gap.labelled() == 0.0 && gap.kept_blocks() == 0, "the first block is still open");
}

#[test]
fn an_outage_holds_and_loses_nothing() {
    let mut steady = Trial::new(&json!({}));
    steady.run(1..=60, varied);
    for outage in [Unanswered::Unreachable, Unanswered::TimedOut, Unanswered::TooLarge] {
        let mut trial = Trial::new(&json!({}));
        trial.run(1..=20, varied);
        let before = trial.labelled();
        for block in 21..=40 {
            let asked = trial.queries(due(block));
            assert!(block == 21 || asked.len() == 2, "one question a check is enough to see that it is down");
            let answers: Vec<Answer> = asked
                .into_iter()
                .map(|q| Answer { id: q.id, asked_at: at(due(block)), outcome: Err(outage) })
                .collect();
            let look = trial.look(&answers, due(block));
            assert!(matches!(look.outcome, Outcome::Undecided { .. }) && !look.step_gate);
            assert_eq!(look.available.0, Is::False, "at once");
            assert_eq!(look.blind, block > 23, "block {block}");
            assert_eq!(look.next_at, at(due(block) + W));
        }
        assert!((trial.labelled() - before).abs() < f64::EPSILON);
        let mut now = due(60);
        while trial.kept_blocks() < 60 {
            trial.step(now, varied);
            now += 1;
        }
        let look = trial.look(&[], now);
        assert_eq!(look.available.0, Is::True);
        assert!((trial.labelled() - steady.labelled()).abs() < f64::EPSILON);
    }
}

#[test]
fn no_series_is_said_and_decides_nothing() {
    let mut trial = Trial::new(&json!({"guardrails": []}));
    let look = trial.run(1..=2, |_| Block::default());
    assert_eq!((look.available.0, look.blind), (Is::Unknown, false), "a new pod has no difference yet");
    let look = trial.run(3..=50, |_| Block::default());
    assert_eq!((look.available.0, look.available.1, look.blind), (Is::False, Reason::NoData, true));
    for word in ["model_predictions_labelled_total", "model_accuracy_samples", "2", "default"] {
        assert!(look.available.2.contains(word), "{}", look.available.2);
        assert!(message(&look).contains(word), "{}", message(&look));
    }
    assert!(matches!(look.outcome, Outcome::Undecided { .. }));
}

#[test]
fn a_useless_answer_is_refused_for_its_check_alone() {
    let row = |version: &str, stat: &str, value: &str| {
        json!({"metric": {
            "namespace": "ml", "modelrelease_dev_name": "fraud", "modelrelease_dev_version": version, "stat": stat,
        }, "value": [0, value]})
    };
    let vector = |rows: &[Value]| {
        json!({"status": "success", "data": {"resultType": "vector", "result": rows}}).to_string()
    };
    let nan = [row(CANARY, "n", "NaN"), row(STABLE, "n", "1")];
    let double = [row(CANARY, "n", "1"), row(CANARY, "n", "1"), row(STABLE, "n", "1")];
    let more = [row(CANARY, "k", "2"), row(CANARY, "n", "1"), row(STABLE, "n", "1")];
    let only = [row(CANARY, "k", "2"), row(STABLE, "n", "1")];
    let foreign = [row("0000000000", "n", "NaN"), row(CANARY, "n", "0"), row(STABLE, "n", "1")];
    let error = r#"{"status":"error","error":"PASSWORD"}"#.to_owned();
    for (code, body, reason, kept) in [
        (200, vector(&nan), Some(Reason::NotANumber), false),
        (200, vector(&double), Some(Reason::AmbiguousSeries), false),
        (200, vector(&more), Some(Reason::InconsistentCounts), false),
        (200, vector(&only), Some(Reason::InconsistentCounts), false),
        (200, vector(&foreign), None, false),
        (422, error.clone(), Some(Reason::BadQuery), true),
        (503, error.clone(), Some(Reason::ProviderUnavailable), true),
        (200, "{\"status\"".to_owned(), Some(Reason::PartialData), true),
    ] {
        let mut trial = Trial::new(&json!({}));
        trial.run(1..=5, good);
        let says = (code, body);
        let look = trial.run(6..=6, |_| Block { quality_says: Some(says.clone()), ..good(6) });
        let quality = trial.kept(check::QUALITY).clone();
        assert_eq!(quality.trouble, reason, "{says:?}");
        assert!((quality.canary_events - 250.0).abs() < f64::EPSILON, "{says:?}");
        assert_eq!(trial.kept_blocks(), if kept { 5 } else { 6 }, "{says:?}");
        assert!((trial.kept("errors").canary_events - 300.0).abs() < f64::EPSILON, "the other check goes on");
        if let Some(reason) = reason {
            assert_eq!((look.available.0, look.available.1), (Is::False, reason));
            assert_eq!(look.status.quality.as_ref().unwrap().reason, Some(reason));
        }
        assert!(!format!("{look:?}").contains("PASSWORD"));
    }
}

#[test]
fn the_best_that_both_export_is_chosen_once() {
    let gauge = events([405, 450, 45, 50]);
    let mut trial = Trial::new(&json!({}));
    // The canary's pods are new: their counters exist, without a difference.
    let new =
        Block { counts: [Some(9.0), Some(10.0), None, None], counters: true, gauge, ..Block::default() };
    trial.run(1..=1, |_| new.clone());
    assert_eq!(trial.kept(check::QUALITY).grade, Some(Grade::Counts));
    trial.run(2..=2, |_| Block { gauge, ..Block::default() });
    assert_eq!(trial.kept(check::QUALITY).grade, Some(Grade::Counts));

    let mut trial = Trial::new(&json!({}));
    trial.run(1..=1, |_| Block { gauge: [Some(9.0), Some(10.0), None, None], ..Block::default() });
    assert_eq!(trial.kept(check::QUALITY).grade, None, "nothing of the canary yet");
    trial.run(2..=2, |_| Block { gauge, ..Block::default() });
    assert_eq!(trial.kept(check::QUALITY).grade, Some(Grade::Samples));
    trial.run(3..=3, |_| Block { gauge, ..good(3) });
    assert_eq!(trial.kept(check::QUALITY).grade, Some(Grade::Samples));
}

#[test]
fn a_gauge_is_read_once_a_window() {
    let mut trial = Trial::new(&json!({"quality": {"window": "2m"}, "guardrails": []}));
    let gauge = |_| Block { gauge: events([405, 450, 45, 50]), ..Block::default() };
    // Windows of 120 s end at multiples of 120 s; the first whole one after 30,000 s at 30,120 s.
    trial.run(1..=3, gauge);
    assert!(trial.labelled() == 0.0);
    trial.run(4..=4, gauge);
    assert!((trial.labelled() - 50.0).abs() < f64::EPSILON);
    let look = trial.run(5..=11, gauge);
    assert!((trial.labelled() - 100.0).abs() < f64::EPSILON);
    assert!(!look.blind, "it is asked at each interval");
}

#[test]
fn never_right_is_seen() {
    let mut trial = Trial::new(&json!({"guardrails": []}));
    let look = trial.run(1..=3, |_| Block {
        counts: [Some(405.0), Some(450.0), None, Some(50.0)],
        counters: true,
        ..Block::default()
    });
    assert_eq!(fails(&look), Some(Reason::QualityRegression));
}

#[test]
fn counts_belong_to_an_attempt_and_its_bounds() {
    let spec = |drop: &str, samples: i32, interval: &str| json!({"interval": interval, "quality": {"maxDrop": drop, "minSamples": samples}, "guardrails": []});
    let counted = |change: &dyn Fn(&mut Trial)| {
        let mut trial = Trial::new(&spec("0.02", 100, "30s"));
        trial.run(1..=4, good);
        change(&mut trial);
        trial.look(&[], due(4));
        trial.labelled()
    };
    for (what, kept, change) in [
        ("nothing", true, &(|_: &mut Trial| {}) as &dyn Fn(&mut Trial)),
        ("minSamples", true, &|t| t.release = release(&spec("0.02", 7, "30s"))),
        ("interval", true, &|t| t.release = release(&spec("0.02", 100, "60s"))),
        ("maxDrop", false, &|t| t.release = release(&spec("0.03", 100, "30s"))),
        ("attempt", false, &|t| t.attempt = 2),
        ("stable", false, &|t| t.stable = Hash::known("0000000000")),
        ("canary", false, &|t| t.canary = Hash::known("0000000000")),
        ("release", false, &|t| t.release.uid = "another".into()),
    ] {
        assert_eq!(counted(change) > 0.0, kept, "{what}");
    }
}

#[test]
fn another_interval_never_counts_a_moment_twice() {
    let mut trial = Trial::new(&json!({"guardrails": []}));
    trial.run(1..=3, good);
    trial.release = release(&json!({"interval": "60s", "guardrails": []}));
    let asked = trial.queries(due(9));
    // The third block ended at 90 s; the first whole minute after that is the one from 120 s to 180 s.
    assert_eq!(asked.first().map(|q| q.time), Some(at(BEGIN + 180)));
}

#[test]
fn a_later_beginning_skips_blocks_and_keeps_counts() {
    let mut trial = Trial::new(&json!({}));
    trial.run(1..=4, good);
    trial.from = BEGIN + 10 * W;
    let look = trial.look(&[], due(9));
    assert!(trial.queries(due(10)).is_empty() && !look.blind);
    trial.run(11..=11, good);
    assert!((trial.labelled() - 250.0).abs() < f64::EPSILON);
}

#[test]
fn without_a_source_everything_holds() {
    let mut trial = Trial::of(release_with(&json!({}), &Settings::default()));
    assert!(trial.queries(due(9)).is_empty());
    let look = trial.look(&[], due(9));
    assert!(look.blind && !look.step_gate && matches!(look.outcome, Outcome::Undecided { .. }));
    assert_eq!((look.available.0, look.available.1), (Is::False, Reason::UnknownProvider));
    assert!(look.next_at > at(due(9)));
}

#[test]
fn labels_that_come_late_are_waited_for_again_after_each_change_of_the_weight() {
    let mut trial = Trial::new(&json!({"quality": {"labelDelay": "5m"}}));
    let look = trial.run(1..=10, good);
    assert!(trial.labelled() == 0.0 && trial.kept("errors").canary_events > 0.0, "requests need no labels");
    assert!(!look.blind && !look.step_gate, "{look:?}");
    trial.run(11..=12, good);
    assert!((trial.labelled() - 100.0).abs() < f64::EPSILON, "then the labels of both kinds are in");
    trial.from = BEGIN + 20 * W;
    trial.run(13..=30, good);
    assert!(
        (trial.labelled() - 100.0).abs() < f64::EPSILON,
        "another weight: what is labelled fast comes first"
    );
    trial.run(31..=31, good);
    assert!((trial.labelled() - 150.0).abs() < f64::EPSILON);
}

#[test]
fn a_gauge_alone_is_read_once_a_window() {
    // Nobody knows how many answers stand behind a value, so each window is one witness.
    let shown = |stable: f64, canary: f64| {
        move |block: i64| Block {
            // It moves a little from window to window.
            alone: [stable, canary]
                .map(|value| Some(value + 0.0001 * f64::from(i32::try_from(block % 7).unwrap()))),
            ..Block::default()
        }
    };
    let spec = json!({"quality": {"window": "1m"}, "guardrails": []});
    let mut trial = Trial::new(&spec);
    trial.run(1..=1, shown(0.9, 0.9));
    assert_eq!(trial.kept(check::QUALITY).grade, Some(Grade::Gauge));
    let look = trial.run(2..=10, shown(0.9, 0.9));
    assert!(!passes(&look), "five readings are too few: {}", message(&look));
    let look = trial.run(11..=12, shown(0.9, 0.9));
    assert!(passes(&look), "{}", message(&look));
    assert!(message(&look).contains("by 6 readings of a gauge; evidence "), "{}", message(&look));
    let mut trial = Trial::new(&spec);
    let look = trial.run(1..=12, shown(0.9, 0.8));
    assert_eq!(fails(&look), Some(Reason::QualityRegression), "{}", message(&look));
}

#[test]
fn a_gauge_that_stands_still_gives_nothing_unless_neither_ever_moved() {
    let spec = json!({"quality": {"window": "1m"}, "guardrails": []});
    let moved = |block: i64| Block {
        alone: [Some(if block < 0 { 0.89 } else { 0.9 }), Some(0.9)],
        ..Block::default()
    };
    let look = Trial::new(&spec).run(1..=60, moved);
    assert!(!passes(&look), "the canary's was written once: {}", message(&look));
    let mut trial = Trial::new(&spec);
    let look = trial.run(1..=60, |_| Block { alone: [Some(0.9), Some(0.9)], ..Block::default() });
    assert_eq!(trial.kept(check::QUALITY).grade, Some(Grade::Declared));
    assert!(passes(&look) && message(&look).contains("declared, not measured"), "{}", message(&look));
}

#[test]
fn a_gauge_in_percent_is_no_share() {
    let mut trial = Trial::new(&json!({"guardrails": []}));
    let look = trial.run(1..=2, |_| Block { alone: [Some(90.0), Some(93.0)], ..Block::default() });
    assert_eq!(trial.kept(check::QUALITY).trouble, Some(Reason::InconsistentCounts));
    assert!(message(&look).contains("as a share from 0 to 1"), "{}", message(&look));
}
