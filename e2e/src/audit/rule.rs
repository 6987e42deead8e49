//! The rules that can be seen from outside, what was found against them, and how often each was applied.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;

/// A rule of the design's lifecycle page. S: safety, L: liveness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "their names are the design's")]
pub enum Rule {
    Moves,
    Roles,
    S1,
    S2,
    S3,
    S5,
    S6,
    Pause,
    S7,
    S8,
    S9,
    S10,
    S11,
    S13,
    S14,
    S15,
    L3,
    L4,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 18] = [
        Self::Moves,
        Self::Roles,
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S5,
        Self::S6,
        Self::Pause,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::S10,
        Self::S11,
        Self::S13,
        Self::S14,
        Self::S15,
        Self::L3,
        Self::L4,
    ];

    /// The rule in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Moves => "a phase changes by a decision, and only to a phase that may follow it",
            Self::Roles => "at most one version in a role, and one role a version",
            Self::S1 => {
                "two backends, integer weights, sum 100; the canary's only as committed, while it is analysed, promoted or replaces"
            }
            Self::S2 => {
                "a weight rises only onto ready endpoints of a Service that has been there long enough"
            }
            Self::S3 => "a promotion rests on numbers, on the promote annotation, or on spec.stable",
            Self::S5 => {
                "decisions are numbered upwards, effects follow their commit, a quarantined version gets no role and no weight"
            }
            Self::S6 => {
                "while rollback holds a version, it is not started, raised or promoted, and goes first"
            }
            Self::Pause => "while paused nothing starts, rises by evidence, is promoted or retired",
            Self::S7 => "what traffic can go back to keeps its template, its size, its objects and its pods",
            Self::S8 => {
                "a version is scaled to 0 or deleted last: no role, no weight for the drain, no route"
            }
            Self::S9 => "the operator writes only its own kinds under names of a release that owns them",
            Self::S10 => "writes of an object never go back behind a later decision",
            Self::S11 => "a child is written for the release that owns it and lives",
            Self::S13 => "a deleted release creates nothing, decides nothing else, and is gone within 60 s",
            Self::S14 => "spec, labels and annotations of a release are never written by the operator",
            Self::S15 => "EnvoyFilters lie in a gateway's namespace and select exactly its pods",
            Self::L3 => "a version that has to leave has weight 0 within seconds, and keeps it",
            Self::L4 => "a candidate with weight and without endpoints is at 0 within 10 s",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moves => f.write_str("moves"),
            Self::Roles => f.write_str("roles"),
            Self::Pause => f.write_str("pause"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What the checks report of one change, and the counts of all.
#[derive(Debug, Default)]
pub struct Findings {
    /// How often each rule was applied.
    pub applied: BTreeMap<Rule, u64>,
    /// The longest time that a rule measured, and what it was.
    pub longest: BTreeMap<Rule, (SignedDuration, String)>,
    /// What broke a rule.
    pub broken: Vec<(Rule, String)>,
}

impl Findings {
    /// Notes that a rule was applied, and that it must hold.
    pub fn must(&mut self, rule: Rule, holds: bool, otherwise: impl FnOnce() -> String) {
        *self.applied.entry(rule).or_default() += 1;
        if !holds {
            self.broken.push((rule, otherwise()));
        }
    }

    /// Notes a time that a rule limits.
    pub fn took(&mut self, rule: Rule, time: SignedDuration, what: String) {
        if self.longest.get(&rule).is_none_or(|(longest, _)| *longest < time) {
            self.longest.insert(rule, (time, what));
        }
    }
}
