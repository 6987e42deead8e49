//! What the auditor says at its end: what it saw, which rules it applied how often, or what broke one.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;

use super::{Rule, Violation};

/// What was seen.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Revisions judged.
    pub revisions: u64,
    /// The first of them.
    pub first: u64,
    /// The last one seen.
    pub last: u64,
    /// Objects seen.
    pub objects: usize,
    /// Releases among them.
    pub releases: usize,
    /// How often each rule was applied.
    pub applied: BTreeMap<Rule, u64>,
    /// The longest time that a rule measured, and of what.
    pub longest: BTreeMap<Rule, (SignedDuration, String)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} revisions ({} to {}) of {} objects, {} of them releases",
            self.revisions, self.first, self.last, self.objects, self.releases
        )?;
        for rule in Rule::ALL {
            let (name, sentence) = (rule.to_string(), rule.sentence());
            match self.applied.get(&rule) {
                Some(times) => write!(f, "  {name:<6}{times:>7} times  {sentence}")?,
                None => write!(f, "  {name:<6} NEVER APPLIED  {sentence}")?,
            }
            if let Some((time, what)) = self.longest.get(&rule) {
                write!(f, "; longest {:.3} s ({what})", time.as_secs_f64())?;
            }
            writeln!(f)?;
        }
        write!(f, "auditor: {} revisions, 0 violations", self.revisions)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object.as_deref().unwrap_or("a clock");
        writeln!(f, "VIOLATION of {} at revision {}, {object}:", self.rule, self.revision)?;
        writeln!(f, "  {}", self.what)?;
        writeln!(f, "  the rule: {}", self.rule.sentence())?;
        if !self.before.is_empty() {
            writeln!(f, "  what led there (revision, time, object):")?;
            for line in &self.before {
                writeln!(f, "    {line}")?;
            }
        }
        Ok(())
    }
}
