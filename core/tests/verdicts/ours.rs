//! Trials that the product's own kernel judges.

use model_release_core::analysis::kernel::{
    Block, Guardrail, GuardrailBounds, Quality, QualityBounds, QualityFinding,
};
use model_release_core::api::evidence::Verdict;

use super::ALPHA;
use super::traffic::{BLOCK, HISTORY, Setting, Stream};

/// What is asked of the canary, and what is made of its blocks.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How much worse than stable is still good.
    pub max_drop: f64,
    /// φ, if it is told.
    pub dispersion: Option<f64>,
    /// Minutes after the first weight at which evidence begins.
    pub label_delay: f64,
    /// How blocks are fed.
    pub feed: Feed,
}

impl Rules {
    /// As the operator has them.
    pub fn of(max_drop: f64) -> Self {
        Self { max_drop, dispersion: None, label_delay: 0.0, feed: Feed::Once }
    }
}

/// How blocks come to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Each once, in order.
    Once,
    /// Each twice: what a look does that forgets how far the one before it came.
    Twice,
    /// With the three before it: what a range that is longer than the time between two looks does.
    Overlapping,
}

/// One trial's end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct End {
    /// Whether it was promoted, rolled back, or neither.
    pub promoted: bool,
    /// See `promoted`.
    pub failed: bool,
    /// Minutes until then.
    pub minutes: f64,
    /// The canary's events until then.
    pub events: f64,
}

/// A trial of quality, look by look.
pub struct Trial {
    stream: Stream,
    check: Quality,
    feed: Feed,
    last: [Block; 3],
    /// Looks so far.
    looks: u32,
}

impl Trial {
    /// A trial whose stable version has served for two hours.
    pub fn new(setting: Setting, rules: Rules, seed: u64) -> Self {
        let bounds = QualityBounds {
            max_drop: Some(rules.max_drop),
            min: None,
            alpha: ALPHA,
            min_samples: 100.0,
            dispersion: rules.dispersion,
        };
        let mut check = Quality::new(bounds).expect("the bounds are in range");
        let mut stream = Stream::new(setting, seed);
        for _ in 0..HISTORY {
            check.learn(stream.before()).expect("counts are numbers");
        }
        stream.skip(rules.label_delay);
        Self { stream, check, feed: rules.feed, last: [Block::default(); 3], looks: 0 }
    }

    /// The next look.
    pub fn look(&mut self) -> QualityFinding {
        self.looks += 1;
        let block = self.stream.block();
        let mut feed = |block| self.check.look(block).expect("counts are numbers");
        match self.feed {
            Feed::Once => feed(block),
            Feed::Twice => {
                feed(block);
                feed(block)
            }
            Feed::Overlapping => {
                let all = self.last.iter().fold(block, |sum, more| together(&sum, more));
                self.last = [block, self.last[0], self.last[1]];
                feed(all)
            }
        }
    }

    /// Looks until something is decided, or so often.
    pub fn end(mut self, most: u32) -> End {
        let mut end = End::default();
        while self.looks < most && !end.promoted && !end.failed {
            let found = self.look();
            end = End {
                promoted: found.verdict == Verdict::Pass,
                failed: found.verdict == Verdict::Fail,
                minutes: f64::from(self.looks) * BLOCK,
                events: found.totals.canary.events,
            };
        }
        end
    }

    /// Whether it is ever promoted in so many looks, were it never rolled back before.
    pub fn ever_good(mut self, most: u32) -> bool {
        (0..most).any(|_| {
            let found = self.look();
            found.good >= -ALPHA.ln() && found.totals.canary.events >= 100.0
        })
    }

    /// Whether it is ever rolled back in so many looks, were it never promoted before.
    pub fn ever_failed(mut self, most: u32) -> bool {
        (0..most).any(|_| self.look().verdict == Verdict::Fail)
    }
}

fn together(one: &Block, other: &Block) -> Block {
    let mut sum = *one;
    for (to, more) in [(&mut sum.stable, other.stable), (&mut sum.canary, other.canary)] {
        to.hits += more.hits;
        to.events += more.events;
    }
    sum
}

/// A guardrail's trial until it fails, or so many looks. Hits are bad events.
pub fn guarded(setting: Setting, (max, max_ratio): (Option<f64>, Option<f64>), seed: u64, most: u32) -> End {
    let bounds = GuardrailBounds {
        max,
        max_ratio,
        needed: 1.0 / ALPHA,
        min_requests: 100.0,
        failure_limit: 1,
        dispersion: None,
    };
    let mut check = Guardrail::new(bounds).expect("the bounds are in range");
    let mut stream = Stream::new(setting, seed);
    for _ in 0..HISTORY {
        check.learn(stream.before()).expect("counts are numbers");
    }
    let mut end = End::default();
    for look in 1..=most {
        let found = check.look(stream.block()).expect("counts are numbers");
        end.minutes = f64::from(look) * BLOCK;
        end.events = found.totals.canary.events;
        end.failed = found.verdict == Verdict::Fail;
        if end.failed {
            break;
        }
    }
    end
}
