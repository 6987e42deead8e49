//! S7: what traffic can go back to is not touched.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use model_release_core::api::status::Track;
use serde_json::Value;

use super::Check;
use super::object::{self, number, uid, we_own, writers};
use super::rule::{Findings, Rule};
use super::world::{Change, Kind, Release, World};

/// Phases in which stable has to carry everything at any moment.
const ON_TRIAL: [&str; 7] =
    ["Starting", "Warming", "Shadowing", "Analyzing", "Promoting", "Replacing", "Baking"];
/// How long pods may come and go after somebody changed their Deployment's template or lowered its size.
const UPHEAVAL: SignedDuration = SignedDuration::from_secs(180);

/// Judges Deployments, Services and pods of the versions that are relied on.
#[derive(Debug, Default)]
pub struct Kept {
    /// The template of each Deployment as it was first stored.
    templates: BTreeMap<String, Value>,
    /// When somebody last gave the pods of a version a reason to go; by Deployment's namespace and name.
    upheaval: BTreeMap<(String, String), Timestamp>,
    /// Pods whose end was judged.
    ended: BTreeSet<String>,
}

impl Check for Kept {
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings) {
        match change.key.kind {
            Kind::Deployment => self.deployment(world, change, found),
            Kind::Service => deleted(world, change, found),
            Kind::Pod => self.pod(world, change, found),
            Kind::HorizontalPodAutoscaler => floor(world, change, found),
            _ => {}
        }
    }
}

/// The template without annotations: `kubectl rollout restart` sets one.
fn template(body: &Value) -> Value {
    let mut template = body.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(Value::Object(metadata)) = template.get_mut("metadata") {
        metadata.remove("annotations");
    }
    template
}

/// Whether a version is what traffic has or goes back to.
fn relied_on(release: &Release, hash: &str) -> bool {
    matches!(release.track(hash), Some(Track::Stable | Track::Previous))
}

impl Kept {
    fn deployment(&mut self, world: &World, change: &Change, found: &mut Findings) {
        deleted(world, change, found);
        let Some(new) = change.new.as_deref() else {
            self.templates.remove(uid(change.body()));
            return;
        };
        let Some(release) = world.owner(new) else { return };
        let place = (change.key.namespace.clone(), change.key.name.clone());
        let Some(old) = change.old.as_deref().filter(|old| uid(old) == uid(new)) else {
            self.templates.insert(uid(new).to_owned(), template(new));
            self.upheaval.insert(place, change.at);
            return;
        };
        let first = self.templates.entry(uid(new).to_owned()).or_insert_with(|| template(old));
        if old.pointer("/spec/template") != new.pointer("/spec/template") {
            self.upheaval.insert(place.clone(), change.at);
        }
        if template(old) != template(new) && !writers(Some(old), new).others {
            let restored = *first == template(new);
            found.must(Rule::S7, restored, || "the operator changed its template".to_owned());
        }
        let size = |body| number(body, "/spec/replicas").unwrap_or(1);
        let (was, is) = (size(old), size(new));
        if is < was {
            self.upheaval.insert(place, change.at);
        }
        let Some(hash) = object::hash(new).filter(|hash| relied_on(release, hash)) else { return };
        if was == is || !we_own(new, &["f:spec", "f:replicas"]) {
            return;
        }
        let needed = needed(release, hash);
        found.must(Rule::S7, is >= was || is >= needed, || {
            format!(
                "scaled from {was} to {is} in phase {} while {needed} are needed to go back to",
                release.phase()
            )
        });
    }

    fn pod(&mut self, world: &World, change: &Change, found: &mut Findings) {
        let body = change.body();
        let ends = change.new.is_none() || !object::text(body, "/metadata/deletionTimestamp").is_empty();
        if !ends || !self.ended.insert(uid(body).to_owned()) {
            return;
        }
        let (Some(name), Some(hash)) =
            (object::label(body, model_release_core::api::LABEL_NAME), object::hash(body))
        else {
            return;
        };
        let Some(release) = world.release(&change.key.namespace, name) else { return };
        let app = object::label(body, model_release_core::api::LABEL_COMPONENT) == Some("app");
        let place = (change.key.namespace.clone(), format!("{name}-{hash}{}", if app { "-app" } else { "" }));
        let expected = self.upheaval.get(&place).is_some_and(|at| change.at.duration_since(*at) < UPHEAVAL);
        let failed = object::text(body, "/status/phase") == "Failed";
        if release.track(hash) != Some(Track::Stable) || release.deleting() || expected || failed {
            return;
        }
        found.must(Rule::S7, object::by_hand(body), || {
            "a pod of the live version ends, and nobody changed its Deployment".to_owned()
        });
    }
}

/// Pods that a version that is relied on must have at any moment.
fn needed(release: &Release, hash: &str) -> i64 {
    match release.track(hash) {
        Some(Track::Stable) if ON_TRIAL.contains(&release.phase()) => release.stable_replicas(),
        Some(Track::Previous) if release.phase() == "Baking" => release.stable_replicas(),
        _ => 1,
    }
}

/// The floor of an autoscaler is the size that it may take a version down to.
fn floor(world: &World, change: &Change, found: &mut Findings) {
    let (Some(old), Some(new)) = (change.old.as_deref(), change.new.as_deref()) else { return };
    let Some(release) = world.owner(new) else { return };
    let Some(hash) = object::hash(new).filter(|hash| relied_on(release, hash)) else { return };
    let least = |body| number(body, "/spec/minReplicas").unwrap_or(1);
    let (was, is) = (least(old), least(new));
    if was == is || !we_own(new, &["f:spec", "f:minReplicas"]) {
        return;
    }
    let needed = needed(release, hash);
    found.must(Rule::S7, is >= was || is >= needed, || {
        format!("its floor falls from {was} to {is} in phase {} while {needed} are needed", release.phase())
    });
}

/// An object of a version that is relied on is gone.
fn deleted(world: &World, change: &Change, found: &mut Findings) {
    let body = change.body();
    if change.new.is_some() || object::by_hand(body) {
        return;
    }
    let Some(release) = world.owner(body).filter(|release| !release.deleting()) else { return };
    let Some(hash) = object::hash(body) else { return };
    found.must(Rule::S7, !relied_on(release, hash), || {
        let track = release.track(hash).map_or("", Track::as_str);
        format!("deleted while its version is {track}")
    });
}
