//! The operator's page as a real Prometheus has it, in the middle of a story: each family of docs/metrics.md, which is
//! generated from the code, tells what the release's status and the API server say, or is absent for the reason given here.

mod expected;
mod operator;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model_release_core::api::ModelRelease;
use model_release_core::api::status::Phase;
use serde_json::Value;
use testbed::demo::story::Stage;
use testbed::wait::{Seen, until};
use testbed::{checkout, exposition};

/// What all names of ours begin with.
const PREFIX: &str = "modelrelease_";
/// A story may wait for its cluster, its stable version and its first evidence.
const STORY: Duration = Duration::from_secs(300);
/// Labels that the scrape adds.
const SCRAPE: [&str; 4] = ["__name__", "instance", "job", "pod"];

/// Labels of a series, without those of the scrape.
pub type Labels = BTreeMap<String, String>;

/// What Prometheus scraped last, by name without the prefix.
#[derive(Default)]
pub struct Page(BTreeMap<String, Vec<(Labels, f64)>>);

impl Page {
    /// The series of a name; all of them have these labels.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> BTreeMap<Labels, f64> {
        let has =
            |all: &Labels| labels.iter().all(|(key, value)| all.get(*key).is_some_and(|own| own == value));
        let found = self.0.get(name).into_iter().flatten();
        found.filter(|(all, _)| has(all)).map(|(all, value)| (all.clone(), *value)).collect()
    }

    /// Their sum; none if there is no such series.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.of(name, labels);
        (!found.is_empty()).then(|| found.values().sum())
    }
}

/// All that is known at one moment.
pub struct Moment {
    pub release: ModelRelease,
    pub page: Page,
    /// Deployments of the release, as the API server has them.
    pub deployments: Vec<Value>,
    /// Names of the gateway's pods.
    pub gateways: BTreeSet<String>,
    /// Releases that there are.
    pub releases: usize,
    /// Unix seconds.
    pub now: f64,
}

/// Waits for a moment in the middle of a trial at which all of it holds.
pub async fn every_family_tells_what_is_the_case(stage: Arc<Stage>, name: &'static str) {
    let families = documented();
    // The trial may be over before the deadline is: what was wrong in the middle of it is what matters then.
    let last = Mutex::new(String::new());
    let looks = || async {
        match moment(&stage, name).await {
            Ok(moment) => {
                let wrong = compared(&moment, &families).join("\n");
                (*last.lock().unwrap()).clone_from(&wrong);
                Seen::when(wrong.is_empty(), || wrong)
            }
            Err(why) => Seen::NotYet(format!("{why}; before that:\n{}", last.lock().unwrap())),
        }
    };
    until(&format!("Prometheus tells of {name} what is the case"), STORY, looks)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let page = super::idle::page(&stage).await;
    let mut promtool = stage.testbed.program("promtool");
    let said = exposition::complaints(&mut promtool, &page).unwrap_or_else(|error| panic!("{error}"));
    assert!(said.is_empty(), "promtool: {said}");
    println!("scraped in the middle of {name}: {} families tell what is the case", families.len());
}

/// Names of all families that users are told of, without the prefix.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(checkout::root().unwrap().join("docs/metrics.md")).unwrap();
    let begin = format!("`{PREFIX}");
    let names = text.split(&begin).skip(1).filter_map(|rest| Some(rest.split_once('`')?.0.to_owned()));
    let names = names.filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.collect();
    assert!(names.len() >= 40, "docs/metrics.md lists {names:?}");
    names
}

/// What is the case; or why this is no moment to compare.
async fn moment(stage: &Arc<Stage>, name: &str) -> Result<Moment, String> {
    let told = |error: testbed::Error| error.to_string();
    let release = stage.releases.get(name).await.map_err(told)?;
    let status = release.status.clone().unwrap_or_default();
    let settled = status.step.as_ref().is_some_and(|step| step.settled_at.is_some());
    let quality = status.analysis.as_ref().and_then(|analysis| analysis.quality.as_ref());
    let counted = quality.and_then(|quality| quality.canary.as_ref()).is_some_and(|share| share.events > 0);
    if status.phase != Some(Phase::Analyzing) || !settled || !counted {
        return Err(format!("{name} is {:?}, settled: {settled}, counted: {counted}", status.phase));
    }
    let page = page(stage).await?;
    let deployments = stage.releases.beside(name).await.map_err(told)?.deployments.unwrap_or_default();
    let releases = stage.releases.names().await.map_err(told)?.len();
    let selector = format!("istio={}", stage.gateway.selector["istio"].as_str().unwrap_or_default());
    let namespace = &stage.gateway.namespace;
    let pods = ["get", "pods", "-n", namespace, "-l", &selector, "-o", "jsonpath={.items[*].metadata.name}"];
    let pods = stage.testbed.kubectl_output(&pods).map_err(told)?;
    let again = stage.releases.get(name).await.map_err(told)?;
    if again.metadata.resource_version != release.metadata.resource_version {
        return Err(format!("{name} changed meanwhile"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let gateways = pods.split_whitespace().map(str::to_owned).collect();
    Ok(Moment { release, page, deployments, gateways, releases, now })
}

/// All of our series that Prometheus has now.
async fn page(stage: &Arc<Stage>) -> Result<Page, String> {
    let prometheus = stage.testbed.need("PROMETHEUS_URL").unwrap();
    // {__name__=~"modelrelease_.+"}
    let query = "%7B__name__%3D~%22modelrelease_.%2B%22%7D";
    let answer = stage.http.get(&format!("{prometheus}/api/v1/query?query={query}")).await;
    let body: Value = serde_json::from_str(&answer.map_err(|error| error.to_string())?.body)
        .map_err(|error| format!("Prometheus answers no JSON: {error}"))?;
    let mut page = Page::default();
    for series in body["data"]["result"].as_array().ok_or_else(|| format!("Prometheus says {body}"))? {
        let mut labels: Labels = serde_json::from_value(series["metric"].clone()).unwrap();
        let name = labels["__name__"].strip_prefix(PREFIX).unwrap().to_owned();
        // A gateway's pod is a label of the operator's own.
        let own = name.starts_with("gateway_");
        labels.retain(|key, _| !SCRAPE.contains(&key.as_str()) || own && key == "pod");
        let value = series["value"][1].as_str().and_then(|text| text.parse().ok());
        page.0.entry(name).or_default().push((labels, value.ok_or_else(|| format!("no value in {series}"))?));
    }
    Ok(page)
}

/// What is told otherwise than it is.
fn compared(moment: &Moment, families: &BTreeSet<String>) -> Vec<String> {
    let meta = &moment.release.metadata;
    let (namespace, name) = (meta.namespace.as_deref().unwrap(), meta.name.as_deref().unwrap());
    let expected = expected::of(&moment.release);
    let mut wrong = Vec::new();
    for family in families {
        if let Some(wanted) = expected.get(family.as_str()) {
            let mut told = moment.page.of(family, &[("namespace", namespace), ("name", name)]);
            told = told.into_iter().map(|(labels, value)| (without_release(labels), value)).collect();
            let same = told.len() == wanted.len()
                && wanted
                    .iter()
                    .all(|(labels, value)| told.get(labels).is_some_and(|own| near(*own, *value)));
            let other = (family == "replicas").then(|| operator::replicas(moment)).flatten();
            wrong.extend(other);
            if !same {
                wrong.push(format!("{family}: Prometheus has {told:?}, the status says {wanted:?}"));
            }
        } else if let Some(problem) = operator::problem(family, moment) {
            wrong.push(format!("{family}: {problem}"));
        }
    }
    wrong
}

fn without_release(mut labels: Labels) -> Labels {
    labels.retain(|key, _| key != "namespace" && key != "name");
    labels
}

/// As near as texts of numbers are; times of this century to the millisecond.
pub fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(1.0)
}
