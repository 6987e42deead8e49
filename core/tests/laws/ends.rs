//! What two runs are compared by: where they end, what was created and deleted on the way, and what was decided.

use std::collections::BTreeMap;

use model_release_core::api;
use model_release_core::api::status::Phase;
use model_release_core::plan::Kind;
use model_release_core::traffic;
use serde_json::Value;

use super::play::Play;

/// Where a run ended, times and numbers of decisions aside. Names of versions stand for their hashes.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The phase, roles, quarantine, weights as read back, and conditions.
    pub status: Vec<String>,
    /// What is there.
    pub children: BTreeMap<String, Value>,
}

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Decisions: phase before, phase after, reason.
    pub history: Vec<String>,
    /// How often each object was created and deleted.
    pub counts: BTreeMap<String, (usize, usize)>,
}

/// Puts the same words for what a run calls its own: release, namespace, versions, hashes.
pub struct Words(Vec<(String, String)>);

impl Words {
    /// Of a run. Hashes that no role and no block has any more stay as they are.
    pub fn of(play: &Play) -> Self {
        let world = &play.world;
        let status = world.status();
        let mut all: Vec<(String, String)> = Vec::new();
        let barred = status.quarantine.iter().map(|q| (&q.hash, &q.version));
        let roles = status.versions.iter().map(|v| (&v.hash, &v.version));
        let past = status.history.iter().map(|entry| (&entry.hash, &entry.version));
        for (hash, version) in roles.chain(barred).chain(past) {
            all.push((hash.clone(), format!("#{}", version.replace(play.prefix, ""))));
        }
        for version in 1..5_u8 {
            all.push((play.name(version), format!("<{version}>")));
        }
        let meta = &world.object.metadata;
        all.push((meta.name.clone().unwrap_or_default(), "<release>".to_owned()));
        all.push((meta.namespace.clone().unwrap_or_default(), "<namespace>".to_owned()));
        Self(all)
    }

    /// A text in the same words. A version that left no trace but its objects' names is any version.
    pub fn common(&self, text: &str) -> String {
        let told =
            self.0.iter().fold(text.to_owned(), |text, (own, common)| text.replace(own.as_str(), common));
        let (first, rest) =
            told.split_once("<release>-").map_or((told.as_str(), None), |(a, b)| (a, Some(b)));
        let Some(rest) = rest else { return first.to_owned() };
        let of_some_version = |part: &str| {
            let hash = part.get(..10).filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
            hash.map_or_else(|| part.to_owned(), |hash| part.replacen(hash, "#?", 1))
        };
        let parts = rest.split("<release>-").map(of_some_version).collect::<Vec<_>>().join("<release>-");
        format!("{first}<release>-{parts}")
    }
}

/// Where a run ended.
pub fn end(play: &Play) -> End {
    let world = &play.world;
    let status = world.status();
    let mut said = vec![format!("phase {:?}", world.phase())];
    said.extend(status.versions.iter().map(|v| format!("{:?} is {}", v.track, v.version)));
    said.extend(status.quarantine.iter().map(|q| format!("{} is barred", q.version)));
    said.sort_unstable();
    let weights = world.observed.children.values().find_map(|live| traffic::read_back(&live.body));
    let name = |hash: &str| {
        let known = status.versions.iter().find(|v| v.hash == hash);
        known.map_or_else(|| hash.to_owned(), |v| v.version.clone())
    };
    said.extend(
        weights.iter().flatten().map(|(hash, weight)| format!("{} has {weight}", name(hash.as_str()))),
    );
    said.extend(status.conditions.iter().map(|c| format!("{}: {}/{}", c.type_, c.status, c.reason)));
    let children = world.observed.children.iter();
    End {
        status: said,
        children: children.map(|(key, live)| (key.to_string(), plain(key.kind, &live.body))).collect(),
    }
}

/// An object without what the API server gave it, and without numbers of decisions.
fn plain(kind: Kind, body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = body["metadata"].as_object_mut() {
        meta.remove("uid");
        meta.remove("generation");
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(api::ANNOTATION_SEQ);
        }
    }
    let routes = match kind {
        Kind::VirtualService => body.pointer_mut("/spec/http"),
        Kind::HttpRoute => body.pointer_mut("/spec/rules"),
        _ => None,
    };
    if let Some(routes) = routes.and_then(Value::as_array_mut) {
        // It tells the number of the decision, and nothing else.
        routes.retain(|route| {
            route["name"].as_str().is_none_or(|name| name.rsplit('.').next() != Some("probe"))
        });
    }
    body
}

/// How a run came to its end.
pub fn way(play: &Play) -> Way {
    let line = |(from, to, reason): &(Phase, Phase, api::Reason)| format!("{from:?} -> {to:?}: {reason:?}");
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for write in &play.world.writes {
        match write.split_once(' ') {
            Some(("create", key)) => counts.entry(key.to_owned()).or_default().0 += 1,
            Some(("delete", key)) => counts.entry(key.to_owned()).or_default().1 += 1,
            _ => {}
        }
    }
    Way { history: play.world.decisions.iter().map(line).collect(), counts }
}

/// In what two objects or texts differ: places, and what each has there.
fn differ(at: &str, one: Option<&Value>, other: Option<&Value>, all: &mut Vec<String>) {
    match (one, other) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                differ(&format!("{at}/{key}"), a.get(key), b.get(key), all);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for n in 0..a.len().max(b.len()) {
                differ(&format!("{at}/{n}"), a.get(n), b.get(n), all);
            }
        }
        _ if one == other => {}
        _ => {
            let told = |value: Option<&Value>| {
                let text = value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                text.chars().take(160).collect::<String>()
            };
            all.push(format!("{at}: {} and {}", told(one), told(other)));
        }
    }
}

/// In what two ends differ, in words.
pub fn differences(one: &End, other: &End) -> Vec<String> {
    let only = |a: &[String], b: &[String], which: &str| {
        a.iter().filter(|line| !b.contains(line)).map(|line| format!("{which}: {line}")).collect::<Vec<_>>()
    };
    let mut all = only(&one.status, &other.status, "one");
    all.extend(only(&other.status, &one.status, "other"));
    let keys: std::collections::BTreeSet<_> = one.children.keys().chain(other.children.keys()).collect();
    for key in keys {
        differ(key, one.children.get(key), other.children.get(key), &mut all);
    }
    all
}
