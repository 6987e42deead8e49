//! Pairs of what was applied and what an API server of Kubernetes 1.35 with Istio's CRDs then stored are in `stored/`.

use serde_json::{Value, json};

use super::covers;

/// What was applied, server-side, and what was read back.
fn pairs() -> Vec<(Value, Value)> {
    [
        include_str!("stored/deployment.json"),
        include_str!("stored/service.json"),
        include_str!("stored/record.json"),
        include_str!("stored/virtual_service.json"),
        include_str!("stored/envoy_filter.json"),
    ]
    .into_iter()
    .map(|text| {
        let pair: Value = serde_json::from_str(text).unwrap();
        (pair["wanted"].clone(), pair["live"].clone())
    })
    .collect()
}

/// Paths of all leaves: scalars, and empty maps and lists.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(field, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{at}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

fn another(value: &Value) -> Value {
    match value {
        Value::Bool(it) => json!(!it),
        Value::Number(it) => json!(it.as_i64().unwrap() + 1),
        // Quantities stay quantities.
        Value::String(it) if it.chars().next().is_some_and(|c| c.is_ascii_digit()) => json!(format!("1{it}")),
        Value::String(it) => json!(format!("{it}x")),
        _ => json!("x"),
    }
}

fn remove(object: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Object(fields) => {
            fields.remove(&name.replace("~1", "/").replace("~0", "~")).unwrap();
        }
        Value::Array(items) => {
            items.remove(name.parse().unwrap());
        }
        _ => unreachable!("{parent} holds {name}"),
    }
}

fn is_seq(path: &str) -> bool {
    path == "/metadata/annotations/modelrelease.dev~1seq"
}

#[test]
fn what_the_api_server_made_of_our_objects_is_as_we_wrote_it() {
    for (wanted, live) in pairs() {
        assert!(covers(&wanted, &live), "{wanted:#}\n{live:#}");
        assert!(!covers(&live, &wanted), "the server added something to {}", wanted["kind"]);
    }
}

#[test]
fn a_change_of_any_field_that_we_wrote_is_noticed() {
    let mut tried = 0;
    for (wanted, live) in pairs() {
        let mut paths = Vec::new();
        leaves(&wanted, "", &mut paths);
        for path in paths.iter().filter(|path| !is_seq(path)) {
            let mut changed = live.clone();
            // What the server dropped for being empty cannot be changed there.
            let Some(place) = changed.pointer_mut(path) else { panic!("{path} was not stored") };
            *place = another(place);
            assert!(!covers(&wanted, &changed), "{path} of {} was changed", wanted["kind"]);
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn the_loss_of_any_field_that_we_wrote_is_noticed() {
    for (wanted, live) in pairs() {
        let mut paths = Vec::new();
        leaves(&wanted, "", &mut paths);
        for path in
            paths.iter().filter(|path| !is_seq(path) && !matches!(path.as_str(), "/apiVersion" | "/kind"))
        {
            let mut changed = live.clone();
            remove(&mut changed, path);
            // Without its protocol a port is TCP all the same.
            assert!(
                path.ends_with("/protocol") || !covers(&wanted, &changed),
                "{path} of {} is gone",
                wanted["kind"]
            );
        }
    }
}

#[test]
fn another_seq_alone_is_no_drift() {
    for (wanted, mut live) in pairs() {
        live["metadata"]["annotations"]["modelrelease.dev/seq"] = json!("8");
        assert!(covers(&wanted, &live), "{}", wanted["kind"]);
        live["metadata"].as_object_mut().unwrap().remove("annotations");
        assert!(!covers(&json!({"metadata": {"annotations": {"a": "b"}}}), &live));
    }
}

#[test]
fn what_others_add_beside_our_fields_is_theirs() {
    let (wanted, live) = pairs().remove(0);
    for (path, added) in [
        ("/metadata/annotations", json!({"kubectl.kubernetes.io/restartedAt": "now"})),
        ("/spec/template/metadata", json!({"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}})),
        ("/metadata/labels", json!({"theirs": "1"})),
        ("/spec/template/spec/containers/0/resources/limits", json!({"example.com/nic": "1"})),
    ] {
        let mut live = live.clone();
        live.pointer_mut(path).unwrap().as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
        assert!(covers(&wanted, &live), "{path}");
    }
    for (path, added) in [
        ("/spec/template/spec/containers", json!({"name": "beside", "image": "x"})),
        ("/spec/template/spec/containers/0/env", json!({"name": "THEIRS", "value": "1"})),
    ] {
        let mut live = live.clone();
        let list = live.pointer_mut(path).unwrap().as_array_mut().unwrap();
        list.insert(0, added);
        assert!(covers(&wanted, &live), "{path}");
    }
}

#[test]
fn what_is_one_whole_may_not_be_added_to() {
    let [deployment, service, _, traffic, filter] = <[_; 5]>::try_from(pairs()).unwrap();
    // A further label in a selector would select nothing, a further route may take all requests.
    for ((wanted, mut live), path, name, added) in [
        (service, "/spec/selector", "theirs", json!("1")),
        (deployment.clone(), "/spec/template/spec/nodeSelector", "theirs", json!("1")),
        (traffic.clone(), "/spec/http/1", "mirrors", json!([])),
        (filter.clone(), "/spec/configPatches/0/patch", "theirs", json!(1)),
    ] {
        live.pointer_mut(path).unwrap()[name] = added;
        assert!(!covers(&wanted, &live), "{path}");
    }
    for ((wanted, mut live), path) in [
        (traffic.clone(), "/spec/http"),
        (traffic, "/spec/exportTo"),
        (filter, "/spec/configPatches"),
        (deployment, "/spec/template/spec/tolerations"),
    ] {
        let list = live.pointer_mut(path).unwrap().as_array_mut().unwrap();
        list.push(list[0].clone());
        assert!(!covers(&wanted, &live), "{path}");
    }
}

#[test]
fn order_counts_in_whole_lists_and_not_in_lists_with_keys() {
    let [(wanted, mut live), _, _, (routes, mut other), _] = <[_; 5]>::try_from(pairs()).unwrap();
    live.pointer_mut("/spec/template/spec/containers/0/ports").unwrap().as_array_mut().unwrap().reverse();
    assert!(covers(&wanted, &live));
    other.pointer_mut("/spec/http").unwrap().as_array_mut().unwrap().reverse();
    assert!(!covers(&routes, &other));
}

#[test]
fn numbers_and_texts_of_one_meaning_are_the_same() {
    for (wanted, live) in [
        (json!({"targetPort": 80}), json!({"targetPort": "80"})),
        (json!({"percentage": {"value": 10}}), json!({"percentage": {"value": 10.0}})),
        (json!({"emptyDir": {"sizeLimit": "1024Mi"}}), json!({"emptyDir": {"sizeLimit": "1Gi"}})),
        (json!({"ports": [{"port": 80}]}), json!({"ports": [{"port": 80, "protocol": "TCP"}]})),
    ] {
        assert!(covers(&wanted, &live), "{wanted} {live}");
    }
    assert!(!covers(&json!({"ports": [{"port": 80}]}), &json!({"ports": [{"port": 80, "protocol": "UDP"}]})));
    assert!(!covers(&json!({}), &json!([])));
}
