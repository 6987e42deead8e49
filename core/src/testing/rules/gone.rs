//! S8: a version's pods end last: without role, without weight for as long as requests may last, without route.

use jiff::SignedDuration;
use serde_json::Value;

use super::{Found, Ground};
use crate::api::spec::ModelRelease;
use crate::api::status::{ModelReleaseStatus, Track};
use crate::plan::{Key, Kind, Write};
use crate::traffic::{read_back, routes_read};

/// What must hold where a version's pods or Service go. `body` is none for a delete.
pub(super) fn last(ground: &Ground, key: &Key, body: Option<&Value>, found: &mut Found) {
    let Some(hash) = key.name.strip_prefix(&format!("{}-", ground.name())) else { return };
    let hash = hash.strip_suffix("-app").unwrap_or(hash);
    if !takes_away(ground, key, body) {
        return;
    }
    let role = ground.status.versions.iter().find(|v| v.hash == hash);
    let needed = role.filter(|v| v.track != Track::Failed);
    found.unless(needed.is_none(), "S8", || format!("{key} goes and is {:?}", needed.map(|v| v.track)));
    let traffic = ground.traffic();
    // Before anything was ever routed there is nothing to drain.
    let Some(traffic) = traffic else { return };
    if ground.current {
        let weights = read_back(&traffic.body);
        let weight: i32 = weights.iter().flatten().filter(|(h, _)| h.as_str() == hash).map(|(_, w)| w).sum();
        found.unless(weight == 0, "S8", || format!("{key} goes with weight {weight}"));
        let routed = routes_read(&traffic.body).iter().any(|h| h.as_str() == hash);
        found.unless(!routed, "S8", || format!("{key} goes and has a route"));
    }
    let settled = ground.status.state.traffic.settled_at;
    let drain = drain(ground.object);
    let drained = match role {
        Some(failed) => failed.drained_at.is_some() || !failed.exposed,
        None => settled.is_some_and(|since| ground.now.duration_since(since) >= drain),
    };
    found.unless(settled.is_some() && drained, "S8", || format!("{key} goes and is not drained: {role:?}"));
}

/// Whether a write ends a version's pods, or takes its Service.
fn takes_away(ground: &Ground, key: &Key, body: Option<&Value>) -> bool {
    let Some(live) = ground.observed.children.get(key) else { return false };
    let Some(body) = body else { return true };
    let replicas = |body: &Value| body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    key.kind == Kind::Deployment && replicas(body) == 0 && replicas(&live.body) > 0
}

/// A version is drained only when it had no weight for as long as requests may last, or never had any.
pub(super) fn drained(
    object: &ModelRelease,
    old: &ModelReleaseStatus,
    next: &ModelReleaseStatus,
    found: &mut Found,
) {
    for version in next.versions.iter().filter(|v| v.exposed && v.drained_at.is_some()) {
        let known = old.versions.iter().find(|v| v.hash == version.hash && v.drained_at.is_some());
        let long = version
            .drained_at
            .zip(version.zero_since)
            .is_some_and(|(at, since)| at.duration_since(since) >= drain(object));
        found.unless(known.is_some() || long, "S8", || format!("{} is not drained", version.version));
    }
}

fn drain(object: &ModelRelease) -> SignedDuration {
    let rollout = object.spec.rollout.as_ref();
    let written = rollout.and_then(|r| r.drain.as_deref()).and_then(|text| text.parse().ok());
    written.unwrap_or(SignedDuration::from_secs(30))
}

/// Scale-downs and deletes never come in a plan that changes a weight.
pub(super) fn not_with_weights(ground: &Ground, writes: &[Write], found: &mut Found) {
    let changes = writes.iter().any(|write| match write {
        Write::Create { key, body } | Write::Apply { key, body, .. } => {
            let read = |body: &Value| {
                read_back(body).map(|all| all.into_iter().filter(|(_, w)| *w > 0).collect::<Vec<_>>())
            };
            let live = ground.observed.children.get(key).and_then(|live| read(&live.body));
            matches!(key.kind, Kind::VirtualService | Kind::HttpRoute) && live.is_some() && read(body) != live
        }
        Write::Delete { .. } | Write::Finalizer { .. } => false,
    });
    if !changes {
        return;
    }
    let ends = writes.iter().find(|write| match write {
        Write::Apply { key, body, .. } => takes_away(ground, key, Some(body)),
        Write::Delete { key, .. } => matches!(key.kind, Kind::Deployment | Kind::Service),
        Write::Create { .. } | Write::Finalizer { .. } => false,
    });
    found.unless(ends.is_none(), "S8", || format!("pods end in a plan that moves weights: {ends:?}"));
}
