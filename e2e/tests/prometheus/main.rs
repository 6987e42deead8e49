//! The core's own questions, put to a real Prometheus that holds what model servers export.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

mod alerts;
mod backtest;
mod history;
mod labels;
mod servers;
mod story;
#[path = "../../../tests/support/told.rs"]
#[allow(dead_code, reason = "others tell less than the whole story")]
mod told;
mod trial;

use backtest::CANARIES;
use history::History;
use servers::{LATE, SERVERS};
use trial::Trial;

/// One Prometheus for all stories: its data are made before it starts.
#[test]
fn a_real_prometheus_is_understood() {
    let mut history = History::new();
    for server in &SERVERS {
        server.export(&mut history);
    }
    for canary in &CANARIES {
        canary.export(&mut history);
    }
    labels::export(&mut history);
    let shown = story::told(&mut history);
    let prometheus = history.serve().unwrap_or_else(|error| panic!("{error}"));
    for server in &SERVERS {
        let mut trial = Trial::new(server, prometheus.begin);
        trial.run(&prometheus, 12);
        failures_are_counted_exactly(server, &trial);
        late_answers_are_counted_exactly(server, &trial);
    }
    labels::of_unlike_answers_are_not_compared(&prometheus);
    labels::that_come_late_are_a_doubt(&prometheus);
    labels::of_copied_requests_are_pairs(&prometheus);
    a_past_is_judged_as_the_operator_would_have(&prometheus);
    story::every_panel_shows_series(&prometheus, &shown);
}

/// An equal canary needs some two thousand answers, which these have within minutes; a worse one is found at once.
fn a_past_is_judged_as_the_operator_would_have(prometheus: &history::Prometheus) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for canary in &CANARIES {
        let told = runtime.block_on(canary.told(prometheus, 900)).unwrap();
        println!("{told}");
        assert!(told.starts_with(canary.decided), "{told}");
        assert!(told.contains("What such traffic can tell:") && told.contains("ROLLED BACK"), "{told}");
        // Two pods of stable and one of the canary, with 800 labelled answers a block each.
        assert!(told.contains("0.9000 of 1600") && told.contains("4800 labelled answers a minute"), "{told}");
    }
    let short = runtime.block_on(CANARIES[0].told(prometheus, 60)).unwrap();
    assert!(short.contains("nothing would have been decided"), "{short}");
    let none = runtime.block_on(CANARIES[0].told(prometheus, 20)).unwrap_err();
    assert!(none.contains("no whole block of 30s"), "{none}");
}

/// A block has 30 seconds, and the canary one pod.
fn failures_are_counted_exactly(server: &servers::Server, trial: &Trial) {
    let Some(errors) = trial.check("errors") else {
        assert!(!server.counts_failures, "{}: errors are not judged", server.preset);
        return;
    };
    assert!(server.counts_failures, "{}: {errors:?}", server.preset);
    let canary = errors.canary.as_ref().unwrap_or_else(|| panic!("{}: {errors:?}", server.preset));
    // A fifth fails, and nobody is asked any more once that is proven.
    assert_eq!((canary.value.as_str(), canary.events % 80), ("0.2000", 0), "{}: {errors:?}", server.preset);
    let stable = errors.stable.as_ref().unwrap();
    assert_eq!((stable.value.as_str(), stable.events), ("0.0000", 2 * canary.events), "{}", server.preset);
    assert_eq!(format!("{:?}", errors.verdict), "Fail", "{}: {errors:?}", server.preset);
    assert!(trial.informed("errors"), "{}: stable's past was not learnt", server.preset);
}

fn late_answers_are_counted_exactly(server: &servers::Server, trial: &Trial) {
    for (name, bucket) in [("slow", server.latency.as_ref()), ("first", server.first_token.as_ref())] {
        let Some(check) = trial.check(name) else {
            assert!(bucket.is_none(), "{}: {name} is not judged", server.preset);
            continue;
        };
        assert!(bucket.is_some(), "{}: {check:?}", server.preset);
        let canary = check.canary.as_ref().unwrap_or_else(|| panic!("{}: {check:?}", server.preset));
        assert_eq!(canary.value, format!("{LATE:.4}"), "{}: {check:?}", server.preset);
        assert_eq!(format!("{:?}", check.verdict), "Fail", "{}: {check:?}", server.preset);
    }
}
