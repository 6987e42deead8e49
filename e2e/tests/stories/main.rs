//! The whole product on a real cluster: the demo's stories, equal models, the ways out of every phase, rollback within a
//! second, an idle operator, its memory, hand edits put right; and the auditor, who sees all of it. One test, because it
//! is one cluster and one operator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

#[path = "../common/mod.rs"]
mod common;
mod dashboard;
mod equal;
mod hand;
mod idle;
mod killed;
mod phases;
mod quick;
mod repair;
mod scraped;
mod traffic;
mod ways;

use std::sync::Arc;

use testbed::demo::{self, report::Report};

/// Predictions per second of each story's clients.
const RATE: u32 = 120;

/// What `STORIES` may list.
const STORIES: [&str; 8] = ["demo", "equal", "traffic", "ways", "phases", "quick", "idle", "killed"];

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lives() {
    lists_only("STORIES", &STORIES);
    lists_only("PARTS", &traffic::PARTS);
    let cluster = common::Raised::full().await.unwrap();
    let stage = Arc::new(cluster.stage("stories", RATE).await.unwrap());

    if asked("demo") {
        // While the first story goes on, and in no time of its own.
        let scraped = tokio::spawn(scraped::every_family_tells_what_is_the_case(
            Arc::clone(&stage),
            demo::stories::RELEASES[0],
        ));
        let stories = demo::tell(&stage).await;
        let report = Report { stories, ..Report::default() };
        println!("{}", report.table());
        let problems: Vec<&String> = report.stories.iter().flat_map(|story| &story.problems).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        scraped.await.unwrap();
        dashboard::every_panel_shows_series(&stage, demo::stories::RELEASES[0]).await;
        repair::what_a_hand_changed_is_put_right(&stage).await;
    }
    if asked("equal") {
        equal::models_are_promoted_and_never_rolled_back(&stage)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
    if asked("traffic") {
        let problems = Box::pin(traffic::as_clients_see_it(&stage)).await;
        assert!(problems.is_empty(), "{problems:#?}");
    }
    if asked("ways") {
        let problems = Box::pin(ways::out_of_every_phase(&stage)).await;
        assert!(problems.is_empty(), "{problems:#?}");
    }
    if asked("phases") {
        let problems = Box::pin(phases::a_hand_and_the_end_in_every_phase(&stage)).await;
        assert!(problems.is_empty(), "{problems:#?}");
    }
    let rollbacks = if asked("quick") { quick::rollbacks_by_hand(&stage).await } else { Vec::new() };
    if asked("idle") {
        idle::an_operator_with_nothing_to_do_asks_nothing_and_stays_small(&stage).await;
    }
    println!("{}", stage.testbed.kubectl_output(&["get", "mrel", "-A", "-o", "wide"]).unwrap());
    println!("{}", stage.testimony().await.unwrap_or_else(|error| panic!("{error}")).report);

    if asked("killed") {
        // A dead operator is slower: the auditor is told so.
        stage.audit_anew("stories-killed", killed::SLACK).await.unwrap();
        killed::an_operator_that_is_killed_goes_on(&stage).await.unwrap_or_else(|error| panic!("{error}"));
        println!("{}", stage.testimony().await.unwrap_or_else(|error| panic!("{error}")).line);
    }

    // Last, so that a machine that was busy otherwise does not hide the rest.
    let within = common::judged(quick::WITHIN);
    assert!(rollbacks.iter().all(|took| took.within(within)), "rollbacks by hand took {rollbacks:?}");
}

/// A name that nothing has would pass by telling nothing.
fn lists_only(variable: &str, known: &[&str]) {
    let listed = std::env::var(variable).unwrap_or_default();
    let unknown: Vec<&str> =
        listed.split(',').filter(|part| !part.is_empty() && !known.contains(part)).collect();
    assert!(unknown.is_empty(), "{variable} lists {unknown:?}; there are {known:?}");
}

/// Whether a part is to be told: all of them, unless `STORIES` lists some, as in `STORIES=ways,killed`.
fn asked(part: &str) -> bool {
    std::env::var("STORIES").map_or(true, |parts| parts.split(',').any(|other| other == part))
}
