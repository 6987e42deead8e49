//! What the limits must say, and whom they must not touch.

use regex::Regex;
use serde_json::{Value, json};

use super::*;
use crate::meta::sample;

const TOKEN: &str = "ac1fb0c70e475ec6bdac";

fn limited(traffic: &Value) -> Release {
    let mut whole = json!({"gateways": ["istio-ingress/public"], "hosts": ["fraud.example.com"]});
    whole.as_object_mut().unwrap().extend(traffic.as_object().unwrap().clone());
    sample::release("fraud", &json!({"stable": {"version": "v1", "image": "i"}, "traffic": whole}))
}

fn filter_of(traffic: &Value) -> Value {
    let all = limits(&limited(traffic), &sample::settings(), 1);
    all[0].1.pointer("/spec/configPatches/0/patch/value/typed_config").unwrap().clone()
}

fn per_client(more: &Value) -> Value {
    let mut traffic = json!({"rateLimit": {"perClient": {"requests": 20, "window": "60s"}}});
    traffic.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    filter_of(&traffic)
}

/// Keys of the entries of each descriptor, which are those that the actions yield.
fn keys(filter: &Value) -> Vec<Vec<String>> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let described: Vec<Vec<String>> = list(&filter["descriptors"])
        .iter()
        .map(|d| list(&d["entries"]).iter().map(|e| e["key"].as_str().unwrap().to_owned()).collect())
        .collect();
    let yielded: Vec<Vec<String>> = list(&filter["rate_limits"])
        .iter()
        .map(|rule| {
            let key = |action: &Value| {
                let (kind, action) = action.as_object().unwrap().iter().next().unwrap();
                action.get("descriptor_key").map_or(kind.clone(), |key| key.as_str().unwrap().to_owned())
            };
            list(&rule["actions"]).iter().map(key).collect()
        })
        .collect();
    assert_eq!(described, yielded, "a descriptor without its action would never bind");
    described
}

#[test]
fn a_limit_stands_in_the_gateways_listener_before_the_split() {
    let all = limits(&sample::full(), &sample::settings(), 5);
    let [(key, object)] = all.as_slice() else { panic!("one set, one filter") };
    assert_eq!(key.to_string(), "EnvoyFilter istio-ingress/mrel.ml.fraud.public.limit");
    assert_eq!(
        object["metadata"],
        json!({
            "name": "mrel.ml.fraud.public.limit",
            "namespace": "istio-ingress",
            "labels": {
                "app.kubernetes.io/managed-by": "model-release-operator", "modelrelease.dev/name": "fraud",
                "modelrelease.dev/namespace": "ml", "modelrelease.dev/uid": "8f14e45f-ceea-467f-a6a1-0a9b0c4d3e21",
            },
            "annotations": {"modelrelease.dev/seq": "5"},
        })
    );
    assert_eq!(object["spec"]["priority"], 10);
    assert_eq!(object["spec"]["workloadSelector"], json!({"labels": {"istio": "ingressgateway"}}));
    let patch = &object["spec"]["configPatches"][0];
    assert_eq!(patch["applyTo"], "HTTP_FILTER");
    assert_eq!(patch["match"]["context"], "GATEWAY");
    let sub = patch.pointer("/match/listener/filterChain/filter/subFilter/name").unwrap();
    assert_eq!(sub, "envoy.filters.http.router");
    assert_eq!(patch["patch"]["operation"], "INSERT_BEFORE");
    assert_eq!(patch["patch"]["value"]["name"], "mrel.ml.fraud");
}

#[test]
fn beside_a_gateway_of_its_own_namespace_a_limit_is_owned_like_everything_else() {
    let mut release = sample::full();
    release.traffic.sets[0].namespace = "ml".into();
    let all = limits(&release, &sample::settings(), 5);
    assert_eq!(all[0].1["metadata"]["ownerReferences"][0]["uid"], release.uid.as_str());
}

#[test]
fn what_is_not_configured_is_left_out() {
    let owned = |lists: &[&[&str]]| -> Vec<Vec<String>> {
        lists.iter().map(|keys| keys.iter().map(|&k| k.to_owned()).collect()).collect()
    };
    let total = json!({"rateLimit": {"total": {"requests": 100}}});
    let named = json!({"clientHeader": "x-user-id"});
    assert_eq!(keys(&per_client(&json!({}))), owned(&[&["release", "remote_address"], &["probe"]]));
    assert_eq!(
        keys(&per_client(&named)),
        owned(&[&["release", "client"], &["release", "anonymous", "remote_address"], &["probe"]])
    );
    assert_eq!(keys(&filter_of(&total)), owned(&[&["release"], &["probe"]]));
    for nothing in [json!({}), named] {
        assert_eq!(limits(&limited(&nothing), &sample::settings(), 1), []);
    }
    assert_eq!(limits(&sample::minimal(), &sample::settings(), 1), []);
}

#[test]
fn a_limit_counts_only_what_is_below_the_releases_path() {
    assert!(!per_client(&json!({})).to_string().contains(":path"));
    let filter = per_client(&json!({"path": "/fraud/v1.x".replace('.', "-")}));
    let headers = filter.pointer("/rate_limits/0/actions/0/header_value_match/headers").unwrap();
    assert_eq!(headers[1]["name"], ":path");
    let regex = headers[1]["string_match"]["safe_regex"]["regex"].as_str().unwrap();
    let whole = Regex::new(&format!("^(?:{regex})$")).unwrap();
    for own in ["/fraud/v1-x", "/fraud/v1-x/", "/fraud/v1-x/predict", "/fraud/v1-x?a=/b"] {
        assert!(whole.is_match(own), "{own}");
    }
    for other in ["/", "/fraud", "/fraud/v1-xy", "/a/fraud/v1-x", "/FRAUD/v1-x"] {
        assert!(!whole.is_match(other), "{other}");
    }
}

#[test]
fn a_pods_own_limit_is_one_bucket_in_its_sidecar() {
    assert_eq!(pod_limit(&sample::full(), 1), None, "unless asked for");
    let asked = json!({"rateLimit": {"perPod": {"requests": 300, "window": "1m"}, "mode": "Observe"}});
    let (key, object) = pod_limit(&limited(&asked), 4).unwrap();
    assert_eq!(key.to_string(), "EnvoyFilter ml/fraud.pod-limit");
    assert_eq!(object["metadata"]["ownerReferences"][0]["controller"], true, "it goes with its release");
    assert_eq!(
        object["spec"]["workloadSelector"],
        json!({"labels": {"modelrelease.dev/name": "fraud", "modelrelease.dev/component": "model"}})
    );
    let patch = &object["spec"]["configPatches"][0];
    assert_eq!(patch["match"]["context"], "SIDECAR_INBOUND");
    assert_eq!(patch["patch"]["value"]["name"], "mrel.ml.fraud.pod");
    let filter = &patch["patch"]["value"]["typed_config"];
    assert_eq!(
        filter["token_bucket"],
        json!({"max_tokens": 300, "tokens_per_fill": 300, "fill_interval": "60s"})
    );
    assert_eq!(filter["filter_enforced"]["default_value"]["numerator"], 0, "it only counts");
    assert_eq!(filter.pointer("/response_headers_to_add/0/header/value").unwrap(), "pod");
    assert!(filter.get("descriptors").is_none() && filter.get("rate_limits").is_none());
    assert_eq!(limits(&limited(&asked), &sample::settings(), 4), [], "no gateway has to know");
}

#[test]
fn a_set_that_takes_no_filter_or_has_no_selector_gets_none() {
    let release = sample::full();
    let mut refusing = release.clone();
    refusing.traffic.sets[0].envoy_filters = false;
    assert_eq!(limits(&refusing, &sample::settings(), 1), []);
    let mut everywhere = release;
    everywhere.traffic.sets[0].selector.clear();
    assert_eq!(limits(&everywhere, &sample::settings(), 1), []);
}

#[test]
fn a_limit_counts_requests_to_its_own_hosts_in_any_case_and_no_others() {
    let all = limits(&sample::full(), &sample::settings(), 1);
    let text = all[0].1.to_string();
    let filter = all[0].1.pointer("/spec/configPatches/0/patch/value/typed_config").unwrap();
    let headers = filter.pointer("/rate_limits/0/actions/0/header_value_match/headers").unwrap();
    assert_eq!(headers[0]["name"], ":authority");
    let regex = headers[0]["string_match"]["safe_regex"]["regex"].as_str().unwrap();
    // Envoy matches the whole header.
    let whole = Regex::new(&format!("^(?:{regex})$")).unwrap();
    for own in ["fraud.example.com", "FRAUD.Example.COM", "fraud.example.com:8080", "fraud.example.org:80"] {
        assert!(whole.is_match(own), "{own}");
    }
    for other in [
        "fraudxexample.com",
        "a.fraud.example.com",
        "fraud.example.com.evil.org",
        "fraud.example.com:",
        "fraud.example.com:80x",
        "fraud.example.co",
        "",
    ] {
        assert!(!whole.is_match(other), "{other}");
    }
    assert_eq!(text.matches("safe_regex").count(), 3, "every counting rule names the hosts");
}

#[test]
fn the_operators_own_questions_are_known_whole_and_not_counted() {
    let filter = per_client(&json!({}));
    let headers = filter.pointer("/rate_limits/0/actions/0/header_value_match/headers").unwrap();
    let is_not = |word: &str| {
        json!({
            "name": "x-modelrelease-probe", "string_match": {"exact": word},
            "invert_match": true, "treat_missing_header_as_empty": true,
        })
    };
    assert_eq!(headers[1], is_not(TOKEN));
    assert_eq!(headers[2], is_not(&format!("{TOKEN}-limit")));
    let check = filter.pointer("/rate_limits/1/actions/0/header_value_match/headers").unwrap();
    let exact = json!({"exact": format!("{TOKEN}-limit")});
    assert_eq!(check, &json!([{"name": "x-modelrelease-probe", "string_match": exact}]));
    let one = json!({"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1s"});
    assert_eq!(filter["descriptors"][1]["token_bucket"], one);
}

#[test]
fn other_limits_refuse_with_another_proof_and_those_that_refuse_nothing_have_none() {
    let word = |more: &Value| limit_proof(&limited(more), &sample::settings());
    let limit = |requests: i32, window: &str| json!({"perClient": {"requests": requests, "window": window}});
    let one = word(&json!({"rateLimit": limit(20, "60s")}));
    assert_eq!(one, word(&json!({"rateLimit": limit(20, "1m")})), "the same in other words");
    let others = [
        word(&json!({"rateLimit": limit(21, "60s")})),
        word(&json!({"rateLimit": limit(20, "61s")})),
        word(&json!({"rateLimit": {"total": {"requests": 20, "window": "60s"}}})),
        word(&json!({"rateLimit": limit(20, "60s"), "clientHeader": "x-user-id"})),
        word(&json!({"rateLimit": limit(20, "60s"), "path": "/fraud"})),
    ];
    for other in others {
        assert!(other.is_some() && other != one, "{other:?}");
    }
    let observing = json!({"rateLimit": {"perClient": {"requests": 20}, "mode": "Observe"}});
    assert_eq!((word(&observing), word(&json!({}))), (None, None));
    let told = |more: &Value| filter_of(more)["response_headers_to_add"].to_string();
    assert!(told(&json!({"rateLimit": limit(20, "60s")})).contains(&one.unwrap()), "a refusal bears it");
    assert!(!told(&observing).contains("x-modelrelease-limits"));
}

#[test]
fn a_client_has_its_limit_and_the_release_its_share_of_each_pod() {
    let all = limits(&sample::full(), &sample::settings(), 1);
    let filter = all[0].1.pointer("/spec/configPatches/0/patch/value/typed_config").unwrap();
    let client = json!({"max_tokens": 30, "tokens_per_fill": 20, "fill_interval": "60s"});
    assert_eq!(filter["descriptors"][0]["token_bucket"], client);
    assert_eq!(filter["descriptors"][1]["token_bucket"], client, "who gives no name has no more");
    // 2001 and 3000 over two pods, rounded up.
    let total = json!({"max_tokens": 1500, "tokens_per_fill": 1001, "fill_interval": "60s"});
    assert_eq!(filter["descriptors"][2]["token_bucket"], total);
    let default =
        json!({"max_tokens": 4_294_967_295_u32, "tokens_per_fill": 4_294_967_295_u32, "fill_interval": "1s"});
    assert_eq!(filter["token_bucket"], default, "the default bucket counts all hosts, so it must never bind");
    assert_eq!(filter["always_consume_default_token_bucket"], false);
    assert_eq!(filter["max_dynamic_descriptors"], 5000);
    assert_eq!(
        tokens(Bucket { requests: 7, window: SignedDuration::from_millis(1500), burst: 9 }, 0)["fill_interval"],
        "1.5s"
    );
    assert_eq!(
        tokens(Bucket { requests: 7, window: SignedDuration::from_millis(1), burst: 9 }, 1)["fill_interval"],
        "0.05s"
    );
}

#[test]
fn observe_counts_and_refuses_nobody() {
    let mode = |mode: &str| filter_of(&json!({"rateLimit": {"perClient": {"requests": 20}, "mode": mode}}));
    for (word, share) in [("Observe", 0), ("Enforce", 100)] {
        let filter = mode(word);
        assert_eq!(filter["filter_enforced"]["default_value"]["numerator"], share);
        assert_eq!(filter["filter_enabled"]["default_value"]["numerator"], 100);
    }
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let header = |limit: Value| {
        let filter = filter_of(&json!({"rateLimit": limit}));
        let headers = filter["response_headers_to_add"].as_array().unwrap().clone();
        assert!(headers.iter().all(|h| h["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"));
        assert_eq!(headers[0]["header"], json!({"key": "x-local-rate-limit", "value": "gateway"}));
        assert_eq!(headers[1]["header"]["key"], "retry-after");
        headers[1]["header"]["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(header(json!({"perClient": {"requests": 20, "window": "60s"}})), "3");
    assert_eq!(header(json!({"perClient": {"requests": 7, "window": "60s"}})), "9");
    assert_eq!(header(json!({"perClient": {"requests": 1000, "window": "1s"}})), "1");
    assert_eq!(header(json!({"total": {"requests": 1, "window": "1h"}})), "3600");
}

#[test]
fn filters_of_two_releases_never_share_a_name_or_a_statistic() {
    let name = |release: &Release| {
        let all = limits(release, &sample::settings(), 1);
        let value = all[0].1.pointer("/spec/configPatches/0/patch/value").unwrap();
        (value["name"].clone(), value["typed_config"]["stat_prefix"].clone())
    };
    // Both would be `mrel_ml_a_b` if dashes alone were replaced.
    let (mut one, mut other) = (sample::full(), sample::full());
    (one.name, one.namespace) = ("b".into(), "ml-a".into());
    (other.name, other.namespace) = ("a-b".into(), "ml".into());
    let ((one, first), (other, second)) = (name(&one), name(&other));
    assert_ne!(one, other);
    assert_ne!(first, second);
    assert!(first.as_str().unwrap().chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{first}");
}
