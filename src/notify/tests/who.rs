//! Who is told, and by whom: sinks that come and go, leaders, routes.

use model_release_core::settings::Route;

use super::*;
use crate::watch::{Change, Object, Scope, Watched};

#[tokio::test]
async fn a_sink_is_added_and_taken_out_while_the_operator_runs() {
    let files = Files::new("edited");
    let server = Server::start(|_| ok()).await;
    let (dead, url) = (files.put("dead", "http://127.0.0.1:1/"), files.url("url", &server));
    let (put, current) = Current::new(webhooks(&[("old", &dead)]));
    let (notifier, metrics) = notifier(current);
    runs(&notifier);
    notifier.hand_over(decided("fraud", 1));
    until("it is tried", || counted(&metrics, "old")[1] > 0).await;
    put.put(webhooks(&[("new", &url)]));
    until("what waited for the old one is counted", || counted(&metrics, "old")[2] == 1).await;
    assert_eq!(counted(&metrics, "new"), [0, 0, 0], "there from 0");
    notifier.hand_over(decided("fraud", 2));
    until("the new one is told", || counted(&metrics, "new")[0] == 1).await;
    assert_eq!(ids(&server), ["uid-of-fraud/2"]);
}

/// Caches with one release whose history has these decisions, newest first, all at that time.
fn cached(history: &[(i64, &str)]) -> Caches {
    let of = |(seq, at): &(i64, &str)| HistoryEntry { at: at.parse().unwrap(), ..entry(*seq) };
    let history: Vec<_> = history.iter().map(of).collect();
    let object = Object {
        namespace: "models".into(),
        name: "fraud".into(),
        uid: "uid-of-fraud".into(),
        resource_version: "1".into(),
        scaled_by_others: false,
        body: json!({
            "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
            "metadata": {"name": "fraud", "namespace": "models"},
            "spec": {"stable": {"version": "v1", "image": "i"}},
            "status": {"stableVersion": "2026.07", "history": history, "state": {"version": 1}},
        }),
    };
    let (caches, _woken) = Caches::new(&[]);
    caches.take(&Scope { watched: Watched::Release, namespace: None, labels: None }, Change::Set(object));
    caches
}

#[tokio::test]
async fn a_new_leader_sends_the_decisions_of_the_last_ten_minutes_again_in_order_and_none_twice() {
    let files = Files::new("again");
    let server = Server::start(|_| ok()).await;
    let (notifier, metrics) = notifier(webhooks(&[("ops", &files.url("ops", &server))]));
    // It is 11:45.
    let caches = cached(&[
        (9, "2026-11-21T11:44:59Z"),
        (8, "2026-11-21T11:36:00Z"),
        (7, "2026-11-21T11:34:59Z"),
        (6, "2026-11-21T10:00:00Z"),
    ]);
    let (give, lead) = watch::channel(false);
    tokio::spawn(notifier.clone().run(caches, Lead::of_test(lead)));
    // Decided before what was before it could be sent again, and on record already.
    for seq in [9, 10] {
        notifier.hand_over(decided("fraud", seq));
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.count(), 0, "who does not lead tells nobody");
    give.send_replace(true);
    until("all are told", || counted(&metrics, "ops")[0] == 3).await;
    assert_eq!(ids(&server), [8, 9, 10].map(|seq| format!("uid-of-fraud/{seq}")));
}

#[tokio::test]
async fn who_no_longer_leads_leaves_what_waits_to_the_next_leader() {
    let files = Files::new("lost");
    let (notifier, metrics) = notifier(webhooks(&[("ops", &files.put("ops", "http://127.0.0.1:1/"))]));
    let (give, lead) = watch::channel(true);
    tokio::spawn(notifier.clone().run(Caches::new(&[]).0, Lead::of_test(lead)));
    notifier.hand_over(decided("fraud", 1));
    until("it is tried", || counted(&metrics, "ops")[1] > 0).await;
    give.send_replace(false);
    until("nothing waits", || notifier.queues().is_empty()).await;
    assert_eq!(counted(&metrics, "ops")[2], 0, "it is not lost: the next leader sends it");
}

#[test]
fn routes_lead_by_namespace_and_kind_and_without_any_everybody_is_told_everything() {
    let route = |sinks: &[&str], namespaces: &[&str], events: &[EventKind]| Route {
        sinks: sinks.iter().map(ToString::to_string).collect(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        events: events.to_vec(),
    };
    let none = Notifications::default();
    assert!(leads_to(&none, "any", "models", EventKind::Held));
    let routes = vec![
        route(&["ops"], &[], &[EventKind::RolledBack, EventKind::Stalled]),
        route(&["ml", "ops"], &["ml-*"], &[]),
    ];
    let settings = Notifications { routes, ..Notifications::default() };
    for (sink, namespace, kind, want) in [
        ("ops", "shop", EventKind::RolledBack, true),
        ("ops", "shop", EventKind::Promoted, false),
        ("ops", "ml-vision", EventKind::Promoted, true),
        ("ml", "ml-vision", EventKind::Held, true),
        ("ml", "shop", EventKind::RolledBack, false),
        ("other", "ml-vision", EventKind::RolledBack, false),
    ] {
        assert_eq!(leads_to(&settings, sink, namespace, kind), want, "{sink} {namespace} {kind:?}");
    }
}

#[test]
fn a_star_stands_for_anything() {
    for (glob, name, want) in [
        ("models", "models", true),
        ("models", "models2", false),
        ("*", "models", true),
        ("ml-*", "ml-", true),
        ("ml-*", "ml", false),
        ("*-prod", "ml-prod", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "a-c-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("*b*", "abc", true),
        ("**", "x", true),
    ] {
        assert_eq!(fits(glob, name), want, "{glob} {name}");
    }
}
