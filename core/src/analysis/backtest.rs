//! A trial over a past range: the same questions, answers, counts and rules, only that nobody waited for them.
//!
//! It judges as if the last step had begun where the range begins, whatever the weights were then: a past has one split
//! of the traffic, and what another one would have shown is for trials with drawn traffic to say.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::blocks::{AT_ONCE, Grid};
use super::{Look, Subject, look, queries};
use crate::api::status::Checkpoint;
use crate::observed::Answer;
use crate::plan::Query;
use crate::release::Release;
use crate::version::Hash;

/// A past range of a release, and how far it is judged.
#[derive(Clone, Debug)]
pub struct Backtest<'a> {
    release: &'a Release,
    stable: Option<Hash>,
    canary: Hash,
    apps: Vec<Hash>,
    weight: i32,
    begin: Timestamp,
    end: Timestamp,
    /// End of the block that is judged next.
    next: Timestamp,
    checks: BTreeMap<String, Checkpoint>,
}

/// What was known at the end of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// When the operator would have looked.
    pub at: Timestamp,
    /// What it would have seen.
    pub look: Look,
}

impl<'a> Backtest<'a> {
    /// Of a canary beside a stable version, from `begin` to `end`.
    pub fn new(
        release: &'a Release,
        versions: (Option<Hash>, Hash),
        begin: Timestamp,
        end: Timestamp,
    ) -> Self {
        let (stable, canary) = versions;
        let with_app = |hash: &&Hash| release.version(hash).is_some_and(|version| version.app().is_some());
        let apps = stable.iter().chain([&canary]).filter(with_app).cloned().collect();
        let weight = release.rollout.steps.last().map_or(10, |step| step.percent);
        let next = Grid::of(&release.analysis).next_end(begin, begin);
        Self { release, stable, canary, apps, weight, begin, end, next, checks: BTreeMap::new() }
    }

    /// The questions about the blocks that come next; none once the range is over.
    pub fn ask(&self) -> Vec<Query> {
        if self.over() {
            return Vec::new();
        }
        queries(self.release, &self.subject(), &self.checks, self.grid().asked_at(self.last()))
    }

    /// Judges these blocks, one after the other.
    pub fn take(&mut self, answers: &[Answer]) -> Vec<Turn> {
        let last = self.last();
        let mut turns = Vec::new();
        while !self.over() && self.next <= last {
            let (end, at) = (self.next, self.grid().asked_at(self.next));
            let known: Vec<Answer> = answers.iter().filter(|answer| answer.id.at <= end).cloned().collect();
            let known: Vec<Answer> =
                known.into_iter().map(|answer| Answer { asked_at: at, ..answer }).collect();
            let look = look(self.release, &self.subject(), &self.checks, &known, at);
            self.checks.clone_from(&look.checks);
            self.next = self.grid().after(end);
            turns.push(Turn { at, look });
        }
        turns
    }

    /// Whether all of the range is judged.
    pub fn over(&self) -> bool {
        self.next > self.end
    }

    /// End of the block that is judged next.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// End of the last block that is asked for at once with the next one.
    fn last(&self) -> Timestamp {
        let grid = self.grid();
        let ends = std::iter::successors(Some(self.next), |end| Some(grid.after(*end)));
        ends.take(AT_ONCE).take_while(|end| *end <= self.end).last().unwrap_or(self.next)
    }

    fn grid(&self) -> Grid {
        Grid::of(&self.release.analysis)
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            stable: self.stable.as_ref(),
            canary: &self.canary,
            apps: self.apps.clone(),
            attempt: 1,
            evidence_from: self.begin,
            weight: self.weight,
            copied: false,
            baking: false,
            last_step: true,
        }
    }
}
