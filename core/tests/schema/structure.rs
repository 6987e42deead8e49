//! An API server's verdict on a release: types, bounds, patterns, required and unknown fields, keys of lists, then CEL.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use model_release_core::api::crd;
use regex::Regex;
use serde_json::Value;

/// The schema of a whole release.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(crd()).expect("the definition is JSON");
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema").expect("the definition has a schema").clone()
});
static RULES: LazyLock<CompiledSchema> = LazyLock::new(|| compile_schema(&SCHEMA));

/// The spec as it would be stored.
pub fn stored(release: &Value) -> Value {
    without_nulls(&release["spec"], &SCHEMA["properties"]["spec"])
}

/// What is wrong with a release; none if an API server would store it.
pub fn refusal(release: &Value) -> Option<String> {
    let mut kept = release.clone();
    kept["spec"] = stored(release);
    wrong(&kept["spec"], &SCHEMA["properties"]["spec"], "spec").or_else(|| {
        let errors = Validator::new().validate_compiled(&RULES, &kept, None).err()?;
        Some(errors.to_string())
    })
}

/// A value without the nulls that an API server drops before it looks.
fn without_nulls(value: &Value, schema: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, inner)| !inner.is_null() || field(schema, name).is_none())
            .map(|(name, inner)| {
                let inner = field(schema, name).map_or_else(|| inner.clone(), |of| without_nulls(inner, of));
                (name.clone(), inner)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| without_nulls(item, &schema["items"])).collect(),
        other => other.clone(),
    }
}

fn field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let known = schema["properties"].get(name);
    known.or_else(|| Some(&schema["additionalProperties"]).filter(|of| of.is_object()))
}

/// The first thing that is wrong with a value; none if nothing is.
fn wrong(value: &Value, schema: &Value, path: &str) -> Option<String> {
    let kind = schema["type"].as_str();
    let fits = match (kind, value) {
        (Some("object"), Value::Object(_))
        | (Some("array"), Value::Array(_))
        | (Some("string"), Value::String(_))
        | (Some("boolean"), Value::Bool(_)) => true,
        (Some("integer") | None, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (None, Value::String(_)) => schema["x-kubernetes-int-or-string"] == true,
        _ => false,
    };
    if !fits {
        return Some(format!("{path} is no {}", kind.unwrap_or("quantity")));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return Some(format!("{path} is none of its words"));
    }
    let limit = |key: &str| schema[key].as_f64();
    match value {
        #[allow(clippy::cast_precision_loss, reason = "lengths are small")]
        Value::String(text) => {
            let long = text.chars().count() as f64;
            if limit("maxLength").is_some_and(|most| long > most)
                || limit("minLength").is_some_and(|l| long < l)
            {
                return Some(format!("{path} is too long or too short"));
            }
            let pattern = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).expect("a pattern"));
            pattern.is_some_and(|pattern| !pattern.is_match(text)).then(|| format!("{path} has another form"))
        }
        Value::Number(number) => {
            let number = number.as_f64().expect("a number");
            let beyond = limit("minimum").is_some_and(|least| number < least)
                || limit("maximum").is_some_and(|most| number > most);
            beyond.then(|| format!("{path} is out of bounds"))
        }
        #[allow(clippy::cast_precision_loss, reason = "lengths are small")]
        Value::Array(items) => {
            let many = items.len() as f64;
            if limit("maxItems").is_some_and(|most| many > most)
                || limit("minItems").is_some_and(|l| many < l)
            {
                return Some(format!("{path} has too many or too few"));
            }
            let mut inner = items.iter().enumerate();
            inner
                .find_map(|(n, item)| wrong(item, &schema["items"], &format!("{path}[{n}]")))
                .or_else(|| twice(items, schema).then(|| format!("{path} names one twice")))
        }
        #[allow(clippy::cast_precision_loss, reason = "lengths are small")]
        Value::Object(fields) => {
            if limit("maxProperties").is_some_and(|most| fields.len() as f64 > most) {
                return Some(format!("{path} has too many"));
            }
            let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let lacking = needed.into_iter().find(|name| !fields.contains_key(*name));
            lacking.map(|name| format!("{path}.{name} is required")).or_else(|| {
                fields.iter().find_map(|(name, inner)| match field(schema, name) {
                    Some(of) => wrong(inner, of, &format!("{path}.{name}")),
                    None => Some(format!("{path}.{name} is not known")),
                })
            })
        }
        Value::Bool(_) | Value::Null => None,
    }
}

/// Whether a set or a list with keys has one item twice.
fn twice(items: &[Value], schema: &Value) -> bool {
    let key = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.to_string()),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
            Some(
                keys.iter()
                    .map(|key| item[key.as_str().unwrap_or_default()].to_string())
                    .collect::<Vec<_>>()
                    .join(","),
            )
        }
        _ => None,
    };
    let keys: Vec<String> = items.iter().filter_map(key).collect();
    keys.iter().collect::<BTreeSet<_>>().len() < keys.len()
}
