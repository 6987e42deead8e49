//! Gateways that a release may name and that serve it nothing: one that nobody made, and one that does not select its host.

use std::sync::Arc;

use serde_json::json;
use testbed::Result;
use testbed::demo::manifest::Manifest;
use testbed::demo::releases::condition;
use testbed::demo::story::{Board, STEP, Stage, Story};

use super::super::common::{ABSENT, NARROW, blocking};
use super::ask::Line;

/// Makes the narrow one; a release of each says what is wrong.
pub async fn gateways_are_told(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let (namespace, name) = NARROW.split_once('/').unwrap_or_default();
    let narrow = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": stage.gateway.selector,
            "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*.narrow.example"]}],
        },
    });
    let testbed = stage.testbed.clone();
    blocking(move || testbed.apply(&narrow.to_string())).await?;
    let mut lines = Vec::new();
    for (what, release, gateway) in [
        ("a gateway that does not exist", "no-such-gateway", ABSENT),
        ("a gateway that does not select the host", "narrow-gateway", NARROW),
    ] {
        let manifest = Manifest::new(&stage.namespace, release, &stage.made.worse)
            .with("/spec/traffic/gateways", json!([gateway]));
        let mut story = Story::begin(stage, &Board::default(), ('N', "unknown gateways"), manifest).await?;
        let told = story
            .until("it says that the gateway says nothing", STEP, |seen| {
                let (is, reason, message) = condition(&seen.status, "TrafficApplied")?;
                (is == "False").then(|| format!("{reason}: {message}"))
            })
            .await?;
        let holds = told.starts_with("NotApplied") && told.contains(&stage.gateway.service);
        lines.push(Line::new(what, "NotApplied, with the pod's name", told, holds));
        stage.releases.delete(release).await?;
    }
    let testbed = stage.testbed.clone();
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    blocking(move || {
        testbed.kubectl_output(&["delete", "gateways.networking.istio.io", &name, "-n", &namespace])
    })
    .await?;
    Ok(lines)
}
