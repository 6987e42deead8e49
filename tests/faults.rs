//! A crash, a refusal or a lost answer at each write of a release's life, one after the other; then convergence.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::store::Asked;
use support::{ApiServer, Fault, Operator, check_history, cluster, release, weights};
use tokio::sync::mpsc;

/// A canary that gets its share and is taken back by hand: what a user does, whatever befalls the operator.
async fn life(server: &Arc<ApiServer>) {
    server.create("modelreleases", release("fraud"));
    server.until_phase("fraud", "Analyzing").await;
    server.until("10 %", |s| s.get("virtualservices", "fraud").filter(|v| weights(v) == [90, 10])).await;
    server.patch(
        "modelreleases",
        "fraud",
        &json!({"metadata": {"annotations": {"modelrelease.dev/rollback": "true"}}}),
    );
    server.until_phase("fraud", "RolledBack").await;
    server
        .until("the canary scaled down", |s| {
            let canary =
                s.get("modelreleases", "fraud")?.pointer("/status/quarantine/0/hash")?.as_str()?.to_owned();
            s.get("deployments", &format!("fraud-{canary}")).filter(|d| d["spec"]["replicas"] == 0)
        })
        .await;
}

/// What is left at its end, without numbers and times that depend on how often something was tried.
fn end(server: &ApiServer) -> Value {
    let store = server.store();
    let release = store.get("modelreleases", support::NAMESPACE, "fraud").unwrap();
    let history: Vec<_> =
        release["status"]["history"].as_array().unwrap().iter().map(|h| &h["reason"]).collect();
    let objects: Vec<_> = store
        .objects
        .iter()
        .filter(|((resource, ..), _)| resource != "events")
        .map(|((resource, _, name), object)| {
            json!([resource, name, object["spec"]["replicas"], weights(object)])
        })
        .collect();
    json!({
        "phase": release["status"]["phase"],
        "stable": release["status"]["stableVersion"],
        "quarantine": release["status"]["quarantine"][0]["reason"],
        "history": history,
        "objects": objects,
    })
}

/// Lives a life in which one write meets a fault. True if there was such a write.
async fn with_fault(nth: usize, fault: Fault, dies: Dies, want: &Value) -> bool {
    let server = cluster();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut seen = 0;
    server.faults(move |asked: &Asked| {
        if !asked.writes() || asked.resource == "events" {
            return Fault::None;
        }
        seen += 1;
        if seen == nth + 1 {
            tell.send(asked.clone()).unwrap();
            return fault;
        }
        Fault::None
    });
    let mut operator = Operator::start(&server);
    let mut met = None;
    {
        let mut living = std::pin::pin!(life(&server));
        loop {
            tokio::select! {
                () = &mut living => break,
                Some(asked) = told.recv() => {
                    met = Some(asked);
                    if dies == Dies::Then {
                        drop(operator);
                        operator = Operator::start(&server);
                    }
                }
            }
        }
    }
    check_history(&server.store());
    assert_eq!(end(&server), *want, "write {nth} met {fault:?}: {met:?}");
    drop(operator);
    met.is_some()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    Then,
    Not,
}

/// One life for each write, the faults in turn.
async fn at_each_write(faults: &[Fault], dies: Dies) {
    let server = cluster();
    let operator = Operator::start(&server);
    life(&server).await;
    check_history(&server.store());
    let want = end(&server);
    drop(operator);
    let mut nth = 0;
    while with_fault(nth, faults[nth % faults.len()], dies, &want).await {
        nth += 1;
    }
    assert!(nth > 12, "a life has more writes than {nth}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_dies_before_any_write_is_followed_by_one_that_ends_alike() {
    at_each_write(&[Fault::Vanish], Dies::Then).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_dies_after_any_write_is_followed_by_one_that_ends_alike() {
    at_each_write(&[Fault::Mute], Dies::Then).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_or_answer_at_any_write_changes_nothing_in_the_end() {
    at_each_write(&[Fault::Vanish, Fault::Mute], Dies::Not).await;
}

#[tokio::test(start_paused = true)]
async fn a_conflict_an_error_or_a_refusal_at_any_write_changes_nothing_in_the_end() {
    at_each_write(&[Fault::Refuse(409), Fault::Refuse(500), Fault::Refuse(403)], Dies::Not).await;
}
