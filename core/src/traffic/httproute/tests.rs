//! What an HTTPRoute of ours must say, and that it is read back for what it does.

use proptest::prelude::*;

use super::*;
use crate::meta::sample;
use crate::traffic::{Entry, limits, numbered, read_back, routes_read, seq_read, sticky};

const TOKEN: &str = "ac1fb0c70e475ec6bdac";

fn entry(hash: &str, name: &str, weight: i32) -> Entry {
    Entry { hash: Hash::known(hash), name: name.to_owned(), entrance: Entrance::default(), weight }
}

fn split(first: i32) -> Split {
    let route = |hash: &str, words: &[&str]| Route {
        hash: Hash::known(hash),
        name: words[0].to_owned(),
        entrance: Entrance::default(),
        words: words.iter().map(|&word| word.to_owned()).collect(),
    };
    Split {
        entries: [entry("5f3c0a9b11", "2026.07", first), entry("9ab1c2d3e4", "2026.08", 100 - first)],
        routes: vec![
            route("5f3c0a9b11", &["2026.07", "stable"]),
            route("9ab1c2d3e4", &["2026.08", "canary"]),
        ],
        mirror: None,
    }
}

fn by_gateway_api(mut release: Release) -> Release {
    release.traffic.provider = crate::api::spec::Provider::GatewayApi;
    release
}

fn object(release: &Release, split: &Split) -> Value {
    numbered(traffic_object(release, split, None).1, 12)
}

#[test]
fn the_route_binds_names_probes_and_splits_in_one_object() {
    let release = by_gateway_api(sample::full());
    let (key, body) = traffic_object(&release, &split(90), None);
    let body = numbered(body, 12);
    assert_eq!(key.to_string(), "HTTPRoute ml/fraud");
    assert_eq!(body["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(body["metadata"]["annotations"], json!({"modelrelease.dev/seq": "12"}));
    assert_eq!(body["metadata"]["ownerReferences"][0]["controller"], true);
    let group = "gateway.networking.k8s.io";
    let everywhere = json!({"type": "PathPrefix", "value": "/"});
    let asks = |headers: &[(&str, &str)]| {
        let headers: Vec<Value> = headers
            .iter()
            .map(|(name, value)| json!({"type": "Exact", "name": name, "value": value}))
            .collect();
        json!({"path": everywhere, "headers": headers})
    };
    let to = |hash: &str, name: &str, weight: i32| {
        json!({
            "group": "", "kind": "Service", "name": format!("fraud-{hash}"), "port": 80, "weight": weight,
            "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {
                "set": [{"name": "x-model-version", "value": name}],
            }}],
        })
    };
    let direct = |hash: &str, words: [&str; 2]| {
        let operator =
            asks(&[("x-modelrelease-probe", &format!("{TOKEN}-direct")), ("x-modelrelease-version", hash)]);
        let people = words.map(|word| asks(&[("x-model-version", word)]));
        let matches: Vec<Value> = std::iter::once(operator).chain(people).collect();
        json!({
            "name": format!("mr.ml.fraud.to-{hash}"), "matches": matches,
            "backendRefs": [to(hash, words[0], 1)], "timeouts": {"request": "2s500ms"},
        })
    };
    assert_eq!(
        body["spec"],
        json!({
            "parentRefs": [
                {"group": group, "kind": "Gateway", "namespace": "istio-ingress", "name": "public"},
                {"group": "", "kind": "Service", "name": "fraud", "port": 80},
            ],
            "hostnames": ["fraud.example.com", "fraud.example.org"],
            "rules": [
                {
                    "name": "mr.ml.fraud.probe",
                    "matches": [
                        asks(&[("x-modelrelease-probe", TOKEN)]),
                        asks(&[("x-modelrelease-probe", &format!("{TOKEN}-limit"))]),
                    ],
                    "filters": [{"type": "RequestRedirect", "requestRedirect": {
                        "statusCode": 302, "path": {"type": "ReplaceFullPath", "replaceFullPath": "/modelrelease/seq/12"},
                    }}],
                },
                direct("5f3c0a9b11", ["2026.07", "stable"]),
                direct("9ab1c2d3e4", ["2026.08", "canary"]),
                {
                    "name": "mr.ml.fraud.split", "matches": [{"path": everywhere}],
                    "backendRefs": [to("5f3c0a9b11", "2026.07", 90), to("9ab1c2d3e4", "2026.08", 10)],
                    "timeouts": {"request": "2s500ms"},
                },
            ],
        })
    );
}

/// Names and weights of the split.
fn weights(body: &Value) -> Vec<(String, i64)> {
    let rule = body["spec"]["rules"].as_array().unwrap().last().unwrap();
    let refs = rule["backendRefs"].as_array().unwrap();
    refs.iter().map(|to| (to["name"].as_str().unwrap().to_owned(), to["weight"].as_i64().unwrap())).collect()
}

#[test]
fn all_of_the_traffic_is_written_as_two_parts_of_one_version() {
    let release = by_gateway_api(sample::minimal());
    let of = |split: &Split| weights(&object(&release, split));
    let (s, c) = ("fraud-5f3c0a9b11".to_owned(), "fraud-9ab1c2d3e4".to_owned());
    assert_eq!(of(&split(100)), [(s.clone(), 99), (s.clone(), 1), (c.clone(), 0)]);
    assert_eq!(of(&split(0)), [(c.clone(), 99), (c.clone(), 1), (s.clone(), 0)]);
    assert_eq!(of(&split(1)), [(s.clone(), 1), (c, 99)]);
    let alone = Split { entries: [entry("5f3c0a9b11", "v1", 100), entry("5f3c0a9b11", "v1", 0)], ..split(0) };
    assert_eq!(of(&alone), [(s.clone(), 99), (s, 1)]);
    assert_eq!(read_back(&object(&release, &alone)), Some(vec![(Hash::known("5f3c0a9b11"), 100)]));
}

#[test]
fn below_a_path_every_route_matches_it_and_the_model_does_not_see_it() {
    let mut release = by_gateway_api(sample::minimal());
    release.traffic.path = "/fraud".into();
    let body = object(&release, &split(90));
    let rules = body["spec"]["rules"].as_array().unwrap();
    for rule in rules {
        for one in rule["matches"].as_array().unwrap() {
            assert_eq!(one["path"], json!({"type": "PathPrefix", "value": "/fraud"}));
        }
    }
    let rewrites = |rule: &&Value| rule["filters"][0]["type"] == "URLRewrite";
    assert_eq!(rules.iter().filter(rewrites).count(), rules.len() - 1, "all but the probe");
    assert_eq!(read_back(&body).map(|all| all.len()), Some(2));
}

#[test]
fn a_spec_that_is_refused_moves_weights_and_leaves_hosts_gateways_and_path() {
    let mut release = by_gateway_api(sample::full());
    let stored = object(&release, &split(90));
    release.traffic.hosts = vec!["taken.example.com".into()];
    release.traffic.gateways = vec!["istio-ingress/internal".into()];
    release.traffic.path = "/other".into();
    release.refused = Some((crate::api::reasons::Reason::HostTaken, "taken".into()));
    let body = traffic_object(&release, &split(100), Some(&stored)).1;
    for field in ["parentRefs", "hostnames"] {
        assert_eq!(body["spec"][field], stored["spec"][field], "{field}");
    }
    assert_eq!(body["spec"]["rules"][0]["matches"], stored["spec"]["rules"][0]["matches"]);
    assert_eq!(read_back(&body).unwrap().first().unwrap().1, 100);
    let unbound = traffic_object(&release, &split(100), None).1;
    assert_eq!((&unbound["spec"]["parentRefs"], unbound["spec"].get("hostnames")), (&json!([]), None));
}

#[test]
fn grpc_goes_to_its_own_port_by_the_same_weights_or_stays_with_stable() {
    let release = by_gateway_api(sample::minimal());
    let mut split = split(90);
    split.entries[0].entrance.grpc = true;
    split.routes[0].entrance.grpc = true;
    let twin = |split: &Split| {
        let body = object(&release, split);
        assert_eq!(read_back(&body).map(|all| all.len()), Some(2));
        let rules = body["spec"]["rules"].as_array().unwrap().clone();
        rules.into_iter().find(|rule| rule["name"] == "mr.ml.fraud.split-grpc").unwrap()
    };
    let alone = twin(&split);
    assert_eq!(alone["matches"][0]["headers"][0]["value"], "application/grpc.*");
    let to = |rule: &Value| {
        let refs = rule["backendRefs"].as_array().unwrap();
        refs.iter()
            .map(|to| (to["name"].clone(), to["port"].clone(), to["weight"].clone()))
            .collect::<Vec<_>>()
    };
    let of = |hash: &str, weight: i32| (json!(format!("fraud-{hash}")), json!(9000), json!(weight));
    assert_eq!(to(&alone), [of("5f3c0a9b11", 99), of("5f3c0a9b11", 1)]);
    split.entries[1].entrance.grpc = true;
    assert_eq!(to(&twin(&split)), [of("5f3c0a9b11", 90), of("9ab1c2d3e4", 10)]);
}

#[test]
fn filters_name_the_gateway_in_place_of_its_pods() {
    let mut release = by_gateway_api(sample::full());
    release.traffic.sticky = true;
    let settings = sample::settings();
    let filters =
        limits(&release, &settings, 1).into_iter().chain(sticky(&release, &Hash::known("9ab1c2d3e4"), 1));
    let filters: Vec<Value> = filters.map(|(_, filter)| filter).collect();
    assert_eq!(filters.len(), 2);
    for filter in &filters {
        let target = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}]);
        assert_eq!(filter["spec"]["targetRefs"], target);
        assert_eq!(filter["spec"].get("workloadSelector"), None);
    }
    // A filter reaches no Gateway of another namespace.
    release.traffic.sets[0].namespace = "elsewhere".into();
    assert_eq!(limits(&release, &settings, 1), []);
}

#[test]
fn weights_that_cannot_be_relied_on_are_none() {
    let good = object(&by_gateway_api(sample::full()), &split(90));
    let rule = "/spec/rules/3";
    for (why, path, value) in [
        ("a Service of another release", "/backendRefs/1/name", json!("other-9ab1c2d3e4")),
        ("of another namespace", "/backendRefs/1/namespace", json!("other")),
        ("a Service of no version", "/backendRefs/1/name", json!("fraud-canary")),
        ("the release's own Service", "/backendRefs/1/name", json!("fraud")),
        ("what is no Service", "/backendRefs/1/kind", json!("InferencePool")),
        ("more than 100", "/backendRefs/1/weight", json!(11)),
        ("a weight that is left out", "/backendRefs/1/weight", Value::Null),
        ("negative", "/backendRefs/1/weight", json!(-10)),
        ("no entry", "/backendRefs", json!([])),
        ("another name", "/name", json!("mr.ml.fraud.splits")),
        ("only some requests", "/matches/0/headers", json!([header("a", "b")])),
    ] {
        let mut body = good.clone();
        let at = format!("{rule}{path}");
        let (parent, field) = at.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value;
        assert_eq!(read_back(&body), None, "{why}");
    }
    for (why, foreign) in [
        (
            "a rule of somebody else",
            json!({"name": "mine", "matches": [matched("", vec![header("a", "b")])]}),
        ),
        (
            "one of ours that takes everything",
            json!({"name": "mr.ml.fraud.to-5f3c0a9b11", "matches": [matched("", vec![])]}),
        ),
        ("a rule without a match", json!({"name": "mr.ml.fraud.to-5f3c0a9b11"})),
        ("a second split", good.pointer(rule).unwrap().clone()),
    ] {
        let mut body = good.clone();
        body.pointer_mut("/spec/rules").unwrap().as_array_mut().unwrap().insert(0, foreign);
        assert_eq!(read_back(&body), None, "{why}");
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(first in 0..=100_i32, placeholder: bool, seq in 0..i64::MAX, full: bool, grpc: (bool, bool)) {
        let release = by_gateway_api(if full { sample::full() } else { sample::minimal() });
        let mut split = split(if placeholder { 100 } else { first });
        split.entries[0].entrance.grpc = grpc.0;
        split.entries[1].entrance.grpc = grpc.1;
        if placeholder {
            split.entries[1] = Entry { weight: 0, ..split.entries[0].clone() };
        }
        let body = numbered(traffic_object(&release, &split, None).1, seq);
        let read = read_back(&body).unwrap();
        for entry in &split.entries {
            let given: i32 = split.entries.iter().filter(|e| e.hash == entry.hash).map(|e| e.weight).sum();
            let got: i32 = read.iter().filter(|(hash, _)| *hash == entry.hash).map(|(_, weight)| weight).sum();
            prop_assert_eq!(got, given);
        }
        prop_assert_eq!(routes_read(&body).len(), 2);
        prop_assert_eq!(seq_read(&body), Some(seq));
    }
}
