//! L3 and L4: how long a version that has to leave, or that lost its endpoints, still has weight.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::status::Track;

use super::held::held;
use super::rule::{Findings, Rule};
use super::traffic::Traffic;
use super::weights::service;
use super::world::{Change, Kind, Release, World};
use super::{Check, Options};

/// From the word to leave to weight 0.
const LEAVES: SignedDuration = SignedDuration::from_secs(5);
/// From the last endpoint to weight 0.
const LOST: SignedDuration = SignedDuration::from_secs(10);
/// Phases in which a candidate may be rolled back by a word.
const UNDER_WAY: [&str; 6] = ["Starting", "Warming", "Shadowing", "Analyzing", "Promoting", "Replacing"];

/// A version that has to be at 0 soon.
#[derive(Debug, Clone)]
struct Clock {
    since: Timestamp,
    hash: String,
    what: String,
}

/// The clocks of all releases, by UID.
#[derive(Debug)]
pub struct Clocks {
    slack: SignedDuration,
    leaving: BTreeMap<String, Clock>,
    lost: BTreeMap<String, Clock>,
}

impl Clocks {
    /// With the caller's slack.
    pub fn new(options: &Options) -> Self {
        Self { slack: options.slack, leaving: BTreeMap::new(), lost: BTreeMap::new() }
    }
}

impl Check for Clocks {
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings) {
        if let (Some(old), None) = (&change.old_release, &change.new_release) {
            self.leaving.remove(&old.uid);
            self.lost.remove(&old.uid);
            return;
        }
        let kinds = [Kind::ModelRelease, Kind::VirtualService, Kind::HttpRoute, Kind::EndpointSlice];
        if !kinds.contains(&change.key.kind) {
            return;
        }
        let Some(release) = concerned(world, change) else { return };
        let Some(traffic) = world.traffic(&release).filter(|_| !release.deleting() && !suspended(&release))
        else {
            self.leaving.remove(&release.uid);
            self.lost.remove(&release.uid);
            return;
        };
        self.leaving(world, change, &release, &traffic, found);
        self.lost(world, change, &release, &traffic, found);
    }

    fn tick(&mut self, now: Timestamp, found: &mut Findings) {
        let clocks = [(Rule::L3, &self.leaving, LEAVES), (Rule::L4, &self.lost, LOST)];
        for (rule, running, limit) in clocks {
            for clock in running.values() {
                let time = now.duration_since(clock.since);
                if time > limit.saturating_add(self.slack) {
                    found.broken.push((rule, format!("{} for {:.1} s", clock.what, time.as_secs_f64())));
                }
            }
        }
    }
}

fn suspended(release: &Release) -> bool {
    release.body.pointer("/spec/suspend") == Some(&serde_json::Value::Bool(true))
}

/// The release that a change is about.
fn concerned(world: &World, change: &Change) -> Option<std::sync::Arc<Release>> {
    if change.key.kind == Kind::ModelRelease {
        return change.new_release.clone();
    }
    let name = super::object::label(change.body(), model_release_core::api::LABEL_NAME)?;
    world.release(&change.key.namespace, name).cloned()
}

/// The version that has to leave now: rolled back, or on trial and held.
fn has_to_leave(release: &Release) -> Option<String> {
    if release.phase() == "RollingBack" {
        return release.role(Track::Failed).map(|version| version.hash.clone());
    }
    let candidate = release.role(Track::Canary).filter(|_| UNDER_WAY.contains(&release.phase()))?;
    held(release, candidate).then(|| candidate.hash.clone())
}

impl Clocks {
    fn leaving(
        &mut self,
        world: &World,
        change: &Change,
        release: &Release,
        traffic: &Traffic,
        found: &mut Findings,
    ) {
        let leaver = has_to_leave(release);
        let has = leaver.as_ref().map_or(0, |hash| traffic.weight(hash));
        if let Some(clock) = self.leaving.remove(&release.uid) {
            if has > 0 && leaver.as_deref() == Some(clock.hash.as_str()) {
                self.leaving.insert(release.uid.clone(), clock);
                return;
            }
            let time = change.at.duration_since(clock.since);
            found.took(Rule::L3, time, clock.what.clone());
            found.must(Rule::L3, time <= LEAVES.saturating_add(self.slack), || {
                format!("{} for {:.1} s", clock.what, time.as_secs_f64())
            });
            return;
        }
        let Some(hash) = leaver.filter(|_| has > 0) else { return };
        // With everything on the leaving version, it stays there until stable can take it.
        let stable = release.role(Track::Stable).map(|stable| stable.hash.clone()).unwrap_or_default();
        let ready = world.ready(&release.namespace, &service(release, &stable)) > 0;
        if traffic.weight(&stable) > 0 || ready {
            let what = format!(
                "{}/{}: version {hash} has to leave and has {has} %",
                release.namespace, release.name
            );
            self.leaving.insert(release.uid.clone(), Clock { since: change.at, hash, what });
        }
    }

    fn lost(
        &mut self,
        world: &World,
        change: &Change,
        release: &Release,
        traffic: &Traffic,
        found: &mut Findings,
    ) {
        let endpoints = |hash: &str| world.ready(&release.namespace, &service(release, hash));
        let candidate = release.role(Track::Canary).map(|version| version.hash.clone());
        let stable = release.role(Track::Stable).map(|version| version.hash.clone()).unwrap_or_default();
        let lost = candidate
            .filter(|hash| traffic.weight(hash) > 0 && endpoints(hash) == 0 && endpoints(&stable) > 0);
        match (self.lost.remove(&release.uid), lost) {
            (Some(clock), Some(hash)) if clock.hash == hash => {
                self.lost.insert(release.uid.clone(), clock);
            }
            (None, Some(hash)) => {
                let what = format!(
                    "{}/{}: candidate {hash} has weight and no endpoint",
                    release.namespace, release.name
                );
                self.lost.insert(release.uid.clone(), Clock { since: change.at, hash, what });
            }
            (Some(clock), _) => {
                let time = change.at.duration_since(clock.since);
                found.took(Rule::L4, time, clock.what.clone());
                found.must(Rule::L4, time <= LOST.saturating_add(self.slack), || {
                    format!("{} for {:.1} s", clock.what, time.as_secs_f64())
                });
            }
            (None, None) => {}
        }
    }
}
