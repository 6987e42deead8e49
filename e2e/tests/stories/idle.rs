//! An operator whose releases are at rest: what it asks the API server, and how much memory it holds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use model_release_core::api::status::Phase;
use serde_json::Value;
use testbed::demo::install::SYSTEM;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};

use super::common::operator_pods;

/// Renewals of the lease during which nothing else may be asked: 20 s.
const RENEWALS: u64 = 10;
/// What the operator may hold, in MiB.
const MEMORY: f64 = 64.0;
const REST: Duration = Duration::from_secs(90);

pub async fn an_operator_with_nothing_to_do_asks_nothing_and_stays_small(stage: &Stage) {
    until("all releases are at rest", REST, || async {
        let mut busy = Vec::new();
        for name in stage.releases.names().await.unwrap_or_default() {
            let status = stage.releases.get(&name).await.ok().and_then(|release| release.status);
            let phase = status.and_then(|status| status.phase).unwrap_or_default();
            if !matches!(phase, Phase::Stable | Phase::RolledBack) {
                busy.push(format!("{name} is {}", phase.as_str()));
            }
        }
        // A pod that ends is news of its release, which the operator looks at.
        busy.extend(ending(stage).into_iter().map(|pod| format!("pod {pod} still ends")));
        Seen::when(busy.is_empty(), || busy.join(", "))
    })
    .await
    .unwrap();

    let address = pod_address(stage);
    let first = quiet_requests(stage, &address).await;
    let last = until("the lease is renewed ten times", Duration::from_secs(60), || async {
        let now = requests(stage, &address).await;
        let renewals = sum(&now, is_lease) - sum(&first, is_lease);
        if renewals >= RENEWALS { Seen::Yes(now) } else { Seen::NotYet(format!("{renewals} times")) }
    })
    .await
    .unwrap();
    let asked: Vec<String> = last
        .iter()
        .filter(|(labels, _)| !is_lease(labels) && !is_watch(labels))
        .filter_map(|(labels, count)| {
            let more = count - first.get(labels).copied().unwrap_or_default();
            (more > 0).then(|| format!("{more} of {labels}"))
        })
        .collect();
    println!("idle operator over {RENEWALS} renewals of its lease: other requests {asked:?}");
    assert!(asked.is_empty(), "an idle operator asked the API server: {asked:?}");

    let memory = memory(stage);
    println!("operator's resident memory: {memory:.1} MiB");
    assert!(memory > 1.0 && memory <= MEMORY, "{memory} MiB");
}

/// The first reading after which a renewal of the lease passed without a request: what the last write caused has been seen by then.
async fn quiet_requests(stage: &Stage, address: &str) -> BTreeMap<String, u64> {
    let work = |all: &BTreeMap<String, u64>| sum(all, |labels| !is_lease(labels) && !is_watch(labels));
    let before = RefCell::new(requests(stage, address).await);
    until("the operator falls silent", REST, || async {
        let now = requests(stage, address).await;
        let last = before.borrow().clone();
        if work(&now) != work(&last) {
            before.replace(now);
            return Seen::NotYet("it still asks".to_owned());
        }
        let renewed = sum(&now, is_lease) > sum(&last, is_lease);
        if renewed { Seen::Yes(now) } else { Seen::NotYet("not looked at for long enough".to_owned()) }
    })
    .await
    .unwrap()
}

fn is_lease(labels: &str) -> bool {
    labels.contains("resource=\"leases\"")
}

fn is_watch(labels: &str) -> bool {
    labels.contains("verb=\"watch\"")
}

fn sum(counts: &BTreeMap<String, u64>, which: impl Fn(&str) -> bool) -> u64 {
    counts.iter().filter(|(labels, _)| which(labels)).map(|(_, count)| count).sum()
}

/// Requests of the operator to the API server so far, by labels.
async fn requests(stage: &Stage, address: &str) -> BTreeMap<String, u64> {
    let page = page_at(stage, address).await;
    let found: BTreeMap<String, u64> = page
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once('{')?;
            let (labels, value) = rest.rsplit_once("} ")?;
            let value: f64 = name.ends_with("kube_requests_total").then(|| value.trim().parse().ok())??;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
            Some((labels.to_owned(), value as u64))
        })
        .collect();
    assert!(!found.is_empty(), "the operator's metrics have no kube_requests_total");
    found
}

/// The operator's page of metrics.
pub async fn page(stage: &Stage) -> String {
    page_at(stage, &pod_address(stage)).await
}

async fn page_at(stage: &Stage, address: &str) -> String {
    stage.http.get(&format!("http://{address}:8080/metrics")).await.unwrap().body
}

/// Pods of the namespace that are being deleted.
fn ending(stage: &Stage) -> Vec<String> {
    let text = stage.testbed.kubectl_output(&["get", "pods", "-n", &stage.namespace, "-o", "json"]).unwrap();
    let pods: Value = serde_json::from_str(&text).unwrap();
    let ends = |pod: &&Value| pod.pointer("/metadata/deletionTimestamp").is_some();
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    pods["items"].as_array().unwrap().iter().filter(ends).map(name).collect()
}

fn pod_address(stage: &Stage) -> String {
    let pods = operator_pods(stage);
    let ready = pods["items"].as_array().unwrap().iter().find(|pod| pod["status"]["phase"] == "Running");
    ready.and_then(|pod| pod["status"]["podIP"].as_str()).expect("the operator runs").to_owned()
}

/// Resident memory of the operator's container in MiB, as the kubelet measures it.
fn memory(stage: &Stage) -> f64 {
    let nodes = stage.testbed.kubectl_output(&["get", "nodes", "-o", "name"]).unwrap();
    let node = nodes.lines().next().unwrap().trim_start_matches("node/").to_owned();
    let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
    let summary: Value =
        serde_json::from_str(&stage.testbed.kubectl_output(&["get", "--raw", &path]).unwrap()).unwrap();
    let pods = summary["pods"].as_array().unwrap();
    let ours =
        pods.iter().find(|pod| pod["podRef"]["namespace"] == SYSTEM).expect("the kubelet knows the operator");
    let bytes = ours["containers"][0]["memory"]["rssBytes"].as_f64().expect("the kubelet measures memory");
    bytes / f64::from(1 << 20)
}
