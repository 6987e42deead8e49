//! S9, S10, S11, S14, S15 and the children's part of S5: what the operator writes, where, and after which decision.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::object::{self, Owner, our_entries, ours, owner, seq, text, uid, writers};
use super::rule::{Findings, Rule};
use super::traffic::is_hash;
use super::world::{Change, Kind, World};
use super::{Check, Gateway, Options};

/// Kinds of children.
const CHILDREN: [Kind; 7] = [
    Kind::Deployment,
    Kind::Service,
    Kind::ControllerRevision,
    Kind::VirtualService,
    Kind::HttpRoute,
    Kind::EnvoyFilter,
    Kind::HorizontalPodAutoscaler,
];
/// A write under way when its release went may still arrive.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(5);

/// Judges every write of the operator.
#[derive(Debug)]
pub struct Children {
    gateways: Vec<Gateway>,
    /// Releases that are gone, by UID.
    gone: BTreeMap<String, Timestamp>,
}

impl Children {
    /// With the administrator's gateways.
    pub fn new(options: &Options) -> Self {
        Self { gateways: options.gateways.clone(), gone: BTreeMap::new() }
    }
}

impl Check for Children {
    fn look(&mut self, world: &World, change: &Change, found: &mut Findings) {
        if change.key.kind == Kind::ModelRelease {
            if change.new.is_none() {
                self.gone.insert(uid(change.body()).to_owned(), change.at);
            }
            release(change, found);
            return;
        }
        let Some(new) = change.new.as_deref() else { return };
        let old = change.old.as_deref().filter(|old| uid(old) == uid(new));
        if !ours(new) || !we_wrote(old, new) {
            return;
        }
        let kind = change.key.kind;
        found.must(Rule::S9, CHILDREN.contains(&kind), || {
            "the operator wrote an object of this kind".to_owned()
        });
        let Some(owner) = owner(new) else {
            found.must(Rule::S9, false, || "the operator wrote an object that no release owns".to_owned());
            return;
        };
        found.must(Rule::S9, derived(change, &owner), || {
            format!("its name is none that release {}/{} gives", owner.namespace, owner.name)
        });
        self.identity(world, change, old, &owner, found);
        order(world, old, new, &owner, found);
        if kind == Kind::EnvoyFilter {
            self.gateway(change, new, &owner, found);
        }
    }
}

/// Whether the operator wrote a child just now. What nobody else wrote was written by it, twice within a second.
fn we_wrote(old: Option<&Value>, new: &Value) -> bool {
    let who = writers(old, new);
    let differs = |pointer| old.and_then(|old| old.pointer(pointer)) != new.pointer(pointer);
    who.operator || (!who.others && ["/spec", "/data", "/metadata/annotations"].into_iter().any(differs))
}

/// S14: on a release the operator writes its finalizer and the status.
fn release(change: &Change, found: &mut Findings) {
    let Some(new) = change.new.as_deref() else { return };
    for entry in our_entries(new) {
        let fields = entry.get("fieldsV1").and_then(Value::as_object);
        let names: Vec<&str> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let right = if text(entry, "/subresource") == "status" {
            names == ["f:status"]
        } else {
            let metadata = entry.pointer("/fieldsV1/f:metadata").and_then(Value::as_object);
            let inside =
                metadata.into_iter().flatten().all(|(name, _)| name == "f:finalizers" || name == ".");
            names.iter().all(|name| *name == "f:metadata") && inside
        };
        found.must(Rule::S14, right, || {
            format!("the operator owns more than its finalizer and the status: {names:?}")
        });
    }
    let Some(old) = change.old.as_deref().filter(|old| uid(old) == uid(new)) else { return };
    let who = writers(Some(old), new);
    let the_users = ["/spec", "/metadata/labels", "/metadata/annotations"];
    let changed = the_users.iter().find(|field| old.pointer(field) != new.pointer(field));
    if who.operator && !who.others {
        found.must(Rule::S14, changed.is_none(), || {
            format!("the operator changed {}", changed.unwrap_or(&""))
        });
    }
}

/// Whether an object's name is one that its release gives to objects of that kind.
fn derived(change: &Change, owner: &Owner) -> bool {
    let (key, release) = (&change.key, owner.name.as_str());
    let versioned = |name: &str| {
        let hash = name.strip_prefix(release).and_then(|rest| rest.strip_prefix('-'));
        hash.is_some_and(|hash| is_hash(hash.strip_suffix("-app").unwrap_or(hash)))
    };
    let inside = key.namespace == owner.namespace;
    let name = key.name.as_str();
    match key.kind {
        Kind::Service => inside && (name == release || versioned(name)),
        Kind::Deployment | Kind::ControllerRevision | Kind::HorizontalPodAutoscaler => {
            inside && versioned(name)
        }
        Kind::VirtualService => {
            let root =
                name.strip_prefix(release).is_some_and(|rest| ["", "-gateway", "-mesh"].contains(&rest));
            inside && root
        }
        Kind::HttpRoute => inside && name == release,
        Kind::EnvoyFilter => {
            let limit = inside && name.strip_prefix(release) == Some(".pod-limit");
            let parts: Vec<&str> = name.split('.').collect();
            let [start, namespace, named, _set, what] = parts.as_slice() else { return limit };
            *start == "mrel"
                && *namespace == owner.namespace
                && *named == release
                && ["sticky", "limit"].contains(what)
        }
        Kind::ModelRelease | Kind::EndpointSlice | Kind::Pod => false,
    }
}

/// S5, S10: numbers of decisions on children.
fn order(world: &World, old: Option<&Value>, new: &Value, own: &Owner, found: &mut Findings) {
    let Some(number) = seq(new) else {
        found.must(Rule::S5, false, || "it bears no number of a decision".to_owned());
        return;
    };
    let release = world.release(&own.namespace, &own.name).filter(|release| release.uid == own.uid);
    if let Some(release) = release.filter(|release| release.status.is_some()) {
        found.must(Rule::S5, number <= release.seq(), || {
            format!("it follows decision {number}; the last that is committed is {}", release.seq())
        });
    }
    if let Some(before) = old.and_then(seq) {
        found.must(Rule::S10, number >= before, || {
            format!("decision {number} is applied over the effect of decision {before}")
        });
    }
}

impl Children {
    /// S11: the owner is there, the same as before, and lives.
    fn identity(
        &self,
        world: &World,
        change: &Change,
        old: Option<&Value>,
        own: &Owner,
        found: &mut Findings,
    ) {
        let live = world.release(&own.namespace, &own.name).is_some_and(|release| release.uid == own.uid);
        let just_gone = self.gone.get(&own.uid).is_some_and(|at| change.at.duration_since(*at) <= UNDER_WAY);
        found.must(Rule::S11, live || just_gone, || {
            format!(
                "written for release {}/{} of UID {}, which is not there",
                own.namespace, own.name, own.uid
            )
        });
        if let Some(old) = old {
            let before = owner(old).map(|owner| owner.uid);
            found.must(Rule::S11, before.as_deref() == Some(own.uid.as_str()), || {
                format!("an object of owner {before:?} was taken over by release {}", own.uid)
            });
        }
    }

    /// S15: where it lies and whom it reaches.
    fn gateway(&self, change: &Change, new: &Value, owner: &Owner, found: &mut Findings) {
        let selector = new.pointer("/spec/workloadSelector/labels").cloned().unwrap_or_default();
        if change.key.namespace == owner.namespace && change.key.name.ends_with(".pod-limit") {
            let name = selector.get(model_release_core::api::LABEL_NAME).and_then(Value::as_str);
            found.must(Rule::S15, name == Some(&owner.name), || format!("it selects {selector}"));
            return;
        }
        let targets =
            new.pointer("/spec/targetRefs").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
        let selects = selector.as_object().is_some_and(|labels| !labels.is_empty());
        found.must(Rule::S15, selects || targets, || "it selects every proxy of its namespace".to_owned());
        if !self.gateways.is_empty() && selects {
            let known = self.gateways.iter().any(|gateway| {
                gateway.namespace == change.key.namespace
                    && serde_json::to_value(&gateway.selector).is_ok_and(|labels| labels == selector)
            });
            found.must(Rule::S15, known, || {
                format!("no gateway in {} is selected by {selector}", change.key.namespace)
            });
        }
        let labelled = object::label(new, model_release_core::api::LABEL_UID) == Some(owner.uid.as_str());
        found.must(Rule::S15, labelled, || "it does not name its release".to_owned());
    }
}
