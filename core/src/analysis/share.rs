//! The canary's share of the requests at the entrance, held against its weight: one question a block, and what its
//! answers prove.
//!
//! A share that is proven to be off says that something else than the weight decides who answers. That makes no
//! version worse, so it rolls nothing back; but evidence of a share that nobody chose is none to go forward by.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Asks;
use super::answer;
use super::blocks::{AT_ONCE, Grid};
use super::kernel::checkpoint::{Digest, Mark, restore, save};
use super::kernel::{Requests, Skew, SkewBounds};
use super::promql::question::{Counts, What};
use super::promql::{Names, Whose};
use super::record::{decoded, encoded};
use super::words;
use crate::api::reasons::Reason;
use crate::api::status::{ShareState, Skewed};
use crate::observed::Answer;
use crate::plan::Query;
use crate::release::Release;
use crate::version::{Hash, text_digest};

/// Name of its question. Names of guardrails have no underscore.
pub const SHARE: &str = "traffic_share";

/// Half of the weight and one and a half times it are still what it says; one false alarm in a thousand attempts.
const BOUNDS: SkewBounds = SkewBounds { tolerance: 0.5, alpha: 0.001 };
/// Requests after which a test that was begun anew, and proves nothing, clears what an earlier one proved.
const CLEARED_AFTER: f64 = 1000.0;
/// What a block counts for beside the one after it, in the share that is shown: about ten of them count.
const FADES: f64 = 0.9;

/// Between which versions requests are split, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The live version.
    pub stable: &'a Hash,
    /// The version on trial.
    pub canary: &'a Hash,
    /// Those of the two whose requests enter by an app.
    pub apps: Vec<Hash>,
    /// Number of the trial: another one starts at zero.
    pub attempt: i64,
    /// The canary's weight in percent, 1 to 99.
    pub weight: i32,
    /// Only blocks that begin at or after this count: every gateway has the weight, and no request that began before is
    /// left to be counted.
    pub from: Timestamp,
}

/// The questions that are due, oldest block first.
pub fn queries(
    release: &Release,
    split: &Split<'_>,
    kept: Option<&ShareState>,
    now: Timestamp,
) -> Vec<Query> {
    let Some(source) = &release.analysis.source else { return Vec::new() };
    let Some(test) = Test::of(release, split, kept) else { return Vec::new() };
    let grid = Grid::of(&release.analysis);
    let names = names(release, split);
    let what = What::Requests(Counts::of(source.entrance, names.preset()));
    let mut end = test.next_end(grid, split, now);
    let asked = Asks::of(&names, source, grid).query(SHARE.to_owned(), end, what, 0);
    let mut queries = Vec::new();
    let most = if test.state.trouble.is_some_and(answer::passing) { 1 } else { AT_ONCE };
    while grid.asked_at(end) <= now && queries.len() < most {
        queries.push(asked.at(end));
        end = grid.after(end);
    }
    queries
}

/// When there is something to ask for again.
pub fn next_at(
    release: &Release,
    split: &Split<'_>,
    kept: Option<&ShareState>,
    now: Timestamp,
) -> Option<Timestamp> {
    release.analysis.source.as_ref()?;
    let test = Test::of(release, split, kept)?;
    let grid = Grid::of(&release.analysis);
    let due = grid.asked_at(test.next_end(grid, split, now));
    if due > now {
        return Some(due);
    }
    let second = SignedDuration::from_secs(1);
    let pause = if test.state.trouble.is_some() {
        release.analysis.interval.clamp(second, SignedDuration::from_secs(30))
    } else {
        second
    };
    now.checked_add(pause).ok()
}

/// What is kept after these answers: each block is used once and in its order. Without answers it is what was kept, if
/// that is of the same versions and the same trial.
pub fn look(
    release: &Release,
    split: &Split<'_>,
    kept: Option<&ShareState>,
    answers: &[Answer],
    now: Timestamp,
) -> Option<ShareState> {
    let mut test = Test::of(release, split, kept)?;
    let grid = Grid::of(&release.analysis);
    loop {
        let end = test.next_end(grid, split, now);
        let Some(answer) = answers.iter().find(|a| a.id.check == SHARE && a.id.at == end) else { break };
        test.begins(split.from);
        let block = counted(release, split, answer);
        test.state.trouble = block.and_then(|block| test.add(block, split.weight)).err();
        if test.state.trouble.is_some_and(answer::passing) {
            break;
        }
        test.used(end);
    }
    test.kept()
}

/// Share of the canary in percent with one decimal, and about how many requests it is of, for people.
fn told(state: &ShareState) -> (String, i64) {
    let percent = 100.0 * state.recent_canary / state.recent_requests;
    (format!("{percent:.1}"), words::whole(state.recent_requests))
}

/// The test, with what is kept beside it.
struct Test {
    skew: Skew,
    mark: Option<Mark>,
    digest: Digest,
    state: ShareState,
}

impl Test {
    /// As it was kept; without evidence if that is of something else, or cannot be read.
    fn of(release: &Release, split: &Split<'_>, kept: Option<&ShareState>) -> Option<Self> {
        let digest = digest(release, split);
        let record = kept.and_then(|kept| decoded(&kept.checkpoint)).unwrap_or_default();
        let restored = restore(Skew::new(BOUNDS).ok()?, &digest, &record);
        let state = kept.filter(|_| restored.mark.is_some()).cloned().unwrap_or_default();
        Some(Self { skew: restored.state, mark: restored.mark, digest, state })
    }

    /// End of the block that it needs next.
    fn next_end(&self, grid: Grid, split: &Split<'_>, now: Timestamp) -> Timestamp {
        let last = self.mark.and_then(|mark| Timestamp::from_millisecond(mark.last_block_end).ok());
        grid.next_end(last.map_or(split.from, |end| end.max(split.from)), now)
    }

    /// Something was answered, be it nothing that can be used.
    fn begins(&mut self, from: Timestamp) {
        let begin = from.as_millisecond();
        self.mark.get_or_insert(Mark { begin, last_block_end: begin });
    }

    /// A block is used, or passed over.
    fn used(&mut self, end: Timestamp) {
        if let Some(mark) = &mut self.mark {
            mark.last_block_end = end.as_millisecond();
        }
    }

    /// Counts one block. An error leaves the counts as they were.
    fn add(&mut self, block: (f64, f64), weight: i32) -> Result<(), Reason> {
        let (stable, canary) = block;
        let requests = Requests { weight: f64::from(weight), stable, canary };
        let found = self.skew.look(requests).map_err(|_| Reason::NotANumber)?;
        let state = &mut self.state;
        state.requests += stable + canary;
        if state.weight != weight {
            (state.weight, state.recent_canary, state.recent_requests) = (weight, 0.0, 0.0);
        }
        state.recent_canary = state.recent_canary * FADES + canary;
        state.recent_requests = state.recent_requests * FADES + stable + canary;
        if found.skewed {
            if state.skewed.as_ref().is_none_or(|before| before.weight != weight) {
                let (percent, requests) = told(state);
                state.skewed = Some(Skewed { weight, percent, requests });
            }
            // Whether it still is so is for a fresh test to find out.
            if let Ok(fresh) = Skew::new(BOUNDS) {
                self.skew = fresh;
            }
            state.requests = 0.0;
        } else if state.requests >= CLEARED_AFTER {
            state.skewed = None;
        }
        Ok(())
    }

    /// What is kept of it; nothing before the first answer.
    fn kept(self) -> Option<ShareState> {
        let checkpoint = encoded(save(&self.skew, self.mark?, &self.digest));
        Some(ShareState { checkpoint, ..self.state })
    }
}

/// Digest of what the evidence belongs to. Another order of the two versions is another split.
fn digest(release: &Release, split: &Split<'_>) -> Digest {
    let text = format!(
        "1\n{}\n{}\n{}\n{}\n{}\n{:?}\n{SHARE}",
        release.uid,
        split.attempt,
        split.stable,
        split.canary,
        release.analysis.provider,
        release.analysis.source.as_ref().map(|source| source.entrance),
    );
    let digits = text_digest(&text);
    let mut digest = Digest::default();
    for (byte, digit) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte =
            std::str::from_utf8(digit).ok().and_then(|d| u8::from_str_radix(d, 16).ok()).unwrap_or_default();
    }
    digest
}

fn names<'n>(release: &'n Release, split: &'n Split<'n>) -> Names<'n> {
    Names::new(release, Some(split.stable), split.canary, &split.apps)
}

/// Requests of stable and of the canary in a block.
///
/// Who counts them counts those of both, so a version without a row had none; without any row nothing is known.
fn counted(release: &Release, split: &Split<'_>, answer: &Answer) -> Result<(f64, f64), Reason> {
    let names = names(release, split);
    let mut requests = BTreeMap::new();
    for row in answer::rows(&answer.outcome)? {
        // Foreign rows are none of our business.
        let part = ["n", "n1", "n2"].into_iter().find(|part| *part == row.stat());
        let Some((whose, part)) = names.of_entrance(&row.labels).zip(part) else { continue };
        let value = row.value.ok_or(Reason::NotANumber)?;
        if requests.insert((whose, part), value).is_some() {
            return Err(Reason::AmbiguousSeries);
        }
    }
    if requests.is_empty() {
        return Err(Reason::NoData);
    }
    // Envoy has a cluster for each port, and some servers count well and badly answered requests apart.
    let of =
        |whose| requests.iter().filter(|(((w, _), _), _)| *w == whose).map(|(_, value)| *value).sum::<f64>();
    Ok((of(Whose::Stable), of(Whose::Canary)))
}

#[cfg(test)]
mod tests;
