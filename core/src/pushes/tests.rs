//! istiod's page, as it is, as it was, and as nobody should write it.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

fn gateway(pod: &str) -> Gateway {
    Gateway { set: "public".into(), namespace: "infra".into(), pod: pod.into() }
}

fn gateways() -> Vec<Gateway> {
    vec![gateway("gw-0"), gateway("gw-1")]
}

const LISTENERS: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// A proxy whose listeners stand like this and whose routes are taken.
fn proxy(pod: &str, listeners: &Value) -> Value {
    json!({
        "cluster_id": "Kubernetes", "proxy": format!("{pod}.infra"), "proxy_type": "router",
        "istio_version": "1.31.0", "listener_sent": "l2", "listener_acked": "l1", "route_sent": "r1",
        "route_acked": "r1",
        "resources": {
            LISTENERS: listeners,
            ROUTES: {"sent": "r1", "acked": "r1", "sentTime": "2026-11-21T09:59:00.25Z"},
            "type.googleapis.com/istio.networking.nds.v1.NameTable": {"sent": "n"},
        },
    })
}

fn refused(sent: &str, time: &str) -> Value {
    json!({"sent": sent, "acked": "l1", "sentTime": time, "lastError": "Error adding/updating listener(s): secret"})
}

fn page(proxies: &[Value]) -> Vec<u8> {
    serde_json::to_vec(proxies).unwrap()
}

fn taken(view: &mut View, proxies: &[Value], now: Timestamp) -> Vec<Push> {
    view.take(&page(proxies), &gateways(), now).unwrap();
    view.pushes(&gateways())
}

fn push(pod: &str, part: Part, refused: bool, since: &str) -> Push {
    Push { set: "public".into(), pod: pod.into(), part, refused, since: at(since) }
}

#[test]
fn a_push_that_was_refused_is_told_with_the_time_at_which_it_was_sent() {
    let mut view = View::default();
    let sent = refused("l2", "2026-11-21T12:00:01+02:00");
    let told = taken(&mut view, &[proxy("gw-1", &sent)], at("10:00:05"));
    assert_eq!(told, [push("gw-1", Part::Listeners, true, "10:00:01")]);
    assert!(worth_telling(&told[0], at("10:00:05")), "at once");
    let all = gateways();
    let sent = view.sent(&all);
    assert_eq!(sent, [(&all[1], Part::Listeners, true), (&all[1], Part::Routes, false)], "no other types");
}

#[test]
fn what_is_refused_again_and_again_is_refused_since_the_first_time() {
    let mut view = View::default();
    taken(&mut view, &[proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z"))], at("10:00:05"));
    let again = taken(&mut view, &[proxy("gw-0", &refused("l9", "2026-11-21T10:09:00Z"))], at("10:09:05"));
    assert_eq!(again, [push("gw-0", Part::Listeners, true, "10:00:01")]);
    let right = json!({"sent": "l9", "acked": "l9", "sentTime": "2026-11-21T10:10:00Z"});
    assert_eq!(taken(&mut view, &[proxy("gw-0", &right)], at("10:10:05")), []);
    let anew = taken(&mut view, &[proxy("gw-0", &refused("m1", "2026-11-21T10:11:00Z"))], at("10:11:05"));
    assert_eq!(anew, [push("gw-0", Part::Listeners, true, "10:11:00")]);
}

#[test]
fn a_push_that_is_not_acknowledged_is_worth_a_word_after_half_a_minute() {
    let mut view = View::default();
    let waits = |sent: &str, time: &str| {
        proxy("gw-0", &json!({"sent": sent, "acked": "l1", "sentTime": format!("2026-11-21T{time}Z")}))
    };
    let told = taken(&mut view, &[waits("l2", "10:00:00")], at("10:00:29"));
    assert_eq!(told, [push("gw-0", Part::Listeners, false, "10:00:00")]);
    assert!(!worth_telling(&told[0], at("10:00:29")) && worth_telling(&told[0], at("10:00:30")));
    let newer = taken(&mut view, &[waits("l3", "10:00:31")], at("10:00:32"));
    assert_eq!(newer, [push("gw-0", Part::Listeners, false, "10:00:31")], "another push has its own time");
}

#[test]
fn an_older_page_tells_what_is_not_acknowledged_since_it_was_first_seen() {
    let mut view = View::default();
    let old = |acked: &str| {
        json!({"proxy": "gw-0.infra", "cluster_sent": "c1", "cluster_acked": "c1", "listener_sent": "l2",
            "listener_acked": acked, "route_sent": "", "endpoint_sent": "e1", "endpoint_acked": "e1"})
    };
    taken(&mut view, &[old("l1")], at("10:00:00"));
    let told = taken(&mut view, &[old("l1")], at("10:01:00"));
    assert_eq!(told, [push("gw-0", Part::Listeners, false, "10:00:00")]);
    let all = gateways();
    let parts: Vec<Part> = view.sent(&all).iter().map(|(_, part, _)| *part).collect();
    assert_eq!(parts, [Part::Clusters, Part::Listeners, Part::Endpoints], "what was sent at all");
    assert_eq!(taken(&mut view, &[old("l2")], at("10:01:10")), []);
}

#[test]
fn only_the_gateways_pods_count() {
    let mut view = View::default();
    let mut namesake = proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z"));
    namesake["proxy"] = json!("gw-0.other");
    let sidecar = json!({"proxy": "app-7.infra", "listener_sent": "a", "listener_acked": "b"});
    assert_eq!(taken(&mut view, &[namesake, sidecar], at("10:00:05")), []);
    assert_eq!(view, View::default(), "nothing is kept of others");
}

#[test]
fn a_proxy_that_another_istiod_lists_is_remembered_for_a_while() {
    let mut view = View::default();
    taken(&mut view, &[proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z"))], at("10:00:05"));
    assert_eq!(taken(&mut view, &[], at("10:01:05")).len(), 1);
    view.forget(&gateways(), at("10:05:05"));
    assert_eq!(view.pushes(&gateways()).len(), 1);
    view.forget(&gateways(), at("10:05:06"));
    assert_eq!(view.pushes(&gateways()), []);
    taken(&mut view, &[proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z"))], at("10:06:00"));
    view.forget(&[gateway("gw-1")], at("10:06:00"));
    assert_eq!(view, View::default(), "a pod that is gone is forgotten at once");
}

#[test]
fn times_that_cannot_be_are_the_time_of_the_look() {
    for time in ["0001-01-01T00:00:00Z", "2026-11-21T10:00:06Z", "soon", ""] {
        let mut view = View::default();
        let told = taken(&mut view, &[proxy("gw-0", &refused("l2", time))], at("10:00:05"));
        assert_eq!(told, [push("gw-0", Part::Listeners, true, "10:00:05")], "{time}");
    }
}

#[test]
fn what_is_odd_about_one_proxy_is_passed_over_and_the_others_count() {
    let mut view = View::default();
    let odd = [
        json!(null),
        json!(7),
        json!("gw-0.infra"),
        json!([]),
        json!({}),
        json!({"proxy": 7}),
        json!({"proxy": "gw-0.infra", "resources": 7}),
        json!({"proxy": "gw-0.infra", "listener_sent": 7, "listener_acked": null}),
        json!({"proxy": "gw-0.infra", "resources": {LISTENERS: {"sent": {}, "acked": []}}}),
        json!({"proxy": "gw-0.infra", "resources": {LISTENERS: []}}),
        proxy("gw-1", &refused("l2", "2026-11-21T10:00:01Z")),
    ];
    let told = taken(&mut view, &odd, at("10:00:05"));
    assert_eq!(told, [push("gw-1", Part::Listeners, true, "10:00:01")]);
}

#[test]
fn what_is_no_list_of_proxies_changes_nothing() {
    let mut view = View::default();
    taken(&mut view, &[proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z"))], at("10:00:05"));
    let before = view.clone();
    let whole = page(&[proxy("gw-0", &json!({"sent": "l3", "acked": "l3"}))]);
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for bad in [
        &b""[..],
        b"null",
        b"{}",
        b"\"x\"",
        b"<html>Sign in</html>",
        &whole[..whole.len() - 1],
        &[&whole[..], b"]"].concat(),
        &[b'[', 0xff, b']'],
        &deep,
    ] {
        let found = view.take(bad, &gateways(), at("10:00:06"));
        assert_eq!(found, Err(Unreadable), "{}", String::from_utf8_lossy(&bad[..bad.len().min(40)]));
        assert_eq!(view, before);
    }
}

#[test]
fn a_page_of_a_whole_mesh_leaves_no_more_than_its_gateways() {
    let mut proxies: Vec<Value> = (0..5_000)
        .map(|n| json!({"proxy": format!("app-{n}.shop"), "listener_sent": "a", "listener_acked": "a"}))
        .collect();
    proxies.push(proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z")));
    let mut view = View::default();
    assert_eq!(taken(&mut view, &proxies, at("10:00:05")).len(), 1);
    assert_eq!(view.proxies.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_a_list_or_not(bytes in any::<Vec<u8>>()) {
        let mut view = View::default();
        let _ = view.take(&bytes, &gateways(), at("10:00:00"));
        prop_assert!(view.pushes(&gateways()).is_empty());
    }

    #[test]
    fn a_damaged_page_tells_of_known_pods_and_never_of_times_to_come(
        position in 0..400_usize, byte in any::<u8>(),
    ) {
        let mut bytes = page(&[proxy("gw-0", &refused("l2", "2026-11-21T10:00:01Z"))]);
        let position = position % bytes.len();
        bytes[position] = byte;
        let mut view = View::default();
        let _ = view.take(&bytes, &gateways(), at("10:00:05"));
        for told in view.pushes(&gateways()) {
            let known = gateways().iter().any(|gateway| gateway.pod == told.pod);
            prop_assert!(known && told.since <= at("10:00:05"), "{told:?}");
        }
    }
}
