//! A question apart from whom it is asked for: what is the same for many releases of a namespace, and what is each one's
//! own. Asked together they are one question, whose answer is divided by exact names.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::latency::{first_token, latency};
use super::quality::{quality, quality_before};
use super::requests::requests;
use super::template::by_template;
use super::{error_rate, of_blocks, quoted, regex};
use crate::api::pods::Preset;
use crate::api::status::Grade;
use crate::release::Series;
use crate::settings::{Entrance, QueryTemplate};

/// What is asked, without the names of releases and versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub(in crate::analysis) what: What,
    /// Width of a block in milliseconds.
    pub(in crate::analysis) width: i64,
    /// So many blocks in one answer; 0 is the one that ends now, without a range.
    pub(in crate::analysis) blocks: i64,
    pub(in crate::analysis) namespace: String,
    /// Namespaces of the gateways that requests come by.
    pub(in crate::analysis) gateways: BTreeSet<String>,
}

/// The families of questions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::analysis) enum What {
    Quality {
        series: Series,
        grade: Option<Grade>,
        /// Whether requests are copied, so that both versions may have answered the same one.
        copied: bool,
    },
    QualityBefore {
        series: Series,
    },
    Errors(Counts),
    Latency {
        counts: Counts,
        bound: i64,
    },
    FirstToken {
        preset: Preset,
        bound: i64,
    },
    Requests(Counts),
    Template(QueryTemplate),
    /// As a test wrote it.
    #[cfg(any(test, feature = "testing"))]
    Written(String),
}

/// Who counts requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::analysis) struct Counts {
    pub entrance: Entrance,
    /// By whose names, where model servers count themselves.
    pub preset: Preset,
}

impl Counts {
    /// At an entrance. Whose names does not matter where it is no server's.
    pub fn of(entrance: Entrance, preset: Preset) -> Self {
        Self { entrance, preset: if entrance == Entrance::Server { preset } else { Preset::default() } }
    }
}

/// What of a question is one release's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct About {
    /// Its name.
    pub release: String,
    /// Hashes of the versions.
    pub versions: Vec<String>,
    /// Names of the workloads and Services by which requests enter them.
    pub objects: Vec<String>,
}

impl Question {
    /// One in these words, for tests of who asks it.
    #[cfg(any(test, feature = "testing"))]
    pub fn written(promql: &str) -> Self {
        let what = What::Written(promql.to_owned());
        Self { what, width: 30_000, blocks: 0, namespace: "ml".to_owned(), gateways: BTreeSet::new() }
    }

    /// The same of so many blocks, for tests of who asks it.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn of_the_past(self, blocks: i64) -> Self {
        Self { blocks, ..self }
    }

    /// Whether the same is asked again of the next block.
    pub fn repeats(&self) -> bool {
        self.blocks == 0
    }

    /// In `PromQL`, for these releases.
    pub fn promql(&self, about: &[&About]) -> String {
        let scope = Scope { question: self, about };
        let text = match &self.what {
            What::Quality { series, grade, copied } => quality(&scope, series, *grade, *copied, self.width),
            What::QualityBefore { series } => quality_before(&scope, series, self.width),
            What::Errors(counts) => error_rate(&scope, *counts, self.width),
            What::Latency { counts, bound } => latency(&scope, *counts, *bound, self.width),
            What::FirstToken { preset, bound } => first_token(&scope, *preset, *bound, self.width),
            What::Requests(counts) => requests(&scope, *counts, self.width),
            What::Template(template) => by_template(&scope, template, self.width),
            #[cfg(any(test, feature = "testing"))]
            What::Written(text) => text.clone(),
        };
        if self.blocks == 0 { text } else { of_blocks(&text, self.width, self.blocks) }
    }

    /// How many seconds the block has.
    pub fn width(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_millis(self.width)
    }

    /// The answer for all of them, divided: what each would have been answered alone, in their order. What is no good
    /// answer is the same for all. Rows of nobody are left out.
    pub fn divided(&self, body: &[u8], about: &[&About]) -> Vec<Vec<u8>> {
        self.parts(body, about).unwrap_or_else(|| vec![body.to_vec(); about.len()])
    }

    fn parts(&self, body: &[u8], about: &[&About]) -> Option<Vec<Vec<u8>>> {
        let whole: Whole<'_> = serde_json::from_slice(body).ok()?;
        if whole.status != "success" || whole.warnings.is_some_and(|warnings| warnings.get() != "[]") {
            return None;
        }
        let mut releases = HashMap::new();
        let mut objects = HashMap::new();
        for (index, about) in about.iter().enumerate() {
            releases.insert(about.release.as_str(), index);
            objects.extend(about.objects.iter().map(|object| (object.as_str(), index)));
        }
        let head =
            format!(r#"{{"status":"success","data":{{"resultType":{},"result":["#, whole.data.kind.get());
        let mut parts = vec![head; about.len()];
        let bare = parts.first().map_or(0, String::len);
        for row in &whole.data.result {
            let item: Item<'_> = serde_json::from_str(row.get()).ok()?;
            let index = match item.metric.place(&self.namespace)? {
                Place::Release(name) => releases.get(name),
                Place::Object(name) => objects.get(name),
                Place::Elsewhere => None,
            };
            let Some(part) = index.and_then(|index| parts.get_mut(*index)) else { continue };
            if part.len() > bare {
                part.push(',');
            }
            part.push_str(row.get());
        }
        Some(
            parts
                .into_iter()
                .map(|mut part| {
                    part.push_str("]}}");
                    part.into_bytes()
                })
                .collect(),
        )
    }
}

/// An answer of Prometheus, its rows unread.
#[derive(Deserialize)]
struct Whole<'a> {
    status: String,
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(borrow, default)]
    warnings: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, rename = "resultType")]
    kind: &'a RawValue,
    #[serde(borrow)]
    result: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    metric: Labels<'a>,
}

/// The labels that say whose a row is. Our names need no escape, so that what has one is foreign, or refused as a whole.
#[derive(Deserialize)]
struct Labels<'a> {
    namespace: Option<&'a str>,
    modelrelease_dev_name: Option<&'a str>,
    cluster_name: Option<&'a str>,
    destination_workload: Option<&'a str>,
    destination_workload_namespace: Option<&'a str>,
    destination_service_name: Option<&'a str>,
    destination_service_namespace: Option<&'a str>,
}

enum Place<'a> {
    Release(&'a str),
    Object(&'a str),
    Elsewhere,
}

impl<'a> Labels<'a> {
    /// None if there is no label by which it could be anybody's.
    fn place(&self, namespace: &str) -> Option<Place<'a>> {
        let here = |of: Option<&str>| of == Some(namespace);
        let place = if let Some(name) = self.modelrelease_dev_name {
            here(self.namespace).then_some(Place::Release(name))
        } else if let Some(cluster) = self.cluster_name {
            let host =
                ["outbound|80||", "outbound|9000||"].iter().find_map(|port| cluster.strip_prefix(port));
            let end = host.and_then(|host| host.find(&format!(".{namespace}.svc.")));
            host.zip(end).and_then(|(host, end)| host.get(..end)).map(Place::Object)
        } else if let Some(name) = self.destination_workload {
            here(self.destination_workload_namespace).then_some(Place::Object(name))
        } else {
            let name = self.destination_service_name?;
            here(self.destination_service_namespace).then_some(Place::Object(name))
        };
        Some(place.unwrap_or(Place::Elsewhere))
    }
}

/// Matchers of a question for some releases.
pub(super) struct Scope<'a> {
    pub question: &'a Question,
    pub about: &'a [&'a About],
}

impl Scope<'_> {
    /// The namespace, quoted.
    pub fn namespace(&self) -> String {
        quoted(&self.question.namespace)
    }

    /// Matchers of the pods' series.
    pub fn pod_matchers(&self) -> String {
        let name = match self.about {
            [one] => format!("={}", quoted(&one.release)),
            many => format!("=~{}", any_of(many.iter().map(|about| &about.release))),
        };
        let versions = any_of(self.about.iter().flat_map(|about| &about.versions));
        format!(
            "namespace={},modelrelease_dev_name{name},modelrelease_dev_version=~{versions}",
            self.namespace()
        )
    }

    /// A regular expression, quoted, for the names of the workloads and Services by which requests enter the versions.
    pub fn objects(&self) -> String {
        any_of(self.about.iter().flat_map(|about| &about.objects))
    }

    /// A regular expression, quoted, for the names of Envoy's clusters of the versions. Port 9000 is gRPC's. The domain is
    /// the cluster's own; a row is taken by its exact name and namespace.
    pub fn clusters(&self) -> String {
        let namespace = regex(&self.question.namespace);
        let objects = alternatives(self.about.iter().flat_map(|about| &about.objects));
        quoted(&format!("outbound[|](80|9000)[|][|]({objects})[.]{namespace}[.]svc[.].+"))
    }

    /// A matcher, with the comma after it, of the namespaces that the releases' gateways run in; empty for releases that
    /// only callers in the mesh reach, which have no gateway to name.
    pub fn gateways(&self) -> String {
        if self.question.gateways.is_empty() {
            String::new()
        } else {
            format!("source_workload_namespace=~{},", any_of(&self.question.gateways))
        }
    }
}

fn alternatives<'t>(names: impl IntoIterator<Item = &'t String>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|name| regex(name)).collect();
    names.into_iter().collect::<Vec<_>>().join("|")
}

fn any_of<'t>(names: impl IntoIterator<Item = &'t String>) -> String {
    quoted(&alternatives(names))
}
