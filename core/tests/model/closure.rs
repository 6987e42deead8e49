//! L1, L2, L3: from every state, once the world is friendly, to rest within so many moves and writes.

use model_release_core::api::status::{ModelReleaseStatus, Phase, Track};
use model_release_core::plan::Kind;

use super::decide::{Lab, What};
use super::rules::{bit, names};
use super::state::{Child, Metric, Pods, Process, Release, Seen, State, Trouble, VERSIONS};
use super::tables::Id;

/// Reconciles that move something, from any state to rest.
pub const MOVES: u16 = 60;

/// A friendly world: one operator, caches that are current, pods that become ready.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Calm {
    release: Release,
    status: Id,
    seen: Seen,
    metric: Metric,
}

/// The way from there to rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Reconciles that move something.
    pub moves: u16,
    /// Rules that are broken on it: L1 if what serves at its end is not what the spec says, L2 if it has no end, or
    /// none within [`MOVES`], L3 if a rollback takes too long, L5 if it ends in a wait that nothing explains.
    pub broken: u32,
    /// Rules that could have been.
    pub cases: u32,
}

impl Lab {
    /// What is broken by the friendly future of a state, if all metrics are good, bad or absent; and what could be.
    pub fn future(&self, state: &State) -> (u32, u32) {
        let settled = self.delivered(state);
        let mut broken = settled.broken | self.as_it_is(&settled);
        let mut cases = 0;
        for metric in [Metric::Good, Metric::Bad, Metric::None] {
            let way = self.way(&self.calm_of(&settled, metric));
            broken |= way.broken;
            cases |= way.cases | if way.moves > 0 { bit("L2") } else { 0 };
        }
        (broken, cases)
    }

    /// L3 with the pods as they are: a rollback that is due waits for none of them while stable has weight.
    fn as_it_is(&self, settled: &State) -> u32 {
        if settled.release.gone {
            return 0;
        }
        let outcome = self.decide(settled.release, settled.status, &settled.seen, settled.metric);
        let Some(hash) = &outcome.leaves else { return 0 };
        let next = outcome.commit.map_or(settled.status, |commit| commit.status);
        let back = self.statuses.get(next).fallback.clone().unwrap_or_default();
        if self.weight(&settled.seen, &back) == 0 {
            return 0;
        }
        let mut seen = settled.seen.clone();
        for write in outcome.writes.iter().take(1) {
            self.applied(&mut seen, *write);
        }
        if self.weight(&seen, hash) == 0 { 0 } else { bit("L3") }
    }

    /// The state once everything on its way has arrived, or was refused.
    fn delivered(&self, state: &State) -> State {
        let mut state = state.clone();
        for p in 0..2_u8 {
            while let Some(hand) = &state.processes[usize::from(p)].hand {
                let next = self.next_of(hand, p);
                let before = state.processes[usize::from(1 - p)].clone();
                if let Some(after) = self.after(&state, next) {
                    // The order of the two is not kept; go on with the same one.
                    let swapped = after.processes[usize::from(p)] == before && before.hand.is_some();
                    state = after;
                    if swapped {
                        state.processes.swap(0, 1);
                    }
                } else {
                    state.processes[usize::from(p)].hand = None;
                }
            }
        }
        state.processes = [Process::default(), Process::default()];
        self.normalise(&mut state);
        state
    }

    fn calm_of(&self, state: &State, metric: Metric) -> Calm {
        let mut calm =
            Calm { release: state.release, status: state.status, seen: state.seen.clone(), metric };
        self.pods_ready(&mut calm.seen);
        calm
    }

    fn pods_ready(&self, seen: &mut Seen) {
        for version in 0..VERSIONS {
            let ready = u8::try_from(self.wanted(seen, version)).unwrap();
            seen.pods[version] = Pods { ready, trouble: Trouble::None };
        }
    }

    /// The friendly future of a state in words, for whichever metrics it goes wrong with.
    pub fn told(&self, state: &State) -> String {
        let settled = self.delivered(state);
        let mut lines = Vec::new();
        for metric in [Metric::Good, Metric::Bad, Metric::None] {
            let mut at = self.calm_of(&settled, metric);
            let broken = self.way(&at).broken;
            if broken == 0 {
                continue;
            }
            lines.push(format!("{metric:?}: {}", names(broken)));
            for _ in 0..40 {
                let outcome = self.decide(at.release, at.status, &at.seen, metric);
                let status = &self.statuses.get(at.status).status;
                let row = outcome.row.map(|row| self.rows[usize::from(row)]);
                let writes: Vec<String> = outcome.writes.iter().map(|w| self.in_words(*w)).collect();
                lines.push(format!("{:?} row {row:?} {writes:?}", status.phase));
                match self.next(&at).0 {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
        lines.join("\n")
    }

    pub(super) fn in_words(&self, write: Id) -> String {
        let planned = self.writes.get(write);
        match planned.what {
            What::Finalize(present) => format!("finalizer {present}"),
            what => format!("{what:?} {}", self.key_of(planned.key).key),
        }
    }

    /// The way from a friendly world to rest, found once for each world on it.
    pub fn way(&self, from: &Calm) -> Way {
        let mut path: Vec<(Calm, Way)> = Vec::new();
        let mut at = from.clone();
        let end = loop {
            if let Some(known) = self.calm.known(&at) {
                break known;
            }
            if let Some(from) = path.iter().position(|(seen, _)| *seen == at) {
                // Time goes on and evidence comes in, and nothing moves: that is a wait.
                let wait = path[from..].iter().all(|(_, step)| step.moves == 0);
                let outcome = self.decide(at.release, at.status, &at.seen, at.metric);
                let told = outcome.rests || outcome.explained;
                let broken = if !wait {
                    bit("L2")
                } else if told {
                    0
                } else {
                    bit("L5")
                };
                break Way { moves: 0, broken, cases: bit("L5") };
            }
            let (next, step) = self.next(&at);
            path.push((at, step));
            match next {
                Some(next) if step.broken == 0 => at = next,
                _ => break Way::default(),
            }
        };
        let mut way = end;
        for (calm, step) in path.into_iter().rev() {
            way.moves += step.moves;
            way.broken |= step.broken;
            way.cases |= step.cases;
            if way.moves > MOVES {
                way.broken |= bit("L2");
            }
            self.calm.note(calm, way);
        }
        way
    }

    /// One reconcile, or a tick if there is nothing to do; no next world at rest.
    fn next(&self, at: &Calm) -> (Option<Calm>, Way) {
        if at.release.gone {
            return (None, Way::default());
        }
        let (next, writes, mut broken) = self.reconciled(at);
        let outcome = self.decide(at.release, at.status, &at.seen, at.metric);
        if writes == 0 {
            let later = Calm { status: self.later(at.status), ..at.clone() };
            if later != *at {
                return (Some(later), Way { broken, ..Way::default() });
            }
            let cases = if outcome.rests { bit("L1") } else { bit("L5") };
            if !outcome.rests && !outcome.explained {
                broken |= bit("L5");
            }
            if self.astray(at) {
                broken |= bit("L1");
            }
            return (None, Way { moves: 0, broken, cases });
        }
        let mut cases = 0;
        if let Some(hash) = &outcome.leaves {
            cases |= if self.weight(&at.seen, hash) > 0 { bit("L3") } else { 0 };
            broken |= if self.slow(at, hash) { bit("L3") } else { 0 };
        }
        let moved = outcome.row.is_some() || !outcome.writes.is_empty();
        (Some(next), Way { moves: u16::from(moved), broken, cases })
    }

    /// L1: at rest in Stable, and nobody said anything: without a canary block exactly `spec.stable` serves; with one
    /// it is what serves, or it was rolled back. Each new version is tried or refused, none is overlooked.
    fn astray(&self, at: &Calm) -> bool {
        let status = &self.statuses.get(at.status).status;
        let spec = &self.specs[usize::from(at.release.spec)].spec;
        let free = at.release.notes == [0; 4] && spec.suspend != Some(true);
        let wanted = spec.canary.as_ref().unwrap_or(&spec.stable);
        let barred = status.quarantine.iter().any(|q| q.version == wanted.version);
        let serves = status.versions.iter().find(|v| v.track == Track::Stable);
        let refused = self.refused[usize::from(at.release.spec)];
        free && !refused
            && !barred
            && status.phase == Some(Phase::Stable)
            && serves.is_some_and(|v| v.version != wanted.version)
    }

    /// L3: from the look that decides it to weight 0 in at most three reconciles and two writes, if what is gone back
    /// to has a ready pod. What gets a role again by it is ready once its objects were written for that.
    fn slow(&self, at: &Calm, hash: &str) -> bool {
        let mut calm = at.clone();
        let mut writes = 0;
        for reconcile in 0..3 {
            let outcome = self.decide(calm.release, calm.status, &calm.seen, calm.metric);
            let (next, _, _) = self.reconciled(&calm);
            let committed = self.statuses.get(next.status);
            let back = committed.fallback.clone().unwrap_or_default();
            let version = self.hashes.iter().position(|h| *h == back);
            let of_it = |c: &&Child| self.key_of(c.key).version == version;
            if reconcile == 0 {
                let ready = version.map(|v| calm.seen.pods[v].ready);
                // Whose Service is somebody else's has no endpoints.
                let taken = |c: &Child| self.bodies.get(c.body).taken;
                if ready.unwrap_or(0) == 0 || calm.seen.children.iter().filter(of_it).any(taken) {
                    return false;
                }
            }
            if self.weight(&calm.seen, hash) == 0 {
                return false;
            }
            let role = committed.status.versions.iter().find(|v| v.hash == back);
            let runs = |c: &&Child| {
                matches!(self.key_of(c.key).key.kind, Kind::Deployment | Kind::Service) && of_it(c)
            };
            let old = |c: &Child| role.is_some_and(|role| self.bodies.get(c.body).seq < role.seq);
            if calm.seen.children.iter().filter(runs).any(old) {
                calm = next;
                continue;
            }
            writes += usize::from(outcome.commit.is_some());
            // Writes up to the one that takes the weight.
            let mut seen = calm.seen.clone();
            for write in &outcome.writes {
                self.applied(&mut seen, *write);
                writes += 1;
                if self.weight(&seen, hash) == 0 {
                    return writes > 2;
                }
            }
            calm = next;
        }
        self.weight(&calm.seen, hash) != 0
    }

    /// The world after a reconcile without any fault, how many writes it took, and the rules that it broke.
    fn reconciled(&self, at: &Calm) -> (Calm, usize, u32) {
        let outcome = self.decide(at.release, at.status, &at.seen, at.metric);
        let mut next = at.clone();
        let mut broken = outcome.broken;
        if let Some(commit) = outcome.commit {
            next.status = commit.status;
        }
        for write in &outcome.writes {
            let planned = self.writes.get(*write);
            broken |= planned.broken;
            match planned.what {
                What::Finalize(present) => next.release.finalizer = present,
                _ => self.applied(&mut next.seen, *write),
            }
        }
        let mut state = self.bare(&next);
        self.collected(&mut state);
        self.normalise(&mut state);
        let writes = usize::from(outcome.commit.is_some()) + outcome.writes.len();
        (self.calm_of(&state, at.metric), writes, broken)
    }

    /// A state with only what a friendly world has.
    fn bare(&self, calm: &Calm) -> State {
        State {
            release: calm.release,
            status: calm.status,
            seen: calm.seen.clone(),
            metric: calm.metric,
            processes: [Process::default(), Process::default()],
            budget: super::state::Budget::default(),
            proof: 0,
            broken: 0,
        }
    }

    fn applied(&self, seen: &mut Seen, write: Id) {
        let planned = self.writes.get(write);
        let child = match planned.what {
            What::Finalize(_) => return,
            What::Delete => None,
            What::Create | What::Apply => Some(Child { key: planned.key, body: planned.body, token: 0 }),
        };
        super::act::put(seen, planned.key, child);
        self.pods_follow(seen, planned.key);
    }

    /// Takes a state to rest, with all metrics good.
    pub fn come_to_rest(&self, state: &mut State) {
        self.come_to(state, |_| false);
    }

    /// Takes a state to where the canary has its weight in force.
    pub fn come_to_trial(&self, state: &mut State) {
        self.come_to(state, |status| {
            let settled = status.step.as_ref().is_some_and(|step| step.settled_at.is_some());
            status.phase == Some(Phase::Analyzing) && settled
        });
    }

    /// Takes a state to where only one version has a role, another than was live.
    pub fn come_to_be_alone(&self, state: &mut State) {
        let live = |status: &ModelReleaseStatus| {
            status.versions.iter().find(|v| v.track == Track::Stable).map(|v| v.hash.clone())
        };
        let before = live(&self.statuses.get(state.status).status);
        self.come_to(state, |status| status.versions.len() == 1 && live(status) != before);
    }

    fn come_to(&self, state: &mut State, there: impl Fn(&ModelReleaseStatus) -> bool) {
        let mut calm = self.calm_of(state, Metric::Good);
        for _ in 0..400 {
            if there(&self.statuses.get(calm.status).status) {
                break;
            }
            let (next, step) = self.next(&calm);
            assert!(step.broken == 0, "on the way to the first state: {:?}", self.said.lock().unwrap());
            let Some(next) = next else { break };
            calm = next;
        }
        (state.release, state.status, state.seen) = (calm.release, calm.status, calm.seen);
    }
}
