//! Accepted by the API server, for only the operator or the kubelet can know better: told by a condition.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use serde_json::{Value, json};
use testbed::Result;
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::condition;
use testbed::demo::story::{Board, Stage, Story};

use super::Told;
use super::refused::set;

/// How long it may take until the user is told; an image that does not exist is tried several times.
const SOON: Duration = Duration::from_secs(90);
/// Answers of stable that show that it goes on serving.
const MORE: u64 = 40;

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
            vec![("/spec/traffic/hosts", json!([format!("no-image.{}.example", stage.namespace)]))],
            ("Accepted", "False", "HostTaken"),
            "no-image",
        ),
    ];
    let all = cases.into_iter().map(|case| tell(stage, case));
    try_join_all(all).await.unwrap()
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
    assert!(message.contains(case.holds), "{}: {:?} is missing in {message:?}", case.input, case.holds);
    let ready = story.observer.looks().borrow().clone();
    let serves = condition(&ready.status, "StableReady").map(|(is, ..)| is.to_owned());
    assert_eq!(serves.as_deref(), Some("True"), "{}: StableReady", case.input);

    // From now on clients must get answers as before, and not one failure.
    let answered = story.load.totals().versions.get(&stable).map_or(0, |version| version.answers);
    story
        .until("stable goes on serving", SOON, |seen| {
            let now = seen.load.versions.get(&stable).map_or(0, |version| version.answers);
            (now >= answered + MORE).then_some(())
        })
        .await?;
    let outcome = story.end().await;
    assert!(outcome.ended_well(), "{}: {:?}", case.input, outcome.problems);
    Ok(Told { input: case.input, message: format!("{kind}={is}/{reason}: {message}") })
}
