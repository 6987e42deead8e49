//! The load against a gateway with two model servers behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use load::{Config, LoadHandle};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::{DEADLINE, Gateway, HOST_NAME, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_label_reaches_the_version_that_answered_though_the_split_draws_another() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.canary_of_ten.store(3, Ordering::Relaxed);
    let load = LoadHandle::start(gateway.config()).unwrap();
    until(&load, "v2 has 100 labels", |now| now.versions.get("v2").is_some_and(|v| v.labelled >= 100)).await;
    let total = load.stop().await;

    assert_eq!(total.labels.counted, total.sent, "{total:?}");
    assert_eq!((total.labels.misrouted, total.labels.failed, total.answers.ok), (0, 0, total.sent));
    for (at, name) in ["v1", "v2"].into_iter().enumerate() {
        let seen = &total.versions[name];
        let counted = u64_of(gateway.metric(at, "model_predictions_labelled_total").await);
        let right = u64_of(gateway.metric(at, "model_predictions_correct_total").await);
        assert_eq!((seen.labelled, seen.right), (counted, right), "{name}: client and server agree");
        assert!((0.35..0.65).contains(&seen.accuracy().unwrap()), "{name}: half is right {seen:?}");
        assert!(seen.answers.p50_ms.unwrap() > 0.0 && seen.answers.p50_ms <= seen.answers.p99_ms, "{seen:?}");
    }
    let users: BTreeSet<String> = gateway.rules.users.lock().unwrap().iter().cloned().collect();
    assert_eq!((users.len(), users.first().unwrap().as_str()), (20, "user-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_reach_another_version_are_noted_and_not_counted() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.canary_of_ten.store(5, Ordering::Relaxed);
    gateway.rules.ignore_version_header.store(true, Ordering::Relaxed);
    let load = LoadHandle::start(gateway.config()).unwrap();
    until(&load, "some went astray, some did not", |now| {
        now.labels.misrouted > 20 && now.labels.counted > 20
    })
    .await;
    let total = load.stop().await;
    let counted = gateway.metric(0, "model_predictions_labelled_total").await
        + gateway.metric(1, "model_predictions_labelled_total").await;
    assert_eq!(u64_of(counted), total.labels.counted);
    assert_eq!(total.labels.sent, total.labels.counted + total.labels.misrouted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_kept_and_the_load_ends_after_its_time() {
    let gateway = Gateway::start(Duration::ZERO).await;
    let began = Instant::now();
    let config = Config { rate: 250, duration: Duration::from_secs(2), ..gateway.config() };
    let total = LoadHandle::start(config).unwrap().finish().await;
    assert_eq!(total.sent + total.skipped, 500);
    assert!(total.ended && began.elapsed() >= Duration::from_millis(1990), "{:?}", began.elapsed());
    assert_eq!(gateway.rules.asked.load(Ordering::Relaxed), total.sent + total.labels.sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_version_is_asked_no_less_until_too_much_is_under_way() {
    let gateway = Gateway::start(Duration::from_secs(2)).await;
    let load = LoadHandle::start(Config { in_flight: 50, ..gateway.config() }).unwrap();
    let full = until(&load, "50 are under way", |now| now.skipped > 0).await;
    assert_eq!((full.sent, full.answers.answered), (50, 0), "all sent before the first answer");
    let total = load.stop().await;
    assert_eq!(total.answers.ok, total.sent, "what was under way was waited for");
    assert!(total.answers.p50_ms.unwrap() > 1900.0, "{total:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_answer_of_a_version_without_weight_stands_still() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.canary_of_ten.store(5, Ordering::Relaxed);
    let load = LoadHandle::start(gateway.config()).unwrap();
    until(&load, "v2 answered", |now| now.versions.contains_key("v2")).await;
    gateway.rules.canary_of_ten.store(0, Ordering::Relaxed);
    let last = |now: &load::Snapshot, name: &str| now.versions.get(name).and_then(|v| v.last_ms).unwrap_or(0);
    let newer = |now: &load::Snapshot| last(now, "v1") > last(now, "v2") + 500;
    let then = until(&load, "v1 alone answered for half a second", newer).await;
    let total = load.stop().await;
    assert_eq!(last(&total, "v2"), last(&then, "v2"));
    assert!(last(&total, "v1") >= last(&then, "v1"));
    assert!(total.versions["v2"].last_sent_ms <= total.versions["v2"].last_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_requests_are_counted_apart_and_get_no_label() {
    let gateway = Gateway::start(Duration::ZERO).await;
    gateway.rules.limit_every.store(2, Ordering::Relaxed);
    let load = LoadHandle::start(gateway.config()).unwrap();
    until(&load, "20 are limited", |now| now.answers.limited >= 20).await;
    let total = load.stop().await;
    assert_eq!(total.answers.limited + total.answers.ok, total.sent, "{total:?}");
    assert_eq!((total.labels.sent, total.answers.client_errors), (total.answers.ok, 0));
    assert_eq!(total.versions["v1"].answers.limited, total.answers.limited);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_come_after_their_delay_or_when_the_load_is_stopped() {
    let gateway = Gateway::start(Duration::ZERO).await;
    let hour = Config { label_delay: Some(Duration::from_secs(3600)), ..gateway.config() };
    let load = LoadHandle::start(hour).unwrap();
    let now = until(&load, "50 answers", |now| now.answers.ok >= 50).await;
    assert_eq!(now.labels.sent, 0);
    let total = load.stop().await;
    assert_eq!((total.labels.counted, total.answers.ok), (total.sent, total.sent));

    let load = LoadHandle::start(Config { label_delay: None, ..gateway.config() }).unwrap();
    until(&load, "50 answers", |now| now.answers.ok >= 50).await;
    assert_eq!(load.stop().await.labels.sent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_and_nobody_answering_are_told_apart() {
    let gateway = Gateway::start(Duration::from_secs(3600)).await;
    let silent = Config { timeout: Duration::from_millis(100), ..gateway.config() };
    let load = LoadHandle::start(silent).unwrap();
    until(&load, "time-outs", |now| now.timeouts > 10).await;
    let total = load.stop().await;
    assert_eq!((total.timeouts, total.connection_errors), (total.sent, 0), "{total:?}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let load = LoadHandle::start(Config { url, ..gateway.config() }).unwrap();
    until(&load, "refusals", |now| now.connection_errors > 10).await;
    let total = load.stop().await;
    assert_eq!((total.timeouts, total.connection_errors), (0, total.sent));
    assert!(total.last_trouble.unwrap().contains("refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_load_asks_nothing_more() {
    let gateway = Gateway::start(Duration::ZERO).await;
    let load = LoadHandle::start(gateway.config()).unwrap();
    until(&load, "an answer", |now| now.answers.ok > 0).await;
    drop(load);
    // Quiet for 20 times the pause between two questions.
    let quiet = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut before = u64::MAX;
        loop {
            ticks.tick().await;
            let now = gateway.rules.asked.load(Ordering::Relaxed);
            if now == before {
                break;
            }
            before = now;
        }
    };
    tokio::time::timeout(DEADLINE, quiet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_keeps_a_whole_snapshot_at_all_times_and_ends_with_a_table() {
    let gateway = Gateway::start(Duration::ZERO).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("data.tsv"), "a.example\tphishing\nb.example\tlegitimate\n").unwrap();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["--url", &gateway.url, "--host", HOST_NAME, "--rate", "100", "--duration", "2s"])
        .args(["--ways", "keep-alive=2,http2,grpc"])
        .args(["--data", &path("data.tsv"), "--snapshot", &path("now.json"), "--report", &path("all.jsonl")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let mut looks = BTreeSet::new();
    let reading = async {
        while child.try_wait().unwrap().is_none() {
            ticks.tick().await;
            if let Ok(text) = std::fs::read_to_string(path("now.json")) {
                let now: serde_json::Value = serde_json::from_str(&text).expect("whole");
                looks.insert(now["atMs"].as_u64().unwrap());
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap();
    assert!(looks.len() >= 5, "rewritten again and again: {looks:?}");

    let done = child.wait_with_output().await.unwrap();
    let table = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && table.contains("v1 ") && table.contains("grpc "), "{table}");
    let last: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path("now.json")).unwrap()).unwrap();
    assert_eq!((&last["ended"], &last["ok"]), (&true.into(), &200.into()), "{last}");
    for (way, sent) in [("keep-alive", 100), ("http2", 50), ("grpc", 50)] {
        assert_eq!(
            (&last["ways"][way]["sent"], &last["ways"][way]["ok"]),
            (&sent.into(), &sent.into()),
            "{last}"
        );
    }
    let lines = std::fs::read_to_string(path("all.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.len() >= 3 && lines.last() == Some(&last), "{} lines", lines.len());
}

fn u64_of(value: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
    let value = value as u64;
    value
}
