//! Where a version's pods go.

use serde_json::{Map, Value, json};

use crate::api::pods::{PodFields, SpreadConstraint, Toleration};
use crate::meta::put;

/// The fields of a pod about its place. `own` selects the version's pods.
pub(super) fn render(pod: &PodFields, own: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    let selector = pod.node_selector.as_ref().filter(|labels| !labels.is_empty());
    put(&mut fields, "nodeSelector", selector.map(|labels| json!(labels)));
    put(&mut fields, "tolerations", each(pod.tolerations.as_ref(), toleration));
    put(&mut fields, "affinity", pod.affinity.as_ref().map(|affinity| without_empty_lists(&json!(affinity))));
    let spread = |constraint: &SpreadConstraint| {
        let mut value = json!(constraint);
        // A constraint counts the version's pods: others come and go with their own traffic.
        crate::meta::set(&mut value, &["labelSelector"], json!({"matchLabels": own}));
        value
    };
    put(&mut fields, "topologySpreadConstraints", each(pod.topology_spread_constraints.as_ref(), spread));
    fields
}

/// A list, unless it is empty: the API server drops empty lists, and we would take that for drift.
fn each<T>(list: Option<&Vec<T>>, render: impl Fn(&T) -> Value) -> Option<Value> {
    let list = list.filter(|items| !items.is_empty())?;
    Some(list.iter().map(render).collect())
}

/// What the API server would store: lists and maps of labels go if they are empty; an empty object stays, for an empty
/// selector selects everything and none selects nothing.
fn without_empty_lists(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, field)| match field {
                Value::Array(items) => !items.is_empty(),
                Value::Object(labels) => name.as_str() != "matchLabels" || !labels.is_empty(),
                _ => true,
            });
            Value::Object(kept.map(|(name, field)| (name.clone(), without_empty_lists(field))).collect())
        }
        Value::Array(items) => items.iter().map(without_empty_lists).collect(),
        other => other.clone(),
    }
}

/// A toleration without empty texts, which the API server drops.
fn toleration(own: &Toleration) -> Value {
    let mut value = json!(own);
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| field.as_str() != Some(""));
    }
    value
}
