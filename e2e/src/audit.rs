//! The auditor: watches everything that the operator touches, rebuilds the world at each revision, and checks from outside
//! what must always hold.
//!
//! It shares no line with the operator's core but the types of the API: what both got wrong in the same way would stay
//! unseen. What it cannot see (why an answer of Prometheus counted, what a write rested on beyond a few seconds) is left to
//! the model check and the property tests.

mod children;
mod clocks;
mod commits;
mod farewell;
pub mod feed;
mod held;
mod history;
mod kept;
pub mod log;
pub mod object;
mod order;
mod retired;
mod rule;
pub mod summary;
#[cfg(test)]
mod tests;
mod traffic;
mod watches;
mod weights;
pub mod witness;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use history::History;
use rule::Findings;
pub use rule::Rule;
use summary::Summary;
use world::{Change, Event, Kind, Verb, World};

/// What the auditor is told of the installation.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where EnvoyFilters may lie, and whom they must select; empty: anywhere but for all.
    pub gateways: Vec<Gateway>,
    /// How long a Service must have been there before its first weight.
    pub propagation_wait: SignedDuration,
    /// What is added to every limit of time: for a busy machine, or an operator that is killed.
    pub slack: SignedDuration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gateways: Vec::new(),
            propagation_wait: SignedDuration::from_secs(5),
            slack: SignedDuration::ZERO,
        }
    }
}

/// Pods of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub selector: BTreeMap<String, String>,
}

impl std::str::FromStr for Gateway {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let wrong = || format!("{written:?} is no gateway; write it as namespace/label=value,label=value");
        let (namespace, labels) = written.split_once('/').ok_or_else(wrong)?;
        let pair = |label: &str| label.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        let selector: Option<BTreeMap<String, String>> = labels.split(',').map(pair).collect();
        let selector = selector.filter(|selector| !selector.is_empty() && !namespace.is_empty());
        Ok(Self { namespace: namespace.to_owned(), selector: selector.ok_or_else(wrong)? })
    }
}

/// A rule that was broken.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The object whose change broke it; none for a time that ran out.
    pub object: Option<String>,
    /// The revision of that change, or the last one before the time ran out.
    pub revision: u64,
    /// What was wrong.
    pub what: String,
    /// The last changes of its release, that one last.
    pub before: Vec<String>,
}

/// One group of rules.
trait Check: std::fmt::Debug {
    /// Judges a change; the world is as it is after it.
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings);

    /// Judges clocks: everything up to `now` is known.
    fn tick(&mut self, _now: Timestamp, _found: &mut Findings) {}
}

/// The rules, and the world that they judge.
#[derive(Debug)]
pub struct Auditor {
    world: World,
    checks: Vec<Box<dyn Check + Send>>,
    found: Findings,
    history: History,
    objects: BTreeSet<String>,
    releases: BTreeSet<String>,
    revisions: u64,
    first: Option<u64>,
    last: u64,
}

impl Auditor {
    /// Knows nothing yet.
    pub fn new(options: &Options) -> Self {
        let checks: Vec<Box<dyn Check + Send>> = vec![
            Box::new(commits::Commits::default()),
            Box::new(held::Held),
            Box::new(weights::Weights::new(options)),
            Box::new(kept::Kept::default()),
            Box::new(retired::Retired::default()),
            Box::new(children::Children::new(options)),
            Box::new(farewell::Farewell::new(options)),
            Box::new(clocks::Clocks::new(options)),
        ];
        Self {
            world: World::default(),
            checks,
            found: Findings::default(),
            history: History::default(),
            objects: BTreeSet::new(),
            releases: BTreeSet::new(),
            revisions: 0,
            first: None,
            last: 0,
        }
    }

    /// Takes the next change, in the order of revisions. What was found when watching began is only learnt.
    ///
    /// # Errors
    /// The rules that it breaks.
    pub fn take(&mut self, event: Event) -> Result<(), Vec<Violation>> {
        let found = event.verb == Verb::Found;
        let change = self.world.take(event);
        let uid = object::uid(change.body());
        self.objects.insert(uid.to_owned());
        if change.key.kind == Kind::ModelRelease {
            self.releases.insert(uid.to_owned());
        }
        self.last = self.last.max(change.revision);
        self.history.note(&change);
        for check in &mut self.checks {
            // The checks learn from what was found; it is nothing that happened.
            let mut ignored = Findings::default();
            check.look(&self.world, &change, if found { &mut ignored } else { &mut self.found });
        }
        if found {
            return Ok(());
        }
        self.revisions += 1;
        self.first.get_or_insert(change.revision);
        let broken = std::mem::take(&mut self.found.broken);
        let violation = |(rule, what)| Violation {
            rule,
            object: Some(change.key.to_string()),
            revision: change.revision,
            what,
            before: self.history.before(&change),
        };
        if broken.is_empty() { Ok(()) } else { Err(broken.into_iter().map(violation).collect()) }
    }

    /// Everything up to `now` is known: are clocks run out?
    ///
    /// # Errors
    /// Those that are.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), Vec<Violation>> {
        for check in &mut self.checks {
            check.tick(now, &mut self.found);
        }
        let broken = std::mem::take(&mut self.found.broken);
        let violation =
            |(rule, what)| Violation { rule, object: None, revision: self.last, what, before: Vec::new() };
        if broken.is_empty() { Ok(()) } else { Err(broken.into_iter().map(violation).collect()) }
    }

    /// What was seen so far.
    pub fn summary(&self) -> Summary {
        Summary {
            revisions: self.revisions,
            first: self.first.unwrap_or_default(),
            last: self.last,
            objects: self.objects.len(),
            releases: self.releases.len(),
            applied: self.found.applied.clone(),
            longest: self.found.longest.clone(),
        }
    }
}
