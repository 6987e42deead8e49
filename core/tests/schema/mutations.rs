//! Bad input by rule: of every field of the spec absent, null, least, most, one beyond, empty, huge, of another type and
//! with odd characters, derived by walking the definition's own schema.

use serde_json::{Map, Value, json};

use super::samples::Sample;

/// A release that differs from a good one in one field.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The field and what was done to it.
    pub name: String,
    /// The whole release.
    pub release: Value,
}

/// Blocks that repeat the fields of `runtime`: walked once is enough, for their schema is of the same types.
const REPEATED: [&str; 6] = [
    "spec.runtime.app",
    "spec.stable.app",
    "spec.canary.app",
    "spec.canary",
    "spec.runtime.livenessProbe",
    "spec.runtime.startupProbe",
];

/// Every mutation of the good samples. Panics if no good sample has a field: then none would be tried.
pub fn all(schema: &Value, samples: &[(String, Sample)]) -> Vec<Mutation> {
    let good: Vec<Value> =
        samples.iter().filter(|(_, s)| s.refused.is_none()).map(|(_, s)| s.release()).collect();
    let (mut mutations, mut untried) = (Vec::new(), Vec::new());
    walk(&schema["properties"]["spec"], "spec", &mut |field, path| {
        // What `stable` shares with `runtime` is tried there; only its own fields are tried here.
        let shared = path
            .strip_prefix("spec.stable.")
            .is_some_and(|rest| has(schema, &format!("spec.runtime.{}", top(rest))));
        if shared || REPEATED.iter().any(|block| path.starts_with(&format!("{block}."))) {
            return;
        }
        let Some((base, place)) = good.iter().find_map(|release| Some((release, find(release, path)?)))
        else {
            untried.push(path.to_owned());
            return;
        };
        let mut add = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut release = base.clone();
            change(&mut release);
            mutations.push(Mutation { name: format!("{path}: {what}"), release });
        };
        add("absent", &|release| remove(release, &place));
        for (what, value) in values(field) {
            add(what, &|release| put(release, &place, value.clone()));
        }
    });
    assert!(untried.is_empty(), "no good sample has {untried:#?}");
    mutations
}

/// The first step of a path.
fn top(path: &str) -> &str {
    path.split(['.', '[', '{']).next().unwrap_or(path)
}

/// Whether the schema has a field at a path of plain names.
fn has(schema: &Value, path: &str) -> bool {
    path.split('.').try_fold(schema, |at, name| at["properties"].get(name)).is_some()
}

/// Calls `visit` with the schema of each field, and its path, as in `spec.env[].name`.
fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&Value, &str)) {
    visit(schema, path);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{path}{{}}"), visit);
    }
}

/// A pointer to the first place of a release that a path means.
fn find(release: &Value, path: &str) -> Option<String> {
    fn descend(value: &Value, steps: &[String]) -> Option<String> {
        let Some((step, rest)) = steps.split_first() else { return Some(String::new()) };
        match (step.as_str(), value) {
            ("[]", Value::Array(items)) => {
                items.iter().enumerate().find_map(|(n, item)| Some(format!("/{n}{}", descend(item, rest)?)))
            }
            ("{}", Value::Object(fields)) => fields
                .iter()
                .find_map(|(name, inner)| Some(format!("/{}{}", escaped(name), descend(inner, rest)?))),
            (name, Value::Object(fields)) => {
                Some(format!("/{}{}", escaped(name), descend(fields.get(name)?, rest)?))
            }
            _ => None,
        }
    }
    let steps: Vec<String> =
        path.replace("[]", ".[]").replace("{}", ".{}").split('.').map(str::to_owned).collect();
    descend(release, &steps)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn remove(release: &mut Value, place: &str) {
    let (parent, name) = place.rsplit_once('/').expect("a field has a parent");
    match release.pointer_mut(parent).expect("the field was found there") {
        Value::Object(fields) => drop(fields.remove(&name.replace("~1", "/").replace("~0", "~"))),
        Value::Array(items) => drop(items.remove(name.parse().expect("a place in a list"))),
        other => panic!("{place} lies in {other}"),
    }
}

fn put(release: &mut Value, place: &str, value: Value) {
    *release.pointer_mut(place).expect("the field was found there") = value;
}

/// What a field is set to.
fn values(field: &Value) -> Vec<(&'static str, Value)> {
    let mut values = vec![("null", Value::Null)];
    match field["type"].as_str() {
        Some("integer") => {
            for (what, key, beyond) in [("least", "minimum", -1), ("most", "maximum", 1)] {
                if let Some(bound) = field[key].as_f64() {
                    #[allow(
                        clippy::cast_possible_truncation,
                        reason = "bounds of the schema are small integers"
                    )]
                    let bound = bound as i64;
                    values.push((what, bound.into()));
                    values.push(("one beyond", (bound + beyond).into()));
                }
            }
            values.push(("huge", i64::MAX.into()));
            values.push(("below all", i64::MIN.into()));
            values.push(("a fraction", json!(1.5)));
            values.push(("a text", json!("1")));
        }
        Some("string") => {
            values.push(("empty", json!("")));
            if let Some(most) = field["maxLength"].as_u64() {
                let most = usize::try_from(most).expect("a length");
                values.push(("most", "a".repeat(most).into()));
                values.push(("one beyond", "a".repeat(most + 1).into()));
                values.push(("most of another script", "ä".repeat(most).into()));
            }
            values.push(("huge", "a".repeat(10_000).into()));
            for (what, odd) in [
                ("odd: a space", " "),
                ("odd: a zero byte", "a\u{0}b"),
                ("odd: a line break", "a\nb"),
                ("odd: from right to left", "\u{202e}abc"),
                ("odd: quotes and braces", "\"}{'$(x)`;--"),
                ("odd: dots", "../.."),
                ("odd: a URL", "http://user:word@[::1]:99999/%zz"),
                ("odd: the longest time", "9999999h9999999m"),
                ("odd: no time", "0s"),
                ("odd: a number", "1e400"),
            ] {
                values.push((what, odd.into()));
            }
            values.push(("a number", json!(1)));
            values.push(("a truth value", json!(true)));
        }
        Some("boolean") => {
            values.extend([("true", json!(true)), ("false", json!(false)), ("a text", json!("true"))]);
        }
        Some("array") => {
            values.extend([("empty", json!([])), ("an object", json!({})), ("nulls", json!([null]))]);
            values.push(("huge", Value::Array(vec![json!("a"); 300])));
        }
        Some("object") => {
            values.extend([("empty", json!({})), ("a list", json!([])), ("a text", json!("x"))]);
            values.push(("a field that is not known", json!({"x-unknown": 1})));
            let many: Map<String, Value> = (0..100).map(|n| (format!("k{n}"), json!("1"))).collect();
            values.push(("huge", many.into()));
        }
        _ => {
            // A quantity: a text or a number.
            for (what, value) in [
                ("a number", json!(1)),
                ("a fraction", json!(1.5)),
                ("below zero", json!("-1")),
                ("huge", json!("999999999999999999999999")),
                ("no quantity", json!("lots")),
                ("empty", json!("")),
                ("an object", json!({})),
            ] {
                values.push((what, value));
            }
        }
    }
    values
}
