//! States that differ only in what cannot matter are one: tokens and numbers of decisions by their order, operators in
//! no order.

use super::decide::{Lab, What};
use super::normal;
use super::state::{Seen, State};
use super::tables::Id;

impl Lab {
    /// Makes states that differ in nothing that matters one.
    pub fn normalise(&self, state: &mut State) {
        self.number_decisions(state);
        if self.run.two && state.processes[0] > state.processes[1] {
            state.processes.swap(0, 1);
        }
        self.number_tokens(state);
    }

    fn number_tokens(&self, state: &mut State) {
        let mut keys: Vec<u8> = state.seen.children.iter().map(|child| child.key).collect();
        for process in &state.processes {
            keys.extend(process.stale.iter().flat_map(|seen| seen.children.iter().map(|c| c.key)));
            let writes = process.hand.iter().flat_map(|hand| &hand.writes);
            keys.extend(writes.map(|(write, _)| self.writes.get(*write).key));
        }
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let mut old = Vec::new();
            for token in self.tokens(state, key) {
                if !old.contains(&token) {
                    old.push(token);
                }
            }
            // What is not there has a number too: a write that was decided on another object must not fit a later one.
            let stored = state.seen.children.iter().any(|child| child.key == key);
            let first = u8::from(!stored && !old.is_empty());
            if old.iter().enumerate().all(|(at, token)| at as u8 + first == *token) {
                continue;
            }
            let new = |token: u8| old.iter().position(|t| *t == token).map_or(0, |at| at as u8 + first);
            let seen = |seen: &mut Seen| {
                for child in seen.children.iter_mut().filter(|child| child.key == key) {
                    child.token = new(child.token);
                }
            };
            seen(&mut state.seen);
            for process in &mut state.processes {
                process.stale.iter_mut().for_each(|stale| seen(stale));
                for (write, token) in process.hand.iter_mut().flat_map(|hand| &mut hand.writes) {
                    if self.writes.get(*write).key == key {
                        *token = new(*token);
                    }
                }
            }
        }
    }

    /// Numbers of decisions become their order.
    fn number_decisions(&self, state: &mut State) {
        let mut all: Vec<i64> = self.statuses.get(state.status).seqs.clone();
        let body = |all: &mut Vec<i64>, id: Id| all.push(self.bodies.get(id).seq);
        state.seen.children.iter().for_each(|child| body(&mut all, child.body));
        for process in &state.processes {
            if let Some(stale) = &process.stale {
                stale.children.iter().for_each(|child| body(&mut all, child.body));
            }
            let Some(hand) = &process.hand else { continue };
            if let Some(commit) = &hand.commit {
                all.extend(&self.statuses.get(commit.status).seqs);
            }
            for (write, _) in &hand.writes {
                let planned = self.writes.get(*write);
                if matches!(planned.what, What::Create | What::Apply) {
                    body(&mut all, planned.body);
                }
            }
        }
        all.retain(|seq| *seq > 0);
        all.sort_unstable();
        all.dedup();
        if all.iter().zip(1..).all(|(seq, at)| *seq == at) {
            return;
        }
        let new = |seq: i64| all.iter().position(|s| *s == seq).map_or(0, |at| at as i64 + 1);
        let status = |id: Id| {
            let known = self.statuses.get(id);
            let wanted: Vec<i64> = known.seqs.iter().map(|seq| new(*seq)).collect();
            self.renumbered_status.of((id, wanted), |_| {
                let mut value = known.value.clone();
                normal::renumber_status(&mut value, &new);
                if id == 0 { 0 } else { self.status(value) }
            })
        };
        let body = |id: Id| {
            let known = self.bodies.get(id);
            let wanted = new(known.seq);
            if wanted == known.seq {
                return id;
            }
            self.renumbered_body.of((id, wanted), |_| {
                let mut value = known.value.clone();
                normal::renumber_body(&mut value, known.seq, wanted);
                self.body(value)
            })
        };
        state.status = status(state.status);
        state.seen.children.iter_mut().for_each(|child| child.body = body(child.body));
        for process in &mut state.processes {
            if let Some(stale) = &mut process.stale {
                stale.children.iter_mut().for_each(|child| child.body = body(child.body));
            }
            let Some(hand) = &mut process.hand else { continue };
            if let Some(commit) = &mut hand.commit {
                commit.status = status(commit.status);
            }
            for (write, _) in &mut hand.writes {
                let planned = self.writes.get(*write);
                if matches!(planned.what, What::Create | What::Apply) {
                    *write = self.write(planned.what, planned.key, body(planned.body), planned.broken);
                }
            }
        }
    }

    /// A token that nobody remembers.
    pub(super) fn unused(&self, state: &State, key: u8) -> u8 {
        self.tokens(state, key).into_iter().max().map_or(0, |token| token + 1)
    }

    /// Every token of a key that is stored or remembered.
    fn tokens(&self, state: &State, key: u8) -> Vec<u8> {
        let of = |seen: &Seen| seen.children.iter().find(|c| c.key == key).map(|c| c.token);
        let mut all: Vec<u8> = of(&state.seen).into_iter().collect();
        for process in &state.processes {
            all.extend(process.stale.as_deref().and_then(of));
            let writes = process.hand.iter().flat_map(|hand| &hand.writes);
            all.extend(writes.filter(|(w, _)| self.writes.get(*w).key == key).map(|(_, token)| *token));
        }
        all
    }
}
