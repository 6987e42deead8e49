//! What all verdicts together decide.

use crate::api::evidence::Verdict;

/// What an enforced guardrail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Its verdict.
    Says(Verdict),
    /// It is the default one, and neither version ever had a series for it: it holds nothing up, and is no ground.
    Unseen,
}

/// What quality says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Its verdict, and whether it is enough for a step.
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// Enough for a step that is not the last.
        step_gate: bool,
    },
    /// It is not enforced.
    Disabled,
}

/// What else a decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether the step lasted long enough.
    pub min_duration_met: bool,
    /// Whether the canary gets another share than its weight says, and users do not stick to a version.
    pub split_skewed: bool,
    /// Whether this is the last step, where a pass promotes.
    pub last_step: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Back to stable.
    Rollback,
    /// The weight stays.
    Hold,
    /// The next step.
    Advance,
    /// The canary becomes stable.
    Promote,
}

/// Decides. Any failure rolls back at once; whatever is open holds; and nothing rises if nothing that is enforced has
/// spoken.
pub fn combine(guards: &[Guard], quality: Said, situation: Situation) -> Decision {
    let says = |verdict: Verdict| guards.contains(&Guard::Says(verdict));
    let (verdict, step_gate) = match quality {
        Said::Verdict { verdict, step_gate } => (Some(verdict), step_gate),
        Said::Disabled => (None, true),
    };
    if says(Verdict::Fail) || verdict == Some(Verdict::Fail) {
        return Decision::Rollback;
    }
    let held = says(Verdict::Inconclusive) || situation.split_skewed || !situation.min_duration_met;
    let ground = verdict.is_some() || says(Verdict::Pass);
    let proven = verdict.is_none_or(|verdict| verdict == Verdict::Pass);
    let enough = if situation.last_step { proven } else { step_gate };
    if held || !ground || !enough {
        Decision::Hold
    } else if situation.last_step {
        Decision::Promote
    } else {
        Decision::Advance
    }
}
