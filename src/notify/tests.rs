//! Deliveries to receivers that are down, slow, refuse and come back.

mod who;

use std::io;
use std::path::PathBuf;

use hmac::{Hmac, KeyInit, Mac};
use model_release_core::api::status::{Act, Numbers, Phase};
use model_release_core::settings::Settings;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;

use super::*;
use crate::testing::{Reply, Server, response};

/// As in production, but for how long things take.
const QUICK: Pace = Pace {
    limit: Duration::from_millis(300),
    first: Duration::from_millis(5),
    longest: Duration::from_millis(20),
    total: Duration::from_secs(60),
};

/// A rollback of 2026.08 on its accuracy.
pub fn entry(seq: i64) -> HistoryEntry {
    HistoryEntry {
        seq,
        at: "2026-11-21T11:40:00Z".parse().unwrap(),
        verdict: Act::Rollback,
        version: "2026.08".into(),
        hash: "9ab1c2d3e4".into(),
        from: Phase::Analyzing,
        to: Phase::RollingBack,
        from_percent: 10,
        to_percent: 0,
        reason: model_release_core::api::Reason::QualityRegression,
        message: "accuracy 0.8510 of 397 against 0.9010 of 3573; evidence 21.4 of 20 that 2026.08 is worse"
            .into(),
        numbers: vec![Numbers {
            metric: "model_accuracy".into(),
            stable: "0.9010".into(),
            canary: "0.8510".into(),
            stable_events: 3573,
            canary_events: 397,
            evidence: "21.4".into(),
            needed: "20".into(),
            ..Numbers::default()
        }],
    }
}

/// The same of a release, to tell of.
pub fn decided(release: &str, seq: i64) -> Notification {
    Notification {
        release: ReleaseKey { namespace: "models".into(), name: release.into() },
        uid: format!("uid-of-{release}"),
        stable: "2026.07".into(),
        decision: entry(seq),
    }
}

/// Files with addresses and keys, gone with the test.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("notify-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Writes one; its whole path.
    fn put(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// One with the address of a server.
    fn url(&self, name: &str, server: &Server) -> String {
        self.put(name, &format!("http://{}/hook\n", server.address))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Settings with webhooks of these names and files.
fn webhooks(sinks: &[(&str, &str)]) -> Settings {
    let all: Vec<Value> = sinks.iter().map(|(name, file)| json!({"name": name, "urlFile": file})).collect();
    settings(json!({"webhooks": all}))
}

fn settings(notifications: Value) -> Settings {
    Settings { notifications: serde_json::from_value(notifications).unwrap(), ..Settings::default() }
}

fn notifier(settings: impl Into<Current>) -> (Notifier, Metrics) {
    let metrics = Metrics::default();
    let clock = Clock::following_timers("2026-11-21T11:45:00Z".parse().unwrap());
    (Notifier::paced(settings.into(), metrics.clone(), clock, QUICK), metrics)
}

/// Runs it as the leader of no releases, until the test ends.
fn runs(notifier: &Notifier) {
    tokio::spawn(notifier.clone().run(Caches::new(&[]).0, Lead::without_election()));
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "never: {what}");
}

fn ok() -> Reply {
    response("200 OK", "", "ok")
}

/// The body of a request.
fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Ids of all requests that a server got.
fn ids(server: &Server) -> Vec<String> {
    let asked = server.asked.lock().unwrap();
    asked.iter().map(|request| body(request)["id"].as_str().unwrap().to_owned()).collect()
}

fn counted(metrics: &Metrics, sink: &str) -> [u64; 3] {
    let page = metrics.page().unwrap();
    ["delivered", "retried", "dropped"].map(|result| {
        let series = format!("modelrelease_notifications_total{{sink=\"{sink}\",result=\"{result}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    })
}

#[tokio::test]
async fn every_decision_arrives_in_order_with_one_id_though_the_receiver_is_slow_refuses_and_hangs_up() {
    let files = Files::new("order");
    let asked = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        match *asked {
            1 => Reply::Silence,
            2 => response("500 Internal Server Error", "", ""),
            3 => response("429 Too Many Requests", "retry-after: 1\r\n", ""),
            4 => Reply::Bytes(Vec::new()),
            7 => response("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
            _ => ok(),
        }
    })
    .await;
    let (notifier, metrics) = notifier(webhooks(&[("ops", &files.url("ops", &server))]));
    assert_eq!(counted(&metrics, "ops"), [0, 0, 0], "before anything was decided");
    runs(&notifier);
    for seq in 1..=4 {
        notifier.hand_over(decided("fraud", seq));
    }
    until("all are delivered", || counted(&metrics, "ops")[0] == 4).await;
    let want = [1, 1, 1, 1, 1, 2, 3, 3, 4].map(|seq| format!("uid-of-fraud/{seq}"));
    assert_eq!(ids(&server), want);
    assert_eq!(counted(&metrics, "ops"), [4, 5, 0]);
}

#[tokio::test]
async fn a_receiver_that_is_down_and_comes_back_elsewhere_is_found_by_its_edited_address() {
    let files = Files::new("down");
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let file = files.put("ops", &format!("http://{free}/"));
    let (notifier, metrics) = notifier(webhooks(&[("ops", &file)]));
    runs(&notifier);
    notifier.hand_over(decided("fraud", 1));
    notifier.hand_over(decided("fraud", 2));
    until("it was tried twice", || counted(&metrics, "ops")[1] >= 2).await;
    std::fs::remove_file(&file).unwrap();
    let tried = counted(&metrics, "ops")[1];
    until("it was tried without a file", || counted(&metrics, "ops")[1] >= tried + 2).await;
    let server = Server::start(|_| ok()).await;
    files.url("ops", &server);
    until("both are delivered", || counted(&metrics, "ops")[0] == 2).await;
    assert_eq!(ids(&server), ["uid-of-fraud/1", "uid-of-fraud/2"]);
}

#[tokio::test]
async fn a_dead_and_a_silent_sink_keep_no_other_waiting() {
    let files = Files::new("dead");
    let (silent, alive) = (Server::start(|_| Reply::Silence).await, Server::start(|_| ok()).await);
    let sinks = [
        ("dead", files.put("dead", "http://127.0.0.1:1/")),
        ("silent", files.url("silent", &silent)),
        ("alive", files.url("alive", &alive)),
    ];
    let sinks = sinks.each_ref().map(|(name, file)| (*name, file.as_str()));
    let (notifier, metrics) = notifier(webhooks(&sinks));
    runs(&notifier);
    for seq in 1..=5 {
        for release in 0..8 {
            notifier.hand_over(decided(&format!("r{release}"), seq));
        }
    }
    until("one has all", || counted(&metrics, "alive")[0] == 40).await;
    assert_eq!((counted(&metrics, "dead")[0], counted(&metrics, "silent")[0]), (0, 0));
    let told = ids(&alive);
    for release in 0..8 {
        let own: Vec<_> = told.iter().filter(|id| id.starts_with(&format!("uid-of-r{release}/"))).collect();
        assert_eq!(own, [1, 2, 3, 4, 5].map(|seq| format!("uid-of-r{release}/{seq}")).each_ref());
    }
}

#[tokio::test]
async fn a_release_that_a_receiver_refuses_keeps_no_other_waiting() {
    let files = Files::new("refuses");
    let refuses = |request: &str| request.contains("uid-of-bad");
    let server =
        Server::start(move |asked| if refuses(asked) { response("400 Bad Request", "", "") } else { ok() })
            .await;
    let (notifier, metrics) = notifier(webhooks(&[("ops", &files.url("ops", &server))]));
    runs(&notifier);
    notifier.hand_over(decided("bad", 1));
    until("it is refused", || counted(&metrics, "ops")[1] > 0).await;
    notifier.hand_over(decided("good", 1));
    until("the other arrives", || counted(&metrics, "ops")[0] == 1).await;
}

#[tokio::test]
async fn at_most_four_requests_are_under_way_to_a_sink() {
    let files = Files::new("four");
    let (go, gone) = watch::channel(false);
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let server = Server::start(move |_| Reply::Once(gone.clone(), bytes.clone())).await;
    let metrics = Metrics::default();
    let current = Current::from(webhooks(&[("ops", &files.url("ops", &server))]));
    let notifier = Notifier::new(current, metrics.clone(), Clock::system());
    runs(&notifier);
    for release in 0..9 {
        notifier.hand_over(decided(&format!("r{release}"), 1));
    }
    until("four are there", || server.count() == 4).await;
    // Were there no limit, the others would come while this task gives way.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.count(), 4);
    go.send_replace(true);
    until("all are delivered", || counted(&metrics, "ops")[0] == 9).await;
}

#[test]
fn handing_over_to_a_full_queue_returns_at_once_and_counts_what_fell_out() {
    let (notifier, metrics) = notifier(webhooks(&[("ops", "/nowhere")]));
    // Nobody delivers, and there is no runtime to wait on.
    for seq in 1..=1005 {
        notifier.hand_over(decided("fraud", seq));
    }
    assert_eq!(counted(&metrics, "ops"), [0, 0, 5]);
    assert_eq!(notifier.queues()["ops"].len(), queue::MOST);
}

#[tokio::test]
async fn what_cannot_be_delivered_in_time_is_dropped_and_counted() {
    let files = Files::new("late");
    let file = files.put("ops", "http://127.0.0.1:1/");
    let metrics = Metrics::default();
    let pace = Pace { total: Duration::from_millis(50), ..QUICK };
    let current = Current::from(webhooks(&[("ops", &file)]));
    let notifier = Notifier::paced(current, metrics.clone(), Clock::system(), pace);
    runs(&notifier);
    notifier.hand_over(decided("fraud", 1));
    notifier.hand_over(decided("fraud", 2));
    until("both are dropped", || counted(&metrics, "ops")[2] == 2).await;
    assert!(counted(&metrics, "ops")[1] >= 1);
    assert_eq!(notifier.queues()["ops"].len(), 0);
}

#[test]
fn waits_double_from_a_second_to_a_minute_and_differ() {
    let wait = |tries, jitter| backoff(PACE.first, PACE.longest, tries, jitter).as_secs_f64();
    let all: Vec<f64> = (1..=8).map(|tries| wait(tries, 0.0)).collect();
    assert_eq!(all, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    assert_eq!((wait(7, 1.0), wait(u32::MAX, 0.5)), (30.0, 45.0));
}

#[tokio::test]
async fn each_format_has_its_content_type_and_the_body_is_signed_with_the_key_of_now() {
    let files = Files::new("signed");
    let server = Server::start(|_| ok()).await;
    let (url, key) = (files.url("url", &server), files.put("key", "first\n"));
    let (notifier, metrics) = notifier(settings(json!({
        "slack": [{"name": "slack", "urlFile": url}],
        "webhooks": [{"name": "hook", "urlFile": url, "secretFile": key}],
        "cloudEvents": [{"name": "events", "urlFile": url, "secretFile": key}],
    })));
    runs(&notifier);
    for (seq, secret) in [(1, "first"), (2, "second")] {
        files.put("key", &format!("{secret}\n"));
        notifier.hand_over(decided("fraud", seq));
        let all = ["slack", "hook", "events"];
        until("all are told", || {
            all.iter().all(|sink| counted(&metrics, sink)[0] == u64::try_from(seq).unwrap())
        })
        .await;
        let asked: Vec<String> = server.asked.lock().unwrap().drain(..).collect();
        assert_eq!(asked.len(), 3);
        for request in asked {
            assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let header = |name: &str| {
                head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
            };
            let signature = header("x-modelrelease-signature");
            let content = header("content-type").unwrap();
            if self::body(&request).get("text").is_some() {
                assert_eq!((content.as_str(), signature), ("application/json", None));
                continue;
            }
            let events = self::body(&request).get("specversion").is_some();
            assert_eq!(content, if events { "application/cloudevents+json" } else { "application/json" });
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(body.as_bytes());
            mac.verify_slice(&unhex(signature.unwrap().strip_prefix("sha256=").unwrap())).unwrap();
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_signature_is_that_of_rfc_4231() {
    assert_eq!(
        send::signature(b"Jefe", b"what do ya want for nothing?").unwrap(),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

/// What was logged, on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn addresses_keys_and_answers_are_told_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let _logged = tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish());
    let files = Files::new("secret");
    let answers = Server::start(|_| response("403 Forbidden", "", "hidden-answer")).await;
    let url = |name: &str, text: &str| json!({"name": name, "urlFile": files.put(name, text), "secretFile": files.put("key", "hidden-key")});
    let (notifier, metrics) = notifier(settings(json!({"webhooks": [
        url("answers", &format!("http://{}/hidden-path?token=hidden-query", answers.address)),
        url("dead", "http://127.0.0.1:1/hidden-path"),
        url("unknown", "http://hidden-host.invalid/hidden-path"),
        url("garbage", "hidden-garbage"),
        url("password", "http://user:hidden-word@127.0.0.1/"),
    ]})));
    runs(&notifier);
    notifier.hand_over(decided("fraud", 1));
    let sinks = ["answers", "dead", "garbage", "password"];
    until("all failed", || sinks.iter().all(|sink| counted(&metrics, sink)[1] > 0)).await;
    let told = [
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap(),
        format!("{notifier:?} {:?}", notifier.0.settings),
        metrics.page().unwrap(),
    ];
    for text in &told {
        assert!(!text.contains("hidden-path") && !text.contains("hidden-query"), "{text}");
        assert!(!text.contains("hidden-key") && !text.contains("hidden-answer"), "{text}");
        assert!(!text.contains("hidden-garbage") && !text.contains("hidden-word"), "{text}");
    }
    for word in ["answers", "status 403", "cannot be reached", "holds no address", "urlFile"] {
        assert!(told[0].contains(word), "{word}: {}", told[0]);
    }
}
