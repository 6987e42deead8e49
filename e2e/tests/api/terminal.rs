//! The plugin in a real terminal, on releases of a real API server.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::terminal;
use testbed::wait::{Seen, until};

use crate::admission::{RELEASES, send};
use crate::common::{plugin, with_definition};

const SOON: Duration = Duration::from_secs(20);

/// The plugin on a terminal of 40 rows.
struct Terminal(terminal::Terminal);

impl Terminal {
    fn run(kubeconfig: &Path, columns: u16, line: &str) -> Self {
        let mut command = Command::new(plugin());
        command.args(line.split_whitespace()).env("KUBECONFIG", kubeconfig);
        Self(terminal::Terminal::run(command, (columns, 40)).unwrap())
    }

    fn shown(&self) -> String {
        self.0.shown()
    }

    async fn shows(&self, text: &str) {
        let what = format!("the terminal shows {text:?}");
        let shows = || async { Seen::when(self.shown().contains(text), || self.shown()) };
        until(&what, SOON, shows).await.unwrap();
    }

    fn types(&mut self, keys: &str) {
        self.0.types(keys).unwrap();
    }

    async fn ends(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the program ends, and all that it wrote is read", SOON, || {
            ended = self.0.ended().unwrap();
            let seen = Seen::when(ended.is_some(), || self.0.shown());
            async { seen }
        })
        .await
        .unwrap();
        ended.unwrap()
    }
}

/// Text without colours.
fn bare(text: &str) -> String {
    let pattern = regex::Regex::new("\u{1b}\\[[0-9;]*[A-Za-z]").unwrap();
    pattern.replace_all(text, "").into_owned()
}

/// A release in the middle of its trial, as an operator left it.
async fn on_trial(client: &kube::Client, name: &str) -> Value {
    let release = json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "runtime": {"image": "registry.example.com/phishing:1"},
            "stable": {"version": "v1"}, "canary": {"version": "v2"},
            "traffic": {"hosts": [format!("{name}.example.com")], "gateways": ["istio-system/public"]},
        },
    });
    let stored = send(client, RELEASES, &release).await.unwrap();
    let share = |value: &str, events: i64| json!({"value": value, "events": events});
    let status = json!({"status": {
        "observedGeneration": 1, "phase": "Analyzing", "phaseStartedAt": "2026-11-21T14:02:11Z",
        "message": "v2 has 10 %; accuracy 0.9290 of 1310 against 0.9340 of 11800; not proven yet",
        "stableVersion": "v1", "canaryVersion": "v2", "canaryPercent": 10,
        "versions": [
            {"hash": "5f3c0a9b11", "version": "v1", "track": "stable", "replicas": 3, "readyReplicas": 3},
            {"hash": "9ab1c2d3e4", "version": "v2", "track": "canary", "replicas": 1, "readyReplicas": 1},
        ],
        "traffic": [
            {"hash": "5f3c0a9b11", "version": "v1", "percent": 90},
            {"hash": "9ab1c2d3e4", "version": "v2", "percent": 10},
        ],
        "step": {"index": 0, "weight": 10, "target": 10},
        "analysis": {"verdict": "Inconclusive", "quality": {
            "name": "model_accuracy", "verdict": "Inconclusive", "reason": "NotProven", "bound": "loss <= 0.0200",
            "stable": share("0.9340", 11_800), "canary": share("0.9290", 1310),
            "evidence": {"worse": "0.4", "good": "4.2", "needed": "20.0"},
        }},
    }});
    patch(client, &format!("{RELEASES}/{name}/status"), &status).await;
    stored
}

async fn patch(client: &kube::Client, path: &str, change: &Value) -> Value {
    let body = serde_json::to_vec(change).unwrap();
    let request =
        hyper::Request::patch(path).header("content-type", "application/merge-patch+json").body(body);
    client.request::<Value>(request.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wider_than_its_terminal_and_colours_are_for_terminals_alone() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    on_trial(&client, "wide").await;
    let kubeconfig = &raised.testbed.kubeconfig;
    for columns in [80, 160] {
        for (line, words) in [
            ("get", vec!["wide", "Analyzing"]),
            ("get wide", vec!["default/wide", "|- canary v2 9ab1c2d3e4", "model_accuracy", "0.929"]),
            ("explain wide", vec!["Canary v2 has 10 %", "accuracy 0.9290 of 1310"]),
            ("history wide", vec![]),
        ] {
            let mut terminal = Terminal::run(kubeconfig, columns, line);
            let status = terminal.ends().await;
            let shown = terminal.shown();
            assert!(status.success(), "{line}: {status}\n{shown}");
            let text = bare(&shown);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= usize::from(columns), "{line} at {columns}: {widest} columns\n{text}");
            for word in words {
                assert!(text.contains(word), "{line} at {columns}: {word} is missing in\n{text}");
            }
        }
        let mut coloured = Terminal::run(kubeconfig, columns, "get wide");
        coloured.ends().await;
        assert!(coloured.shown().contains("\u{1b}["), "{}", coloured.shown());
        let mut plain = Terminal::run(kubeconfig, columns, "get wide --no-color");
        plain.ends().await;
        assert_eq!(plain.shown(), bare(&plain.shown()));
    }
    let piped = Command::new(plugin()).args(["get", "wide"]).env("KUBECONFIG", kubeconfig).output();
    let piped = String::from_utf8(piped.unwrap().stdout).unwrap();
    assert!(piped.is_ascii() && piped.contains("0.9290"), "{piped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_tree_follows_the_release_until_it_is_interrupted() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    on_trial(&client, "live").await;
    let mut terminal = Terminal::run(&raised.testbed.kubeconfig, 120, "get live -w");
    terminal.shows("|- canary v2").await;
    let news = json!({"status": {"message": "about 690 more labelled answers to pass"}});
    patch(&client, &format!("{RELEASES}/live/status"), &news).await;
    terminal.shows("about 690 more").await;
    assert!(terminal.shown().contains("A\u{1b}[J"), "it was not drawn over: {}", terminal.shown());
    terminal.types("\u{3}");
    terminal.ends().await;
    assert!(!terminal.shown().contains("panicked"), "{}", terminal.shown());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_by_hand_is_asked_about_and_a_no_writes_nothing() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    on_trial(&client, "asked").await;
    let annotation = |release: &Value| release["metadata"]["annotations"]["modelrelease.dev/promote"].clone();
    let read = || async {
        let request = hyper::Request::get(format!("{RELEASES}/asked")).body(Vec::new()).unwrap();
        client.request::<Value>(request).await.unwrap()
    };
    let mut refused = Terminal::run(&raised.testbed.kubeconfig, 80, "promote asked");
    refused.shows("[y/N]").await;
    refused.types("n\n");
    assert!(!refused.ends().await.success(), "{}", refused.shown());
    assert_eq!(annotation(&read().await), Value::Null);
    let mut agreed = Terminal::run(&raised.testbed.kubeconfig, 80, "promote asked");
    agreed.shows("[y/N]").await;
    agreed.types("y\n");
    agreed.ends().await;
    assert!(annotation(&read().await).is_string(), "{}", agreed.shown());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_early_and_a_cluster_that_is_away_are_told_in_a_sentence() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    on_trial(&client, "read").await;
    let mut watch = Command::new(plugin());
    watch.args(["get", "read"]).env("KUBECONFIG", &raised.testbed.kubeconfig).stdout(Stdio::piped());
    let mut child = watch.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{}", ended.status);
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("config");
    let config = std::fs::read_to_string(&raised.testbed.kubeconfig).unwrap();
    let away = regex::Regex::new("https://[^\"\\s]+").unwrap();
    std::fs::write(&nowhere, away.replace(&config, "https://127.0.0.1:9").as_ref()).unwrap();
    let mut terminal = Terminal::run(&nowhere, 80, "get");
    let status = terminal.ends().await;
    let shown = terminal.shown();
    assert_eq!(status.code(), Some(2), "{shown}");
    assert!(shown.starts_with("error: ") && shown.contains("127.0.0.1:9"), "{shown}");
}
