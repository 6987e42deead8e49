//! Each way to ask, against the same gateway: what arrives, what is counted, and who answered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use load::{Config, Counts, LoadHandle, Snapshot, Way};
use model_server::app::Faults;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::relay::Relay;
use support::{Gateway, until};

/// All ways, evenly.
fn every_way(gateway: &Gateway) -> Config {
    Config { ways: Way::ALL.map(|way| (way, 1)).to_vec(), ..gateway.config() }
}

/// Whether it holds for each of them.
fn each(now: &Snapshot, holds: impl Fn(Counts) -> bool) -> bool {
    Way::ALL.iter().all(|way| now.ways.get(way).copied().is_some_and(&holds))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_reaches_both_versions_and_every_label_finds_the_one_that_answered() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.canary_of_ten.store(3, Ordering::Relaxed);
    let load = LoadHandle::start(every_way(&gateway)).unwrap();
    let half = until(&load, "each way was answered 20 times", |now| each(now, |of| of.ok >= 20)).await;
    until(&load, "and 20 times more", |now| each(now, |of| of.ok >= 40)).await;
    let total = load.stop().await;

    for (way, of) in &total.ways {
        assert_eq!((of.ok, of.wrong(), of.limited), (of.sent, 0, 0), "{way}");
    }
    let sent = total.ways.values().map(|of| of.sent);
    assert!(sent.clone().max().unwrap() - sent.min().unwrap() <= 1, "evenly: {:?}", total.ways);
    assert_eq!((total.labels.counted, total.labels.misrouted), (total.sent, 0), "{total:?}");
    assert!(total.versions["v1"].labelled > 20 && total.versions["v2"].labelled > 10, "{total:?}");
    assert_eq!((total.pairs, total.mismatched, &total.last_mismatch), (total.sent, 0, &None));

    let change = total.since(&half);
    assert_eq!(change.all().sent, total.sent - half.sent);
    assert_eq!(change.answers.values().sum::<u64>(), total.answers.ok - half.answers.ok);

    let arrived = gateway.rules.ways.lock().unwrap().clone();
    let sent = |way| total.ways[&way].sent;
    let over_http1 = sent(Way::KeepAlive) + sent(Way::Fresh);
    let wanted = [(Way::KeepAlive, over_http1), (Way::Http2, sent(Way::Http2)), (Way::Grpc, sent(Way::Grpc))];
    assert_eq!(arrived.into_iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_fresh_requests_open_a_connection_each() {
    let gateway = Gateway::start(Duration::ZERO).await;
    for (way, most) in [(Way::KeepAlive, 50), (Way::Http2, 1), (Way::Grpc, 1)] {
        let relay = Relay::to(&gateway).await;
        // Labels have connections of their own.
        let config =
            Config { url: relay.url.clone(), ways: vec![(way, 1)], label_delay: None, ..gateway.config() };
        let load = LoadHandle::start(config).unwrap();
        until(&load, "100 answers", |now| now.answers.ok >= 100).await;
        load.stop().await;
        let opened = relay.opened.load(Ordering::Relaxed);
        assert!((1..=most).contains(&opened), "{way}: {opened}");
    }
    let relay = Relay::to(&gateway).await;
    let ways = vec![(Way::Fresh, 1)];
    let config = Config { url: relay.url.clone(), ways, label_delay: None, ..gateway.config() };
    let load = LoadHandle::start(config).unwrap();
    until(&load, "100 answers", |now| now.answers.ok >= 100).await;
    let total = load.stop().await;
    assert_eq!(relay.opened.load(Ordering::Relaxed), total.sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_requests_and_calls_are_counted_alike_and_get_no_label() {
    let gateway = Gateway::with(Faults { fail_ratio: 0.3, ..Faults::default() }).await;
    let load = LoadHandle::start(every_way(&gateway)).unwrap();
    until(&load, "each way failed", |now| each(now, |of| of.failed >= 5 && of.ok >= 5)).await;
    let total = load.stop().await;
    for (way, of) in &total.ways {
        assert_eq!((of.sent, of.lost, of.limited), (of.ok + of.failed, 0, 0), "{way}");
    }
    assert_eq!((total.answers.server_errors, total.answers.client_errors), (total.all().failed, 0));
    assert_eq!((total.labels.sent, total.pairs), (total.answers.ok, total.answers.ok));
    let trouble = total.last_trouble.unwrap();
    assert!(trouble.contains("500") || trouble.contains("grpc-status 13"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_told_with_its_status_and_message() {
    let gateway = Gateway::with(Faults { fail_ratio: 1.0, ..Faults::default() }).await;
    let load = LoadHandle::start(Config { ways: vec![(Way::Grpc, 1)], ..gateway.config() }).unwrap();
    until(&load, "calls failed", |now| now.all().failed >= 5).await;
    let total = load.stop().await;
    assert_eq!((total.answers.ok, total.versions["v1"].answers.server_errors), (0, total.sent));
    let wanted = "v1 answered grpc-status 13 (Internal error): failed on purpose (FAIL_RATIO)";
    assert_eq!(total.last_trouble.as_deref(), Some(wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_refuses_is_no_failure_either_way() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.limit_every.store(3, Ordering::Relaxed);
    let load = LoadHandle::start(every_way(&gateway)).unwrap();
    until(&load, "each way was limited", |now| each(now, |of| of.limited >= 5 && of.ok >= 5)).await;
    let total = load.stop().await;
    for (way, of) in &total.ways {
        assert_eq!((of.sent, of.wrong()), (of.ok + of.limited, 0), "{way}");
    }
    assert_eq!(total.answers.limited, total.all().limited);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_is_lost_whichever_way_and_that_is_no_answer() {
    let gateway = Gateway::start(Duration::ZERO).await;
    let relay = Relay::to(&gateway).await;
    let config = Config { url: relay.url.clone(), label_delay: None, ..every_way(&gateway) };
    let load = LoadHandle::start(config).unwrap();
    until(&load, "each way was answered", |now| each(now, |of| of.ok >= 5)).await;
    relay.kill();
    until(&load, "each way lost some", |now| each(now, |of| of.lost >= 5)).await;
    let total = load.stop().await;
    for (way, of) in &total.ways {
        assert_eq!((of.sent, of.failed), (of.ok + of.lost, 0), "{way}");
    }
    assert_eq!((total.connection_errors, total.timeouts), (total.all().lost, 0));
    assert!(total.last_trouble.unwrap().contains("refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_version_than_the_one_that_the_gateway_names_is_found() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.lie_every.store(5, Ordering::Relaxed);
    let load = LoadHandle::start(Config { label_delay: None, ..every_way(&gateway) }).unwrap();
    until(&load, "it lied to each way", |now| now.mismatched >= 8).await;
    let total = load.stop().await;
    assert_eq!(total.mismatched, gateway.rules.lies.load(Ordering::Relaxed));
    assert_eq!((total.pairs, total.answers.ok), (total.sent, total.sent), "a mismatch is its own number");
    let told = total.last_mismatch.unwrap();
    assert!(told.ends_with("the gateway chose v2, but a model of v1 answered"), "{told}");
}
