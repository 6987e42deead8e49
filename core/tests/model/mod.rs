//! The production `step` in a small world that may do anything: two operators, stale caches, crashes, lost answers, a
//! user who changes spec and annotations, pods that come and go, metrics good, bad and absent, and time.
//!
//! A state holds numbers of interned contents; what `step` makes of a world is remembered under those numbers, so the
//! same world is decided on once. Times are kept relative to now and numbers of decisions by their order, for nothing
//! else of them decides: states that differ in more are one.

#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    clippy::struct_field_names,
    clippy::unused_self,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail, its numbers are small, and the model serves more than one test"
)]

pub mod act;
pub mod api;
pub mod bounds;
pub mod check;
pub mod closure;
pub mod decide;
pub mod normal;
pub mod number;
pub mod pause;
pub mod report;
pub mod rules;
pub mod runs;
pub mod state;
pub mod tables;
pub mod world;
