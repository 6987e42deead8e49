//! A world that is played: what happens to it, when it is looked at, and how often what was reached.

#[path = "happen.rs"]
mod happen;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use model_release_core::api;
use model_release_core::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
use model_release_core::api::status::{Phase, Track};
use model_release_core::observed::{Container, Ended, Pod, Refused};
use model_release_core::plan::{Key, Kind, Plan, Write};
use model_release_core::testing::{Basis, Says, World};
use model_release_core::version::Version;
use serde_json::{Value, json};

use super::events::{Ails, Happens};
use super::policy;

/// Looks at one instant within which everything that can be done at it is done.
const AT_ONCE: usize = 40;

/// Looks when something is due within which a friendly world comes to rest. Most of them need few; where stable itself
/// changed by much in the middle of a trial, its counts vary so much more than chance that a verdict takes hundreds.
const TO_REST: usize = 800;

/// How the operator is run.
#[derive(Clone, Debug, Default)]
pub enum Runs {
    /// It looks when it is told to, and as often as there is something to do.
    #[default]
    Well,
    /// At the look of this number it dies after so many writes, with its commit or before.
    Dies(u64, bool, usize),
    /// At the look of this number the write after so many is refused.
    IsRefused(u64, usize),
    /// Two of them look at the same and do the same at once; by each bit the one or the other is first.
    Twice(u64),
    /// Each look comes so many times over.
    Often(u8),
    /// Each time that something is due it is looked at so much later.
    Late(SignedDuration),
    /// Before each look that asks Prometheus there is one with this answer, so often in all.
    Blind(Says, u64),
}

/// A world that is played.
#[derive(Clone)]
pub struct Play {
    /// The world.
    pub world: World,
    /// How its operator is run.
    pub runs: Runs,
    /// Looks so far.
    pub looks: u64,
    /// Rows that held without a move: those of a suspension, and of a spec that is refused.
    pub held: BTreeSet<&'static str>,
    /// When the last look said that something is due.
    pub due: Timestamp,
    /// What the versions' names begin with.
    pub prefix: &'static str,
    lagging: Option<Basis>,
    held_up: Option<(Basis, Plan)>,
    tokens: u32,
}

impl Play {
    /// Of a world.
    pub fn of(world: World) -> Self {
        Self {
            due: world.now,
            world,
            runs: Runs::Well,
            looks: 0,
            held: BTreeSet::new(),
            prefix: "v",
            lagging: None,
            held_up: None,
            tokens: 0,
        }
    }

    /// Name of a version.
    pub fn name(&self, version: u8) -> String {
        format!("{}{version}", self.prefix)
    }

    /// Whether the release is deleted and nothing keeps its object.
    pub fn gone(&self) -> bool {
        let meta = &self.world.object.metadata;
        meta.deletion_timestamp.is_some() && !meta.finalizers.iter().flatten().any(|f| f == api::FINALIZER)
    }

    /// One look. Says whether there was anything to do.
    pub fn look(&mut self) -> bool {
        self.looks += 1;
        let rv = self.world.object.metadata.resource_version.clone();
        let plan = match self.runs.clone() {
            Runs::Twice(first) => {
                self.both(first.rotate_left(u32::try_from(self.looks % 64).unwrap()) & 1 == 1)
            }
            Runs::Dies(at, commit, sent) if at == self.looks => {
                let plan = self.world.decide();
                if commit {
                    self.world.commit(&plan);
                    self.world.apply(&plan, sent);
                }
                self.runs = Runs::Well;
                plan
            }
            Runs::IsRefused(at, sent) if at == self.looks => {
                self.runs = Runs::Well;
                self.refused(sent)
            }
            Runs::Blind(says, left) if left > 0 => {
                let before = std::mem::replace(&mut self.world.says, says);
                let asked = {
                    self.world.ask();
                    !self.world.observed.answers.is_empty()
                };
                let plan = self.world.look();
                self.world.says = before;
                if asked {
                    self.runs = Runs::Blind(says, left - 1);
                }
                plan
            }
            _ => {
                let plan = self.world.look();
                if !plan.writes.is_empty() {
                    self.world.observed.refused.clear();
                }
                plan
            }
        };
        let sent = !plan.writes.is_empty();
        self.due = plan.next_look;
        let suspended =
            self.world.object.spec.suspend == Some(true) && self.world.phase() != Phase::RollingBack;
        if suspended && self.world.object.metadata.deletion_timestamp.is_none() {
            self.held.insert("5");
        }
        if self.world.condition("Accepted").starts_with("False") {
            self.held.insert("6");
        }
        plan.status.is_some() || sent || self.world.object.metadata.resource_version != rv
    }

    /// Two operators that see the same.
    fn both(&mut self, swapped: bool) -> Plan {
        let mut one = self.world.basis();
        let mut other = one.clone();
        let (first, second) = (self.world.decide_on(&mut one), self.world.decide_on(&mut other));
        assert_eq!(first, second, "the same world, the same plan");
        // The one that commits is the only one that may go on; where there is nothing to commit both do.
        let committed = [self.world.commit_on(&mut one, &first), self.world.commit_on(&mut other, &second)];
        let mut turns = [(committed[0], &one), (committed[1], &other)];
        if swapped {
            turns.reverse();
        }
        for (goes_on, basis) in turns {
            if goes_on {
                self.world.follow(basis, &first, usize::MAX);
            }
        }
        if !first.writes.is_empty() {
            self.world.observed.refused.clear();
        }
        first
    }

    /// A look whose write after so many is refused.
    fn refused(&mut self, sent: usize) -> Plan {
        let plan = self.world.decide();
        self.world.commit(&plan);
        self.world.apply(&plan, sent);
        if let Some(Write::Create { key, .. } | Write::Apply { key, .. } | Write::Delete { key, .. }) =
            plan.writes.get(sent)
        {
            let message = "the webhook did not answer".to_owned();
            self.world.observed.refused = vec![Refused { key: key.clone(), code: 500, message }];
        }
        plan
    }

    /// Looks until there is nothing to do at this instant.
    pub fn settle(&mut self) {
        for _ in 0..AT_ONCE {
            if self.gone() {
                return;
            }
            let again = if let Runs::Often(times) = self.runs { times } else { 0 };
            for _ in 0..again {
                self.look();
            }
            if !self.look() {
                return;
            }
        }
        panic!("something to do at each of {AT_ONCE} looks at one instant; {}", self.world.story());
    }

    /// Lets time go on to an instant with all looks that are due until then.
    pub fn until(&mut self, end: Timestamp) {
        self.settle();
        while !self.gone() && self.next() <= end {
            self.world.now = self.next();
            self.settle();
        }
        self.world.now = self.world.now.max(end);
        self.settle();
    }

    /// When the next look is made.
    fn next(&self) -> Timestamp {
        let late = if let Runs::Late(late) = self.runs { late } else { SignedDuration::ZERO };
        self.due.max(self.world.now + SignedDuration::from_millis(1)) + late
    }

    /// So many looks when they are due, each so late; not those that are due only because time passes.
    fn when_due(&mut self, looks: u8, late: SignedDuration) {
        self.settle();
        for _ in 0..looks {
            if self.gone() || self.due > self.world.now + SignedDuration::from_hours(2) {
                return;
            }
            self.world.now = self.next() + late;
            self.settle();
        }
    }

    /// So many looks when they are due.
    pub fn looks_due(&mut self, looks: usize) {
        self.when_due(u8::try_from(looks).unwrap_or(u8::MAX), SignedDuration::ZERO);
    }

    /// Everything that kept the release waiting in the world is over.
    pub fn befriend(&mut self) {
        let world = &mut self.world;
        world.sick.clear();
        world.ailing.clear();
        world.cut.clear();
        world.room.clear();
        world.observed.refused.clear();
        world.prometheus = true;
        world.says = Says::Numbers;
        world.gateways = true;
        world.astray.clear();
        world.observed.istio = true;
        world.warms = Some(true);
        // So many that whatever can be proven is proven by one block.
        world.rate = 50_000.0;
        let uid = world.object.metadata.uid.clone();
        let foreign: Vec<Key> = world
            .observed
            .children
            .iter()
            .filter(|(_, live)| live.owner != uid)
            .map(|(key, _)| key.clone())
            .collect();
        for key in &foreign {
            world.remove(key);
        }
        (self.lagging, self.held_up) = (None, None);
    }

    /// Looks until nothing is due for hours, or until only looks are: whatever waits says in a condition for what.
    pub fn rest(&mut self) {
        self.settle();
        let quiet = SignedDuration::from_hours(6);
        for _ in 0..TO_REST {
            if self.gone() || self.due >= self.world.now + quiet {
                break;
            }
            self.world.now = self.next();
            self.settle();
        }
        if self.gone() {
            return;
        }
        // What still waits for a time has had it.
        self.world.now += SignedDuration::from_hours(26);
        self.when_due(20, SignedDuration::ZERO);
        let (writes, decisions) = (self.world.writes.len(), self.world.decisions.len());
        self.when_due(10, SignedDuration::ZERO);
        self.world.now += SignedDuration::from_hours(13);
        self.settle();
        assert_eq!(self.world.writes.len(), writes, "writes at rest; {}", self.world.story());
        assert_eq!(self.world.decisions.len(), decisions, "decisions at rest; {}", self.world.story());
        let told = |kind: &str| self.world.condition(kind).starts_with("True");
        let rest = matches!(self.world.phase(), Phase::Stable | Phase::RolledBack);
        assert!(rest || told("Held") || told("Stalled"), "no rest; {}", self.world.story());
        if self.world.phase() == Phase::Stable && told("Ready") {
            let spec = &self.world.object.spec;
            let wanted = Version::of(spec.runtime.as_ref(), spec.canary.as_ref().unwrap_or(&spec.stable));
            let status = self.world.status();
            let live = status.versions.iter().find(|v| v.track == Track::Stable).map(|v| v.hash.as_str());
            assert_eq!(live, Some(wanted.hash.as_str()), "not what the spec names; {}", self.world.story());
        }
    }

    /// Everything goes through the API server: what it stores is what is read, with its defaults and fields of others.
    pub fn read_back(&mut self) {
        let stored = serde_json::to_string(&self.world.object).unwrap();
        self.world.object = serde_json::from_str(&stored).unwrap();
        for (key, live) in &mut self.world.observed.children {
            let body = &mut live.body;
            body["metadata"]["creationTimestamp"] = json!("2026-11-21T09:00:00Z");
            body["metadata"]["labels"]["example.com/team"] = json!("ours");
            match key.kind {
                Kind::Deployment => {
                    body["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
                    body["spec"]["template"]["spec"]["dnsPolicy"] = json!("ClusterFirst");
                    let container = &mut body["spec"]["template"]["spec"]["containers"][0];
                    container["terminationMessagePath"] = json!("/dev/termination-log");
                }
                Kind::Service => {
                    body["spec"]["clusterIP"] = json!("10.0.0.1");
                    body["spec"]["sessionAffinity"] = json!("None");
                }
                _ => {}
            }
        }
    }
}
