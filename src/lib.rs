//! The operator's shell: it watches, asks, commits and applies, and decides nothing. Every decision is
//! [`model_release_core`]'s.
//!
//! A reconcile observes (`watch`, `cluster`, `prometheus`, `gateway`), lets the core decide (`reconcile` alone calls
//! it), commits the status, and only then applies the writes.

pub mod admin;
pub mod args;
pub mod clock;
pub mod cluster;
pub mod controller;
pub mod gateway;
pub mod istiod;
pub mod lease;
pub mod memory;
pub mod metrics;
pub mod observe;
pub mod orphans;
pub mod prometheus;
pub mod queue;
pub mod reconcile;
pub mod run;
pub mod settings;
pub mod telemetry;
pub mod warmup;
pub mod watch;

// What tests of other crates share with those of this one names it.
#[cfg(test)]
extern crate self as model_release_operator;
#[cfg(test)]
mod testing;
