//! The plugin on an API server in memory: beside the operator itself, and where the cluster says no.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use kube::Client;
use kubectl_modelrelease::args::Cli;
use kubectl_modelrelease::ask::Confirm;
use kubectl_modelrelease::cluster::Cluster;
use kubectl_modelrelease::error::{CliError, DONE, FAILED, LATE, REFUSED, SUPERSEDED};
use kubectl_modelrelease::run::on;
use kubectl_modelrelease::shell::Shell;
use serde_json::{Value, json};
use support::api::Connection;
use support::{ApiServer, Fault, NAMESPACE, Operator, cluster, release, stable_only};

/// Somebody who answers every question like this, or nobody.
struct Answers(Option<bool>);

impl Confirm for Answers {
    fn confirm(&mut self, _: &str) -> Option<bool> {
        self.0
    }
}

/// What came of a command.
#[derive(Debug)]
struct Said {
    code: u8,
    error: String,
    out: String,
    err: String,
}

async fn run(server: &Arc<ApiServer>, line: &str, human: Option<bool>) -> Said {
    let cluster = Cluster::new(Client::new(Connection(server.clone()), NAMESPACE), NAMESPACE);
    let words = std::iter::once("kubectl-modelrelease").chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).unwrap();
    let (mut out, mut err, mut human) = (Vec::<u8>::new(), Vec::<u8>::new(), Answers(human));
    let mut shell = Shell {
        format: cli.common.output,
        clock: &|| "2030-01-01T00:00:00Z".parse::<Timestamp>().unwrap(),
        ..Shell::new(&mut out, &mut err, &mut human)
    };
    let answer = Box::pin(on(&cluster, &cli.command, &mut shell)).await;
    let code = answer.as_ref().map_or_else(CliError::exit_code, |code| *code);
    Said {
        code,
        error: answer.err().map(|error| error.to_string()).unwrap_or_default(),
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

/// A release with a canary that has its weight, and the operator that gave it.
async fn analyzing() -> (Arc<ApiServer>, Operator) {
    let server = cluster();
    let operator = Operator::start(&server);
    server.create("modelreleases", release("fraud"));
    server.until_phase("fraud", "Analyzing").await;
    let read_back = |server: &ApiServer| {
        server.get("modelreleases", "fraud").filter(|release| release["status"]["canaryPercent"] == 10)
    };
    server.until("its weight read back", read_back).await;
    (server, operator)
}

fn annotation(server: &ApiServer, key: &str) -> Option<String> {
    let release = server.get("modelreleases", "fraud").unwrap();
    release["metadata"]["annotations"][format!("modelrelease.dev/{key}")].as_str().map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn words_are_written_as_annotations_and_answered_by_the_operator() {
    let (server, _operator) = analyzing().await;

    let said = run(&server, "pause fraud", None).await;
    assert_eq!(said.code, DONE, "{said:?}");
    assert!(said.out.contains("The operator took note"), "{said:?}");
    assert_eq!(annotation(&server, "pause").as_deref(), Some("true"));
    assert_eq!(run(&server, "pause fraud", None).await.code, REFUSED, "it is paused already");

    let said = run(&server, "resume fraud -y", None).await;
    assert_eq!(said.code, DONE, "{said:?}");
    assert_eq!(annotation(&server, "pause"), None);

    let said = run(&server, "rollback fraud", None).await;
    assert_eq!(said.code, DONE, "{said:?}");
    assert!(said.out.starts_with("models/fraud: v2 loses its 10 % at once."), "{said:?}");
    assert_eq!(annotation(&server, "rollback").as_deref(), Some("v2"));

    server.until_phase("fraud", "RolledBack").await;
    let said = run(&server, "status fraud", None).await;
    assert_eq!(said.code, REFUSED, "{said:?}");
    assert!(said.out.contains("rolled back: v2 was rolled back (ManualRollback)"), "{said:?}");

    let said = run(&server, "history fraud", None).await;
    assert!(said.out.contains("Rollback") && said.out.contains("ManualRollback"), "{said:?}");

    let said = run(&server, "retry fraud", None).await;
    assert!(said.error.contains("the rollback annotation holds v2"), "{said:?}");
    assert_eq!(run(&server, "resume fraud -y", None).await.code, DONE);
    assert_eq!(run(&server, "retry fraud", None).await.code, DONE);
    server.until_phase("fraud", "Analyzing").await;
}

#[tokio::test(start_paused = true)]
async fn only_annotations_of_the_release_that_was_read_are_written() {
    let (server, operator) = analyzing().await;
    operator.stop().await;
    let before = server.get("modelreleases", "fraud").unwrap();
    let said = run(&server, "pause fraud", None).await;
    assert!(said.out.contains("the operator has not answered in 5 s"), "{said:?}");
    let after = server.get("modelreleases", "fraud").unwrap();
    assert_eq!((&after["spec"], &after["status"]), (&before["spec"], &before["status"]));
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    assert_eq!(after["metadata"]["annotations"], json!({"modelrelease.dev/pause": "true"}));
}

#[tokio::test(start_paused = true)]
async fn a_promotion_says_what_it_passes_over_and_asks() {
    let (server, _operator) = analyzing().await;
    let said = run(&server, "promote fraud", Some(false)).await;
    assert_eq!((said.code, annotation(&server, "promote")), (REFUSED, None), "{said:?}");
    assert!(said.err.contains("passed over: "), "{said:?}");
    let said = run(&server, "promote fraud", None).await;
    assert_eq!((said.code, annotation(&server, "promote")), (FAILED, None), "{said:?}");
    assert!(said.error.contains("give -y"), "{said:?}");
    let said = run(&server, "promote fraud", Some(true)).await;
    assert_eq!((said.code, annotation(&server, "promote").as_deref()), (DONE, Some("v2")), "{said:?}");
    let said = run(&server, "status fraud --for-version v2", None).await;
    assert_eq!(said.code, DONE, "{said:?}");
    assert!(said.out.contains("v2: promoted"), "{said:?}");
    let said = run(&server, "status fraud --for-version v1", None).await;
    assert_eq!(said.code, SUPERSEDED, "{said:?}");
    let said = run(&server, "status fraud --for-version v3", None).await;
    assert_eq!(said.code, FAILED, "{said:?}");
    assert!(said.error.contains("has no version v3"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_its_time() {
    let (server, _operator) = analyzing().await;
    for line in ["status fraud --timeout 0s", "status fraud --timeout 20s -o json"] {
        let said = run(&server, line, None).await;
        assert_eq!(said.code, LATE, "{line}: {said:?}");
    }
    let said = run(&server, "status fraud --timeout 1s -o json", None).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["exitCode"], LATE);
    assert_eq!((told["standing"].as_str(), told["version"].as_str()), (Some("Waiting"), Some("v2")));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_takes_three_requests_at_most() {
    let (server, operator) = analyzing().await;
    operator.stop().await;
    for line in [
        "get",
        "get -A",
        "get fraud",
        "get fraud -o yaml",
        "explain fraud",
        "explain fraud -o json",
        "history fraud",
        "status fraud --timeout 0s",
    ] {
        let before = server.asked().len();
        let said = run(&server, line, None).await;
        let asked = server.asked().split_off(before);
        assert!(asked.len() <= 3, "{line}: {asked:?}");
        assert!(asked.iter().all(|one| !one.writes()), "{line}: {asked:?}");
        assert!(!said.out.is_empty() && said.error.is_empty(), "{line}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_releases_come_in_pages_and_at_once_if_the_pages_are_no_longer_kept() {
    let server = cluster();
    for number in 0..1100 {
        server.create("modelreleases", stable_only(&format!("fraud-{number}")));
    }
    for line in ["get", "get -A", "get -o json"] {
        let before = server.asked().len();
        let said = run(&server, line, None).await;
        assert_eq!(server.asked().len() - before, 3, "{line}");
        let shown = (0..1100).filter(|number| said.out.contains(&format!("fraud-{number}"))).count();
        assert_eq!((said.code, shown), (DONE, 1100), "{line}");
    }
    let mut lists = 0;
    server.faults(move |asked| {
        lists += usize::from(asked.verb == "list");
        if lists == 2 { Fault::Refuse(410) } else { Fault::None }
    });
    let before = server.asked().len();
    let said = run(&server, "get", None).await;
    assert_eq!(server.asked().len() - before, 3, "a page, one that is gone, and all: {said:?}");
    assert_eq!((said.code, said.out.lines().count()), (DONE, 1 + 1100));
}

#[tokio::test(start_paused = true)]
async fn explanations_rest_on_the_pods_that_there_are() {
    let (server, _operator) = analyzing().await;
    let said = run(&server, "explain fraud", None).await;
    assert_eq!(said.code, DONE, "{said:?}");
    assert!(said.out.contains("in Analyzing") && said.out.contains("Canary v2 has 10 %."), "{said:?}");
    assert!(said.out.contains("by hand") && said.out.contains("Once all of these pass:"), "{said:?}");
    let said = run(&server, "explain fraud --decision 999", None).await;
    assert_eq!(said.code, FAILED, "{said:?}");
    assert!(said.error.contains("keeps no decision 999"), "{said:?}");
    let stored = server.get("modelreleases", "fraud").unwrap();
    let last = stored["status"]["history"][0]["seq"].as_i64().unwrap();
    let said = run(&server, &format!("explain fraud --decision {last}"), None).await;
    assert!(said.out.starts_with(&format!("Decision {last}, ")), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_there_has_neighbours() {
    let server = cluster();
    server.create("modelreleases", stable_only("fraud"));
    for line in ["get fruad", "explain fruad", "status fruad", "pause fruad", "history fruad"] {
        let said = run(&server, line, None).await;
        assert_eq!(said.code, FAILED, "{line}: {said:?}");
        let want = "there is no ModelRelease fruad in namespace models; did you mean fraud?";
        assert_eq!(said.error, want, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_the_definition_says_so() {
    let server = cluster();
    server.act(|store| store.lacking.insert("modelreleases".to_owned()));
    for line in ["get", "get fraud", "explain fraud", "rollback fraud"] {
        let said = run(&server, line, None).await;
        assert_eq!(said.code, FAILED, "{line}: {said:?}");
        assert!(said.error.contains("does not serve modelrelease.dev/v1alpha1"), "{line}: {said:?}");
    }
    let said = run(&server, "version", None).await;
    assert!(said.out.contains("serves no version of modelrelease.dev"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_named_by_its_verb() {
    let server = cluster();
    server.create("modelreleases", stable_only("fraud"));
    server.faults(
        |asked| if asked.writes() || asked.verb == "list" { Fault::Refuse(403) } else { Fault::None },
    );
    let said = run(&server, "pause fraud", None).await;
    assert!(
        said.error.starts_with("you may not patch modelreleases.modelrelease.dev in namespace models"),
        "{said:?}"
    );
    let said = run(&server, "get -A", None).await;
    assert!(
        said.error.starts_with("you may not list modelreleases.modelrelease.dev in all namespaces"),
        "{said:?}"
    );
    let said = run(&server, "get frod", None).await;
    assert_eq!(said.error, "there is no ModelRelease frod in namespace models");
    // What lies beside the release is not needed to show it.
    let said = run(&server, "get fraud", None).await;
    assert!(said.out.contains("You may not list deployments and pods here"), "{said:?}");
    let said = run(&server, "explain fraud", None).await;
    assert_eq!(said.code, DONE, "{said:?}");
    assert!(said.err.contains("you may not list deployments.apps"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_changes_meanwhile_is_read_again() {
    let server = cluster();
    server.create("modelreleases", stable_only("fraud"));
    let mut refused = 0;
    server.faults(move |asked| {
        if asked.verb == "patch" && refused < 2 {
            refused += 1;
            return Fault::Refuse(409);
        }
        Fault::None
    });
    assert_eq!(run(&server, "pause fraud", None).await.code, DONE);
    assert_eq!(annotation(&server, "pause").as_deref(), Some("true"));
    server.faults(|asked| if asked.verb == "patch" { Fault::Refuse(409) } else { Fault::None });
    let said = run(&server, "resume fraud", None).await;
    assert!(said.error.contains("the release changed each time it was read"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_waited_for_for_ever() {
    let server = cluster();
    server.faults(|_| Fault::Vanish);
    let said = run(&server, "get", None).await;
    assert_eq!(said.code, FAILED, "{said:?}");
    assert!(said.error.contains("did not answer in 10 s"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn releases_of_other_versions_do_not_hide_the_rest() {
    let server = cluster();
    server.create("modelreleases", stable_only("fraud"));
    let mut newer = stable_only("newer");
    newer["spec"]["stable"] = json!({"version": {"name": "v1"}});
    server.create("modelreleases", newer);
    let said = run(&server, "get", None).await;
    assert!(said.out.contains("fraud") && said.out.contains("newer"), "{said:?}");
    for line in ["get newer", "explain newer", "status newer", "history newer", "promote newer -y"] {
        let said = run(&server, line, None).await;
        assert_eq!(said.code, FAILED, "{line}: {said:?}");
        assert!(said.error.starts_with("could not read ModelRelease models/newer: "), "{line}: {said:?}");
    }
    let said = run(&server, "get newer -o json", None).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["kind"], "ModelRelease");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_show_is_an_answer_too() {
    let server = cluster();
    let said = run(&server, "get", None).await;
    assert_eq!((said.code, said.out.as_str()), (DONE, ""));
    assert!(said.err.contains("There is no ModelRelease in namespace models."), "{said:?}");
    let said = run(&server, "get -o json", None).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_each_change_once() {
    for line in ["get fraud -w -o json", "get -w -o json"] {
        let server = cluster();
        server.create("modelreleases", stable_only("fraud"));
        let cluster = Cluster::new(Client::new(Connection(server.clone()), NAMESPACE), NAMESPACE);
        let words = std::iter::once("kubectl-modelrelease").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).unwrap();
        let (mut out, mut err, mut human) = (Vec::<u8>::new(), Vec::<u8>::new(), Answers(None));
        let mut shell = Shell { format: cli.common.output, ..Shell::new(&mut out, &mut err, &mut human) };
        let watching = tokio::time::timeout(Duration::from_secs(30), on(&cluster, &cli.command, &mut shell));
        let acting = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            server.patch("modelreleases", "fraud", &json!({"metadata": {"annotations": {"seen": "yes"}}}));
        };
        let (ended, ()) = tokio::join!(watching, acting);
        assert!(ended.is_err(), "{line}: it goes on until it is interrupted");
        let told = String::from_utf8(out).unwrap();
        let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let seen: Vec<&Value> = told.iter().map(|one| &one["metadata"]["annotations"]["seen"]).collect();
        assert_eq!(seen, [&Value::Null, &json!("yes")], "{line}");
    }
}

/// An output that nobody reads any more.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(Error::from(ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_seen_enough_is_no_fault() {
    let server = cluster();
    server.create("modelreleases", stable_only("fraud"));
    let cluster = Cluster::new(Client::new(Connection(server.clone()), NAMESPACE), NAMESPACE);
    let cli = Cli::try_parse_from(["kubectl-modelrelease", "get"]).unwrap();
    let (mut out, mut err, mut human) = (Closed, Closed, Answers(None));
    let mut shell = Shell::new(&mut out, &mut err, &mut human);
    let error = Box::pin(on(&cluster, &cli.command, &mut shell)).await.unwrap_err();
    assert_eq!((error.exit_code(), error.told()), (DONE, None));
}
