//! From what is wanted and what is there to the writes between, in an order that is safe to break off anywhere.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::status::Track;
use crate::children;
use crate::covers::covers;
use crate::drift;
use crate::meta::{self, Component};
use crate::observed::Live;
use crate::plan::{Key, Kind, Write};
use crate::seeded::{Bug, on};
use crate::situation::Situation;
use crate::traffic;
use crate::version::Hash;
use crate::wanted::{self, Child, Traffic};

/// The writes of one plan.
#[derive(Default)]
pub struct Writes {
    /// In their order.
    pub all: Vec<Write>,
    /// Children of ours that somebody else had changed.
    pub drifted: Vec<Key>,
    /// Until when the repair of others is put off.
    pub put_off: Option<Timestamp>,
}

/// The writes that lead from what is there to what is wanted.
///
/// `steady`: whether everything was once found as the last decision wants it, and no spec has changed since, so that a
/// difference is somebody else's doing.
///
/// `traffic`: what the traffic object is to be, as it was numbered.
pub fn writes(s: &Situation, traffic: Option<Traffic>, steady: bool) -> Writes {
    let mut plan = Writes::default();
    let workloads = wanted::workloads(s);
    let filters = filters(s);
    let seq = s.status.state.traffic.seq;
    let (split, traffic) = traffic
        .map(|Traffic { split, key, body, .. }| {
            (split, Child::whole((key, traffic::numbered(body, seq)), seq))
        })
        .unzip();
    let roots: Vec<Child> = match &split {
        Some(_) if s.release.refused.is_none() => {
            let seq = decided(s);
            let all = traffic::roots(s.release, s.settings, seq);
            all.into_iter().map(|object| Child::whole(object, seq)).collect()
        }
        _ => Vec::new(),
    };
    let moved = split.as_ref().map_or(Moved::Not, |split| moved(s, split));
    let traffic_write =
        traffic.as_ref().filter(|_| may_route(s, moved)).and_then(|child| write(s, child, steady, &mut plan));

    let lies_elsewhere = filters.iter().any(|child| traffic::owned_elsewhere(s.release, &child.key));
    if lies_elsewhere && !s.release.has_finalizer {
        plan.all.push(Write::Finalizer { present: true });
    }
    if moved == Moved::Down {
        plan.all.extend(traffic_write.clone());
    }
    // Pods go once gateways know that nothing leads to them any more.
    let on_their_way = moved != Moved::Not || (s.traffic_object().is_some() && !s.settled());
    for child in &workloads {
        if on_their_way && shrinks(s, child) && !on(Bug::R29) {
            continue;
        }
        let found = write(s, child, steady, &mut plan);
        plan.all.extend(found);
    }
    for child in &filters {
        let found = write(s, child, steady, &mut plan);
        plan.all.extend(found);
    }
    // A candidate whose pods are just told to be otherwise is not ready until they are.
    let unsure = moved == Moved::Up && plan.all.iter().any(|write| retold(s, write));
    if moved != Moved::Down && !unsure {
        plan.all.extend(traffic_write);
    }
    for child in &roots {
        let found = write(s, child, steady, &mut plan);
        plan.all.extend(found);
    }
    if moved == Moved::Not {
        let apex = split.is_some().then(|| children::apex_key(s.release));
        let wanted = workloads.iter().chain(&filters).chain(&roots).chain(&traffic).map(|child| &child.key);
        // The release's own Service stays while stable is not ready, though it is not written then.
        let names: Vec<&Key> = wanted.chain(&apex).collect();
        let gone = wanted::leftovers(s, &names);
        plan.all.extend(gone.into_iter().filter_map(|key| delete(s, key)));
        let elsewhere = |key: &&Key| traffic::owned_elsewhere(s.release, key);
        let any_elsewhere = s.observed.children.keys().any(|key| elsewhere(&key));
        if s.release.has_finalizer && !lies_elsewhere && !any_elsewhere && s.release.refused.is_none() {
            plan.all.push(Write::Finalizer { present: false });
        }
    }
    plan
}

/// Time after a deletion for which our objects elsewhere are waited for.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// The writes of a release that is being deleted, and what stays behind if its finalizer goes all the same.
#[derive(Default)]
pub struct Farewell {
    /// In their order.
    pub all: Vec<Write>,
    /// Objects that could not be removed in time.
    pub left_behind: Option<String>,
}

/// The last writes: stable's weight, then our objects elsewhere, then the finalizer. Nothing is created.
pub fn farewell(s: &Situation) -> Farewell {
    let mut plan = Farewell::default();
    let finalizer = Write::Finalizer { present: false };
    if s.release.orphans {
        plan.all.extend(s.release.has_finalizer.then_some(finalizer));
        return plan;
    }
    // Only what the last decision committed: a spec that is edited after it changes nothing any more.
    let memory = &s.status.state.traffic;
    let committed = wanted::traffic(s).filter(|traffic| traffic.digest == memory.digest);
    let there = s.traffic_object().filter(|live| !live.deleting);
    if let (Some(traffic), Some(live)) = (committed, there) {
        let body = traffic::numbered(traffic.body, memory.seq);
        // Stable may be gone since that was committed, or the pods that were to get more; nothing brings them back.
        let may = match moved(s, &traffic.split) {
            Moved::Down => s.stable_reached(),
            other => may_route(s, other),
        };
        if may && !covers(&body, &live.body) {
            plan.all.push(apply(&traffic.key, body, live));
        }
    }
    if !s.release.has_finalizer {
        return plan;
    }
    let ours = |(key, live): &(&Key, &Live)| {
        traffic::owned_elsewhere(s.release, key) && live.owner.as_deref() == Some(s.release.uid.as_str())
    };
    let elsewhere: Vec<&Key> = s.observed.children.iter().filter(ours).map(|(key, _)| key).collect();
    let waited = s.release.deleted_at.is_some_and(|at| s.elapsed(at) >= PATIENCE);
    if elsewhere.is_empty() || waited {
        let left: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
        plan.left_behind = (!left.is_empty()).then(|| left.join(", "));
        plan.all.push(finalizer);
    } else {
        plan.all.extend(elsewhere.into_iter().filter_map(|key| delete(s, key)));
    }
    plan
}

fn decided(s: &Situation) -> i64 {
    s.status.decision.as_ref().map_or(0, |d| d.seq)
}

/// What is patched into proxies is there from the start: before anything is routed.
fn filters(s: &Situation) -> Vec<Child<'static>> {
    if s.release.refused.is_some() || s.expired() {
        return Vec::new();
    }
    let seq = decided(s);
    let all = traffic::limits(s.release, s.settings, seq)
        .into_iter()
        .chain(traffic::sticky(s.release, &wanted::salt(s), seq))
        .chain(traffic::pod_limit(s.release, seq));
    all.map(|object| Child::whole(object, seq)).collect()
}

/// How a plan changes weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Not,
    /// Only towards the first entry: back to what is relied on.
    Down,
    Up,
}

fn moved(s: &Situation, split: &traffic::Split) -> Moved {
    let read = s.weights.unwrap_or_default();
    let [first, second] = &split.entries;
    let old = |hash: &Hash| read.iter().filter(|(h, _)| h == hash).map(|(_, w)| *w).sum::<i32>();
    let same = read.iter().all(|(hash, weight)| {
        let wanted: i32 = split.entries.iter().filter(|e| e.hash == *hash).map(|e| e.weight).sum();
        *weight == wanted
    }) && !read.is_empty();
    if same || read.is_empty() {
        Moved::Not
    } else if first.hash == second.hash || second.weight <= old(&second.hash) {
        Moved::Down
    } else {
        Moved::Up
    }
}

/// A weight only rises onto pods that are there now, whatever was committed before.
fn may_route(s: &Situation, moved: Moved) -> bool {
    let rising = moved == Moved::Up && s.phase() != crate::api::status::Phase::RollingBack;
    !rising
        || s.hash(Track::Canary).is_some_and(|hash| {
            let percent = s.committed_percent();
            s.ready(&hash, if percent == 100 { s.full_size(&hash) } else { s.need(percent) })
        })
}

/// Whether a write tells the candidate's pods to be otherwise.
fn retold(s: &Situation, write: &Write) -> bool {
    let Some(hash) = s.hash(Track::Canary) else { return false };
    let of = |component| children::part_key(s.release, &hash, component, Kind::Deployment);
    matches!(write, Write::Apply { key, .. } if *key == of(Component::Model) || *key == of(Component::App))
}

/// Whether a write would take pods away.
fn shrinks(s: &Situation, child: &Child) -> bool {
    let Some(live) = s.observed.children.get(&child.key) else { return false };
    let number = |body: &Value, field: &str| meta::at(body, &["spec", field]).and_then(Value::as_i64);
    let (wanted, now) = if child.key.kind == Kind::HorizontalPodAutoscaler {
        // Its floor holds pods: where that falls, they may go.
        (number(&child.body, "minReplicas"), number(&live.body, "minReplicas"))
    } else {
        (child.replicas.map(i64::from), number(&live.body, "replicas"))
    };
    wanted.zip(now).is_some_and(|(wanted, now)| now > wanted)
}

/// The write for one object, if it needs one.
fn write(s: &Situation, child: &Child, steady: bool, plan: &mut Writes) -> Option<Write> {
    let key = &child.key;
    let Some(live) = s.observed.children.get(key) else {
        return Some(Write::Create { key: key.clone(), body: child.object() });
    };
    let ours = live.owner.as_deref() == Some(s.release.uid.as_str());
    // A record never changes: the API server would refuse it.
    if !ours || live.deleting || key.kind == Kind::ControllerRevision || child.is(live) {
        return None;
    }
    if steady {
        let until = drift::put_off(s);
        if until.is_some() {
            plan.put_off = until;
            return None;
        }
        plan.drifted.push(key.clone());
    }
    Some(apply(key, child.object(), live))
}

fn apply(key: &Key, body: Value, live: &Live) -> Write {
    Write::Apply {
        key: key.clone(),
        body,
        stands: live.stands(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
    }
}

fn delete(s: &Situation, key: &Key) -> Option<Write> {
    let live = s.observed.children.get(key).filter(|live| !live.deleting)?;
    Some(Write::Delete {
        key: key.clone(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
    })
}
