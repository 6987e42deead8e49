//! The rules one by one: their names, and what has to be true of a look for each of them to bite.

use model_release_core::api::Reason;
use model_release_core::api::annotations::{Annotations, Rollback};
use model_release_core::api::status::{Checkpoint, ModelReleaseStatus, Phase, Track};
use model_release_core::plan::{Key, Kind, Plan, Write};
use model_release_core::testing::rules::{Broken, Ground};
use model_release_core::version::Hash;
use model_release_core::{traffic, wanted};
use serde_json::Value;

/// Rules by their place in the bits, each with what was counted: cases in which it could have been broken.
pub const RULES: [(&str, &str); 21] = [
    ("S1", "traffic objects written"),
    ("S2", "weights raised"),
    ("S3", "advances on evidence"),
    ("S4", "looks that got no answer"),
    ("S5", "decisions"),
    ("S6", "looks at a rollback word beside a canary"),
    ("S7", "writes to what one would go back to"),
    ("S8", "pods or Services taken away"),
    ("S9", "looks at a name that somebody else has"),
    ("S10", "writes of an overtaken plan that were taken"),
    ("S11", "writes refused, their object being another by then"),
    ("S12", "looks with nothing to do, repeated"),
    ("S13", "looks at a deleted release"),
    ("S14", "writes to what somebody else had changed"),
    ("S15", "EnvoyFilters written"),
    ("H1", "looks at weights that are not the committed ones"),
    ("L1", "states from which it comes to rest in Stable"),
    ("L2", "states from which it has to move"),
    ("L3", "states with a rollback of what has weight before them"),
    ("L5", "states from which it comes to a wait"),
    ("size", "statuses written"),
];

/// The bit of a rule.
pub fn bit(rule: &str) -> u32 {
    1 << RULES.iter().position(|(known, _)| *known == rule).expect("a known rule")
}

/// Names of the rules of some bits.
pub fn names(bits: u32) -> String {
    let set = RULES.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
    set.map(|(_, (name, _))| *name).collect::<Vec<_>>().join(", ")
}

/// Annotation of what somebody else has changed; the rules do not answer for that.
pub const TAMPERED: &str = "example.com/tampered";

/// Owner of what somebody else put in the place of ours.
pub const SOMEBODY_ELSE: &str = "somebody else";

/// The rules that a look could break.
pub fn premises(ground: &Ground, plan: &Plan, unanswered: bool) -> u32 {
    let mut bits = 0;
    let mut when = |holds: bool, rule: &str| bits |= if holds { bit(rule) } else { 0 };
    let meta = &ground.object.metadata;
    let status = ground.status;
    when(plan.status.is_some(), "size");
    when(plan.row.is_some(), "S5");
    when(matches!(plan.row, Some("37" | "38")), "S3");
    when(unanswered, "S4");
    when(meta.deletion_timestamp.is_some(), "S13");
    let word = Annotations::read(meta.annotations.as_ref()).rollback;
    let said = matches!(word, Rollback::True | Rollback::Version(_));
    when(said && (ground.object.spec.canary.is_some() || role(status, Track::Canary).is_some()), "S6");
    let ours = meta.uid.as_deref();
    when(ground.observed.children.values().any(|live| live.owner.as_deref() != ours), "S9");
    let read = ground.observed.children.values().find_map(|live| traffic::read_back(&live.body));
    let meant = |hash: &Hash| wanted::committed_weight(status, hash);
    when(plan.status.is_some() && read.iter().flatten().any(|(h, w)| meant(h) != *w), "H1");
    let back = fallback(status);
    for write in &plan.writes {
        let (key, body) = match write {
            Write::Finalizer { .. } => continue,
            Write::Create { key, body } | Write::Apply { key, body, .. } => (key, Some(body)),
            Write::Delete { key, .. } => (key, None),
        };
        let live = ground.observed.children.get(key).map(|live| &live.body);
        let split = body.and_then(traffic::read_back);
        when(split.is_some(), "S1");
        let before = live.and_then(traffic::read_back);
        when(split.zip(before).is_some_and(|(new, old)| rises(&old, &new)), "S2");
        let runs = matches!(key.kind, Kind::Deployment | Kind::Service);
        let of = |hash: &&String| key.name == format!("fraud-{hash}");
        when(runs && body.is_some() && live.is_some() && back.as_ref().is_some_and(|hash| of(&hash)), "S7");
        when(runs && live.is_some_and(|live| takes_away(key, body, live)), "S8");
        when(live.is_some_and(tampered) && body.is_some(), "S14");
        when(key.kind == Kind::EnvoyFilter && body.is_some(), "S15");
    }
    bits
}

fn role(status: &ModelReleaseStatus, track: Track) -> Option<&String> {
    status.versions.iter().find(|v| v.track == track).map(|v| &v.hash)
}

/// Where traffic would go.
pub fn fallback(status: &ModelReleaseStatus) -> Option<String> {
    let beside = role(status, Track::Canary).is_some() || role(status, Track::Failed).is_some();
    role(status, if beside { Track::Stable } else { Track::Previous }).cloned()
}

fn rises(old: &[(Hash, i32)], new: &[(Hash, i32)]) -> bool {
    let of = |hash: &Hash| old.iter().filter(|(h, _)| h == hash).map(|(_, w)| w).sum::<i32>();
    new.iter().any(|(hash, weight)| *weight > of(hash))
}

fn takes_away(key: &Key, body: Option<&Value>, live: &Value) -> bool {
    let replicas = |body: &Value| body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    body.is_none_or(|body| key.kind == Kind::Deployment && replicas(body) == 0 && replicas(live) > 0)
}

fn tampered(live: &Value) -> bool {
    live["metadata"]["annotations"].get(TAMPERED).is_some()
}

/// S14: what is sent of a child is what is ours of it, and nothing that others or the API server put there. Of the
/// release itself a plan can name no more than the finalizer and the status: there is no word for the rest.
pub fn ours_alone(plan: &Plan) -> Vec<Broken> {
    let strange = |body: &Value| {
        let meta = body["metadata"].as_object();
        let known = ["name", "namespace", "labels", "annotations", "ownerReferences"];
        let others = meta.into_iter().flatten().any(|(field, _)| !known.contains(&field.as_str()));
        let words = body["metadata"]["annotations"].as_object();
        let foreign = words.into_iter().flatten().any(|(name, _)| !name.starts_with("modelrelease.dev/"));
        others || foreign || body.get("status").is_some()
    };
    let sent = plan.writes.iter().filter_map(|write| match write {
        Write::Create { key, body } | Write::Apply { key, body, .. } => Some((key, body)),
        Write::Finalizer { .. } | Write::Delete { .. } => None,
    });
    let found = sent.filter(|(_, body)| strange(body));
    found
        .map(|(key, _)| Broken { rule: "S14", what: format!("{key} is sent with fields of others") })
        .collect()
}

/// Rows of the design that make no move: what they say is said in conditions.
pub const STAYS: [&str; 5] = ["5", "6", "17", "25", "29"];

/// Rows that keep a release where it is.
pub fn stays(raw: &ModelReleaseStatus, plan: &Plan) -> Vec<&'static str> {
    let said = |kind: &str, is: &str, reason: Option<Reason>| {
        let mut all = raw.conditions.iter().filter(|c| c.type_ == kind && c.status == is);
        all.any(|c| reason.is_none_or(|reason| c.reason == reason.as_str()))
    };
    let phase = raw.phase.unwrap_or_default();
    let held = [
        plan.row.is_none() && said("Held", "True", Some(Reason::Suspended)),
        phase != Phase::RollingBack && said("Accepted", "False", None),
        phase == Phase::Pending && said("Stalled", "True", None),
        said("Stalled", "True", Some(Reason::StableUnavailable)),
        said("Stalled", "True", Some(Reason::InsufficientCapacity)),
    ];
    STAYS.into_iter().zip(held).filter(|(_, held)| *held).map(|(row, _)| row).collect()
}

/// Whether what was counted of the same check differs.
pub fn counts_moved(old: &ModelReleaseStatus, new: &ModelReleaseStatus) -> bool {
    new.state.checks.iter().any(|(name, check)| {
        let before = old.state.checks.get(name).filter(|before| before.digest == check.digest);
        let counts = |c: &Checkpoint| {
            [c.stable_hits, c.stable_events, c.canary_hits, c.canary_events].map(f64::to_bits)
        };
        match before {
            Some(before) => counts(before) != counts(check),
            None => check.canary_events > 0.0,
        }
    })
}
