//! What the traffic objects must say, whatever the release.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::reasons::Reason;
use crate::meta::sample;
use crate::observed::Claim;

mod followers;

const TOKEN: &str = "ac1fb0c70e475ec6bdac";

fn entry(hash: &str, name: &str, weight: i32) -> Entry {
    Entry { hash: Hash::known(hash), name: name.to_owned(), entrance: Entrance::default(), weight }
}

fn route(hash: &str, words: &[&str]) -> Route {
    Route {
        hash: Hash::known(hash),
        name: words[0].to_owned(),
        entrance: Entrance::default(),
        words: words.iter().map(|&w| w.to_owned()).collect(),
    }
}

fn ninety_ten() -> Split {
    Split {
        entries: [entry("5f3c0a9b11", "2026.07", 90), entry("9ab1c2d3e4", "2026.08", 10)],
        routes: vec![
            route("5f3c0a9b11", &["2026.07", "stable"]),
            route("9ab1c2d3e4", &["2026.08", "canary"]),
            route("0000000001", &["2026.06"]),
        ],
        mirror: None,
    }
}

fn object(release: &Release, split: &Split) -> Value {
    numbered(traffic_object(release, &sample::settings(), split, None).1, 12)
}

#[test]
fn the_traffic_object_is_the_contracts() {
    let (key, body) = traffic_object(&sample::full(), &sample::settings(), &ninety_ten(), None);
    let body = numbered(body, 12);
    assert_eq!(key.to_string(), "VirtualService ml/fraud");
    assert_eq!(body["apiVersion"], "networking.istio.io/v1");
    assert_eq!(body["metadata"]["annotations"], json!({"modelrelease.dev/seq": "12"}));
    assert_eq!(body["metadata"]["ownerReferences"][0]["controller"], true);
    let to = |hash: &str, name: &str| {
        json!({
            "destination": {"host": format!("fraud-{hash}.ml.svc.cluster.local"), "port": {"number": 80}},
            "headers": {"response": {"set": {"x-model-version": name}}},
        })
    };
    let share = |hash: &str, name: &str, weight: i32| {
        let mut entry = to(hash, name);
        entry["weight"] = json!(weight);
        entry
    };
    let retries = json!({"attempts": 2, "retryOn": "connect-failure,refused-stream"});
    let direct = |hash: &str, words: &[&str]| {
        let mut matches = vec![json!({"headers": {
            "x-modelrelease-probe": {"exact": format!("{TOKEN}-direct")},
            "x-modelrelease-version": {"exact": hash},
        }})];
        matches.extend(words.iter().map(|word| json!({"headers": {"x-model-version": {"exact": word}}})));
        json!({
            "name": format!("mr.ml.fraud.to-{hash}"), "match": matches, "route": [to(hash, words[0])],
            "timeout": "2.5s", "retries": retries,
        })
    };
    let follow = |hash: &str, name: &str| {
        let apps = json!({"modelrelease.dev/follows": "fraud", "modelrelease.dev/follows-version": name});
        json!({
            "name": format!("mr.ml.fraud.from-{hash}"), "match": [{"sourceLabels": apps}],
            "route": [to(hash, name)], "timeout": "2.5s", "retries": retries,
        })
    };
    assert_eq!(
        body["spec"],
        json!({
            "exportTo": ["."],
            "http": [
                {
                    "name": "mr.ml.fraud.probe",
                    "match": [
                        {"headers": {"x-modelrelease-probe": {"exact": TOKEN}}},
                        {"headers": {"x-modelrelease-probe": {"exact": format!("{TOKEN}-limit")}}},
                    ],
                    "directResponse": {"status": 200, "body": {"string": "12"}},
                    "headers": {"response": {"set": {"x-modelrelease-seq": "12"}}},
                },
                direct("5f3c0a9b11", &["2026.07", "stable"]),
                direct("9ab1c2d3e4", &["2026.08", "canary"]),
                direct("0000000001", &["2026.06"]),
                follow("5f3c0a9b11", "2026.07"),
                follow("9ab1c2d3e4", "2026.08"),
                follow("0000000001", "2026.06"),
                {
                    "name": "mr.ml.fraud.split",
                    "route": [share("5f3c0a9b11", "2026.07", 90), share("9ab1c2d3e4", "2026.08", 10)],
                    "timeout": "2.5s", "retries": retries,
                },
            ],
        })
    );
}

#[test]
fn without_a_version_header_only_the_operator_reaches_a_version_directly() {
    let body = object(&sample::minimal(), &ninety_ten());
    assert_eq!(body["spec"]["http"][1]["match"].as_array().unwrap().len(), 1);
    assert_eq!(body["spec"]["http"][1]["route"][0].get("headers"), None);
    assert_eq!(body["spec"]["http"][7].get("timeout"), None);
}

#[test]
fn copies_go_to_the_version_that_is_to_get_them_and_weights_stay() {
    let hash = Hash::known("9ab1c2d3e4");
    let split =
        Split { mirror: Some(Mirror { hash, entrance: Entrance::default(), percent: 30 }), ..ninety_ten() };
    let body = object(&sample::minimal(), &split);
    let shared = body.pointer("/spec/http/7").unwrap();
    let copies = shared["mirrors"].as_array().unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0]["percentage"]["value"], 30);
    assert!(copies[0]["destination"]["host"].as_str().unwrap().contains("-9ab1c2d3e4."));
    assert_eq!(read_back(&body), read_back(&object(&sample::minimal(), &ninety_ten())));
}

#[test]
fn the_placeholder_is_a_second_entry_with_its_weight_written_out() {
    let alone = Split {
        entries: [entry("5f3c0a9b11", "v1", 100), entry("5f3c0a9b11", "v1", 0)],
        routes: vec![route("5f3c0a9b11", &["v1"])],
        mirror: None,
    };
    let body = object(&sample::minimal(), &alone);
    let entries = body.pointer("/spec/http/3/route").unwrap().as_array().unwrap();
    let weights: Vec<_> = entries.iter().map(|e| e["weight"].as_i64()).collect();
    assert_eq!(weights, [Some(100), Some(0)]);
    assert_eq!(entries[0]["destination"], entries[1]["destination"]);
    assert_eq!(read_back(&body), Some(vec![(Hash::known("5f3c0a9b11"), 100)]));
}

#[test]
fn external_hosts_and_the_mesh_have_roots_of_their_own() {
    let roots = roots(&sample::full(), &sample::settings(), 3);
    let names: Vec<String> = roots.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(names, ["VirtualService ml/fraud-gateway", "VirtualService ml/fraud-mesh"]);
    let delegate = json!([{"delegate": {"name": "fraud", "namespace": "ml"}}]);
    assert_eq!(
        roots[0].1["spec"],
        json!({
            "hosts": ["fraud.example.com", "fraud.example.org"], "gateways": ["istio-ingress/public"],
            "exportTo": [".", "istio-ingress"], "http": delegate,
        })
    );
    assert_eq!(
        roots[1].1["spec"],
        json!({
            "hosts": ["fraud.ml.svc.cluster.local"], "gateways": ["mesh"], "exportTo": [".", "callers"],
            "http": delegate,
        })
    );
    let mesh_only = super::roots(&sample::minimal(), &sample::settings(), 3);
    assert_eq!(mesh_only.iter().map(|(key, _)| key.name.as_str()).collect::<Vec<_>>(), ["fraud-mesh"]);
}

#[test]
fn the_url_is_the_first_host_or_the_name_in_the_mesh() {
    let settings = sample::settings();
    assert_eq!(url(&sample::full(), &settings), "http://fraud.example.com/");
    assert_eq!(url(&sample::minimal(), &settings), "http://fraud.ml.svc.cluster.local/");
}

#[test]
fn each_set_that_can_be_asked_is_asked() {
    let asked = probes(&sample::full(), &sample::settings());
    assert_eq!(
        asked,
        [Probe {
            set: "public".into(),
            namespace: "istio-ingress".into(),
            service: "gateway".into(),
            port: "http".into(),
            tls: false,
            host: "fraud.example.com".into(),
            path: "/".into(),
            token: TOKEN.into(),
            limit: Some(LimitProbe {
                token: format!("{TOKEN}-limit"),
                proof: limit_proof(&sample::full(), &sample::settings()).unwrap(),
            }),
            direct: None,
        }]
    );
    let mut silent = sample::full();
    silent.traffic.sets[0].probe_port = None;
    assert_eq!(probes(&silent, &sample::settings()), []);
    assert_eq!(probes(&sample::minimal(), &sample::settings()), []);
}

#[test]
fn only_objects_outside_the_namespace_are_owned_elsewhere() {
    let release = sample::full();
    let settings = sample::settings();
    assert!(limits(&release, &settings, 1).iter().all(|(key, _)| owned_elsewhere(&release, key)));
    assert!(roots(&release, &settings, 1).iter().all(|(key, _)| !owned_elsewhere(&release, key)));
}

#[test]
fn weights_that_cannot_be_relied_on_are_none() {
    let good = object(&sample::full(), &ninety_ten());
    let split = "/spec/http/7";
    for (why, path, value) in [
        (
            "a host of another release",
            "/route/1/destination/host",
            json!("other-9ab1c2d3e4.ml.svc.cluster.local"),
        ),
        (
            "of another namespace",
            "/route/1/destination/host",
            json!("fraud-9ab1c2d3e4.other.svc.cluster.local"),
        ),
        ("a host of no version", "/route/1/destination/host", json!("fraud-canary.ml.svc.cluster.local")),
        ("the release's own host", "/route/1/destination/host", json!("fraud.ml.svc.cluster.local")),
        ("a short host", "/route/1/destination/host", json!("fraud-9ab1c2d3e4")),
        ("more than 100", "/route/1/weight", json!(11)),
        ("less than 100", "/route/1/weight", json!(9)),
        ("a weight that is no number", "/route/1/weight", json!("10")),
        ("a weight that is left out", "/route/1/weight", Value::Null),
        ("one entry", "/route", json!([good.pointer("/spec/http/7/route/0").unwrap()])),
        ("no entry", "/route", json!([])),
        ("another name", "/name", json!("mr.ml.fraud.splits")),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(&format!("{split}{path}")).unwrap() = value;
        assert_eq!(read_back(&body), None, "{why}");
    }
    for (why, one, other) in [("negative", -10, 110), ("beyond 100", 200, -100)] {
        let mut body = good.clone();
        body["spec"]["http"][7]["route"][0]["weight"] = json!(one);
        body["spec"]["http"][7]["route"][1]["weight"] = json!(other);
        assert_eq!(read_back(&body), None, "{why}");
    }
    for (why, foreign) in [
        ("a route of somebody else", json!({"name": "mine", "match": [{"uri": {"prefix": "/"}}]})),
        ("a route without a name", json!({"match": [{"uri": {"prefix": "/"}}]})),
        ("a second split", good.pointer(split).unwrap().clone()),
        ("one of ours that takes everything", json!({"name": "mr.ml.fraud.to-5f3c0a9b11"})),
        ("one of ours that asks for nothing", json!({"name": "mr.ml.fraud.to-5f3c0a9b11", "match": [{}]})),
    ] {
        let mut body = good.clone();
        body.pointer_mut("/spec/http").unwrap().as_array_mut().unwrap().insert(0, foreign);
        assert_eq!(read_back(&body), None, "{why}");
    }
    let mut narrowed = good.clone();
    narrowed["spec"]["http"][7]["match"] = json!([{"uri": {"prefix": "/a"}}]);
    assert_eq!(read_back(&narrowed), None, "a split that takes only some");
    assert_eq!(read_back(&json!({})), None);
    assert_eq!(seq_read(&json!({})), None);
    assert_eq!(
        routes_read(&json!({"metadata": {"name": "fraud", "namespace": "ml"}, "spec": {"http": 1}})),
        []
    );
}

prop_compose! {
    fn any_hash()(hash in "[0-9a-f]{10}") -> String { hash }
}

prop_compose! {
    fn any_split()(a in any_hash(), b in any_hash(), weight in 0..=100_i32, placeholder: bool,
                   routes in prop::collection::btree_set(any_hash(), 0..4)) -> Split {
        let second = if placeholder { entry(&a, "a", 0) } else { entry(&b, "b", 100 - weight) };
        let first = if placeholder { 100 } else { weight };
        let routes = routes.iter().map(|hash| route(hash, &["v"])).collect();
        Split { entries: [entry(&a, "a", first), second], routes, mirror: None }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(split in any_split(), seq in 0..i64::MAX, full: bool) {
        let release = if full { sample::full() } else { sample::minimal() };
        let body = numbered(traffic_object(&release, &sample::settings(), &split, None).1, seq);
        let [first, second] = &split.entries;
        let want = if first.hash == second.hash {
            vec![(first.hash.clone(), 100)]
        } else {
            vec![(first.hash.clone(), first.weight), (second.hash.clone(), second.weight)]
        };
        prop_assert_eq!(read_back(&body), Some(want));
        let routes: Vec<Hash> = split.routes.iter().map(|route| route.hash.clone()).collect();
        prop_assert_eq!(routes_read(&body), routes);
        prop_assert_eq!(seq_read(&body), Some(seq));
        let weights = body.pointer("/spec/http").unwrap().as_array().unwrap().last().unwrap()["route"].as_array().unwrap();
        prop_assert_eq!(weights.len(), 2);
        prop_assert_eq!(weights.iter().map(|w| w["weight"].as_i64().unwrap()).sum::<i64>(), 100);
    }
}

fn claim(hosts: &[&str], gateways: &[&str], created: &str) -> Claim {
    Claim {
        object: "VirtualService web/site".into(),
        provider: Provider::Istio,
        namespace: "web".into(),
        path: String::new(),
        release: None,
        created: Some(created.parse().unwrap()),
        hosts: hosts.iter().map(|&h| h.to_owned()).collect(),
        gateways: gateways.iter().map(|&g| g.to_owned()).collect(),
    }
}

const BEFORE: &str = "2026-11-21T08:00:00Z";
const AFTER: &str = "2026-11-21T10:00:00Z";

#[test]
fn a_host_belongs_to_who_claimed_it_first() {
    let release = sample::full();
    for (hosts, gateway) in [
        (["fraud.example.com"], "istio-ingress/public"),
        (["FRAUD.example.org"], "istio-ingress/public"),
        (["*.example.com"], "istio-ingress/public"),
        (["*"], "istio-ingress/public"),
        (["fraud.ml.svc.cluster.local"], "mesh"),
        (["fraud.ml"], "mesh"),
    ] {
        let older = [claim(&hosts, &["x/y", gateway], BEFORE)];
        let (reason, message) =
            conflict(&release, &older).unwrap_or_else(|| panic!("{hosts:?} at {gateway}"));
        assert_eq!(reason, Reason::HostTaken);
        assert!(message.contains("VirtualService web/site") && message.contains(gateway), "{message}");
        assert_eq!(dispute(&release, &older), None);
        let younger = [claim(&hosts, &[gateway], AFTER)];
        assert_eq!(conflict(&release, &younger), None);
        assert_eq!(dispute(&release, &younger).unwrap().0, Reason::RoutingConflict);
    }
}

#[test]
fn other_hosts_and_other_gateways_are_nobodys_business() {
    let release = sample::full();
    for (hosts, gateway) in [
        (["other.example.com"], "istio-ingress/public"),
        (["example.com"], "istio-ingress/public"),
        (["*.fraud.example.com"], "istio-ingress/public"),
        (["*fraud.example.com"], "istio-ingress/public"),
        (["fraud.example.com"], "istio-ingress/internal"),
        (["fraud.example.com"], "mesh"),
        (["fraud.other.svc.cluster.local"], "mesh"),
        (["fraud.mlx"], "mesh"),
    ] {
        let claims = [claim(&hosts, &[gateway], BEFORE)];
        assert_eq!(conflict(&release, &claims), None, "{hosts:?} at {gateway}");
        assert_eq!(dispute(&release, &claims), None, "{hosts:?} at {gateway}");
    }
    let own =
        Claim { release: Some(release.uid.clone()), ..claim(&["*"], &["istio-ingress/public"], BEFORE) };
    assert_eq!(conflict(&release, &[own]), None, "its own root");
}

/// Routes of an object by their names, in their order.
fn routes_of(body: &Value) -> Vec<(&str, &Value)> {
    let all = body.pointer("/spec/http").unwrap().as_array().unwrap();
    all.iter()
        .map(|route| (route["name"].as_str().unwrap().strip_prefix("mr.ml.fraud.").unwrap(), route))
        .collect()
}

/// Weights of a route by hash and port.
fn weights_of(route: &Value) -> Vec<(String, i64, i64)> {
    let entries = route["route"].as_array().unwrap().iter();
    let hash = |entry: &Value| entry["destination"]["host"].as_str().unwrap()[6..16].to_owned();
    entries
        .map(|entry| {
            (
                hash(entry),
                entry["destination"]["port"]["number"].as_i64().unwrap(),
                entry["weight"].as_i64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn grpc_has_the_same_weights_on_its_own_port_and_comes_first() {
    let mut split = ninety_ten();
    split.entries.iter_mut().for_each(|entry| entry.entrance.grpc = true);
    split.routes[1].entrance.grpc = true;
    let body = object(&sample::full(), &split);
    let routes = routes_of(&body);
    let names: Vec<&str> = routes.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "probe",
            "to-5f3c0a9b11",
            "to-9ab1c2d3e4-grpc",
            "to-9ab1c2d3e4",
            "to-0000000001",
            "from-5f3c0a9b11",
            "from-9ab1c2d3e4-grpc",
            "from-9ab1c2d3e4",
            "from-0000000001",
            "split-grpc",
            "split"
        ]
    );
    let (_, direct) = routes[2];
    for one in direct["match"].as_array().unwrap() {
        assert_eq!(one["headers"]["content-type"], json!({"prefix": "application/grpc"}));
        assert!(one["headers"].as_object().unwrap().len() > 1, "and what asks for the version: {one}");
    }
    assert_eq!(direct["route"][0]["destination"]["port"]["number"], 9000);
    let (_, twin) = routes[9];
    assert_eq!(twin["match"], json!([{"headers": {"content-type": {"prefix": "application/grpc"}}}]));
    assert_eq!(weights_of(twin), [("5f3c0a9b11".into(), 9000, 90), ("9ab1c2d3e4".into(), 9000, 10)]);
    assert_eq!(weights_of(routes[10].1), [("5f3c0a9b11".into(), 80, 90), ("9ab1c2d3e4".into(), 80, 10)]);
    let hashes = ["5f3c0a9b11", "9ab1c2d3e4"].map(Hash::known);
    assert_eq!(read_back(&body), Some(vec![(hashes[0].clone(), 90), (hashes[1].clone(), 10)]));
    assert_eq!(routes_read(&body).len(), 3, "a version has one route, however many twins");
    let mut other = body.clone();
    other["spec"]["http"][9]["route"][0]["weight"] = json!(80);
    other["spec"]["http"][9]["route"][1]["weight"] = json!(20);
    assert_eq!(read_back(&other), None, "other weights of gRPC are not what was written");
}

#[test]
fn grpc_stays_with_the_first_version_while_the_other_does_not_serve_it() {
    let mut split = ninety_ten();
    split.entries[0].entrance.grpc = true;
    let body = object(&sample::full(), &split);
    let routes = routes_of(&body);
    let twin = routes.iter().find(|(name, _)| *name == "split-grpc").unwrap().1;
    assert_eq!(weights_of(twin), [("5f3c0a9b11".into(), 9000, 100), ("5f3c0a9b11".into(), 9000, 0)]);
    assert!(read_back(&body).is_some_and(|weights| weights[1].1 == 10), "the weights are those of HTTP");
    split.entries[0].entrance.grpc = false;
    split.entries[1].entrance.grpc = true;
    let body = object(&sample::full(), &split);
    assert!(!body.to_string().contains("split-grpc"), "nobody asks a new service of the old version");
}

#[test]
fn releases_of_one_namespace_share_a_host_as_long_as_no_path_lies_within_another() {
    let at = |path: &str| Release {
        traffic: crate::release::Traffic { path: path.into(), ..sample::full().traffic },
        ..sample::full()
    };
    let other = |path: &str, namespace: &str, release: Option<&str>| {
        let release = release.map(str::to_owned);
        let all = claim(&["fraud.example.com"], &["istio-ingress/public"], BEFORE);
        [Claim { path: path.into(), namespace: namespace.into(), release, ..all }]
    };
    let taken = |ours: &str, theirs: &[Claim]| conflict(&at(ours), theirs).is_some();
    for (ours, theirs, meet) in [
        ("/a", "/b", false),
        ("/a", "/ab", false),
        ("/a/b", "/a/c", false),
        ("/a", "/a", true),
        ("/a", "/a/b", true),
        ("/a/b", "/a", true),
        ("", "/a", true),
        ("/a", "", true),
    ] {
        assert_eq!(taken(ours, &other(theirs, "ml", Some("another"))), meet, "{ours} beside {theirs}");
        assert!(taken(ours, &other(theirs, "web", Some("another"))), "of another namespace");
        assert!(taken(ours, &other(theirs, "ml", None)), "of nobody's release");
    }
}

#[test]
fn below_a_path_the_model_sees_requests_without_it() {
    let mut release = sample::full();
    release.traffic.path = "/fraud/v1".into();
    let all = roots(&release, &sample::settings(), 3);
    assert_eq!(
        all[0].1.pointer("/spec/http").unwrap(),
        &json!([{
            "match": [{"uri": {"exact": "/fraud/v1"}}, {"uri": {"prefix": "/fraud/v1/"}}],
            "rewrite": {"uri": "/"},
            "delegate": {"name": "fraud", "namespace": "ml"},
        }])
    );
    assert_eq!(
        all[1].1.pointer("/spec/http").unwrap(),
        &json!([{"delegate": {"name": "fraud", "namespace": "ml"}}])
    );
    assert_eq!(probes(&release, &sample::settings())[0].path, "/fraud/v1/");
    let direct = &probes_of(&release, &sample::settings(), &Hash::known("9ab1c2d3e4"), "/warm")[0];
    assert_eq!(direct.path, "/fraud/v1/", "what the pod itself is asked");
    assert_eq!(
        direct.direct,
        Some(DirectProbe {
            token: format!("{TOKEN}-direct"),
            version: "9ab1c2d3e4".into(),
            path: "/fraud/v1/warm".into(),
        })
    );
    assert_eq!(url(&release, &sample::settings()), "http://fraud.example.com/fraud/v1/");
}

#[test]
fn a_sticky_split_is_by_the_clients_name_and_a_salt_of_its_version() {
    let mut release = sample::full();
    assert_eq!(sticky(&release, &Hash::known("9ab1c2d3e4"), 7), [], "unless asked for");
    release.traffic.sticky = true;
    let all = sticky(&release, &Hash::known("9ab1c2d3e4"), 7);
    let [(key, object)] = all.as_slice() else { panic!("one set, one filter") };
    assert_eq!(key.to_string(), "EnvoyFilter istio-ingress/mrel.ml.fraud.public.sticky");
    assert_eq!(object["metadata"]["annotations"], json!({"modelrelease.dev/seq": "7"}));
    let patch = |host: &str, route: &str| {
        json!({
            "applyTo": "HTTP_ROUTE",
            "match": {"context": "GATEWAY", "routeConfiguration": {"vhost": {
                "domainName": host, "route": {"name": format!("mr.ml.fraud.{route}")},
            }}},
            "patch": {"operation": "MERGE", "value": {"route": {
                "weighted_clusters": {"use_hash_policy": true},
                "hash_policy": [{
                    "header": {
                        "header_name": "x-user-id",
                        "regex_rewrite": {"pattern": {"regex": "^(.*)$"}, "substitution": "9ab1c2d3e4:\\1"},
                    },
                    "terminal": true,
                }],
            }}},
        })
    };
    assert_eq!(
        object["spec"],
        json!({
            "priority": 10,
            "workloadSelector": {"labels": {"istio": "ingressgateway"}},
            "configPatches": [
                patch("fraud.example.com", "split"),
                patch("fraud.example.com", "split-grpc"),
                patch("fraud.example.org", "split"),
                patch("fraud.example.org", "split-grpc"),
            ],
        })
    );
    release.traffic.sets[0].selector.clear();
    assert_eq!(
        sticky(&release, &Hash::known("9ab1c2d3e4"), 7),
        [],
        "without a selector it would reach everybody"
    );
}

#[test]
fn of_two_releases_of_one_age_exactly_one_has_the_host() {
    let (one, mut other) = (sample::full(), sample::full());
    other.uid = "f0000000-ceea-467f-a6a1-0a9b0c4d3e21".into();
    let claims_of = |release: &Release| {
        let mut claim = claim(&["fraud.example.com"], &["istio-ingress/public"], BEFORE);
        claim.created = release.created;
        claim.release = Some(release.uid.clone());
        [claim]
    };
    assert_eq!(conflict(&one, &claims_of(&other)), None);
    assert_eq!(conflict(&other, &claims_of(&one)).unwrap().0, Reason::HostTaken);
}
