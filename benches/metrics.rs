//! What a scrape costs: the time until the page of a thousand releases is there, its size, and the memory that it takes beside
//! what the operator holds anyway. Ends with exit code 1 if a scrape takes more than it may.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program that prints one table")]

#[path = "../tests/support/told.rs"]
#[allow(dead_code, reason = "others tell the whole story")]
mod told;

use std::alloc::System;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait};
use told::Told;

#[global_allocator]
static ALLOCATOR: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

const RELEASES: usize = 1000;
const ROUNDS: usize = 20;

/// What a scrape of a thousand releases may take: a scrape's usual limit is 10 s, and the operator's memory 256 MiB.
const MAY_TAKE: Duration = Duration::from_millis(300);
const MAY_HOLD: usize = 25 << 20;

fn main() -> ExitCode {
    let told = Told::on_trial("2026-11-21T09:00:00Z".parse().unwrap());
    told.put(RELEASES);
    let (mut times, mut most, mut bytes) = (Vec::new(), 0, 0);
    for _ in 0..ROUNDS {
        ALLOCATOR.reset_peak_memory();
        let begun = Instant::now();
        let page = told.metrics.page().unwrap();
        times.push(begun.elapsed());
        most = ALLOCATOR.get_peak_memory().max(most);
        bytes = page.len();
    }
    times.sort_unstable();
    let (median, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!("{:<44}{:>12}{:>12}{:>14}{:>12}", "", "median", "worst", "page", "peak");
    println!(
        "{:<44}{:>9.1} ms{:>9.1} ms{:>10.1} MiB{:>8.1} MiB",
        format!("metrics page of {RELEASES} releases, 3 checks each"),
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3,
        mib(bytes),
        mib(most),
    );
    if median > MAY_TAKE || most > MAY_HOLD {
        println!(
            "too much: a scrape may take {MAY_TAKE:?} and hold {} MiB more, the page among them",
            MAY_HOLD >> 20
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
