//! L1, L2, L3: from every state, once the world is friendly, to rest within so many moves and writes.

use model_release_core::api::status::{Phase, Track};

use super::decide::{Lab, What};
use super::state::{Metric, Pods, Process, Release, Seen, State, Trouble, VERSIONS};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Reconciles that move something.
    pub moves: u16,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// It comes to no rest: it goes in a circle, or for too long.
    Endless,
    /// It ends in a wait that no condition explains.
    Silent,
    /// A rule is broken on it.
    Broken,
    /// A rollback takes too many writes or reconciles.
    Slow,
    /// What serves at rest is not what the spec says.
    Astray,
}

impl Lab {
    /// What is wrong with the friendly future of a state, if all metrics are good, bad or absent.
    pub fn future(&self, state: &State) -> Wrong {
        let settled = self.delivered(state);
        if self.as_it_is(&settled) != Wrong::Nothing {
            return Wrong::Slow;
        }
        let metrics = [Metric::Good, Metric::Bad, Metric::None];
        let ways = metrics.map(|metric| self.way(&self.calm_of(&settled, metric)).wrong);
        ways.into_iter().find(|wrong| *wrong != Wrong::Nothing).unwrap_or(Wrong::Nothing)
    }

    /// L3 with the pods as they are: a rollback that is due waits for none of them while stable has weight.
    fn as_it_is(&self, settled: &State) -> Wrong {
        let calm = Calm {
            release: settled.release,
            status: settled.status,
            seen: settled.seen.clone(),
            metric: settled.metric,
        };
        if calm.release.gone {
            return Wrong::Nothing;
        }
        let outcome = self.decide(calm.release, calm.status, &calm.seen, calm.metric);
        let Some(hash) = &outcome.leaves else { return Wrong::Nothing };
        let next = outcome.commit.map_or(calm.status, |commit| commit.status);
        let back = self.statuses.get(next).fallback.clone().unwrap_or_default();
        if self.weight(&calm.seen, &back) == 0 {
            return Wrong::Nothing;
        }
        let mut seen = calm.seen.clone();
        for write in outcome.writes.iter().take(1) {
            self.applied(&mut seen, *write);
        }
        if self.weight(&seen, hash) == 0 { Wrong::Nothing } else { Wrong::Slow }
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

    /// What is wrong with the friendly future of a state, by the name of the property.
    pub fn goes_wrong(&self, state: &State) -> String {
        match self.future(state) {
            Wrong::Nothing => "nothing".to_owned(),
            Wrong::Endless => "L2: no rest".to_owned(),
            Wrong::Silent => "L5: a wait that nothing explains".to_owned(),
            Wrong::Slow => "L3: a slow rollback".to_owned(),
            Wrong::Astray => "L1: not what the spec says".to_owned(),
            Wrong::Broken => {
                let said = self.said.lock().unwrap();
                let rule = said.iter().find_map(|line| line.split("rule: \"").nth(1)?.split('"').next());
                format!("{} on the way to rest", rule.unwrap_or("a rule"))
            }
        }
    }

    /// The friendly future of a state in words, for whichever metrics it goes wrong with.
    pub fn told(&self, state: &State) -> String {
        let settled = self.delivered(state);
        let mut lines = Vec::new();
        for metric in [Metric::Good, Metric::Bad, Metric::None] {
            let mut at = self.calm_of(&settled, metric);
            let wrong = self.way(&at).wrong;
            if wrong == Wrong::Nothing {
                continue;
            }
            lines.push(format!("{metric:?}: {wrong:?}"));
            for _ in 0..40 {
                let outcome = self.decide(at.release, at.status, &at.seen, metric);
                let status = &self.statuses.get(at.status).status;
                let row = outcome.row.map(|row| self.rows[usize::from(row)]);
                let writes: Vec<String> = outcome.writes.iter().map(|w| self.in_words(*w)).collect();
                lines.push(format!("{:?} row {row:?} {writes:?}", status.phase));
                match self.next(&at) {
                    (Some(next), ..) => {
                        at = next;
                    }
                    (None, ..) => break,
                }
            }
        }
        lines.join("\n")
    }

    pub(super) fn in_words(&self, write: Id) -> String {
        let planned = self.writes.get(write);
        match planned.what {
            What::Finalize(present) => format!("finalizer {present}"),
            what => format!("{what:?} {}", self.key_of(planned.key)),
        }
    }

    /// The way from a friendly world to rest, found once for each world on it.
    pub fn way(&self, from: &Calm) -> Way {
        let mut path: Vec<(Calm, u16)> = Vec::new();
        let mut at = from.clone();
        let end = loop {
            if let Some(known) = self.calm.known(&at) {
                break known;
            }
            if let Some(from) = path.iter().position(|(seen, _)| *seen == at) {
                // Time goes on and evidence comes in, and nothing moves: that is a wait.
                let wait = path[from..].iter().all(|(_, moved)| *moved == 0);
                let outcome = self.decide(at.release, at.status, &at.seen, at.metric);
                let wrong = match wait {
                    false => Wrong::Endless,
                    true if outcome.rests || outcome.explained => Wrong::Nothing,
                    true => Wrong::Silent,
                };
                break Way { moves: 0, wrong };
            }
            let (next, moved, wrong) = self.next(&at);
            if wrong != Wrong::Nothing {
                path.push((at, 0));
                break Way { moves: 0, wrong };
            }
            let Some(next) = next else {
                path.push((at, 0));
                break Way { moves: 0, wrong: Wrong::Nothing };
            };
            path.push((at, u16::from(moved)));
            at = next;
        };
        let mut way = end;
        for (calm, moved) in path.into_iter().rev() {
            way.moves += moved;
            if way.wrong == Wrong::Nothing && way.moves > MOVES {
                way.wrong = Wrong::Endless;
            }
            self.calm.note(calm, way);
        }
        way
    }

    /// One reconcile, or a tick if there is nothing to do; none at rest.
    fn next(&self, at: &Calm) -> (Option<Calm>, bool, Wrong) {
        if at.release.gone {
            return (None, false, Wrong::Nothing);
        }
        let (next, writes, broken) = self.reconciled(at);
        if broken != 0 {
            return (None, false, Wrong::Broken);
        }
        let outcome = self.decide(at.release, at.status, &at.seen, at.metric);
        if writes == 0 {
            let later = Calm { status: self.later(at.status), ..at.clone() };
            if later != *at {
                return (Some(later), false, Wrong::Nothing);
            }
            let told = outcome.rests || outcome.explained;
            let wrong = match told {
                false => Wrong::Silent,
                true if self.astray(at) => Wrong::Astray,
                true => Wrong::Nothing,
            };
            return (None, false, wrong);
        }
        let wrong = match &outcome.leaves {
            Some(hash) => self.rolled_back(at, hash),
            None => Wrong::Nothing,
        };
        let moved = outcome.row.is_some() || !outcome.writes.is_empty();
        (Some(next), moved, wrong)
    }

    /// At rest in Stable, without a canary block, exactly `spec.stable` serves, unless it was rolled back.
    fn astray(&self, at: &Calm) -> bool {
        let status = &self.statuses.get(at.status).status;
        let spec = &self.specs[usize::from(at.release.spec)].spec;
        let free = at.release.notes == [0; 4] && spec.canary.is_none();
        let stable = status.versions.iter().find(|v| v.track == Track::Stable);
        let quarantined = status.quarantine.iter().any(|q| q.version == spec.stable.version);
        free && !quarantined
            && status.phase == Some(Phase::Stable)
            && stable.is_some_and(|v| v.version != spec.stable.version)
    }

    /// L3: from the look that decides it to weight 0 in at most three reconciles and two writes, if what is gone back
    /// to has a ready pod.
    fn rolled_back(&self, at: &Calm, hash: &str) -> Wrong {
        let mut calm = at.clone();
        let mut writes = 0;
        for reconcile in 0..3 {
            let outcome = self.decide(calm.release, calm.status, &calm.seen, calm.metric);
            let (next, _, _) = self.reconciled(&calm);
            if reconcile == 0 {
                let back = self.statuses.get(next.status).fallback.clone().unwrap_or_default();
                let ready = self.hashes.iter().position(|h| *h == back).map(|v| calm.seen.pods[v].ready);
                if ready.unwrap_or(0) == 0 {
                    return Wrong::Nothing;
                }
            }
            if self.weight(&calm.seen, hash) == 0 {
                return Wrong::Nothing;
            }
            writes += usize::from(outcome.commit.is_some());
            // Writes up to the one that takes the weight.
            let mut seen = calm.seen.clone();
            for write in &outcome.writes {
                self.applied(&mut seen, *write);
                writes += 1;
                if self.weight(&seen, hash) == 0 {
                    return if writes <= 2 { Wrong::Nothing } else { Wrong::Slow };
                }
            }
            calm = next;
        }
        if self.weight(&calm.seen, hash) == 0 { Wrong::Nothing } else { Wrong::Slow }
    }

    /// The world after a reconcile without any fault, how many writes it took, and the rules that it broke.
    fn reconciled(&self, at: &Calm) -> (Calm, usize, u32) {
        let outcome = self.decide(at.release, at.status, &at.seen, at.metric);
        let mut next = at.clone();
        let mut broken = 0;
        if let Some(commit) = outcome.commit {
            next.status = commit.status;
            broken |= commit.broken;
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
            What::Create | What::Apply => {
                Some(super::state::Child { key: planned.key, body: planned.body, token: 0 })
            }
        };
        super::act::put(seen, planned.key, child);
        self.pods_follow(seen, planned.key);
    }

    /// Takes a state to rest, with all metrics good.
    pub fn come_to_rest(&self, state: &mut State) {
        let mut calm = self.calm_of(state, Metric::Good);
        for _ in 0..400 {
            match self.next(&calm) {
                (Some(next), ..) => calm = next,
                (None, _, wrong) => {
                    assert_eq!(wrong, Wrong::Nothing, "the first rest; {:?}", self.said.lock().unwrap());
                    break;
                }
            }
        }
        (state.release, state.status, state.seen) = (calm.release, calm.status, calm.seen);
    }
}
