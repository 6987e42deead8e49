//! What admission lets through: a sample of odd values of every field, all at once, beside a release that serves. Each is
//! told what is wrong with it, and the neighbour's clients notice nothing, nor has its rollback to wait.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use model_release_core::api::annotations::ROLLBACK;
use model_release_core::api::status::Phase;
use serde_json::{Value, json};
use testbed::checkout;
use testbed::demo::install::{INSTALLATION, SYSTEM};
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::{Releases, condition};
use testbed::demo::story::{Board, Stage, Story};
use testbed::wait::{Seen, until};

use super::common::{ODD, blocking, judged};
use super::mutations::{self, Mutation};
use super::structure::{SCHEMA, refusal, stored};
use super::{Told, samples};

/// How many are tried.
const TRIED: usize = 50;
/// How long until each is told what became of it.
const TOLD: Duration = Duration::from_secs(60);
/// How long until all of them are gone again.
const GONE: Duration = Duration::from_secs(90);
/// Pods that they may have together: one of them asks for a thousand.
const PODS: u32 = 20;
/// From the annotation to the canary's last answer, on a machine with nothing else to do, and on any.
const ROLLED_BACK: (f64, f64) = (1.0, 15.0);

pub async fn and_harms_no_neighbour(stage: &Arc<Stage>) -> Vec<Told> {
    let neighbour = Manifest {
        min_samples: 1_000_000,
        ..Manifest::new(&stage.namespace, "neighbour", &stage.made.worse)
    };
    let mut neighbour = Story::begin(stage, &Board::default(), ('I', "bad input"), neighbour)
        .await
        .unwrap()
        .with_clients()
        .await
        .unwrap();
    neighbour.manifest = neighbour.manifest.clone().with_canary(&stage.made.better);
    neighbour.try_canary().await.unwrap();
    neighbour.until_canary_answers().await.unwrap();

    quota(stage).await;
    let releases = Releases::new(stage.testbed.client().await.unwrap(), ODD);
    let tried = sample();
    try_join_all(tried.iter().enumerate().map(|(n, mutation)| {
        let release = placed(n, &mutation.release);
        let releases = &releases;
        async move { releases.apply(&release).await }
    }))
    .await
    .unwrap();

    let begun = Timestamp::now();
    stage.releases.annotate("neighbour", ROLLBACK, Some("true")).await.unwrap();
    let canary = stage.made.better.name.clone();
    let rolled_back = |seen: &testbed::demo::observe::Seen| (seen.phase() == Phase::RolledBack).then_some(());
    neighbour.until("it is rolled back", TOLD, rolled_back).await.unwrap();
    let took = neighbour.last_answer_of(&canary, "annotation set", begun);
    assert!(took <= judged(ROLLED_BACK), "{canary} answered for {took:.2} s beside {TRIED} odd releases");

    let told = try_join_all(tried.iter().enumerate().map(|(n, mutation)| {
        let (releases, name) = (releases.clone(), name(n));
        async move {
            let message =
                until(&format!("{} ({name}) is told what is wrong", mutation.name), TOLD, || async {
                    match releases.get(&name).await {
                        Ok(release) => said(&release),
                        Err(error) => Seen::NotYet(error.to_string()),
                    }
                })
                .await?;
            Ok::<_, testbed::Error>(Told { input: mutation.name.clone(), message })
        }
    }))
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    quiet_log(stage).await;

    // The neighbour's clients were there all the time.
    let outcome = neighbour.end().await;
    assert!(outcome.ended_well(), "beside odd releases: {:?}", outcome.problems);
    println!(
        "{TRIED} odd releases: each is told; beside them {} requests without a failure, last answer {took:.2} s after a rollback",
        outcome.clients.requests
    );
    for n in 0..tried.len() {
        releases.delete(&name(n)).await.unwrap();
    }
    until("the odd releases are gone", GONE, || async {
        match releases.names().await {
            Ok(names) => Seen::when(names.is_empty(), || names.join(", ")),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
    .unwrap();
    told
}

/// Some of what admission lets through, of all fields alike; no spec twice.
fn sample() -> Vec<Mutation> {
    let folder = checkout::root().unwrap().join("core/tests/schema/samples");
    let mut known = BTreeSet::new();
    let admitted: Vec<Mutation> = mutations::all(&SCHEMA, &samples::all(&folder))
        .into_iter()
        .filter(|mutation| {
            refusal(&mutation.release).is_none() && known.insert(stored(&mutation.release).to_string())
        })
        .collect();
    assert!(admitted.len() >= 10 * TRIED, "only {} are admitted", admitted.len());
    let every = admitted.len() / TRIED;
    admitted.into_iter().step_by(every).take(TRIED).collect()
}

fn name(n: usize) -> String {
    format!("odd-{n}")
}

/// A release under a name and a host of its own. What the sample has that is not to be had here would be all that is ever
/// told of it: an account that nobody allowed, and more CPU than its limit.
fn placed(n: usize, release: &Value) -> Value {
    let text = release.to_string().replace("\"fraud.example.com\"", &format!("\"{}.example.com\"", name(n)));
    let mut release: Value = serde_json::from_str(&text).unwrap();
    release["metadata"] = json!({"name": name(n), "namespace": ODD});
    if let Some(Value::Object(runtime)) = release.pointer_mut("/spec/runtime") {
        runtime.retain(|field, value| field != "serviceAccountName" || *value != json!("fraud"));
    }
    if let Some(amount) = release.pointer_mut("/spec/runtime/resources/requests/cpu") {
        *amount = json!("10m");
    }
    release
}

/// The release is at rest, or a condition says what it waits for or what is wrong: that sentence.
fn said(release: &model_release_core::api::ModelRelease) -> Seen<String> {
    let Some(status) = &release.status else { return Seen::NotYet("it has no status".to_owned()) };
    if Some(status.observed_generation) != release.metadata.generation {
        return Seen::NotYet("its last edit was not looked at".to_owned());
    }
    let is = |kind: &str| condition(status, kind).unwrap_or(("", "", ""));
    let sentence = |kind: &str| {
        let (is, reason, message) = condition(status, kind).unwrap_or_default();
        format!("{kind}={is}/{reason}: {message}")
    };
    let (ready, _, why) = is("Ready");
    if [is("Ready"), is("Stalled")].iter().any(|(_, reason, _)| *reason == "InternalError") {
        return Seen::NotYet(sentence("Ready"));
    }
    if is("Accepted").0 == "False" {
        return Seen::Yes(sentence("Accepted"));
    }
    if ready == "True" || is("Stalled").0 == "True" {
        return Seen::Yes(sentence("Ready"));
    }
    // What is awaited: of a first version that does not run, why not.
    let (serves, _, missing) = is("StableReady");
    if serves != "True" && missing.len() > 20 {
        return Seen::Yes(sentence("StableReady"));
    }
    Seen::NotYet(format!("Ready={ready}: {why}; StableReady={serves}: {missing}"))
}

/// Lets all releases of the namespace together have some pods.
async fn quota(stage: &Stage) {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": ODD},
        "spec": {"hard": {"pods": PODS.to_string()}},
    });
    let testbed = stage.testbed.clone();
    blocking(move || testbed.apply(&quota.to_string())).await.unwrap();
}

/// Demands that the operator's log tells of no panic.
async fn quiet_log(stage: &Stage) {
    let testbed = stage.testbed.clone();
    let deployment = format!("deployment/{INSTALLATION}");
    let log = blocking(move || testbed.kubectl_output(&["logs", "-n", SYSTEM, &deployment, "--tail=-1"]))
        .await
        .unwrap();
    assert!(log.contains("decision committed"), "this is not the operator's log");
    let panics: Vec<&str> = log.lines().filter(|line| line.contains("panic")).collect();
    assert!(panics.is_empty(), "{panics:#?}");
}
