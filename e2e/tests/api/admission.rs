//! Good releases are stored as they were written; bad ones are refused with a sentence that names the field.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::wait::{Seen, until};

use crate::common::with_definition;
use crate::objects;
use crate::samples::{self, Sample};

pub const RELEASES: &str = "/apis/modelrelease.dev/v1alpha1/namespaces/default/modelreleases";
const SOON: Duration = Duration::from_secs(20);

const COLUMNS: [&str; 10] =
    ["STABLE", "CANARY", "WEIGHT", "PHASE", "QUALITY(S/C)", "READY", "AGE", "REASON", "URL", "MESSAGE"];

/// What the API server answered: the object, or its refusal.
pub async fn send(
    client: &kube::Client,
    path: &str,
    object: &Value,
) -> Result<Value, Box<kube::core::Status>> {
    let body = serde_json::to_vec(object).unwrap();
    let request = hyper::Request::post(path).header("content-type", "application/json").body(body).unwrap();
    match client.request::<Value>(request).await {
        Ok(answer) => Ok(answer),
        Err(kube::Error::Api(status)) => Err(status),
        Err(error) => panic!("{path}: {error}"),
    }
}

/// What is wrong with the server's answer to a sample.
fn complaint(sample: &Sample, answer: Result<Value, Box<kube::core::Status>>) -> Option<String> {
    match (&sample.refused, answer) {
        (None, Ok(stored)) if stored["spec"] == sample.release()["spec"] => None,
        (None, Ok(stored)) => Some(format!("stored as {}", stored["spec"])),
        (None, Err(status)) => Some(format!("refused: {}", status.message)),
        (Some(_), Ok(_)) => Some("accepted".into()),
        (Some(refused), Err(status)) => {
            let named = refused.field.as_deref().is_none_or(|field| status.message.contains(field));
            let said = status.message.contains(&refused.says);
            (!named || !said).then(|| format!("refused in other words: {}", status.message))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_answers_every_sample_as_written_beside_it() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    let all = samples::all(&objects::root().join("core/tests/schema/samples"));
    assert!(all.len() > 60, "only {} samples were found", all.len());
    let mut wrong = Vec::new();
    for (file, sample) in &all {
        let path = format!("{RELEASES}?dryRun=All&fieldValidation=Strict");
        let answer = send(&client, &path, &sample.release()).await;
        wrong.extend(complaint(sample, answer).map(|what| format!("{file}: {}: {what}", sample.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_release_does_not_look_done_and_its_status_is_not_the_users_to_write() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    let name = "untouched";
    let release = json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {"name": name},
        "spec": {"stable": {"version": "v1", "image": "registry.example/fraud:1"}},
        "status": {"phase": "Stable", "observedGeneration": 1},
    });
    send(&client, RELEASES, &release).await.unwrap();
    let request = hyper::Request::get(format!("{RELEASES}/{name}")).body(Vec::new()).unwrap();
    let stored: Value = client.request(request).await.unwrap();
    assert_eq!(stored["status"], json!({"observedGeneration": -1}));
    assert_eq!(stored["spec"], release["spec"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explains_the_fields_and_lists_the_columns() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    let release = json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {"name": "listed"},
        "spec": {"stable": {"version": "v1", "image": "registry.example/fraud:1"}},
    });
    send(&client, RELEASES, &release).await.unwrap();
    // What kubectl remembers of another server at this address must not count.
    let memory = tempfile::tempdir().unwrap();
    let cache = format!("--cache-dir={}", memory.path().display());
    let explained = until("kubectl knows the fields", SOON, || async {
        Seen::from(raised.testbed.kubectl_output(&["explain", "mrel.spec.rollout", &cache]))
    })
    .await
    .unwrap();
    for words in ["trafficPercent", "Default: 10.", "onInconclusive", "Never promotes. Default: Hold."] {
        assert!(explained.contains(words), "{words:?} is not in\n{explained}");
    }
    for resource in ["mrel", "serving"] {
        let listed = raised.testbed.kubectl_output(&["get", resource, "-o", "wide", &cache]).unwrap();
        for column in COLUMNS {
            assert!(listed.contains(column), "{column} is not in\n{listed}");
        }
        assert!(listed.contains("listed"), "{listed}");
    }
}
