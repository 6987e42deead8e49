//! The dashboard of a release that was promoted, asked of the Prometheus that saw it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use testbed::demo::story::Stage;
use testbed::{checkout, dashboard};

use super::common::blocking;

/// Every panel would show something for this release.
pub async fn every_panel_shows_series(stage: &Arc<Stage>, release: &'static str) {
    let file = checkout::root().unwrap().join("helm/model-release-operator/dashboards/release.json");
    let prometheus = stage.testbed.need("PROMETHEUS_URL").unwrap().to_owned();
    let namespace = stage.namespace.clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let answered =
        blocking(move || dashboard::answered(&file, &prometheus, (&namespace, release), now)).await;
    let answered = answered.unwrap_or_else(|error| panic!("{error}"));
    let silent: Vec<_> =
        answered.iter().filter(|panel| panel.series == 0).map(|panel| &panel.panel).collect();
    assert!(silent.is_empty(), "no series of {release} for the panels {silent:?}");
}
