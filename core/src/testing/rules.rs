//! What must hold at every commit and every write, whatever happens. Each rule bears the number of the design.

use super::World;
use crate::api::status::{ModelReleaseStatus, Phase, Track};
use crate::plan::{Key, Kind, Write};
use crate::traffic;
use crate::version::Hash;

/// What must hold of two statuses in a row.
pub(super) fn committed(old: &ModelReleaseStatus, new: &ModelReleaseStatus) {
    let seq = |s: &ModelReleaseStatus| s.decision.as_ref().map_or(0, |d| d.seq);
    assert!(seq(new) >= seq(old), "S5: numbers of decisions never go back");
    assert!(new.state.traffic.seq >= old.state.traffic.seq, "S5: nor those of the traffic object");
    for (i, version) in new.versions.iter().enumerate() {
        let again =
            new.versions.iter().skip(i + 1).find(|v| v.hash == version.hash || v.track == version.track);
        assert!(
            again.is_none(),
            "at most one role a version and one version a role: {version:?} and {again:?}"
        );
    }
    for barred in &new.quarantine {
        let bears = new.versions.iter().find(|v| v.hash == barred.hash && v.track != Track::Failed);
        assert!(bears.is_none(), "S5: a quarantined version has no role but failed: {bears:?}");
    }
    assert!(new.history.len() <= 20 && new.quarantine.len() <= 10, "the status is bounded");
    let size = serde_json::to_string(new).expect("a status is JSON").len();
    assert!(size <= 32 * 1024, "a status of {size} bytes");
    let observed = new.conditions.iter().all(|c| c.observed_generation == Some(new.observed_generation));
    assert!(observed && new.conditions.len() == 12, "every condition is there and of this generation");
}

/// What must hold of a write at the moment at which it is accepted.
pub(super) fn write(world: &World, write: &Write) {
    match write {
        Write::Finalizer { .. } => {}
        Write::Create { key, body } | Write::Apply { key, body, .. } => {
            if let Some(live) = world.observed.children.get(key) {
                let ours = live.owner.as_deref() == world.object.metadata.uid.as_deref();
                assert!(ours, "S9: a write to somebody else's object: {key}");
            }
            if let Some(weights) = traffic::read_back(body) {
                split(world, key, &weights);
            }
            if key.kind == Kind::Deployment {
                size(world, key, body["spec"]["replicas"].as_i64().unwrap_or(1));
            }
        }
        Write::Delete { key, .. } => removal(world, key),
    }
}

/// S1 and S2: weights are complete, and rise only onto ready endpoints.
fn split(world: &World, key: &Key, weights: &[(Hash, i32)]) {
    let status = world.status();
    assert_eq!(weights.iter().map(|(_, w)| w).sum::<i32>(), 100, "S1: weights make 100");
    let before =
        world.observed.children.get(key).and_then(|live| traffic::read_back(&live.body)).unwrap_or_default();
    for (hash, weight) in weights {
        let version = status.versions.iter().find(|v| v.hash == hash.as_str());
        let track = version.map(|v| v.track);
        let phase = status.phase.unwrap_or_default();
        if *weight > 0 && track == Some(Track::Canary) {
            let may = matches!(phase, Phase::Analyzing | Phase::Promoting | Phase::Replacing);
            assert!(may, "S1: a candidate has weight {weight} in {phase:?}");
        }
        let old: i32 = before.iter().filter(|(h, _)| h == hash).map(|(_, w)| w).sum();
        let endpoints = world.observed.endpoints.get(&format!("fraud-{hash}")).copied().unwrap_or(0);
        let rescue = phase == Phase::RollingBack;
        if *weight > old && !before.is_empty() && !rescue && track != Some(Track::Stable) {
            assert!(endpoints > 0, "S2: {hash} rises from {old} to {weight} with no ready endpoint");
        }
    }
}

/// S7 and S8: the fallback keeps its pods; others lose theirs only without weight.
fn size(world: &World, key: &Key, replicas: i64) {
    let Some(live) = world.observed.children.get(key) else { return };
    let before = live.body["spec"]["replicas"].as_i64().unwrap_or(1);
    if replicas >= before {
        return;
    }
    let status = world.status();
    let on_trial = matches!(
        status.phase.unwrap_or_default(),
        Phase::Starting
            | Phase::Warming
            | Phase::Analyzing
            | Phase::Promoting
            | Phase::Replacing
            | Phase::Baking
    );
    let stable = status.versions.iter().find(|v| v.track == Track::Stable);
    let of_stable = stable.is_some_and(|v| version_of(&key.name) == format!("fraud-{}", v.hash));
    if of_stable {
        assert!(!on_trial, "S7: stable shrinks while a fallback is needed");
        assert!(replicas > 0, "S8: {key} ends with weight");
    } else {
        assert_eq!(weight_of(world, &key.name), 0, "S8: {key} shrinks to {replicas} with weight");
    }
}

/// S8: nothing goes that has weight, a role or a route.
fn removal(world: &World, key: &Key) {
    let status = world.status();
    let owner = world.observed.children.get(key).and_then(|live| live.owner.clone());
    assert_eq!(owner, world.object.metadata.uid, "S9: a delete of somebody else's object: {key}");
    if matches!(key.kind, Kind::Deployment | Kind::Service) {
        assert_eq!(weight_of(world, &key.name), 0, "S8: {key} is deleted with weight");
        let role = status.versions.iter().find(|v| format!("fraud-{}", v.hash) == version_of(&key.name));
        assert!(role.is_none(), "S8: {key} is deleted and has a role: {role:?}");
    }
}

/// Name of a version's own objects, of one of its model's or its app's.
fn version_of(name: &str) -> &str {
    name.strip_suffix("-app").unwrap_or(name)
}

fn weight_of(world: &World, name: &str) -> i32 {
    let read =
        world.observed.children.values().find_map(|live| traffic::read_back(&live.body)).unwrap_or_default();
    read.iter().filter(|(hash, _)| format!("fraud-{hash}") == version_of(name)).map(|(_, w)| w).sum()
}
