//! Is a live object as we wrote it?
//!
//! The API server adds defaults, other managers add fields of their own, and quantities come back in another spelling.
//! None of that is drift: writing again would change nothing, for ever.

mod quantity;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::api::ANNOTATION_SEQ;

/// Whether every field of `wanted` is in `live` with the same meaning; the `seq` annotation aside.
///
/// Maps may hold more, but for those that the API server takes as one whole (selectors). Lists of things that have a
/// key (containers, variables, ports, ...) may hold more and in another order; all other lists, such as the routes of a
/// VirtualService, must be the same. So an apply of `wanted` changes `live` if and only if this is false.
pub fn covers(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        // Objects out of a list of one kind come without the two.
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(name, value)| match live.get(name) {
                Some(live) => field(name, value, live),
                None => matches!(name.as_str(), "apiVersion" | "kind"),
            })
        }
        _ => false,
    }
}

/// A field of that name.
fn field(name: &str, wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => match name {
            "selector" | "matchLabels" | "nodeSelector" => {
                wanted.len() == live.len() && held(wanted, live, field)
            }
            "requests" | "limits" => held(wanted, live, |_, wanted, live| quantity::same(wanted, live)),
            "annotations" => wanted
                .iter()
                .all(|(key, value)| key == ANNOTATION_SEQ || live.get(key).is_some_and(|live| live == value)),
            _ => held(wanted, live, field),
        },
        (Value::Array(wanted), Value::Array(live)) => match key_of(name) {
            Some(key) => wanted.iter().all(|item| {
                let key_of_item = key(item);
                key_of_item.is_some()
                    && live.iter().any(|other| key(other) == key_of_item && field("", item, other))
            }),
            None => wanted.len() == live.len() && wanted.iter().zip(live).all(|(a, b)| exact(a, b)),
        },
        _ if name == "sizeLimit" => quantity::same(wanted, live),
        _ => scalar(wanted, live),
    }
}

/// Whether a map has each field of another.
fn held(
    wanted: &Map<String, Value>,
    live: &Map<String, Value>,
    same: impl Fn(&str, &Value, &Value) -> bool,
) -> bool {
    wanted.iter().all(|(name, value)| live.get(name).is_some_and(|live| same(name, value, live)))
}

/// Equal but for the spelling of numbers.
fn exact(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.len() == live.len() && held(wanted, live, |_, wanted, live| exact(wanted, live))
        }
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(a, b)| exact(a, b))
        }
        _ => scalar(wanted, live),
    }
}

/// Texts, truth values and numbers; `1` and `1.0` are one number, and so are `80` and `"80"` where Kubernetes takes
/// either.
fn scalar(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.as_f64().is_some() && a.as_f64() == b.as_f64()),
        (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number)) => {
            number.to_string() == *text
        }
        _ => wanted == live,
    }
}

/// A key: one text or number, and a second one for ports.
type ItemKey<'a> = (&'a Value, &'a str);

/// What tells the items of a list apart, by the name of the list: the keys of the API server's own merge.
fn key_of(list: &str) -> Option<fn(&Value) -> Option<ItemKey<'_>>> {
    match list {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => {
            Some(|item| Some((item.get("name")?, "")))
        }
        "volumeMounts" => Some(|item| Some((item.get("mountPath")?, ""))),
        "ownerReferences" => Some(|item| Some((item.get("uid")?, ""))),
        "ports" => Some(|item| {
            let number = item.get("containerPort").or_else(|| item.get("port"))?;
            Some((number, item.get("protocol").and_then(Value::as_str).unwrap_or("TCP")))
        }),
        _ => None,
    }
}
