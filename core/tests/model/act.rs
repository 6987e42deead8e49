//! What may happen in a state, and what comes of it.

use model_release_core::api::status::Track;
use model_release_core::plan::Kind;
use model_release_core::seeded::Bug;
use serde_json::json;

use super::bounds::Begin;
use super::decide::{Lab, Outcome};
use super::normal;
use super::normal::Status;
use super::rules::bit;
use super::state::{Child, Commit, Hand, Metric, Pods, Process, Release, Seen, State, Trouble, VERSIONS};
use super::tables::Id;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operator observes and decides.
    Decide(u8),
    /// It commits what it decided; refused if the release is another one by now.
    Commit(u8),
    /// The commit is taken, and the answer is lost.
    CommitUnheard(u8),
    /// It sends the next write; refused if the object is another one by now.
    Write(u8),
    /// The write is taken, and the answer is lost.
    WriteUnheard(u8),
    /// Refused, timed out, or the operator crashes: what it had in hand is lost.
    Drop(u8),
    /// Its caches stand still.
    Stall(u8),
    /// They catch up.
    CatchUp(u8),
    /// A version's pods become ready.
    Ready(u8),
    /// They all fail.
    Fail(u8, Trouble),
    /// Prometheus says something else.
    Metric(Metric),
    /// The user edits the spec.
    Edit(u8),
    /// The user sets an annotation, or removes it.
    Annotate(u8, u8),
    /// The user deletes the release.
    Delete,
    /// Somebody changes the traffic object.
    Reroute,
    /// Somebody scales a version's Deployment to nothing.
    Starve(u8),
    /// Somebody deletes a child.
    Remove(u8),
    /// Somebody puts an object of his own in a child's place.
    Take(u8),
    /// Time goes on.
    Tick,
}

impl Lab {
    /// What may happen.
    pub fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let budget = &state.budget;
        let processes = if self.run.two { 2 } else { 1 };
        for p in 0..processes {
            let process = &state.processes[usize::from(p)];
            match &process.hand {
                None => actions.push(Action::Decide(p)),
                Some(hand) => {
                    actions.push(self.next_of(hand, p));
                    if budget.faults > 0 {
                        actions.push(Action::Drop(p));
                        // Heard or not makes a difference only to who trusts its caches.
                        if process.stale.is_some() || hand.commit.is_some() {
                            actions.push(if hand.commit.is_some() {
                                Action::CommitUnheard(p)
                            } else {
                                Action::WriteUnheard(p)
                            });
                        }
                    }
                }
            }
            match process.stale {
                None if budget.lags > 0 => actions.push(Action::Stall(p)),
                None => {}
                Some(_) => actions.push(Action::CatchUp(p)),
            }
        }
        for version in 0..VERSIONS {
            let (pods, v) = (state.seen.pods[version], version as u8);
            let wanted = self.wanted(&state.seen, version);
            if i64::from(pods.ready) < wanted || pods.trouble != Trouble::None {
                actions.push(Action::Ready(v));
            }
            if budget.flips == 0 || wanted == 0 || self.run.frail.is_some_and(|frail| frail != v) {
                continue;
            }
            if pods.ready > 0 {
                actions.push(Action::Fail(v, Trouble::None));
            }
            if self.run.troubles && pods.trouble == Trouble::None {
                actions.push(Action::Fail(v, Trouble::Fatal));
                actions.push(Action::Fail(v, Trouble::Crashing));
            }
        }
        if budget.metrics > 0 {
            let others = self.run.metrics.iter().filter(|metric| **metric != state.metric);
            actions.extend(others.map(|metric| Action::Metric(*metric)));
        }
        if !state.release.gone {
            self.users(state, actions);
        }
        if budget.foreign > 0 {
            for child in &state.seen.children {
                let named = self.key_of(child.key);
                match named.key.kind {
                    Kind::VirtualService | Kind::HttpRoute if named.splits => actions.push(Action::Reroute),
                    Kind::Deployment => actions.push(Action::Starve(child.key)),
                    Kind::Service => actions.push(Action::Take(child.key)),
                    _ => {}
                }
                if matches!(named.key.kind, Kind::VirtualService | Kind::HttpRoute | Kind::Service) {
                    actions.push(Action::Remove(child.key));
                }
            }
        }
        actions.push(Action::Tick);
    }

    /// What an operator does next: its commit, then its writes.
    pub(super) fn next_of(&self, hand: &Hand, p: u8) -> Action {
        let early = self.run.bug == Some(Bug::R2) && !hand.writes.is_empty();
        if hand.commit.is_some() && !early { Action::Commit(p) } else { Action::Write(p) }
    }

    fn users(&self, state: &State, actions: &mut Vec<Action>) {
        let (release, budget) = (&state.release, &state.budget);
        if budget.edits > 0 {
            let all = (0..self.specs.len() as u8).filter(|spec| *spec != release.spec);
            actions.extend(all.map(Action::Edit));
        }
        if budget.notes > 0 {
            for (at, (_, values)) in self.run.notes.iter().enumerate() {
                let all = (0..=values.len() as u8).filter(|value| *value != release.notes[at]);
                actions.extend(all.map(|value| Action::Annotate(at as u8, value)));
            }
        }
        if budget.deletes > 0 && !release.deleting {
            actions.push(Action::Delete);
        }
    }

    /// Replicas that a version's Deployment asks for.
    pub(super) fn wanted(&self, seen: &Seen, version: usize) -> i64 {
        let of = |child: &&Child| {
            let named = self.key_of(child.key);
            named.key.kind == Kind::Deployment && named.version == Some(version)
        };
        seen.children.iter().find(of).map_or(0, |child| self.bodies.get(child.body).replicas)
    }

    /// What comes of it; none if nothing does.
    pub fn after(&self, last: &State, action: Action) -> Option<State> {
        self.brought(last, action).0
    }

    /// What comes of it, and which rules it could have broken.
    pub fn brought(&self, last: &State, action: Action) -> (Option<State>, u32) {
        let mut cases = 0;
        let state = self.acted(last, action, &mut cases);
        (state, cases)
    }

    fn acted(&self, last: &State, action: Action, cases: &mut u32) -> Option<State> {
        let mut state = last.clone();
        let at = |p: u8| usize::from(p);
        match action {
            Action::Decide(p) => self.decided_by(&mut state, at(p), cases)?,
            Action::Commit(p) => self.commit(&mut state, at(p)),
            Action::CommitUnheard(p) => {
                state.budget.faults -= 1;
                self.commit(&mut state, at(p));
                state.processes[at(p)].hand = None;
            }
            Action::Write(p) => self.send(&mut state, at(p), cases),
            Action::WriteUnheard(p) => {
                state.budget.faults -= 1;
                self.send(&mut state, at(p), cases);
                state.processes[at(p)].hand = None;
            }
            Action::Drop(p) => {
                state.budget.faults -= 1;
                let hand = state.processes[at(p)].hand.take()?;
                self.half_written(&mut state, &hand);
            }
            Action::Stall(p) => {
                state.budget.lags -= 1;
                state.processes[at(p)].stale = Some(Box::new(state.seen.clone()));
            }
            Action::CatchUp(p) => state.processes[at(p)].stale = None,
            Action::Ready(v) => {
                let ready = u8::try_from(self.wanted(&state.seen, at(v))).unwrap();
                state.seen.pods[at(v)] = Pods { ready, trouble: Trouble::None };
            }
            Action::Fail(v, trouble) => {
                state.budget.flips -= 1;
                state.seen.pods[at(v)] = Pods { ready: 0, trouble };
            }
            Action::Metric(metric) => {
                state.budget.metrics -= 1;
                state.metric = metric;
            }
            Action::Edit(spec) => {
                state.budget.edits -= 1;
                state.release.spec = spec;
                state.release.generation += 1;
                touched(&mut state, None);
            }
            Action::Annotate(note, value) => {
                state.budget.notes -= 1;
                state.release.notes[at(note)] = value;
                touched(&mut state, None);
            }
            Action::Delete => {
                state.budget.deletes -= 1;
                state.release.deleting = true;
                self.collected(&mut state);
                touched(&mut state, None);
            }
            Action::Reroute | Action::Starve(_) | Action::Remove(_) | Action::Take(_) => {
                state.budget.foreign -= 1;
                self.tampered(&mut state, action);
            }
            Action::Tick => {
                state.status = self.later(state.status);
                for process in &mut state.processes {
                    if let Some(commit) = process.hand.as_mut().and_then(|hand| hand.commit.as_mut()) {
                        commit.status = self.later(commit.status);
                    }
                }
            }
        }
        self.normalise(&mut state);
        (state != *last).then_some(state)
    }

    /// A status a tick later.
    pub fn later(&self, status: Id) -> Id {
        self.shifted.of(status, |status| {
            let mut value = self.statuses.get(*status).value.clone();
            normal::shift(&mut value, normal::TICK);
            if *status == 0 { 0 } else { self.status(value) }
        })
    }

    fn decided_by(&self, state: &mut State, p: usize, cases: &mut u32) -> Option<()> {
        if state.release.gone {
            return None;
        }
        let seen = state.processes[p].stale.as_deref().unwrap_or(&state.seen);
        let outcome = self.decide(state.release, state.status, seen, state.metric);
        *cases |= outcome.premises;
        let hand = self.hand(outcome, seen);
        if hand.commit.is_none() && hand.writes.is_empty() {
            state.broken |= outcome.broken;
            return (outcome.broken != 0).then_some(());
        }
        state.processes[p].hand = Some(hand);
        Some(())
    }

    /// With the bug that writes down first what was seen: an operator that crashes then leaves just that.
    fn half_written(&self, state: &mut State, hand: &Hand) {
        let starts = hand.commit.filter(|commit| self.rows.get(usize::from(commit.row)) == Some(&"16"));
        if let (Some(Bug::R22), Some(commit), true) = (self.run.bug, starts, hand.fresh) {
            let chosen = &self.statuses.get(commit.status).status;
            let canary = chosen.versions.iter().find(|v| v.track == Track::Canary).unwrap();
            let mut value = self.statuses.get(state.status).value.clone();
            value["state"]["awaited"] = json!(canary.hash);
            state.status = self.status(value);
            touched(state, None);
        }
    }

    /// What an operator has in hand after it decided on what it saw.
    fn hand(&self, outcome: &Outcome, seen: &Seen) -> Hand {
        let token = |write: &Id| {
            let key = self.writes.get(*write).key;
            seen.children.iter().find(|child| child.key == key).map_or(0, |child| child.token)
        };
        let writes = outcome.writes.iter().map(|write| (*write, token(write))).collect();
        Hand { commit: outcome.commit, writes, fresh: true }
    }

    fn commit(&self, state: &mut State, p: usize) {
        let Some(hand) = &mut state.processes[p].hand else { return };
        let Some(commit) = hand.commit.take() else { return };
        let unconditional = self.run.bug == Some(Bug::R12);
        if !(hand.fresh || unconditional) || state.release.gone {
            state.processes[p].hand = None;
            return;
        }
        if hand.writes.is_empty() {
            state.processes[p].hand = None;
        }
        let [old, new] = [state.status, commit.status].map(|status| self.statuses.get(status));
        let seq = |s: &Status| s.status.decision.as_ref().map_or(0, |d| d.seq);
        if seq(new) < seq(old) || seq(new) == seq(old) && new.status.decision != old.status.decision {
            state.broken |= bit("S5");
        }
        state.status = commit.status;
        touched(state, Some(p));
        committed(state, commit);
    }

    /// The next write of a plan. A refusal ends the plan.
    fn send(&self, state: &mut State, p: usize, cases: &mut u32) {
        let Some(hand) = &mut state.processes[p].hand else { return };
        let write = hand.writes.remove(0);
        let fresh = hand.fresh;
        if hand.writes.is_empty() && hand.commit.is_none() {
            state.processes[p].hand = None;
        }
        if !self.accept(state, p, write, fresh, cases) {
            state.processes[p].hand = None;
        }
    }

    /// The weight that the traffic object gives a version.
    pub fn weight(&self, seen: &Seen, hash: &str) -> i32 {
        let weights = seen.children.iter().find_map(|child| self.bodies.get(child.body).weights.as_ref());
        weights.into_iter().flatten().filter(|(h, _)| h.as_str() == hash).map(|(_, w)| w).sum()
    }

    /// The state to begin with.
    pub fn first(&self) -> State {
        let mut state = State {
            release: Release {
                spec: 0,
                generation: 0,
                notes: [0; 4],
                deleting: false,
                finalizer: false,
                gone: false,
            },
            status: 0,
            seen: Seen { children: Vec::new(), pods: [Pods::default(); VERSIONS] },
            metric: self.run.metrics[0],
            processes: [Process::default(), Process::default()],
            budget: self.run.budget,
            proof: 0,
            broken: 0,
        };
        match self.run.begin {
            Begin::Nothing => {}
            Begin::Serving => self.come_to_rest(&mut state),
            Begin::Trial | Begin::Alone => {
                self.come_to_rest(&mut state);
                state.release.spec = 1;
                state.release.generation = 1;
                if self.run.begin == Begin::Trial {
                    self.come_to_trial(&mut state);
                } else {
                    self.come_to_be_alone(&mut state);
                }
            }
        }
        state
    }
}

pub(super) fn put(seen: &mut Seen, key: u8, child: Option<Child>) {
    seen.children.retain(|child| child.key != key);
    seen.children.extend(child);
    seen.children.sort_unstable_by_key(|child| child.key);
}

/// The release is another revision now: what others decided on it can no longer be committed.
pub(super) fn touched(state: &mut State, by: Option<usize>) {
    for (p, process) in state.processes.iter_mut().enumerate() {
        if by != Some(p)
            && let Some(hand) = &mut process.hand
        {
            hand.fresh = false;
        }
    }
}

/// Evidence belongs to one attempt of one version; what is advanced on evidence must have it.
fn committed(state: &mut State, commit: Commit) {
    state.broken |= commit.broken;
    if commit.proof != 0 {
        state.proof = commit.proof;
    }
    if commit.advances != 0 && commit.advances != state.proof {
        state.broken |= bit("S3");
    }
    if commit.fresh_attempt {
        state.proof = 0;
    }
}
