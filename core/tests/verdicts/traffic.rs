//! What arrives: answers of two versions, block by block, with the ways in which real traffic is not even.

use model_release_core::analysis::kernel::{Block, Count};
use rand::SeedableRng;
use rand_distr::{Beta, Binomial, Distribution, LogNormal, Poisson};
use rand_xorshift::XorShiftRng;

/// Minutes of a block.
pub const BLOCK: f64 = 0.5;
/// Blocks of stable's that are known before a trial: two hours.
pub const HISTORY: u32 = 240;

/// How traffic is uneven.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Pattern {
    /// Not at all: a Poisson number of independent answers.
    #[default]
    Steady,
    /// Both shares rise and fall together, by half a logit either way in six hours.
    Drifting,
    /// Every ten minutes another rate, log-normal around the mean with σ = 1.
    Bursty,
    /// Answers come in clusters of 20 that share their luck: correlation 0.2.
    Clustered,
    /// A right answer is labelled after 5 minutes on average, a wrong one after 30, both exponential.
    Delayed,
}

/// One kind of trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// The canary's events a minute.
    pub rate: f64,
    /// The canary's weight in percent.
    pub weight: f64,
    /// Stable's true share of hits.
    pub stable: f64,
    /// The canary's.
    pub canary: f64,
    /// How the traffic is uneven.
    pub pattern: Pattern,
    /// From which minute on the canary has the second share in place of its own.
    pub breaks: Option<(f64, f64)>,
}

impl Setting {
    /// Steady answers at a weight of 10 %.
    pub fn of(rate: f64, stable: f64, canary: f64) -> Self {
        Self { rate, weight: 10.0, stable, canary, pattern: Pattern::Steady, breaks: None }
    }

    /// The same with another pattern.
    pub fn with(self, pattern: Pattern) -> Self {
        Self { pattern, ..self }
    }

    /// In a few words.
    pub fn words(&self) -> String {
        let Self { rate, stable, canary, pattern, .. } = self;
        format!("{canary} beside {stable}, {rate} a minute, {}", format!("{pattern:?}").to_lowercase())
    }
}

/// One trial's traffic. The same seed is the same traffic.
pub struct Stream {
    setting: Setting,
    random: XorShiftRng,
    /// Minutes since the canary got its first weight.
    now: f64,
    /// Minutes by which the drift is ahead.
    phase: f64,
    /// Of the mean rate.
    burst: f64,
    blocks: u32,
}

impl Stream {
    /// From the first weight on.
    pub fn new(setting: Setting, seed: u64) -> Self {
        let phase = f64::from(u32::try_from(seed % 360).unwrap());
        let random = XorShiftRng::seed_from_u64(seed);
        Self { setting, random, now: 0.0, phase, burst: 1.0, blocks: 0 }
    }

    /// Passes over so many minutes.
    pub fn skip(&mut self, minutes: f64) {
        self.now += minutes;
    }

    /// Stable's events of half a minute before the trial.
    pub fn before(&mut self) -> Count {
        let back = (self.now, -BLOCK * f64::from(HISTORY));
        self.now = back.1 + BLOCK * f64::from(self.blocks);
        let count = self.block().stable;
        self.now = back.0;
        count
    }

    /// The next half minute.
    pub fn block(&mut self) -> Block {
        self.now += BLOCK;
        self.blocks += 1;
        if self.setting.pattern == Pattern::Bursty && self.blocks % 20 == 1 {
            self.burst = LogNormal::new(-0.5, 1.0).unwrap().sample(&mut self.random);
        }
        let Setting { rate, weight, stable, canary, breaks, .. } = self.setting;
        let loss = stable - breaks.filter(|(at, _)| self.now > *at).map_or(canary, |(_, then)| then);
        let share = self.drifted(stable);
        let events = rate * BLOCK * self.burst;
        let stable = self.count(events * (100.0 - weight) / weight, share, (1.0, 1.0));
        let canary = (share - loss).clamp(0.0, 1.0);
        let labelled = match self.setting.pattern {
            Pattern::Delayed => (1.0 - (-self.now / 5.0).exp(), 1.0 - (-self.now / 30.0).exp()),
            _ => (1.0, 1.0),
        };
        Block { stable, canary: self.count(events, canary, labelled) }
    }

    fn drifted(&self, share: f64) -> f64 {
        if self.setting.pattern != Pattern::Drifting {
            return share;
        }
        let turn = std::f64::consts::TAU * (self.now + self.phase) / 360.0;
        let logit = (share / (1.0 - share)).ln() + 0.5 * turn.sin();
        1.0 / (1.0 + (-logit).exp())
    }

    /// Events of a version, of which these parts of the hits and of the misses are labelled by now.
    fn count(&mut self, mean: f64, share: f64, labelled: (f64, f64)) -> Count {
        if self.setting.pattern == Pattern::Clustered {
            return self.clusters(mean, share);
        }
        let hits = self.poisson(mean * share * labelled.0);
        let misses = self.poisson(mean * (1.0 - share) * labelled.1);
        Count { hits, events: hits + misses }
    }

    fn clusters(&mut self, mean: f64, share: f64) -> Count {
        const SIZE: u32 = 20;
        const CORRELATION: f64 = 0.2;
        let spread = (1.0 - CORRELATION) / CORRELATION;
        let luck = Beta::new(share * spread, (1.0 - share) * spread).unwrap();
        let mut count = Count::default();
        let mut left = self.poisson(mean / f64::from(SIZE));
        while left >= 1.0 {
            let share = luck.sample(&mut self.random);
            let hits = Binomial::new(SIZE.into(), share).unwrap().sample(&mut self.random);
            count.hits += f64::from(u32::try_from(hits).unwrap());
            count.events += f64::from(SIZE);
            left -= 1.0;
        }
        count
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 0.0 { Poisson::new(mean).unwrap().sample(&mut self.random) } else { 0.0 }
    }
}
