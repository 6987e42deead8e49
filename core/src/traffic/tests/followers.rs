//! Apps of users' own that follow a version of the model, by labels of their pods.

use super::*;
use crate::covers::covers;

/// A release that callers in the mesh reach, or only those at a gateway.
fn reached(mesh: bool) -> Release {
    let mut release = sample::full();
    release.traffic.mesh = mesh;
    release
}

fn named(body: &Value) -> Vec<&str> {
    routes_of(body).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn an_app_in_the_mesh_reaches_the_version_that_it_follows_over_http_and_grpc() {
    let mut split = ninety_ten();
    split.routes[1].entrance.grpc = true;
    let body = object(&reached(true), &split);
    assert_eq!(
        named(&body),
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
            "split",
        ],
        "what a request names comes first, weights come last"
    );
    let apps = json!({"modelrelease.dev/follows": "fraud", "modelrelease.dev/follows-version": "2026.08"});
    let retries = json!({"attempts": 2, "retryOn": "connect-failure,refused-stream"});
    let route = |name: &str, port: i32, asks: Value| {
        json!({
            "name": format!("mr.ml.fraud.{name}"),
            "match": [asks],
            "route": [{
                "destination": {"host": "fraud-9ab1c2d3e4.ml.svc.cluster.local", "port": {"number": port}},
                "headers": {"response": {"set": {"x-model-version": "2026.08"}}},
            }],
            "timeout": "2.5s",
            "retries": retries,
        })
    };
    let over_grpc =
        json!({"sourceLabels": apps, "headers": {"content-type": {"prefix": "application/grpc"}}});
    assert_eq!(body["spec"]["http"][6], route("from-9ab1c2d3e4-grpc", 9000, over_grpc));
    assert_eq!(body["spec"]["http"][7], route("from-9ab1c2d3e4", 80, json!({"sourceLabels": apps})));
}

#[test]
fn nobody_follows_a_version_from_beyond_the_mesh_or_one_that_brings_its_own_app() {
    let none = |release: &Release, split: &Split| {
        let body = object(release, split);
        !named(&body).iter().any(|name| name.starts_with("from-"))
    };
    assert!(none(&reached(false), &ninety_ten()), "no proxy at a gateway has labels of a caller");
    let mut split = ninety_ten();
    split.routes.iter_mut().for_each(|route| route.entrance.app = true);
    assert!(none(&reached(true), &split), "it calls its own model already");
    let mut by_gateway_api = reached(true);
    by_gateway_api.traffic.provider = Provider::GatewayApi;
    let rules = traffic_object(&by_gateway_api, &sample::settings(), &ninety_ten(), None).1;
    assert!(!rules.to_string().contains("from-"), "an HTTPRoute knows no labels of callers");
}

#[test]
fn of_two_versions_of_one_name_the_first_is_followed() {
    let mut split = ninety_ten();
    split.routes[2].name = "2026.08".into();
    let body = object(&reached(true), &split);
    let followed: Vec<&str> = named(&body).into_iter().filter(|name| name.starts_with("from-")).collect();
    assert_eq!(followed, ["from-5f3c0a9b11", "from-9ab1c2d3e4"], "the other would never be asked");
}

#[test]
fn what_follows_is_read_back_with_the_weights_and_put_right_like_them() {
    let body = object(&reached(true), &ninety_ten());
    let shares = [("5f3c0a9b11", 90), ("9ab1c2d3e4", 10)].map(|(hash, weight)| (Hash::known(hash), weight));
    assert_eq!(read_back(&body), Some(shares.to_vec()));
    let own = ["5f3c0a9b11", "9ab1c2d3e4", "0000000001"].map(Hash::known);
    assert_eq!(routes_read(&body), own, "a version has one route of its own");
    let at = 4;
    assert_eq!(body["spec"]["http"][at]["name"], "mr.ml.fraud.from-5f3c0a9b11");
    let mut gone = body.clone();
    gone.pointer_mut("/spec/http").unwrap().as_array_mut().unwrap().remove(at);
    assert!(covers(&body, &body) && !covers(&body, &gone), "one that is missing is drift");
    let mut others = body.clone();
    others["spec"]["http"][at]["match"][0]["sourceLabels"] = json!({"app": "another"});
    assert!(read_back(&others).is_some() && !covers(&body, &others), "so are other callers");
    let mut everybody = body.clone();
    everybody["spec"]["http"][at]["match"] = json!([{"sourceLabels": {}}]);
    assert_eq!(read_back(&everybody), None, "one that takes everybody's requests before the split");
}

#[test]
fn every_name_that_a_version_may_have_is_a_labels_value() {
    let crd = serde_json::to_value(crate::api::crd()).unwrap();
    let name = crd.pointer(
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/stable/properties/version",
    );
    let name = name.expect("the name of a version");
    assert_eq!(name["pattern"], "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$");
    assert_eq!(name["maxLength"], 63);
}
