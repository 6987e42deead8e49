//! What a look costs: CPU time and allocations of `step` with nothing to do and at each move, and of what is around it.
//! One run prints one table; a look with nothing to do that costs more than it may ends with exit code 1.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program that prints one table, and ends where it cannot"
)]

#[path = "step/inputs.rs"]
mod inputs;

use std::alloc::System;
use std::hint::black_box;
use std::process::ExitCode;

use model_release_core::release::Release;
use model_release_core::testing::World;
use model_release_core::{children, queries, step};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// CPU time that a look with nothing to do may cost, in nanoseconds, for a release with 20 decisions on record.
const IDLE_MAY_COST: i64 = 200_000;

/// Times that each thing is measured; the clock is that of the thread's CPU, so a busy machine counts for little.
const ROUNDS: usize = 400;

fn main() -> ExitCode {
    println!("{:<44}{:>12}{:>12}{:>14}{:>12}", "", "median", "p90", "allocations", "allocated");
    let mut worst_idle = 0;
    for (name, world) in inputs::idle() {
        let cost = measure(&format!("step, nothing to do: {name}"), || looked_at(&world));
        worst_idle = worst_idle.max(cost);
    }
    for (row, world) in inputs::moves() {
        measure(&format!("step, row {row}"), || looked_at(&world));
    }
    let world = inputs::analyzing();
    measure("queries, while analyzing", || {
        queries(&world.object, &world.observed, &world.settings, world.now)
    });
    measure("parse the release", || Release::parse(&world.object, &world.settings));
    let release = Release::parse(&world.object, &world.settings);
    measure("render a version's objects", || children::render(&release, &release.stable, &world.settings));
    let stored = serde_json::to_vec(&world.object).expect("a release is JSON");
    measure(&format!("decode the stored release, {} bytes", stored.len()), || {
        serde_json::from_slice::<model_release_core::api::ModelRelease>(&stored).expect("it decodes")
    });
    if worst_idle > IDLE_MAY_COST {
        println!("too slow: a look with nothing to do may cost {} us", IDLE_MAY_COST / 1000);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn looked_at(world: &World) -> model_release_core::plan::Plan {
    step(&world.object, &world.observed, &world.settings, world.now)
}

/// Prints one line; returns the median in nanoseconds.
fn measure<T>(what: &str, work: impl Fn() -> T) -> i64 {
    let region = Region::new(ALLOCATOR);
    let made = black_box(work());
    let allocated = region.change();
    drop(made);
    let mut times: Vec<i64> = (0..ROUNDS)
        .map(|_| {
            let before = cpu();
            let made = black_box(work());
            let time = cpu() - before;
            drop(made);
            time
        })
        .collect();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let micros = |nanos: i64| format!("{}.{} us", nanos / 1000, nanos % 1000 / 100);
    println!(
        "{what:<44}{:>12}{:>12}{:>14}{:>10} B",
        micros(at(50)),
        micros(at(90)),
        allocated.allocations + allocated.reallocations,
        allocated.bytes_allocated,
    );
    at(50)
}

/// CPU time of this thread in nanoseconds.
fn cpu() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
