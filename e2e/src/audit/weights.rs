//! S1 and S2: what a traffic object of ours may say, and what a weight may rise onto.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use model_release_core::api::status::{ModelReleaseStatus, Track};
use serde_json::Value;

use super::object;
use super::rule::{Findings, Rule};
use super::traffic::{Entry, Traffic};
use super::world::{Change, Kind, Release, World};
use super::{Check, Options};

/// Phases in which a candidate may have weight.
const EXPOSED: [&str; 3] = ["Analyzing", "Promoting", "Replacing"];

/// Judges every traffic object that the operator writes.
#[derive(Debug)]
pub struct Weights {
    propagation_wait: SignedDuration,
    /// The status of each release before its present one: a write may still follow it.
    before: BTreeMap<String, Arc<Release>>,
}

impl Weights {
    /// With the administrator's waits.
    pub fn new(options: &Options) -> Self {
        Self { propagation_wait: options.propagation_wait, before: BTreeMap::new() }
    }
}

/// A traffic object of a release that the operator wrote just now: the release, what it said, what it says.
pub fn written<'a>(
    world: &'a World,
    change: &Change,
) -> Option<(&'a Arc<Release>, Option<Traffic>, Traffic)> {
    let routes = matches!(change.key.kind, Kind::VirtualService | Kind::HttpRoute);
    let new = change.new.as_ref().filter(|_| routes)?;
    let release = world.owner(new).filter(|release| release.name == change.key.name)?;
    let same = change.old.as_ref().is_some_and(|old| old.get("spec") == new.get("spec"));
    let ours = ["f:http", "f:rules"].iter().any(|list| object::we_own(new, &["f:spec", list]));
    (ours && !same).then(|| (release, change.old.as_deref().map(Traffic::of), Traffic::of(new)))
}

impl Check for Weights {
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings) {
        if let (Some(old), Some(_)) = (&change.old_release, &change.new_release) {
            self.before.insert(old.uid.clone(), Arc::clone(old));
        }
        let Some((release, old, new)) = written(world, change) else { return };
        // A write that was ordered by the decision before the present one may arrive after it.
        let seq = object::seq(change.body());
        let earlier =
            self.before.get(&release.uid).filter(|before| seq.is_some() && seq == traffic_seq(before));
        let allowed = |release: &Arc<Release>| said_wrong(release, &new);
        if let Some(wrong) = allowed(release) {
            let excused = earlier.is_some_and(|before| allowed(before).is_none());
            found.must(Rule::S1, excused, || format!("{wrong}: {}", new.words()));
        } else {
            found.must(Rule::S1, true, String::new);
        }
        self.rises(world, change, release, old.as_ref(), &new, found);
    }
}

fn traffic_seq(release: &Release) -> Option<i64> {
    release.status.as_ref().map(|status| status.state.traffic.seq)
}

/// What is wrong with a traffic object, if something is.
fn said_wrong(release: &Release, traffic: &Traffic) -> Option<String> {
    let status = release.status.as_ref()?;
    if traffic.splits.is_empty() {
        return Some("there is no split route".to_owned());
    }
    if let Some(name) = traffic.before.first() {
        return Some(format!("route {name:?} takes requests before the split"));
    }
    traffic.splits.iter().find_map(|split| split_wrong(release, status, split))
}

fn split_wrong(release: &Release, status: &ModelReleaseStatus, split: &[Entry]) -> Option<String> {
    // An HTTPRoute gives all to one version in two parts, beside the other at 0.
    let versions: BTreeSet<&String> = split.iter().filter_map(|entry| entry.hash.as_ref()).collect();
    if !(2..=3).contains(&split.len()) || versions.len() > 2 {
        return Some(format!("a split of {} backends instead of two", split.len()));
    }
    let mut sum = 0;
    for entry in split {
        let Some(hash) = &entry.hash else {
            return Some("a backend is no version of the release".to_owned());
        };
        let Some(weight) = entry.weight.filter(|weight| (0..=100).contains(weight)) else {
            return Some(format!("{hash} has no whole weight of 0 to 100 written out"));
        };
        sum += weight;
        let Some(track) = release.track(hash) else { return Some(format!("{hash} has no role")) };
        let committed = status.step.as_ref().map_or(0, |step| i64::from(step.weight));
        if track == Track::Canary && weight > 0 {
            if !EXPOSED.contains(&release.phase()) {
                return Some(format!("canary {hash} has {weight} % in phase {}", release.phase()));
            }
            if weight > committed {
                return Some(format!("canary {hash} has {weight} %, {committed} % are committed"));
            }
        }
    }
    (sum != 100).then(|| format!("the weights make {sum}"))
}

impl Weights {
    fn rises(
        &self,
        world: &World,
        change: &Change,
        release: &Release,
        old: Option<&Traffic>,
        new: &Traffic,
        found: &mut Findings,
    ) {
        let rollback = release.phase() == "RollingBack";
        for (hash, weight) in new.weights() {
            let had = old.map_or(0, |old| old.weight(&hash));
            if weight <= had {
                continue;
            }
            let service = service(release, &hash);
            let lately = |service: &str| world.ready_lately(&release.namespace, service, change.at);
            let ready = i64::try_from(lately(&service)).unwrap_or(i64::MAX);
            let need = match release.track(&hash) {
                // Back to what it had part of: nothing is waited for.
                _ if rollback && had > 0 => 0,
                Some(Track::Stable) if had > 0 => 0,
                // A hand had taken all of it.
                Some(Track::Stable) if old.is_some() => 1,
                // With nobody else to answer, anything is better.
                _ if rollback => {
                    let other = |other: &String| *other != hash && lately(&self::service(release, other)) > 0;
                    let somebody = old.is_some_and(|old| old.weights().keys().any(other));
                    i64::from(somebody)
                }
                _ => needed(release, &hash, weight, old.is_none()),
            };
            found.must(Rule::S2, ready >= need, || {
                format!(
                    "{hash} rises from {had} to {weight} % with {ready} ready endpoints; {need} are needed"
                )
            });
            let object = world.get(Kind::Service, &release.namespace, &service);
            found.must(Rule::S2, object.is_some(), || {
                format!("{hash} rises to {weight} % without service {service}")
            });
            let fresh = had == 0 && old.is_some() && !rollback;
            let created = object.and_then(|body| object::time(body, "/metadata/creationTimestamp"));
            if let (true, Some(created)) = (fresh, created) {
                let age = change.at.duration_since(created);
                found.must(Rule::S2, age >= self.propagation_wait, || {
                    format!(
                        "{hash} rises from 0 to {weight} % when its Service is only {:.1} s old",
                        age.as_secs_f64()
                    )
                });
            }
        }
    }
}

/// Pods that a version needs for a share.
fn needed(release: &Release, hash: &str, percent: i64, first: bool) -> i64 {
    let name = release.status.iter().flat_map(|status| &status.versions).find(|version| version.hash == hash);
    let own = name.map_or(1, |version| release.minimum(&version.version));
    if first || release.phase() == "Replacing" && percent == 100 {
        return own;
    }
    let share = (release.stable_replicas() * percent).div_euclid(100)
        + i64::from((release.stable_replicas() * percent).rem_euclid(100) > 0);
    if percent == 100 && release.phase() == "Promoting" { own.max(share) } else { share.max(1) }
}

/// The Service that carries a version's weight.
pub fn service(release: &Release, hash: &str) -> String {
    let blocks = ["/spec/runtime/app", "/spec/stable/app", "/spec/canary/app"];
    let app = blocks.iter().any(|pointer| release.body.pointer(pointer).is_some_and(Value::is_object));
    if app { format!("{}-{hash}-app", release.name) } else { format!("{}-{hash}", release.name) }
}
