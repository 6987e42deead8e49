//! What a real API server says to the definition, to good and bad releases, to the chart and to the operator's rights.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

mod admission;
mod auditor;
mod chart;
#[path = "../common/mod.rs"]
mod common;
mod dashboard;
mod mutated;
#[path = "../../../core/tests/schema/mutations.rs"]
mod mutations;
mod objects;
mod rights;
#[allow(dead_code, reason = "who refuses matters where only rules are evaluated")]
#[path = "../../../core/tests/schema/samples.rs"]
mod samples;
#[path = "../../../core/tests/schema/structure.rs"]
mod structure;
mod terminal;

use std::sync::{Arc, Weak};

use common::Raised;
use tokio::sync::Mutex;

/// One API server for the tests that run at the same time; it goes with the last of them.
async fn api_server() -> Arc<Raised> {
    static SHARED: Mutex<Weak<Raised>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(raised) = shared.upgrade() {
        return raised;
    }
    let raised = Arc::new(Raised::api_only().await.unwrap_or_else(|error| panic!("{error}")));
    *shared = Arc::downgrade(&raised);
    raised
}
