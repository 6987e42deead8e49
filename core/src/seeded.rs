//! Bugs that peers shipped, and two of our own, put into this core by its own tests: each of them has to be found.
//!
//! Without the feature `seeded`, which only the core's own tests switch on, none is ever there.

/// A bug, by its number in the design's list of what happened to others; ours have a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Promotion writes the canary's template into stable.
    R1,
    /// Effects are sent before the commit that orders them.
    R2,
    /// A version that leaves is not drained.
    R3,
    /// The status shows the weights that are meant, not those that were read.
    R4,
    /// A weight of 0 is left out.
    R5,
    /// One ready pod is enough for any weight.
    R6,
    /// A rollback waits for all of stable's pods.
    R9,
    /// A rollback that finds nothing to roll back scales stable.
    R10,
    /// It is not noted that a rollback found nothing.
    R11,
    /// A status is written whatever is stored by now.
    R12,
    /// The unready clock starts afresh whenever a version is ready.
    R13,
    /// No evidence is enough evidence.
    R14,
    /// What was rolled back comes back by itself.
    R16,
    /// An entry with weight 0 is dropped.
    R19,
    /// That a new version was seen is written down before it is started, and it is started only when it is new.
    R22,
    /// What is promoted is what the spec names at that moment.
    R23,
    /// A candidate that the spec no longer names goes on.
    R24,
    /// Pods end in the plan that takes their weight.
    R29,
    /// A canary that equals `spec.stable` replaces at once.
    R32,
    /// After a promotion it does not matter whether the canary block is there.
    R33,
    /// A rollback of stable that was answered already makes every new canary leave.
    R34,
    /// After a promotion an edit of what versions share counts as another `stable`.
    R35,
    /// What a version has that gets a role anew is taken as it is found.
    Late,
    /// The first weight does not wait until gateways were seen to lead to the version.
    Unrouted,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 24] = [
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R9,
        Self::R10,
        Self::R11,
        Self::R12,
        Self::R13,
        Self::R14,
        Self::R16,
        Self::R19,
        Self::R22,
        Self::R23,
        Self::R24,
        Self::R29,
        Self::R32,
        Self::R33,
        Self::R34,
        Self::R35,
        Self::Late,
        Self::Unrouted,
    ];

    /// What it does, in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::R1 => "promotion writes the canary's template into stable",
            Self::R2 => "effects are sent before the commit that orders them",
            Self::R3 => "a version that leaves is not drained",
            Self::R4 => "the status shows the weights that are meant, not those that were read",
            Self::R5 => "a weight of 0 is left out",
            Self::R6 => "one ready pod is enough for any weight",
            Self::R9 => "a rollback waits for all of stable's pods",
            Self::R10 => "a rollback that finds nothing to roll back scales stable",
            Self::R11 => "it is not noted that a rollback found nothing",
            Self::R12 => "a status is written whatever is stored by now",
            Self::R13 => "the unready clock starts afresh whenever a version is ready",
            Self::R14 => "no evidence is enough evidence",
            Self::R16 => "what was rolled back comes back by itself",
            Self::R19 => "an entry with weight 0 is dropped",
            Self::R22 => {
                "that a new version was seen is written down before it is started, and it is started only when it is new"
            }
            Self::R23 => "what is promoted is what the spec names at that moment",
            Self::R24 => "a candidate that the spec no longer names goes on",
            Self::R29 => "pods end in the plan that takes their weight",
            Self::R32 => "a canary that equals `spec.stable` replaces at once",
            Self::R33 => "after a promotion it does not matter whether the canary block is there",
            Self::R34 => "a rollback of stable that was answered already makes every new canary leave",
            Self::R35 => "after a promotion an edit of what versions share counts as another `stable`",
            Self::Late => {
                "objects of a version that gets a role again are taken as found, while another operator is about to delete them"
            }
            Self::Unrouted => {
                "the first weight does not wait until gateways were seen to lead to the version"
            }
        }
    }
}

#[cfg(feature = "seeded")]
mod chosen {
    use std::cell::Cell;

    use super::Bug;

    thread_local!(static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) });

    /// What was there before comes back, also if the act panics.
    struct Before(Option<Bug>);

    impl Drop for Before {
        fn drop(&mut self) {
            CHOSEN.set(self.0);
        }
    }

    /// Acts with a bug in place, on this thread.
    pub fn with<T>(bug: Option<Bug>, act: impl FnOnce() -> T) -> T {
        let _before = Before(CHOSEN.replace(bug));
        act()
    }

    pub(crate) fn on(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "seeded")]
pub(crate) use chosen::on;
#[cfg(feature = "seeded")]
pub use chosen::with;

/// Whether a bug is in place: never.
#[cfg(not(feature = "seeded"))]
pub(crate) const fn on(_: Bug) -> bool {
    false
}
