//! A canary's share of the requests, block by block.

use crate::observed::QueryId;
use serde_json::{Value, json};

use super::*;
use crate::analysis::tests::{BEGIN, CANARY, STABLE, W, at, release};
use crate::observed::Unanswered;

/// A trial with a weight that was in force at [`BEGIN`], and what is kept of it.
struct Trial {
    release: Release,
    stable: Hash,
    canary: Hash,
    attempt: i64,
    weight: i32,
    from: i64,
    now: i64,
    kept: Option<ShareState>,
}

impl Trial {
    fn new(weight: i32) -> Self {
        Self {
            release: release(&json!({"interval": format!("{W}s")})),
            stable: Hash::known(STABLE),
            canary: Hash::known(CANARY),
            attempt: 1,
            weight,
            from: BEGIN,
            now: BEGIN,
            kept: None,
        }
    }

    fn split(&self) -> Split<'_> {
        Split {
            stable: &self.stable,
            canary: &self.canary,
            apps: Vec::new(),
            attempt: self.attempt,
            weight: self.weight,
            from: at(self.from),
        }
    }

    fn asked(&self) -> Vec<Timestamp> {
        let asked = queries(&self.release, &self.split(), self.kept.as_ref(), at(self.now));
        asked.into_iter().map(|query| query.time).collect()
    }

    /// The next block is over, and this is what Prometheus says of everything that is asked then.
    fn block(&mut self, says: impl Fn(Timestamp) -> Answer) -> &mut Self {
        self.now += W;
        // Scrapes are in 3 s after a block's end.
        let answers: Vec<Answer> = {
            self.now += 3;
            let asked = self.asked();
            asked.into_iter().map(says).collect()
        };
        self.kept = look(&self.release, &self.split(), self.kept.as_ref(), &answers, at(self.now));
        self.now -= 3;
        self
    }

    /// A block with so many requests of stable and of the canary.
    fn counts(&mut self, stable: f64, canary: f64) -> &mut Self {
        self.block(|end| answer(end, &[(STABLE, "80", stable), (CANARY, "80", canary)]))
    }

    fn state(&self) -> &ShareState {
        self.kept.as_ref().unwrap()
    }

    fn skewed(&self) -> Option<&Skewed> {
        self.state().skewed.as_ref()
    }
}

fn answer(end: Timestamp, rows: &[(&str, &str, f64)]) -> Answer {
    let rows: Vec<Value> = rows
        .iter()
        .map(|(hash, port, count)| {
            let cluster = format!("outbound|{port}||fraud-{hash}.ml.svc.cluster.local");
            json!({"metric": {"cluster_name": cluster, "stat": "n"}, "value": [0, count.to_string()]})
        })
        .collect();
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": rows}});
    says(end, Ok((200, body.to_string().into_bytes())))
}

fn says(end: Timestamp, outcome: Result<(u16, Vec<u8>), Unanswered>) -> Answer {
    Answer { id: QueryId { check: SHARE.into(), at: end }, asked_at: end, outcome }
}

#[test]
fn a_share_that_is_the_weight_is_never_doubted() {
    for (weight, share) in [(10, 0.1), (10, 0.06), (10, 0.14), (1, 0.01), (99, 0.99), (50, 0.5)] {
        let mut trial = Trial::new(weight);
        for _ in 0..500 {
            trial.counts(1000.0 * (1.0 - share), 1000.0 * share);
        }
        assert_eq!(trial.skewed(), None, "{share} at {weight} %");
    }
}

#[test]
fn one_that_is_not_is_found_as_soon_as_the_page_says() {
    // Share in truth at a weight of 10 %, and requests after which it is flagged at the latest.
    for (share, latest) in [(0.5, 100), (0.0, 200), (0.2, 1200)] {
        let mut trial = Trial::new(10);
        let mut requests = 0;
        while trial.kept.is_none() || trial.skewed().is_none() {
            requests += 20;
            assert!(requests <= latest, "{share}: not after {latest}");
            trial.counts(20.0 * (1.0 - share), 20.0 * share);
        }
        let told = trial.skewed().unwrap();
        assert_eq!((told.weight, told.percent.as_str()), (10, format!("{:.1}", share * 100.0).as_str()));
        assert!(told.requests > 0, "{told:?}");
    }
}

#[test]
fn a_proven_skew_is_cleared_by_a_thousand_requests_that_fit_and_by_no_fewer() {
    let mut trial = Trial::new(10);
    trial.counts(100.0, 100.0);
    assert!(trial.skewed().is_some());
    assert!(trial.state().requests < 1.0, "a fresh test");
    for block in 1..=9 {
        trial.counts(90.0, 10.0);
        assert!(trial.skewed().is_some(), "after {block}00");
    }
    trial.counts(90.0, 10.0);
    assert_eq!(trial.skewed(), None);
    // What was cleared can be proven again.
    trial.counts(500.0, 500.0);
    assert!(trial.skewed().is_some());
}

#[test]
fn what_goes_on_being_off_is_not_cleared() {
    let mut trial = Trial::new(10);
    for _ in 0..50 {
        trial.counts(50.0, 50.0);
    }
    assert!(trial.skewed().is_some());
}

#[test]
fn blocks_that_overlap_a_change_of_the_weight_are_left_out() {
    let mut trial = Trial::new(10);
    trial.counts(90.0, 10.0);
    // The weight is in force in the midst of a block; that one and those before it are nobody's.
    (trial.weight, trial.from) = (50, trial.now + W + 10);
    trial.now += 3 * W + 3;
    assert_eq!(trial.asked(), [at(trial.from - 10 + W + W)], "the block that begins after it");
    trial.now -= W + 3;
    trial.counts(50.0, 50.0);
    let state = trial.state();
    assert_eq!((state.weight, state.recent_canary, state.recent_requests), (50, 50.0, 100.0));
    assert_eq!((state.requests, &state.skewed), (200.0, &None), "the test goes on over weights");
}

#[test]
fn each_block_is_used_once_and_in_its_order_however_often_one_looks() {
    let mut one = Trial::new(10);
    for _ in 0..6 {
        one.counts(90.0, 10.0);
    }
    let mut late = Trial::new(10);
    late.now += 5 * W;
    late.counts(90.0, 10.0);
    assert_eq!(late.kept, one.kept, "fetched together after an outage");
    let again = answer(at(one.now), &[(STABLE, "80", 0.0), (CANARY, "80", 1e6)]);
    let kept = look(&one.release, &one.split(), one.kept.as_ref(), &[again], at(one.now));
    assert_eq!(kept, one.kept, "an answer to what was not asked");
}

#[test]
fn a_restart_changes_nothing_and_another_trial_starts_afresh() {
    let mut trial = Trial::new(10);
    trial.counts(900.0, 100.0).counts(900.0, 130.0);
    let stored: ShareState = serde_json::from_str(&serde_json::to_string(trial.state()).unwrap()).unwrap();
    assert_eq!(&stored, trial.state());
    trial.kept = Some(stored);
    let mut whole = Trial::new(10);
    whole.counts(900.0, 100.0).counts(900.0, 130.0).counts(900.0, 90.0);
    assert_eq!(trial.counts(900.0, 90.0).kept, whole.kept, "bit by bit");

    trial.counts(0.0, 5000.0);
    assert!(trial.skewed().is_some());
    trial.attempt = 2;
    assert_eq!(look(&trial.release, &trial.split(), trial.kept.as_ref(), &[], at(trial.now)), None);
    trial.attempt = 1;
    (trial.stable, trial.canary) = (trial.canary.clone(), trial.stable.clone());
    assert_eq!(look(&trial.release, &trial.split(), trial.kept.as_ref(), &[], at(trial.now)), None, "order");
}

#[test]
fn a_record_that_cannot_be_read_starts_afresh() {
    let mut trial = Trial::new(10);
    trial.counts(100.0, 100.0);
    for record in ["", "no base64!", "AAAA", &"A".repeat(1024)] {
        let mut kept = trial.state().clone();
        kept.checkpoint = record.to_owned();
        assert_eq!(look(&trial.release, &trial.split(), Some(&kept), &[], at(trial.now)), None, "{record}");
    }
    assert!(trial.state().checkpoint.len() <= 1024);
}

/// What Prometheus says of a block.
type Says<'s> = Box<dyn Fn(Timestamp) -> Answer + 's>;

#[test]
fn without_a_number_nothing_is_counted_and_only_what_may_still_be_answered_is_asked_again() {
    let body = |text: &str| Ok((200, text.as_bytes().to_vec()));
    let nan = |end| {
        let mut answer = answer(end, &[(STABLE, "80", 9.0), (CANARY, "80", 1.0)]);
        if let Ok((_, body)) = &mut answer.outcome {
            *body = String::from_utf8(body.clone()).unwrap().replace("\"9\"", "\"NaN\"").into_bytes();
        }
        answer
    };
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let cases: [(Reason, bool, Says); 7] = [
        (Reason::ProviderUnavailable, true, Box::new(|end| says(end, Err(Unanswered::Unreachable)))),
        (Reason::ProviderUnavailable, true, Box::new(|end| says(end, Ok((500, Vec::new()))))),
        (Reason::BadQuery, true, Box::new(|end| says(end, Ok((400, Vec::new()))))),
        (Reason::PartialData, true, Box::new(|end| says(end, Err(Unanswered::TooLarge)))),
        (Reason::NoData, false, Box::new(move |end| says(end, body(empty)))),
        (Reason::NotANumber, false, Box::new(nan)),
        (
            Reason::AmbiguousSeries,
            false,
            Box::new(|end| answer(end, &[(STABLE, "80", 1.0), (CANARY, "80", 1.0), (CANARY, "80", 2.0)])),
        ),
    ];
    for (reason, again, says) in cases {
        let mut trial = Trial::new(10);
        trial.counts(90.0, 10.0);
        let before = trial.state().clone();
        trial.block(&says);
        let after = trial.state();
        assert_eq!(after.trouble, Some(reason));
        assert_eq!((after.requests, after.recent_requests), (before.requests, before.recent_requests));
        trial.now += 3;
        let next = trial.asked();
        trial.now -= 3;
        assert_eq!(next.is_empty(), !again, "{reason}: {next:?}");
        trial.counts(90.0, 10.0);
        assert_eq!(trial.state().trouble, None, "{reason}");
    }
}

#[test]
fn a_version_without_a_row_had_no_requests_and_a_foreign_row_is_nobodys() {
    let mut trial = Trial::new(10);
    trial.block(|end| answer(end, &[(STABLE, "80", 400.0), ("0123456789", "80", 4000.0)]));
    let told = trial.skewed().expect("the canary gets nothing");
    assert_eq!((told.percent.as_str(), told.requests), ("0.0", 400));
}

#[test]
fn grpc_has_a_cluster_of_its_own_and_counts_as_well() {
    let mut trial = Trial::new(10);
    trial.block(|end| {
        let rows =
            [(STABLE, "80", 100.0), (STABLE, "9000", 800.0), (CANARY, "80", 10.0), (CANARY, "9000", 90.0)];
        answer(end, &rows)
    });
    assert_eq!((trial.state().recent_canary, trial.state().recent_requests), (100.0, 1000.0));
}

#[test]
fn a_block_is_due_when_its_scrapes_are_in_and_a_server_that_is_down_is_asked_at_its_pace() {
    let trial = Trial::new(10);
    let next = |trial: &Trial| next_at(&trial.release, &trial.split(), trial.kept.as_ref(), at(trial.now));
    assert_eq!(next(&trial), Some(at(BEGIN + W + 3)));
    let mut down = Trial::new(10);
    down.block(|end| says(end, Err(Unanswered::Unreachable)));
    assert_eq!(down.state().trouble, Some(Reason::ProviderUnavailable), "also before the first block");
    down.now += 3;
    assert_eq!(next(&down), Some(at(down.now + 30)));
    down.now += 20 * W;
    assert_eq!(down.asked().len(), 1, "and with one question");
}
