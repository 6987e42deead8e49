//! What a user may get wrong, on a real cluster: each gives a refusal or a condition that says what, the operator does
//! not restart, and the stable version goes on serving.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

mod admitted;
mod bare;
#[path = "../common/mod.rs"]
mod common;
#[path = "../../../core/tests/schema/mutations.rs"]
mod mutations;
mod odd;
mod refused;
#[allow(dead_code, reason = "who refuses a sample is another test's concern")]
#[path = "../../../core/tests/schema/samples.rs"]
mod samples;
#[path = "../../../core/tests/schema/structure.rs"]
mod structure;

use std::sync::Arc;

/// Predictions per second of each release's clients: there are many releases.
const RATE: u32 = 20;

/// What came of one input.
pub struct Told {
    /// What was written.
    pub input: String,
    /// What the user is told.
    pub message: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_and_harms_nobody() {
    let cluster = common::Raised::full().await.unwrap();
    let stage = Arc::new(cluster.stage("bad-input", RATE).await.unwrap());
    let restarts = common::operator_restarts(&stage);

    let mut told = refused::by_admission(&stage).await;
    told.extend(admitted::and_told_by_conditions(&stage).await);
    told.extend(odd::and_harms_no_neighbour(&stage).await);
    assert_eq!(common::operator_restarts(&stage), restarts, "the operator restarted");
    println!("{}", stage.testimony().await.unwrap_or_else(|error| panic!("{error}")).report);
    told.extend(bare::a_cluster_without_istio().await);

    println!("{:<42} what one is told", "input");
    for Told { input, message } in told {
        println!("{input:<42} {message}");
    }
}
