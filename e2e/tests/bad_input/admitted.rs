//! Accepted by the API server, for only the operator or the kubelet can know better: told by a condition.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::condition;
use testbed::demo::story::{Board, Stage, Story};
use testbed::{Error, Result};

use super::Told;
use super::refused::set;

/// How long it may take until the user is told; an image that does not exist is tried several times.
const SOON: Duration = Duration::from_secs(90);
/// Answers of stable that show that it goes on serving.
const MORE: u64 = 100;

/// The release whose host another one wants.
const HOLDER: &str = "elder";

/// A release that is fine at first, and then is edited.
struct Case {
    input: &'static str,
    name: &'static str,
    /// Path and value; the canary is added in the same write.
    edits: Vec<(&'static str, Value)>,
    /// Type, status and reason of the condition.
    told: (&'static str, &'static str, &'static str),
    /// What its message must hold.
    holds: &'static str,
}

pub async fn and_told_by_conditions(stage: &Arc<Stage>) -> Vec<Told> {
    // The elder release keeps its host, so it must be there before all others.
    let holder = Manifest::new(&stage.namespace, HOLDER, &stage.made.worse);
    let holder = Story::begin(stage, &Board::default(), ('I', "bad input"), holder).await.unwrap();
    let holder = holder.with_clients().await.unwrap();
    let artifact = |file: &str| format!("http://artifacts.{}.svc.cluster.local/{file}", stage.namespace);
    let case = |input, name, edits, told, holds| Case { input, name, edits, told, holds };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let cases = vec![
        case(
            "an image that does not exist",
            "no-image",
            vec![("/spec/canary/image", json!("localhost/model-release/none:1"))],
            ("CanaryReady", "False", "CanaryImagePull"),
            "model",
        ),
        case(
            "an image name that is none",
            "bad-image",
            vec![("/spec/canary/image", json!("Localhost/MODEL release:1"))],
            ("RolledBack", "True", "CanaryImagePull"),
            "InvalidImageName",
        ),
        case(
            "an artefact that is not there (404)",
            "no-artefact",
            vec![("/spec/canary/storageUri", json!(artifact("none.bin")))],
            ("RolledBack", "True", "ArtifactNotFound"),
            "pod",
        ),
        case(
            "an artefact with another digest",
            "other-digest",
            vec![("/spec/canary/verification/digest", json!(zeros))],
            ("RolledBack", "True", "DigestMismatch"),
            "pod",
        ),
        case(
            "a Prometheus that does not answer",
            "no-prometheus",
            vec![("/spec/analysis/provider", json!("nowhere"))],
            ("AnalysisAvailable", "False", "ProviderUnavailable"),
            "nowhere",
        ),
        case(
            "a Prometheus that nobody configured",
            "no-provider",
            vec![("/spec/analysis/provider", json!("nobody"))],
            ("Accepted", "False", "UnknownProvider"),
            "nobody",
        ),
        case(
            "a gateway that is not on the list",
            "no-gateway",
            vec![("/spec/traffic/gateways", json!(["istio-system/private"]))],
            ("Accepted", "False", "GatewayNotAllowed"),
            "istio-system/private",
        ),
        case(
            "a host that another release has",
            "same-host",
            vec![("/spec/traffic/hosts", json!([holder.manifest.host()]))],
            ("Accepted", "False", "HostTaken"),
            HOLDER,
        ),
    ];
    let all = join_all(cases.into_iter().map(|case| tell(stage, case))).await;
    let (told, failed): (Vec<_>, Vec<_>) = all.into_iter().partition(std::result::Result::is_ok);
    let failed: Vec<String> =
        failed.into_iter().filter_map(|failed| Some(failed.err()?.to_string())).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let holder = holder.end().await;
    assert!(holder.ended_well(), "the release that keeps its host: {:?}", holder.problems);
    told.into_iter().flatten().collect()
}

async fn tell(stage: &Arc<Stage>, case: Case) -> Result<Told> {
    let manifest = Manifest::new(&stage.namespace, case.name, &stage.made.worse);
    let mut story =
        Story::begin(stage, &Board::default(), ('I', "bad input"), manifest).await?.with_clients().await?;
    let stable = stage.made.worse.name.clone();
    let mut written = story
        .manifest
        .clone()
        .with_canary(&stage.made.better)
        .render(&stage.made.images, &stage.gateway.name);
    for (path, value) in case.edits {
        set(&mut written, path, value);
    }
    stage.releases.apply(&written).await?;

    let (kind, is, reason) = case.told;
    let message = story
        .until(&format!("{kind}={is}/{reason}"), SOON, |seen| {
            let (found, why, message) = condition(&seen.status, kind)?;
            (found == is && why == reason).then(|| message.to_owned())
        })
        .await?;
    story
        .outcome
        .must(message.contains(case.holds), || format!("{:?} is missing in {message:?}", case.holds));
    let ready = story.observer.looks().borrow().clone();
    let serves = condition(&ready.status, "StableReady").map(|(is, ..)| is.to_owned());
    story.outcome.must(serves.as_deref() == Some("True"), || format!("StableReady is {serves:?}"));

    // From now on clients must get answers as before, and not one failure.
    let answered = story.load.totals().versions.get(&stable).map_or(0, |version| version.answers);
    story
        .until("stable goes on serving", SOON, |seen| {
            let now = seen.load.versions.get(&stable).map_or(0, |version| version.answers);
            (now >= answered + MORE).then_some(())
        })
        .await?;
    let outcome = story.end().await;
    if !outcome.ended_well() {
        return Err(Error::other(format!("{}: {:?}", case.input, outcome.problems)));
    }
    Ok(Told { input: case.input.to_owned(), message: format!("{kind}={is}/{reason}: {message}") })
}
