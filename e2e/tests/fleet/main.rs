//! The plugin beside a fleet: how many requests a question takes, and how long one waits for the answer, at a real API
//! server that holds a thousand releases; ten thousand with `FLEET=10000`, as `make nightly` has it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "of those worlds one is needed")]
#[path = "../../../core/benches/step/inputs.rs"]
mod lived;
mod made;
mod proxy;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Raised, plugin, with_definition};
use made::Fleet;

/// Releases of a fleet, unless `FLEET` says otherwise.
const RELEASES: usize = 1000;
const NAMESPACES: usize = 20;

/// Requests that a question may take, whatever else the cluster holds.
const REQUESTS: usize = 3;
/// What one may wait for the answer, where nothing else runs.
const WAIT: Duration = Duration::from_secs(1);
/// What the API server may send for a question about one release: its neighbours are not among it.
const OF_ONE: usize = 64 << 10;
/// What it may send for each release of a table: half of what it stores.
const OF_ROW: usize = 9 << 10;
/// Times that each question is asked; the longest wait counts.
const TIMES: usize = 5;

/// A question, and what else must hold of it.
struct Question {
    line: &'static str,
    code: i32,
    of_one: bool,
}

const QUESTIONS: [Question; 6] = [
    Question { line: "get fraud-0", code: 0, of_one: true },
    Question { line: "explain fraud-0", code: 0, of_one: true },
    Question { line: "history fraud-0", code: 0, of_one: true },
    Question { line: "explain fraud-0 --decision 30", code: 0, of_one: true },
    // Its canary is on trial: not decided in time.
    Question { line: "status fraud-0 --timeout 0s", code: 3, of_one: true },
    Question { line: "get", code: 0, of_one: false },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_question_takes_three_requests_and_a_second_beside_ten_thousand_releases() {
    let releases = std::env::var("FLEET").map_or(RELEASES, |count| count.parse().expect("FLEET is a number"));
    let fleet = Fleet { releases, namespaces: NAMESPACES };
    let program = plugin();
    let raised = Raised::api_only().await.unwrap();
    let client = with_definition(&raised.testbed).await;
    let begun = Instant::now();
    fleet.create(&client).await;
    println!(
        "{releases} releases in {NAMESPACES} namespaces, made in {:.1} s",
        begun.elapsed().as_secs_f64()
    );

    let folder = tempfile::tempdir().unwrap();
    let counted = folder.path().join("counted");
    let log = proxy::start(client, &Fleet::namespace(0), &counted).await;
    let direct = &raised.testbed.kubeconfig;
    let ask = |kubeconfig: &Path, line: &str| {
        let mut command = Command::new(program);
        command.args(["--namespace", &Fleet::namespace(0)]).args(line.split_whitespace());
        let begun = Instant::now();
        let output = command.env("KUBECONFIG", kubeconfig).output().unwrap();
        (begun.elapsed(), output)
    };

    println!("{:<32}{:>10}{:>12}{:>10}{:>12}", "", "requests", "KiB", "median", "longest");
    let mut slow = Vec::new();
    for Question { line, code, of_one } in QUESTIONS {
        let (_, said) = ask(&counted, line);
        assert_eq!(said.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&said.stderr));
        let asked = log.take();
        assert!(!asked.is_empty() && asked.len() <= REQUESTS, "{line}: {asked:#?}");
        let bytes: usize = asked.iter().map(|(_, bytes)| bytes).sum();
        let most = if of_one { OF_ONE } else { OF_ROW * fleet.each() };
        assert!(bytes <= most, "{line}: {bytes} bytes, of {most}: {asked:#?}");
        let mut times: Vec<Duration> = (0..TIMES).map(|_| ask(direct, line).0).collect();
        times.sort_unstable();
        println!(
            "{line:<32}{:>10}{:>12}{:>7} ms{:>9} ms",
            asked.len(),
            bytes >> 10,
            times[TIMES / 2].as_millis(),
            times[TIMES - 1].as_millis()
        );
        if times[TIMES - 1] > WAIT {
            slow.push(format!("{line}: {:?}", times[TIMES - 1]));
        }
    }

    // All of them come in pages, of which each is within the limit of a request; none is left out.
    let (_, said) = ask(&counted, "get -A");
    let table = String::from_utf8(said.stdout).unwrap();
    assert_eq!(table.lines().count(), 1 + releases, "{}", String::from_utf8_lossy(&said.stderr));
    let asked = log.take();
    let bytes: usize = asked.iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes <= OF_ROW * releases, "{bytes} bytes: {asked:#?}");
    println!(
        "{:<32}{:>10}{:>12}{:>7} ms",
        "get -A",
        asked.len(),
        bytes >> 10,
        ask(direct, "get -A").0.as_millis()
    );

    if std::env::var_os("JUDGE_TIMES").is_some() {
        assert!(slow.is_empty(), "more than {WAIT:?}: {slow:?}");
    }
}
