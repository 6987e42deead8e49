//! The API server, and who else writes to it: what is taken, what is stored, and which rules that breaks.

use model_release_core::plan::Kind;
use serde_json::json;

use super::act::{Action, put, touched};
use super::decide::{Body, Lab, What};
use super::rules::{SOMEBODY_ELSE, TAMPERED, bit};
use super::state::{Child, Seen, State, Trouble};
use super::tables::Id;

impl Lab {
    /// Whether the API server takes a write, and what is then stored.
    pub(super) fn accept(
        &self,
        state: &mut State,
        p: usize,
        (write, token): (Id, u8),
        fresh: bool,
        cases: &mut u32,
    ) -> bool {
        let planned = self.writes.get(write);
        let place = state.seen.children.iter().position(|child| child.key == planned.key);
        let same = place.is_some_and(|at| state.seen.children[at].token == token);
        let taken = match planned.what {
            What::Finalize(_) => fresh && !state.release.gone,
            What::Create => place.is_none(),
            What::Apply | What::Delete => same,
        };
        if !taken {
            *cases |= bit("S11");
            return false;
        }
        if !fresh {
            *cases |= bit("S10");
        }
        state.broken |= planned.broken | self.truth(state, write);
        if let What::Finalize(present) = planned.what {
            state.release.finalizer = present;
            touched(state, Some(p));
            self.collected(state);
            return true;
        }
        let child = match planned.what {
            What::Delete => None,
            _ => Some(Child { key: planned.key, body: planned.body, token: self.unused(state, planned.key) }),
        };
        put(&mut state.seen, planned.key, child);
        self.pods_follow(&mut state.seen, planned.key);
        // Its own write an operator knows, whatever its caches show.
        if let Some(stale) = &mut state.processes[p].stale {
            put(stale, planned.key, child);
        }
        true
    }

    /// What a write breaks by what is true when it is taken, whatever it was decided on.
    fn truth(&self, state: &State, write: Id) -> u32 {
        let planned = self.writes.get(write);
        if matches!(planned.what, What::Finalize(_)) {
            return 0;
        }
        let status = self.statuses.get(state.status);
        let live = state.seen.children.iter().find(|child| child.key == planned.key);
        let live = live.map(|child| self.bodies.get(child.body));
        let mut broken = 0;
        if planned.what != What::Delete {
            let body = self.bodies.get(planned.body);
            if body.seq > status.given && !state.release.deleting {
                broken |= bit("S5");
            }
            if live.is_some_and(|live| live.seq > body.seq) {
                broken |= bit("S10");
            }
        }
        let key = &self.key_of(planned.key).key;
        let ends = key.kind == Kind::Deployment
            && (planned.what == What::Delete
                || (self.bodies.get(planned.body).replicas == 0
                    && live.is_some_and(|live| live.replicas > 0)));
        let hash = key.name.strip_prefix("fraud-");
        if ends && let Some(hash) = hash {
            // What got a role again is relied on once it was written for that: until then it has no weight, and what
            // was decided on it before may still come.
            let role = status.status.versions.iter().find(|v| v.hash == hash).map_or(0, |v| v.seq);
            let relied_on = live.is_some_and(|live| live.seq >= role);
            if status.fallback.as_deref() == Some(hash) && relied_on {
                broken |= bit("S7");
            }
            let routed = |body: &Body| {
                let weight =
                    body.weights.iter().flatten().any(|(h, weight)| h.as_str() == hash && *weight > 0);
                !body.tampered && (weight || body.routes.iter().any(|h| h.as_str() == hash))
            };
            if state.seen.children.iter().any(|child| routed(self.bodies.get(child.body))) {
                broken |= bit("S8");
            }
        }
        if broken != 0 {
            let mut said = self.said.lock().unwrap();
            if said.len() < 20 {
                said.push(format!("{broken:b} by {:?} of {key} when it is taken", planned.what));
            }
        }
        broken
    }

    /// Pods go with what asks for them.
    pub(super) fn pods_follow(&self, seen: &mut Seen, key: u8) {
        let named = self.key_of(key);
        if let (Kind::Deployment, Some(version)) = (named.key.kind, named.version) {
            let most = u8::try_from(self.wanted(seen, version)).unwrap();
            let pods = &mut seen.pods[version];
            pods.ready = pods.ready.min(most);
            if most == 0 {
                pods.trouble = Trouble::None;
            }
        }
    }

    /// A deleted release without finalizer is gone, and its children with it.
    pub(super) fn collected(&self, state: &mut State) {
        if state.release.deleting && !state.release.finalizer {
            state.release.gone = true;
            let elsewhere = |child: &Child| self.key_of(child.key).key.kind == Kind::EnvoyFilter;
            state.seen.children.retain(elsewhere);
            state.seen.pods = Default::default();
        }
    }

    pub(super) fn tampered(&self, state: &mut State, action: Action) {
        let change = |lab: &Self, state: &mut State, key: u8, change: &dyn Fn(&mut serde_json::Value)| {
            let child = state.seen.children.iter().find(|child| child.key == key).unwrap();
            let mut value = lab.bodies.get(child.body).value.clone();
            change(&mut value);
            value["metadata"]["annotations"][TAMPERED] = json!("yes");
            let child = Child { key, body: lab.body(value), token: lab.unused(state, key) };
            put(&mut state.seen, key, Some(child));
            lab.pods_follow(&mut state.seen, key);
        };
        match action {
            Action::Reroute => {
                let routed = |child: &&Child| self.key_of(child.key).splits;
                let key = state.seen.children.iter().find(routed).unwrap().key;
                change(self, state, key, &|value| {
                    let (list, entries) = if value["spec"]["rules"].is_array() {
                        ("rules", "backendRefs")
                    } else {
                        ("http", "route")
                    };
                    let routes = value["spec"][list].as_array_mut().unwrap();
                    let split = routes.last_mut().unwrap();
                    // A part of all, which an HTTPRoute writes in two, goes.
                    split[entries].as_array_mut().unwrap().truncate(2);
                    split[entries][0]["weight"] = json!(50);
                    split[entries][1]["weight"] = json!(50);
                });
            }
            Action::Starve(key) => change(self, state, key, &|value| value["spec"]["replicas"] = json!(0)),
            // Its own went, and it took the name before anybody looked.
            Action::Take(key) => {
                change(self, state, key, &|value| {
                    value["metadata"]["ownerReferences"] = json!([{"uid": SOMEBODY_ELSE}]);
                });
            }
            Action::Remove(key) => put(&mut state.seen, key, None),
            _ => {}
        }
    }
}
