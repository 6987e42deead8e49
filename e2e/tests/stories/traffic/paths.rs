//! Two releases of a namespace share a host, each below its own path.

use std::sync::Arc;

use serde_json::json;
use testbed::Result;
use testbed::demo::manifest::Manifest;
use testbed::demo::story::{Board, STEP, Stage, Story};

use super::ask::{Clients, Line, one};

/// Raises both, and asks below, beside and between their paths.
pub async fn share_a_host(stage: &Arc<Stage>) -> Result<Vec<Line>> {
    let host = format!("shared.{}.example", stage.namespace);
    let below = |name: &str, path: &str, model| {
        Manifest::new(&stage.namespace, name, model)
            .with("/spec/traffic/hosts", json!([host]))
            .with("/spec/traffic/path", json!(path))
    };
    let (one_model, other_model) = (&stage.made.worse, &stage.made.better);
    let board = Board::default();
    let (mut first, mut second) = futures::try_join!(
        Story::begin(stage, &board, ('A', "path"), below("path-a", "/a", one_model)),
        Story::begin(stage, &board, ('B', "path"), below("path-b", "/b/c", other_model)),
    )?;
    for story in [&mut first, &mut second] {
        let settled = |seen: &testbed::demo::observe::Seen| {
            seen.status.state.traffic.settled_at.and(seen.status.state.limits.proven_at).map(drop)
        };
        story.until("its gateways say so, and prove its limit", STEP, settled).await?;
    }
    let clients = Clients::new(stage);
    let mut lines = Vec::new();
    for (path, version) in [
        ("/a", Some(&one_model.name)),
        ("/b/c", Some(&other_model.name)),
        ("", None),
        ("/b", None),
        ("/ab", None),
        ("/b/cd", None),
    ] {
        let got = one(&clients, (&host, path), None).await?;
        let must = version.map_or((404, ""), |name| (200, name.as_str()));
        lines.push(Line::new(
            format!("POST {path}/predict at a host that two releases share, at /a and /b/c"),
            format!("{} {}", must.0, must.1),
            format!("{} {}", got.status, got.version),
            (got.status, got.version.as_str()) == must,
        ));
    }
    for name in ["path-a", "path-b"] {
        stage.releases.delete(name).await?;
    }
    Ok(lines)
}
