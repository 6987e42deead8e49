//! Reads what objects say about themselves: owners, numbers of decisions, and who wrote which field when.

use jiff::Timestamp;
use model_release_core::api::{
    ANNOTATION_SEQ, FIELD_MANAGER, GROUP, LABEL_NAME, LABEL_NAMESPACE, LABEL_UID, LABEL_VERSION,
};
use serde_json::Value;

/// Annotation on an object that a person is about to delete: a watch does not tell who deleted it.
pub const BY_HAND: &str = "audit.modelrelease.dev/by-hand";

/// The release that an object belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The text at a JSON pointer; empty if there is none.
pub fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer.
pub fn number(body: &Value, pointer: &str) -> Option<i64> {
    body.pointer(pointer).and_then(Value::as_i64)
}

/// The time at a JSON pointer.
pub fn time(body: &Value, pointer: &str) -> Option<Timestamp> {
    text(body, pointer).parse().ok()
}

/// The object's UID.
pub fn uid(body: &Value) -> &str {
    text(body, "/metadata/uid")
}

/// The revision at which it became as it is.
pub fn revision(body: &Value) -> Option<u64> {
    text(body, "/metadata/resourceVersion").parse().ok()
}

/// A label.
pub fn label<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.pointer("/metadata/labels")?.get(key)?.as_str()
}

/// An annotation.
pub fn annotation<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// Whether a person announced to delete it.
pub fn by_hand(body: &Value) -> bool {
    annotation(body, BY_HAND).is_some()
}

/// The number of the decision that it follows.
pub fn seq(body: &Value) -> Option<i64> {
    annotation(body, ANNOTATION_SEQ)?.parse().ok()
}

/// The hash of the version that it belongs to.
pub fn hash(body: &Value) -> Option<&str> {
    label(body, LABEL_VERSION)
}

/// The release that owns it: by owner reference, or beside a gateway by labels.
pub fn owner(body: &Value) -> Option<Owner> {
    let references = body.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let ours = |reference: &&Value| {
        text(reference, "/kind") == "ModelRelease"
            && text(reference, "/apiVersion").starts_with(GROUP)
            && reference.pointer("/controller") == Some(&Value::Bool(true))
    };
    if let Some(reference) = references.and_then(|all| all.iter().find(ours)) {
        return Some(Owner {
            uid: text(reference, "/uid").to_owned(),
            namespace: text(body, "/metadata/namespace").to_owned(),
            name: text(reference, "/name").to_owned(),
        });
    }
    Some(Owner {
        uid: label(body, LABEL_UID)?.to_owned(),
        namespace: label(body, LABEL_NAMESPACE)?.to_owned(),
        name: label(body, LABEL_NAME)?.to_owned(),
    })
}

/// The entries of `managedFields`.
fn entries(body: &Value) -> impl Iterator<Item = &Value> {
    body.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
}

/// The operator's entries.
pub fn our_entries(body: &Value) -> impl Iterator<Item = &Value> {
    entries(body).filter(|entry| text(entry, "/manager") == FIELD_MANAGER)
}

/// Whether the operator ever wrote it.
pub fn ours(body: &Value) -> bool {
    our_entries(body).next().is_some()
}

/// Whether the operator wrote the present value of a field, as `f:spec`, `f:replicas`.
pub fn we_own(body: &Value, path: &[&str]) -> bool {
    our_entries(body).any(|entry| {
        let mut at = entry.get("fieldsV1");
        for name in path {
            at = at.and_then(|fields| fields.get(name));
        }
        at.is_some()
    })
}

/// When the operator last changed it, by the API server's clock, to the second before.
pub fn we_wrote_at(body: &Value) -> Option<Timestamp> {
    our_entries(body).filter_map(|entry| time(entry, "/time")).max()
}

/// Who wrote from one state of an object to the next, as its `managedFields` tell. Two writes of one manager within a
/// second, of the same fields, leave no trace there: then neither did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writers {
    /// The operator.
    pub operator: bool,
    /// Somebody else.
    pub others: bool,
}

/// Who wrote.
pub fn writers(old: Option<&Value>, new: &Value) -> Writers {
    let changed = |operator: bool| {
        let of = |body| entries(body).filter(|e| (text(e, "/manager") == FIELD_MANAGER) == operator);
        match old {
            // A field that another took over leaves its first owner's entry: that is no write of the first.
            Some(old) => of(new).any(|entry| {
                !of(old).any(|before| before == entry)
                    && !of(old).any(|before| same_author(before, entry) && time_of(before) == time_of(entry))
            }),
            None => of(new).next().is_some(),
        }
    };
    Writers { operator: changed(true), others: changed(false) }
}

fn time_of(entry: &Value) -> &str {
    text(entry, "/time")
}

fn same_author(one: &Value, other: &Value) -> bool {
    ["/manager", "/operation", "/subresource"].iter().all(|field| text(one, field) == text(other, field))
}

/// A duration as a release writes it: whole numbers with `ms`, `s`, `m`, `h`.
pub fn duration(written: &str) -> Option<jiff::SignedDuration> {
    let mut milliseconds: i64 = 0;
    let mut rest = written;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let factor: i64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        milliseconds = milliseconds.checked_add(count.parse::<i64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    Some(jiff::SignedDuration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read_as_users_write_them() {
        for (written, seconds) in [("90s", 90.0), ("1h30m", 5400.0), ("500ms", 0.5), ("0s", 0.0)] {
            let read = duration(written).unwrap().as_secs_f64();
            assert!((read - seconds).abs() < 1e-9, "{written}: {read}");
        }
        assert_eq!(duration("soon"), None);
        assert_eq!(duration("5"), None);
    }

    fn entry(manager: &str, time: &str, field: &str) -> Value {
        json!({"manager": manager, "operation": "Apply", "time": time, "fieldsV1": {"f:spec": {field: {}}}})
    }

    fn body(entries: &[Value]) -> Value {
        json!({"metadata": {"managedFields": entries}})
    }

    #[test]
    fn a_field_taken_over_by_hand_is_the_hands_write_alone() {
        let before = body(&[json!({
            "manager": FIELD_MANAGER, "operation": "Apply", "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:http": {}, "f:hosts": {}}},
        })]);
        let after = body(&[
            entry(FIELD_MANAGER, "2026-01-01T00:00:00Z", "f:hosts"),
            entry("kubectl-patch", "2026-01-01T00:00:05Z", "f:http"),
        ]);
        assert_eq!(writers(Some(&before), &after), Writers { operator: false, others: true });
        assert!(we_own(&before, &["f:spec", "f:http"]) && !we_own(&after, &["f:spec", "f:http"]));
        let repaired = body(&[json!({
            "manager": FIELD_MANAGER, "operation": "Apply", "time": "2026-01-01T00:00:06Z",
            "fieldsV1": {"f:spec": {"f:http": {}, "f:hosts": {}}},
        })]);
        assert_eq!(writers(Some(&after), &repaired), Writers { operator: true, others: false });
    }

    #[test]
    fn beside_a_gateway_labels_name_the_owner() {
        let body =
            json!({"metadata": {"labels": {LABEL_UID: "u", LABEL_NAMESPACE: "ml", LABEL_NAME: "fraud"}}});
        let owner = owner(&body).unwrap();
        assert_eq!((owner.uid.as_str(), owner.namespace.as_str(), owner.name.as_str()), ("u", "ml", "fraud"));
    }
}
