//! S13: what a deleted release still does.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::FINALIZER;
use model_release_core::api::status::{Act, Track};
use serde_json::Value;

use super::commits::{committed, decided};
use super::object::{self, owner, uid, writers};
use super::rule::{Findings, Rule};
use super::world::{Change, Kind, World};
use super::{Check, Options, weights};

/// A write may be under way when the release is deleted.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(2);
/// How long its finalizer may stay.
const GONE: SignedDuration = SignedDuration::from_secs(60);

/// Judges releases that are being deleted.
#[derive(Debug)]
pub struct Farewell {
    slack: SignedDuration,
    /// Since when, by UID.
    since: BTreeMap<String, (Timestamp, String)>,
}

impl Farewell {
    /// With the caller's slack.
    pub fn new(options: &Options) -> Self {
        Self { slack: options.slack, since: BTreeMap::new() }
    }
}

impl Check for Farewell {
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings) {
        if change.key.kind == Kind::ModelRelease {
            self.release(change, found);
            return;
        }
        let Some(new) = change.new.as_deref() else { return };
        let Some(since) = owner(new).and_then(|owner| self.since.get(&owner.uid)).map(|(since, _)| *since)
        else {
            return;
        };
        let late = change.at.duration_since(since) > UNDER_WAY;
        if change.old.is_none() && writers(None, new).operator {
            found.must(Rule::S13, !late, || "created after its release was deleted".to_owned());
        }
        if let Some((release, old, new)) = weights::written(world, change)
            && let Some(canary) = release.role(Track::Canary)
        {
            let (had, has) = (old.map_or(0, |old| old.weight(&canary.hash)), new.weight(&canary.hash));
            found.must(Rule::S13, has <= had || !late, || {
                format!("the canary rises from {had} to {has} % after its release was deleted")
            });
        }
    }

    fn tick(&mut self, now: Timestamp, found: &mut Findings) {
        for (since, name) in self.since.values() {
            let waited = now.duration_since(*since);
            if waited > GONE.saturating_add(self.slack) {
                found.broken.push((
                    Rule::S13,
                    format!("{name} is still there {} s after it was deleted", waited.as_secs()),
                ));
            }
        }
    }
}

impl Farewell {
    fn release(&mut self, change: &Change, found: &mut Findings) {
        let Some(new) = &change.new_release else {
            if let Some((since, _)) = self.since.remove(uid(change.body())) {
                found.must(Rule::S13, true, String::new);
                found.took(Rule::S13, change.at.duration_since(since), change.key.to_string());
            }
            return;
        };
        if let Some((old, _, before, after)) = committed(change).filter(|(old, ..)| old.deleting())
            && let Some(decision) = decided(before, after)
        {
            found.must(Rule::S13, decision.verdict == Act::Delete, || {
                format!(
                    "{} decides {} for {} after it was deleted",
                    old.name,
                    decision.verdict.as_str(),
                    decision.reason
                )
            });
        }
        let finalizers = new.body.pointer("/metadata/finalizers").and_then(Value::as_array);
        let ours_alone = finalizers.is_some_and(|all| all.iter().all(|one| one.as_str() == Some(FINALIZER)));
        if new.deleting() && ours_alone {
            let entry = (change.at, change.key.to_string());
            self.since.entry(object::uid(&new.body).to_owned()).or_insert(entry);
        }
    }
}
