//! What ends leaves nothing: a release that is deleted, and one whose time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model_release_core::api::status::Phase;
use serde_json::{Value, json};
use testbed::Result;
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::condition;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};

use super::super::common::blocking;
use super::way::{Way, manifest};

/// How long a release may still be there, and then what it owned.
const GONE: Duration = Duration::from_secs(60);

/// `spec.ttl` is over: routes go first, then all that ran; the release stays, says so, and serves again when it may.
pub async fn a_release_whose_time_is_over(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let mut way = Way::begin(&stage, manifest(&stage, name).with("/spec/ttl", json!("90s"))).await?;
    way.grow(&stage.made.worse.name.clone(), 110).await?;
    // Clients go before the end that they know of.
    way.story.load.stop().await;
    way.until("it says that its time is over", |seen| {
        let (is, reason, _) = condition(&seen.status, "Stalled")?;
        (seen.phase() == Phase::Pending && is == "True" && reason == "Expired").then_some(())
    })
    .await?;
    until(&format!("what {name} owned is gone"), GONE, || async {
        let left = left(&stage, name).await;
        Seen::when(left.is_empty(), || left)
    })
    .await?;
    way.set("/spec/ttl", Value::Null);
    way.write().await?;
    way.in_phase(Phase::Stable).await?;
    way.end().await
}

/// Waits until a release that was deleted is gone with all that it owned; gives the seconds until it was gone itself.
pub async fn nothing_is_left(stage: &Arc<Stage>, name: &str) -> Result<f64> {
    let start = Instant::now();
    until(&format!("{name} is gone"), GONE, || async {
        match stage.releases.names().await {
            Ok(names) => Seen::when(!names.iter().any(|other| other == name), || "it is there".to_owned()),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    let took = start.elapsed().as_secs_f64();
    until(&format!("what {name} owned is gone"), GONE, || async {
        let left = left(stage, name).await;
        Seen::when(left.is_empty(), || left)
    })
    .await?;
    Ok(took)
}

/// Objects that bear the release's name, in its namespace and the gateway's.
async fn left(stage: &Arc<Stage>, name: &str) -> String {
    let (testbed, namespace) = (stage.testbed.clone(), stage.namespace.clone());
    let gateway = stage.gateway.namespace.clone();
    let label = format!("modelrelease.dev/name={name}");
    blocking(move || {
        let kinds =
            "deployments,services,controllerrevisions,horizontalpodautoscalers,virtualservices,httproutes,envoyfilters";
        let list = |namespace: &str| {
            let arguments = ["get", kinds, "-n", namespace, "-l", &label, "-o", "name", "--ignore-not-found"];
            testbed.kubectl_output(&arguments).unwrap_or_else(|error| error.to_string())
        };
        format!("{}{}", list(&namespace), list(&gateway)).trim().to_owned()
    })
    .await
}
