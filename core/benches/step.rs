//! What a look costs: CPU time and allocations of `step` with nothing to do and at each move, and of what is around it.
//! One run prints one table; what costs more than it may ends with exit code 1.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program that prints one table, and ends where it cannot"
)]

#[path = "step/fleet.rs"]
mod fleet;
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
/// The same of one block's answers about a thousand releases with three checks each, divided, counted and judged.
const FLEET_MAY_COST: i64 = 50_000_000;
/// The same of one look of the kernel at one check, which may allocate nothing.
const KERNEL_MAY_COST: i64 = 20_000;

/// Times that each thing is measured; the clock is that of the thread's CPU, so a busy machine counts for little.
const ROUNDS: usize = 400;
/// The same of a whole fleet.
const FLEET_ROUNDS: usize = 20;

fn main() -> ExitCode {
    println!("{:<44}{:>12}{:>12}{:>14}{:>12}", "", "median", "p90", "allocations", "allocated");
    let mut within = true;
    for (name, world) in inputs::idle() {
        let cost = measure(&format!("step, nothing to do: {name}"), ROUNDS, || looked_at(&world));
        within &= cost.within(IDLE_MAY_COST);
    }
    for (row, world) in inputs::moves() {
        measure(&format!("step, row {row}"), ROUNDS, || looked_at(&world));
    }
    let world = inputs::analyzing();
    measure("queries, while analyzing", ROUNDS, || {
        queries(&world.object, &world.observed, &world.settings, world.now)
    });
    measure("parse the release", ROUNDS, || Release::parse(&world.object, &world.settings));
    let release = Release::parse(&world.object, &world.settings);
    measure("render a version's objects", ROUNDS, || {
        children::render(&release, &release.stable, &world.settings)
    });
    let stored = serde_json::to_vec(&world.object).expect("a release is JSON");
    measure(&format!("decode the stored release, {} bytes", stored.len()), ROUNDS, || {
        serde_json::from_slice::<model_release_core::api::ModelRelease>(&stored).expect("it decodes")
    });
    for (check, look) in fleet::kernel() {
        let cost = measure(&format!("kernel, one look: {check}"), ROUNDS, look);
        within &= cost.within(KERNEL_MAY_COST);
        if cost.allocations > 0 {
            println!("  too much: nothing may be allocated");
            within = false;
        }
    }
    let fleet = fleet::Fleet::new();
    fleet.check();
    let answers = fleet.divided();
    measure(&format!("1,000 releases: divide {} KiB", fleet.bytes() >> 10), FLEET_ROUNDS, || fleet.divided());
    measure("1,000 releases: count and judge", FLEET_ROUNDS, || fleet.looks(&answers));
    let whole = measure("1,000 releases: both", FLEET_ROUNDS, || fleet.looks(&fleet.divided()));
    within &= whole.within(FLEET_MAY_COST);
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What something cost.
struct Cost {
    nanos: i64,
    allocations: usize,
}

impl Cost {
    /// Whether it is no more than it may be; says so if it is more.
    fn within(&self, limit: i64) -> bool {
        if self.nanos > limit {
            println!("  too slow: it may cost {} us", limit / 1000);
        }
        self.nanos <= limit
    }
}

fn looked_at(world: &World) -> model_release_core::plan::Plan {
    step(&world.object, &world.observed, &world.settings, world.now)
}

/// Prints one line; returns the median.
fn measure<T>(what: &str, rounds: usize, work: impl Fn() -> T) -> Cost {
    let region = Region::new(ALLOCATOR);
    let made = black_box(work());
    let allocated = region.change();
    drop(made);
    let mut times: Vec<i64> = (0..rounds)
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
    Cost { nanos: at(50), allocations: allocated.allocations + allocated.reallocations }
}

/// CPU time of this thread in nanoseconds.
fn cpu() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
