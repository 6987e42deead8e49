//! A state: what is stored, what two operators believe and have in hand, and what may still happen.

use super::tables::Id;

/// Versions of the model.
pub const VERSIONS: usize = 4;

/// The release but for its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Release {
    /// Number of its spec among those of the run.
    pub spec: u8,
    /// How often the spec was edited.
    pub generation: u8,
    /// Values of the annotations, by number among those of the run; 0 is none.
    pub notes: [u8; 4],
    /// Deletion was asked for.
    pub deleting: bool,
    /// Our finalizer is on it.
    pub finalizer: bool,
    /// It is no longer there.
    pub gone: bool,
}

/// A stored child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Child {
    /// Its key, by number.
    pub key: u8,
    /// Its content, by number.
    pub body: Id,
    /// Another one for each UID and resourceVersion that is still remembered anywhere.
    pub token: u8,
}

/// Pods of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pods {
    /// How many are ready.
    pub ready: u8,
    /// What is wrong with them.
    pub trouble: Trouble,
}

/// What is wrong with pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// Their artifact is not what its digest says.
    Fatal,
    /// They restart and restart.
    Crashing,
}

/// What Prometheus says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// The canary is better.
    Good,
    /// It is worse.
    Bad,
    /// It fails requests.
    Errors,
    /// No answer.
    None,
}

/// What can be seen of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen {
    /// Children, by key.
    pub children: Vec<Child>,
    /// Pods, by version.
    pub pods: [Pods; VERSIONS],
}

/// A plan whose writes are not all sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hand {
    /// What is to be committed first, if it is not yet.
    pub commit: Option<Commit>,
    /// Writes in their order, each with the token of the object that it was decided on.
    pub writes: Vec<(Id, u8)>,
    /// Whether the release is still as it was read or committed.
    pub fresh: bool,
}

/// A status to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit {
    /// It, by number.
    pub status: Id,
    /// Rules that it breaks.
    pub broken: u32,
    /// The row that answered, by its place in the list; 255 if none did.
    pub row: u8,
    /// The version that good evidence was counted for, from 1; 0 if none was.
    pub proof: u8,
    /// The version that is advanced on evidence, from 1; 0 if none is.
    pub advances: u8,
    /// Whether it begins another attempt.
    pub fresh_attempt: bool,
}

/// An operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// What its caches stand still at, if they do.
    pub stale: Option<Box<Seen>>,
    /// What it is about to do.
    pub hand: Option<Hand>,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Budget {
    /// Edits of the spec.
    pub edits: u8,
    /// Changes of annotations.
    pub notes: u8,
    /// Crashes, refusals, lost answers.
    pub faults: u8,
    /// Caches that come to stand still.
    pub lags: u8,
    /// Pods that fail.
    pub flips: u8,
    /// Changes of what Prometheus says.
    pub metrics: u8,
    /// Writes of others.
    pub foreign: u8,
    /// Deletions.
    pub deletes: u8,
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            (self.edits, "edits"),
            (self.notes, "words"),
            (self.faults, "faults"),
            (self.lags, "stale caches"),
            (self.flips, "pods failing"),
            (self.metrics, "turns of metrics"),
            (self.foreign, "foreign writes"),
            (self.deletes, "deletions"),
        ];
        let some: Vec<String> =
            all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        f.write_str(&some.join(", "))
    }
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The release.
    pub release: Release,
    /// Its status, by number; 0 is none.
    pub status: Id,
    /// The cluster.
    pub seen: Seen,
    /// Prometheus.
    pub metric: Metric,
    /// The operators.
    pub processes: [Process; 2],
    /// The environment.
    pub budget: Budget,
    /// The version whose good evidence is committed, from 1.
    pub proof: u8,
    /// Rules that were broken on the way here.
    pub broken: u32,
}
