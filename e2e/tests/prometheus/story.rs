//! A whole story as an operator's page tells it, kept by a real Prometheus: every panel of every dashboard shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model_release_core::api::status::Track;
use testbed::{checkout, dashboard};

use super::history::{History, Prometheus, SCRAPE};
use super::told::Told;

/// What was told: until when, of whom.
pub struct Shown {
    end: i64,
    namespace: &'static str,
    name: &'static str,
}

/// Tells the story so that it ends where the history does.
pub fn told(history: &mut History) -> Shown {
    let begin = |end: i64, length: i64| Timestamp::from_second(end - length).unwrap();
    // How long it is nobody knows before it was told.
    let mut told = Told::new(begin(history.end(), 0));
    let first = told.world.now;
    told.story(3600, |_, _| ());
    let length = told.world.now.duration_since(first).as_secs() + 60;
    let mut told = Told::new(begin(history.end(), length));
    let mut pages = Vec::new();
    told.story(SCRAPE, |at, page| pages.push((at.as_second(), page)));
    let mut versions = BTreeMap::new();
    for version in told.world.status().versions {
        versions.insert(version.track, version.hash);
    }
    let (from, end) = (pages[0].0, pages.last().unwrap().0);
    for (at, page) in pages {
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            history.sample(series, value, at);
        }
    }
    around(history, &versions, from, end);
    Shown { end, namespace: "ml", name: "fraud" }
}

/// What the mesh and the cluster export of the two versions that have traffic at the end.
fn around(history: &mut History, versions: &BTreeMap<Track, String>, from: i64, end: i64) {
    for (track, share) in [(Track::Stable, 9.0), (Track::Canary, 1.0)] {
        let workload = format!("fraud-{}", versions[&track]);
        let here = format!(
            "reporter=\"destination\",destination_workload_namespace=\"ml\",destination_workload=\"{workload}\""
        );
        let pod = format!("namespace=\"ml\",pod=\"{workload}-abcde\",container=\"model\"");
        let mut count = 0.0;
        let mut at = from;
        while at <= end {
            count += 15.0 * share;
            let all = [
                (format!("istio_requests_total{{{here},response_code=\"200\",response_flags=\"-\"}}"), count),
                (format!("istio_request_duration_milliseconds_bucket{{{here},le=\"50\"}}"), count * 0.9),
                (format!("istio_request_duration_milliseconds_bucket{{{here},le=\"100\"}}"), count),
                (format!("istio_request_duration_milliseconds_bucket{{{here},le=\"+Inf\"}}"), count),
                (format!("container_memory_working_set_bytes{{{pod}}}"), 1e9),
                (format!("kube_pod_container_resource_limits{{{pod},resource=\"memory\"}}"), 2e9),
                (format!("kube_pod_container_resource_requests{{{pod},resource=\"cpu\"}}"), 2.0),
                (format!("kube_pod_container_resource_requests{{{pod},resource=\"memory\"}}"), 1e9),
            ];
            for (series, value) in all {
                history.sample(&series, &value.to_string(), at);
            }
            at += SCRAPE;
        }
    }
    let gateway = "envoy_mrel_ml_fraud_0a1b2c3d_http_local_rate_limit_rate_limited";
    let operator =
        "container_memory_working_set_bytes{pod=\"model-release-operator-0\",container=\"operator\"}";
    for (number, at) in (0_u32..).zip((from..=end).step_by(15)) {
        history.sample(&format!("{gateway}{{pod=\"gateway-0\"}}"), &number.to_string(), at);
        history.sample(operator, "30000000", at);
    }
}

/// Each query is asked over the half hour before the end, as Grafana would; a panel needs one series at least.
pub fn every_panel_shows_series(prometheus: &Prometheus, shown: &Shown) {
    let mut silent = Vec::new();
    println!("| dashboard | panel | series |\n|---|---|---|");
    for name in ["release", "fleet", "operator"] {
        let file =
            checkout::root().unwrap().join(format!("helm/model-release-operator/dashboards/{name}.json"));
        let end = u64::try_from(shown.end).unwrap();
        let answered =
            dashboard::answered(&file, &prometheus.url, (shown.namespace, shown.name), end).unwrap();
        for panel in answered {
            println!("| {name} | {} | {} |", panel.panel, panel.series);
            // Here all exporters are there.
            if panel.series == 0 {
                silent.push(format!("{name}: {}", panel.panel));
            }
        }
    }
    assert!(silent.is_empty(), "no series for {silent:?}");
}
