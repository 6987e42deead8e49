//! Evidence: what to ask Prometheus, what its answers count for, and what the counts prove.
//!
//! One attempt of one version is judged by checks: the quality gate and the guardrails. Each keeps a
//! [`Checkpoint`] with what the [`kernel`] knows since evidence began. Events come in blocks of `analysis.interval`,
//! ending at multiples of it in Unix time, so that it does not matter who looks, when, or how often: each block is used
//! once and in order, and the verdict after each is a function of the blocks alone.
//! Whatever is not there (no series, no provider, no number) decides nothing.

mod answer;
mod backtest;
mod blocks;
mod check;
mod evidence;
pub mod kernel;
pub mod outlook;
mod promql;
mod record;
pub mod share;
mod stats;
mod verdict;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::backtest::{Backtest, Turn};
pub use self::promql::question::{About, Question};
pub use self::promql::server;

use self::blocks::Grid;
use self::promql::Names;
use self::promql::question::What;
use self::verdict::Judged;
use crate::api::conditions::Is;
use crate::api::reasons::Reason;
use crate::api::status::{AnalysisStatus, Checkpoint, Numbers, Verdict};
use crate::observed::{Answer, QueryId};
use crate::plan::Query;
use crate::release::Release;
use crate::seeded::{Bug, on};
use crate::settings::Source;
use crate::version::Hash;

/// Who is judged, against whom, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The live version; without it only absolute bounds can be judged.
    pub stable: Option<&'a Hash>,
    /// The version on trial; while baking the new stable.
    pub canary: &'a Hash,
    /// Those of the two whose requests enter by an app.
    pub apps: Vec<Hash>,
    /// Number of the trial: another one starts at zero.
    pub attempt: i64,
    /// Only blocks that begin at or after this count: the present weight settled, for the first weight plus
    /// `analysis.initialDelay`. Moving it forward skips blocks and keeps what was counted.
    pub evidence_from: Timestamp,
    /// The canary's part of the requests in percent, copies among them.
    pub weight: i32,
    /// It answers copies of requests, and nobody sees its answers. What that shows never counts for a promotion.
    pub copied: bool,
    /// Only absolute bounds (`min`, `max`) are judged, with counts of their own that start afresh.
    pub baking: bool,
    /// Whether this is the last step, where a pass promotes. Only the wording depends on it.
    pub last_step: bool,
}

/// What all checks together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Proven too bad. Latched: every later look of this attempt says so too.
    Fail {
        /// `ErrorRateExceeded` of a guardrail, or `QualityRegression`. A guardrail goes first.
        reason: Reason,
        /// The numbers in a sentence.
        message: String,
        /// The same as data, the deciding one first; at most 3.
        numbers: Vec<Numbers>,
    },
    /// Every enforced check passes at this look. Not latched.
    Pass {
        /// `QualityPassed`, or `GuardrailsPassed` if quality is not enforced.
        reason: Reason,
        /// The numbers in a sentence.
        message: String,
        /// The same as data, quality first; at most 3.
        numbers: Vec<Numbers>,
    },
    /// Neither: hold.
    Undecided {
        /// What is awaited, with the numbers so far.
        message: String,
    },
}

/// What one look at the evidence brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Counts to keep for the next look: `status.state.checks`.
    pub checks: BTreeMap<String, Checkpoint>,
    /// What to show: `status.analysis`.
    pub status: AnalysisStatus,
    /// What all checks together say.
    pub outcome: Outcome,
    /// Enough for a step that is not the last: nothing failed, the canary has `minSamples` labelled answers, and the
    /// guardrails pass.
    pub step_gate: bool,
    /// The condition `AnalysisAvailable`.
    pub available: (Is, Reason, String),
    /// An enforced check has had no usable answer for more than three intervals: nothing may rise.
    pub blind: bool,
    /// Numbers of all checks, quality first; at most 3.
    pub numbers: Vec<Numbers>,
    /// When there is something to ask for again.
    pub next_at: Timestamp,
}

/// The questions that are due: each block of each check whose end is at least the source's lag ago, oldest first, at
/// most eight a check; one a check while the source does not answer. A check that failed asks nothing more.
pub fn queries(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
    now: Timestamp,
) -> Vec<Query> {
    let Some(source) = &release.analysis.source else { return Vec::new() };
    let grid = Grid::of(&release.analysis);
    let asks = Asks::of(&check::names(release, subject), source, grid);
    let mut queries = Vec::new();
    for check in check::checks(release, subject) {
        let kept = check.checkpoint(checks, now);
        let mut end = check::next_end(&kept, grid, check.from, now);
        if check.wants_the_past(&kept) {
            let at = grid.beginning(end);
            if grid.asked_at(at) <= now {
                let what = check.question_of_the_past(release, subject, source);
                queries.push(asks.query(check.past(), at, what, blocks::KEPT));
            }
        }
        if kept.failed || grid.asked_at(end) > now {
            continue;
        }
        let most = if kept.trouble.is_some_and(answer::passing) { 1 } else { blocks::AT_ONCE };
        let asked =
            asks.query(check.name.to_owned(), end, check.question(release, subject, source, &kept), 0);
        for _ in 0..most {
            queries.push(asked.at(end));
            end = grid.after(end);
            if grid.asked_at(end) > now {
                break;
            }
        }
    }
    queries
}

/// Makes a release's questions.
struct Asks {
    source: String,
    width: i64,
    namespace: String,
    gateways: BTreeSet<String>,
    about: About,
}

impl Asks {
    fn of(names: &Names<'_>, source: &Source, grid: Grid) -> Self {
        let release = names.release();
        Self {
            source: source.name.clone(),
            width: grid.width(),
            namespace: release.namespace.clone(),
            gateways: release.traffic.sets.iter().map(|set| set.namespace.clone()).collect(),
            about: names.about(),
        }
    }

    /// One about so many blocks up to a time; 0 is the one that ends then.
    fn query(&self, check: String, at: Timestamp, what: What, blocks: i64) -> Query {
        let question = Question {
            what,
            width: self.width,
            blocks,
            namespace: self.namespace.clone(),
            gateways: self.gateways.clone(),
        };
        Query {
            id: QueryId { check, at },
            source: self.source.clone(),
            question,
            about: self.about.clone(),
            time: at,
        }
    }
}

/// Adds the answers to the counts and judges them.
///
/// Without answers it judges what is already counted, so it may be called at any time and as often as one likes.
pub fn look(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
    answers: &[Answer],
    now: Timestamp,
) -> Look {
    let judges = check::checks(release, subject);
    let mut kept = BTreeMap::new();
    for check in &judges {
        let mut checkpoint = check.checkpoint(checks, now);
        check.absorb(&mut checkpoint, release, subject, answers, now);
        kept.insert(check.name.to_owned(), checkpoint);
    }
    let all: Vec<Judged<'_>> = judges
        .iter()
        .filter_map(|check| Some(Judged::new(check, kept.get(check.name)?, release, now)))
        .collect();
    let blind = all.iter().any(|j| j.check.enforced && j.blind);
    let gate = Gate::of(&all, blind);
    let outcome = outcome(&all, gate, release, subject);
    let status = AnalysisStatus {
        verdict: match outcome {
            Outcome::Fail { .. } => Verdict::Fail,
            Outcome::Pass { .. } => Verdict::Pass,
            Outcome::Undecided { .. } => Verdict::Inconclusive,
        },
        quality: all.iter().find(|j| j.is_quality()).map(|j| j.status(release)),
        guardrails: all.iter().filter(|j| !j.is_quality()).map(|j| j.status(release)).collect(),
    };
    let grid = Grid::of(&release.analysis);
    let next_at = all
        .iter()
        .filter_map(|j| j.next_at(release, now))
        .min()
        .unwrap_or_else(|| grid.asked_at(grid.next_end(now, now)));
    Look {
        outcome,
        status,
        step_gate: gate.step,
        available: available(&all, release, subject),
        blind,
        numbers: all.iter().filter_map(Judged::numbers).take(3).collect(),
        next_at,
        checks: kept,
    }
}

/// What the enforced checks allow.
#[derive(Clone, Copy)]
struct Gate {
    step: bool,
    pass: bool,
}

impl Gate {
    fn of(all: &[Judged<'_>], blind: bool) -> Self {
        let holding: Vec<&Judged<'_>> = all.iter().filter(|j| j.check.enforced && !j.exempt).collect();
        // Where nothing is enforced, or nothing that is has a series, nothing is proven.
        let any = !holding.is_empty() && !blind;
        Self {
            step: any && holding.iter().all(|j| j.opens_step()),
            pass: on(Bug::R14) || any && holding.iter().all(|j| j.verdict == Verdict::Pass),
        }
    }
}

fn outcome(all: &[Judged<'_>], gate: Gate, release: &Release, subject: &Subject<'_>) -> Outcome {
    let sentence = |judged: &Judged<'_>| words::sentence(judged, release, subject);
    let enforced = || all.iter().filter(|j| j.check.enforced);
    // A guardrail goes first, and of those the one that is most beyond doubt.
    let failed = enforced()
        .filter(|j| !j.is_quality() && j.verdict == Verdict::Fail)
        .max_by(|one, other| one.excess().total_cmp(&other.excess()))
        .or_else(|| enforced().find(|j| j.verdict == Verdict::Fail));
    if let Some(failed) = failed {
        let others = all.iter().filter(|j| j.check.name != failed.check.name);
        return Outcome::Fail {
            reason: failed.reason.unwrap_or(Reason::QualityRegression),
            message: sentence(failed),
            numbers: std::iter::once(failed).chain(others).filter_map(Judged::numbers).take(3).collect(),
        };
    }
    if gate.pass {
        let quality = enforced().any(Judged::is_quality);
        return Outcome::Pass {
            reason: if quality { Reason::QualityPassed } else { Reason::GuardrailsPassed },
            message: enforced().filter(|j| !j.exempt).map(sentence).collect::<Vec<_>>().join("; "),
            numbers: all.iter().filter_map(Judged::numbers).take(3).collect(),
        };
    }
    // A source that does not answer is one trouble, however many checks it keeps waiting.
    let mut told = Vec::new();
    let news = |j: &&Judged<'_>| match j.trouble.filter(|trouble| j.reason == Some(*trouble)) {
        Some(trouble) if told.contains(&trouble) => false,
        Some(trouble) => {
            told.push(trouble);
            true
        }
        None => true,
    };
    let open: Vec<String> =
        enforced().filter(|j| j.verdict != Verdict::Pass && !j.exempt).filter(news).map(sentence).collect();
    let message = match (open.is_empty(), enforced().next()) {
        (false, _) if gate.step && !subject.last_step => format!("enough for a step; {}", open.join("; ")),
        (false, _) => open.join("; "),
        (true, Some(first)) => sentence(first),
        (true, None) if subject.baking => {
            "no absolute bound is enforced, so there is none to watch".to_owned()
        }
        (true, None) => "no check is enforced, so nothing can be proven".to_owned(),
    };
    Outcome::Undecided { message }
}

/// The condition `AnalysisAvailable`. Its words change with the state only, not with the counts.
fn available(all: &[Judged<'_>], release: &Release, subject: &Subject<'_>) -> (Is, Reason, String) {
    let enforced = || all.iter().filter(|j| j.check.enforced);
    let source = &release.analysis.provider;
    let lacking = |j: &Judged<'_>| {
        let reason = j.trouble.unwrap_or(Reason::StaleData);
        (Is::False, reason, words::lacking(j, reason, release, subject))
    };
    if let Some(first) = enforced().find(|j| j.unavailable) {
        return lacking(first);
    }
    let mut holding = enforced().filter(|j| !j.exempt).peekable();
    if holding.peek().is_none() {
        return enforced()
            .next()
            .map_or_else(|| (Is::Unknown, Reason::NotNeeded, "no check is enforced".to_owned()), lacking);
    }
    if holding.any(|j| j.kept.last_answer_at.is_none()) {
        let from = subject.evidence_from;
        return (Is::Unknown, Reason::InitialDelay, format!("evidence counts from {from:.0}"));
    }
    (Is::True, Reason::Receiving, format!("Prometheus source {source} answers"))
}

/// The same checks with the record of each made from its counts alone, as if they had come in two blocks: for a model
/// that takes states for one which count the same.
#[cfg(any(test, feature = "testing"))]
pub fn retold(
    release: &Release,
    subject: &Subject<'_>,
    checks: &BTreeMap<String, Checkpoint>,
) -> BTreeMap<String, Checkpoint> {
    let mut retold = checks.clone();
    for check in check::checks(release, subject) {
        if let Some(kept) = retold.get_mut(check.name) {
            check.retell(kept);
        }
    }
    retold
}

/// Quality of stable and canary as in `0.9340/0.9210`; empty until both are known.
pub fn quality_summary(status: &AnalysisStatus) -> String {
    match status.quality.as_ref().map(|q| (q.stable.as_ref(), q.canary.as_ref())) {
        Some((Some(stable), Some(canary))) => format!("{}/{}", stable.value, canary.value),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
