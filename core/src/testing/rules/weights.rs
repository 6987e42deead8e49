//! S1 and S2: weights are complete, are given only to versions with a right to them, and rise only onto ready pods.

use jiff::SignedDuration;
use serde_json::Value;

use super::{Found, Ground};
use crate::api::status::{ModelReleaseStatus, Phase, Track};
use crate::observed::Live;
use crate::plan::{Key, Kind};
use crate::traffic::read_back;

/// What a traffic object that is written must say.
pub(super) fn split(ground: &Ground, key: &Key, body: &Value, found: &mut Found) {
    let Some(weights) = read_back(body) else {
        found.unless(false, "S1", || format!("weights of {key} are not explicit, or do not make 100"));
        return;
    };
    let live = ground.observed.children.get(key).and_then(|live| read_back(&live.body));
    for (hash, to) in &weights {
        let hash = hash.as_str();
        let track = ground.status.versions.iter().find(|v| v.hash == hash).map(|v| v.track);
        found.unless(track.is_some(), "S1", || format!("{hash} has an entry and no role"));
        if track == Some(Track::Canary) && *to > 0 {
            let may = matches!(ground.phase(), Phase::Analyzing | Phase::Promoting | Phase::Replacing);
            found.unless(may, "S1", || format!("a candidate has weight {to} in {:?}", ground.phase()));
        }
        let barred = ground.status.quarantine.iter().any(|q| q.hash == hash);
        let leaves = ground.phase() == Phase::RollingBack && track == Some(Track::Failed);
        found.unless(*to == 0 || !barred || leaves, "S5", || format!("quarantined {hash} has weight {to}"));
        let Some(live) = &live else { continue };
        let of = |hash: &str| live.iter().filter(|(h, _)| h.as_str() == hash).map(|(_, w)| *w).sum::<i32>();
        if *to > of(hash) {
            let others = live.iter().filter(|(h, w)| h.as_str() != hash && *w > 0);
            let other_ready = others.clone().any(|(h, _)| ground.endpoints(h.as_str()) > 0);
            rises(ground, hash, track, (of(hash), *to), other_ready, found);
        }
    }
}

/// The first weight comes when gateways were seen to lead to the version: if any can be asked, and unless its readiness
/// is asked otherwise than by HTTP.
pub(super) fn led_to(ground: &Ground, found: &mut Found) {
    let percent = |status: Option<&ModelReleaseStatus>| {
        status.and_then(|s| s.step.as_ref()).map_or(0, |rung| rung.weight)
    };
    let first = percent(ground.object.status.as_ref()) == 0 && percent(Some(ground.status)) > 0;
    let spec = &ground.object.spec;
    let hosts = spec.traffic.as_ref().and_then(|traffic| traffic.hosts.as_ref());
    let asked = hosts.is_some_and(|hosts| !hosts.is_empty())
        && ground.settings.gateways.iter().any(|set| set.probe_port.is_some());
    let candidate = ground.role(Track::Canary).map(|v| v.version.as_str());
    let mut blocks = [Some(&spec.stable), spec.canary.as_ref()].into_iter().flatten();
    let block = blocks.find(|block| Some(block.version.as_str()) == candidate);
    let shared = spec.runtime.as_ref().and_then(|runtime| runtime.pod.readiness_probe.as_ref());
    let probe = block.and_then(|block| block.model.pod.readiness_probe.as_ref()).or(shared);
    let http = probe.is_none_or(|probe| probe.grpc.is_none() && probe.exec.is_none());
    if !first || !asked || !http {
        return;
    }
    let routed = ground.status.state.candidate.as_ref().is_some_and(|memory| memory.routed_at.is_some());
    found
        .unless(routed, "S2", || format!("{candidate:?} gets weight, and no gateway was seen to lead there"));
}

fn rises(
    ground: &Ground,
    hash: &str,
    track: Option<Track>,
    (from, to): (i32, i32),
    other_ready: bool,
    found: &mut Found,
) {
    let what = |n: i32| {
        let endpoints = ground.endpoints(hash);
        format!("{hash} rises from {from} to {to}, needs {n} ready pods and has {endpoints} endpoints")
    };
    match track {
        Some(Track::Canary) => {
            let n = needed(ground, hash, to);
            found.unless(ready(ground, hash, n), "S2", || what(n));
            let since = ground.status.state.candidate.as_ref().and_then(|c| c.ready_at);
            let wait = SignedDuration::from_secs(ground.settings.propagation_wait_seconds);
            let long = since.is_some_and(|at| ground.now.duration_since(at) >= wait);
            found.unless(from > 0 || long, "S2", || format!("{hash} gets weight; its Service is too new"));
        }
        Some(Track::Stable) => {
            let held = from > 0 || !other_ready || ready(ground, hash, 1);
            found.unless(held, "S2", || what(1));
        }
        Some(Track::Previous | Track::Failed) | None => {
            found.unless(false, "S2", || format!("{hash} is {track:?} and rises from {from} to {to}"));
        }
    }
}

/// Pods needed for a share: ⌈R·b/100⌉; for all of it, also the version's own minimum, and of a replacement only that.
fn needed(ground: &Ground, hash: &str, percent: i32) -> i32 {
    let spec = &ground.object.spec;
    let blocks = [Some(&spec.stable), spec.canary.as_ref()];
    let version = ground.status.versions.iter().find(|v| v.hash == hash).map(|v| v.version.as_str());
    let block = blocks.into_iter().flatten().find(|b| Some(b.version.as_str()) == version);
    let shared = spec.runtime.as_ref().and_then(|r| r.pod.min_replicas);
    let own = block.and_then(|b| b.model.pod.min_replicas).or(shared).unwrap_or(1);
    let stable = ground.status.state.candidate.as_ref().map_or(1, |c| c.stable_replicas).max(1);
    match (percent, ground.phase()) {
        (100, Phase::Replacing) => own,
        (100, _) => own.max(stable),
        _ => (stable * percent + 99).div_euclid(100).max(1),
    }
}

/// Ready(v, n): the Deployment's status is current, n pods are available, and n endpoints are ready.
fn ready(ground: &Ground, hash: &str, n: i32) -> bool {
    let number = |live: &Live, at: &str| live.body.pointer(at).and_then(Value::as_i64).unwrap_or(0);
    ground.child(Kind::Deployment, &ground.named(hash)).is_some_and(|live| {
        number(live, "/status/observedGeneration") >= number(live, "/metadata/generation")
            && number(live, "/status/availableReplicas") >= i64::from(n)
    }) && ground.endpoints(hash) >= n
}
