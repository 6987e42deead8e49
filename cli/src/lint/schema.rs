//! What an API server says by a schema alone: types, bounds, patterns, words, and fields that there are not.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

/// Findings at most: more of them would only distract.
const MOST: usize = 20;

/// What is wrong with a release by its schema: fields and what to say of each. What the server itself fills in, metadata
/// and status, is not looked at.
pub fn check(schema: &Value, release: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let spec = schema.pointer("/properties/spec").unwrap_or(&Value::Null);
    match release.get("spec") {
        Some(value) => walk(spec, value, "spec", &mut found),
        None => found.push(("spec".to_owned(), "it is missing".to_owned())),
    }
    if release.pointer("/metadata/name").and_then(Value::as_str).is_none_or(str::is_empty) {
        found.push(("metadata.name".to_owned(), "it is missing".to_owned()));
    }
    found.truncate(MOST);
    found
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    let mut wrong = |message: String| found.push((path.to_owned(), message));
    if value.is_null() {
        // The server drops what is null, as if it were not there.
        return;
    }
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        if !value.is_i64() && !value.is_string() {
            wrong("it has to be a whole number or text".to_owned());
        }
        return;
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if let Some(message) = mistyped(kind, value) {
        return wrong(message);
    }
    if let Some(message) = bounds(schema, value) {
        return wrong(message);
    }
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            let free = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            for name in required.filter_map(Value::as_str) {
                if fields.get(name).is_none_or(Value::is_null) {
                    found.push((format!("{path}.{name}"), "it is missing".to_owned()));
                }
            }
            for (name, inner) in fields {
                let own = format!("{path}.{name}");
                match properties.and_then(|all| all.get(name)).or(others) {
                    Some(known) => walk(known, inner, &own, found),
                    None if free => {}
                    None => found.push((own, unknown(name, properties))),
                }
            }
        }
        Value::Array(items) => {
            let inner = schema.get("items").unwrap_or(&Value::Null);
            for (index, item) in items.iter().enumerate() {
                walk(inner, item, &format!("{path}[{index}]"), found);
            }
            repeated(schema, items, path, found);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mistyped(kind: &str, value: &Value) -> Option<String> {
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    let wanted = match kind {
        "object" => "a block of fields",
        "array" => "a list",
        "string" => "text: quote it",
        "boolean" => "true or false",
        "integer" => "a whole number, not quoted",
        _ => "a number, not quoted",
    };
    (!fits).then(|| format!("it has to be {wanted}"))
}

fn bounds(schema: &Value, value: &Value) -> Option<String> {
    // The API writes bounds of numbers as floating-point ones.
    #[expect(clippy::cast_possible_truncation, reason = "bounds of a definition are small whole numbers")]
    let number = |name: &str| schema.get(name).and_then(Value::as_f64).map(|bound| bound as i64);
    let within = |size: i64, least: Option<i64>, most: Option<i64>, what: &str| {
        let small =
            least.filter(|least| size < *least).map(|least| format!("{what} has to be at least {least}"));
        small.or(most.filter(|most| size > *most).map(|most| format!("{what} has to be at most {most}")))
    };
    let count = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    match value {
        Value::String(text) => {
            let length = count(text.chars().count());
            let long = within(length, number("minLength"), number("maxLength"), "its length");
            long.or_else(|| word(schema, text)).or_else(|| pattern(schema, text))
        }
        Value::Number(given) => within(given.as_i64()?, number("minimum"), number("maximum"), "it"),
        Value::Array(items) => {
            within(count(items.len()), number("minItems"), number("maxItems"), "the number of its items")
        }
        Value::Object(fields) => within(
            count(fields.len()),
            number("minProperties"),
            number("maxProperties"),
            "the number of its fields",
        ),
        Value::Null | Value::Bool(_) => None,
    }
}

/// A word that is none of those to choose from.
fn word(schema: &Value, text: &str) -> Option<String> {
    let words: Vec<&str> = schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!words.contains(&text)).then(|| format!("it has to be one of {}", words.join(", ")))
}

/// A text that does not have the form it has to have. What this build cannot match is left to the server.
fn pattern(schema: &Value, text: &str) -> Option<String> {
    let pattern = schema.get("pattern")?.as_str()?;
    let matches = Regex::new(pattern).ok()?.is_match(text);
    (!matches).then(|| format!("{text:?} does not match {pattern}"))
}

/// Items of a list by key that have the same one.
fn repeated(schema: &Value, items: &[Value], path: &str, found: &mut Vec<(String, String)>) {
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    let Some(key) = keys.and_then(|keys| keys.first()?.as_str()) else { return };
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let Some(name) = item.get(key).map(Value::to_string) else { continue };
        if !seen.insert(name.clone()) {
            found.push((format!("{path}[{index}].{key}"), format!("{name} is there twice")));
        }
    }
}

fn unknown(name: &str, properties: Option<&serde_json::Map<String, Value>>) -> String {
    let known = properties.into_iter().flat_map(serde_json::Map::keys).map(String::as_str);
    match crate::names::nearest(name, known).first() {
        Some(near) => format!("there is no such field; did you mean {near}?"),
        None => "there is no such field".to_owned(),
    }
}
