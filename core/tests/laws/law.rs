//! How a law is held: over so many random sequences, the same ones each time; and what is said of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestRunner};

use super::play::Play;

/// A law: its number in the design, its test, and its sequences per change.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    pub property: &'static str,
    pub test: &'static str,
    pub cases: u32,
}

/// How many sequences are drawn, and from which seed.
struct Drawn {
    seed: u64,
    /// All laws together; none: as many as each law says.
    cases: Option<u32>,
}

/// Per change the same sequences each time, so that a red run is this change's. `LAWS_CASES` draws so many new ones in
/// all; `LAWS_SEED` draws those of an earlier run again, whose seed it told.
static DRAWN: LazyLock<Drawn> = LazyLock::new(|| {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("LAWS_CASES").and_then(|cases| u32::try_from(cases).ok());
    let fresh =
        || u64::from(std::process::id()) ^ u64::try_from(now().subsec_nanosecond()).unwrap_or(0) << 20;
    let seed = number("LAWS_SEED").unwrap_or_else(|| cases.map_or(20_261_121, |_| fresh()));
    Drawn { seed, cases }
});

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// What a run of a law has seen.
#[derive(Default)]
pub struct Seen {
    pub sequences: u64,
    pub looks: u64,
    /// Sequences in which each row answered, and each phase was reached.
    pub rows: BTreeMap<&'static str, u64>,
    pub phases: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// Counts what a play came by.
    pub fn count(&mut self, play: &Play) {
        self.looks += play.looks;
        let moves = &play.world.moves;
        let rows = moves.iter().map(|(_, row, _)| *row).chain(play.held.iter().copied());
        for row in rows.collect::<std::collections::BTreeSet<_>>() {
            *self.rows.entry(row).or_insert(0) += 1;
        }
        let phases = moves.iter().flat_map(|(from, _, to)| [from.as_str(), to.as_str()]);
        for phase in phases.collect::<std::collections::BTreeSet<_>>() {
            *self.phases.entry(phase).or_insert(0) += 1;
        }
    }
}

impl Law {
    /// Sequences of it in this run.
    pub fn sequences(self) -> u32 {
        let all: u64 = super::LAWS.iter().map(|law| u64::from(law.cases)).sum();
        match DRAWN.cases {
            Some(cases) => {
                u32::try_from(u64::from(self.cases) * u64::from(cases) / all).unwrap_or(u32::MAX).max(1)
            }
            None => self.cases,
        }
    }

    /// Draws from a strategy as often as the law says, and tells of it.
    ///
    /// # Panics
    /// If it does not hold, with the smallest sequence that was found.
    pub fn hold<S: Strategy>(
        self,
        bound: &str,
        strategy: &S,
        test: impl Fn(S::Value, &RefCell<Seen>) -> TestCaseResult,
    ) -> Seen {
        let (seen, began) = (RefCell::new(Seen::default()), Instant::now());
        let found = self.run(self.sequences(), 500, strategy, |value| {
            let holds = test(value, &seen);
            seen.borrow_mut().sequences += 1;
            holds
        });
        if let Err(found) = found {
            panic!(
                "{} does not hold, drawn by LAWS_SEED={} LAWS_CASES={}: {found}",
                self.property,
                DRAWN.seed,
                DRAWN.cases.map_or_else(|| "(none)".to_owned(), |cases| cases.to_string())
            );
        }
        let seen = seen.into_inner();
        self.tell(&format!("{} sequences, {} looks", seen.sequences, seen.looks), bound, began);
        seen
    }

    /// Draws so often; the smallest sequence that fails, in words.
    pub fn run<S: Strategy>(
        self,
        cases: u32,
        shrinks: u32,
        strategy: &S,
        test: impl Fn(S::Value) -> TestCaseResult,
    ) -> Result<(), String> {
        let own = self.test.bytes().fold(DRAWN.seed, |seed, byte| seed.rotate_left(5) ^ u64::from(byte));
        let config = Config {
            cases,
            rng_seed: RngSeed::Fixed(own),
            max_shrink_iters: shrinks,
            max_global_rejects: u32::MAX,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config).run(strategy, test).map_err(|found| found.to_string())
    }

    /// One line of what is proven.
    pub fn tell(self, cases: &str, bound: &str, began: Instant) {
        let seconds = began.elapsed().as_secs_f64();
        println!("| {} | laws: {} | {cases} | {bound} | {seconds:.1} s | holds |", self.property, self.test);
    }
}
