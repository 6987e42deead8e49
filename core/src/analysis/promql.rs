//! The questions in `PromQL`, and which version a row of an answer speaks of.
//!
//! Counters are asked for by exact differences, not by `increase()`, which extrapolates and, where looks overlap,
//! counts twice. With X a selector and W the width of a block:
//!
//! ```text
//! OLD(X)   = X offset W
//! DELTA(X) = (X - OLD(X)) or ((X unless OLD(X)) and on (job, instance) (up offset W == 1))
//! FELL     = any of the check's totals < its OLD
//! ROW(s,X) = label_replace(sum by (KEY) (DELTA(X) unless on (job, instance) FELL), "stat", "s", "", "")
//! ```
//!
//! A series that is born on a target that was scraped at the block's start counts from 0; one on a target that was not
//! gives nothing, so that no lifetime is ever taken for a block; an instance of which any total fell was restarted and
//! gives nothing. All rows of a check come in one question and are therefore of one instant.

mod latency;
mod quality;
pub mod question;
mod requests;
pub mod server;
mod template;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::release::Release;
use crate::settings::Entrance;
use crate::version::Hash;

pub(super) use self::quality::{Asked, PAIRS};
use self::question::{About, Counts, Scope};
use crate::api::pods::Preset;

/// Labels of a pod's series.
const POD_KEY: &str = "namespace, modelrelease_dev_name, modelrelease_dev_version";
/// Names that queries and rows are matched by: those of one release and of the versions that are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    release: &'a Release,
    stable: Option<&'a Hash>,
    canary: &'a Hash,
    apps: &'a [Hash],
}

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// The live version's.
    Stable,
    /// The judged version's.
    Canary,
}

impl<'a> Names<'a> {
    /// Of a release and two of its versions.
    pub fn new(release: &'a Release, stable: Option<&'a Hash>, canary: &'a Hash, apps: &'a [Hash]) -> Self {
        Self { release, stable, canary, apps }
    }

    /// Name of the workload and Service by which requests enter a version.
    fn entrance(&self, hash: &Hash) -> String {
        if self.apps.contains(hash) { self.release.app_name(hash) } else { self.release.object_name(hash) }
    }

    /// The judged version's model server; stable's if the spec no longer names it.
    pub fn preset(&self) -> Preset {
        let version = self.release.version(self.canary).unwrap_or(&self.release.stable);
        version.effective.model.preset.unwrap_or_default()
    }

    /// The release that is asked for.
    pub fn release(&self) -> &'a Release {
        self.release
    }

    /// What of a question is this release's own.
    pub fn about(&self) -> About {
        About {
            release: self.release.name.clone(),
            versions: self.hashes().map(Hash::to_string).collect(),
            objects: self.hashes().map(|hash| self.entrance(hash)).collect(),
        }
    }

    fn hashes(&self) -> impl Iterator<Item = &'a Hash> {
        self.stable.into_iter().chain([self.canary])
    }

    /// The version that has this as its identity.
    fn whose(&self, is: impl Fn(&Hash) -> bool) -> Option<Whose> {
        if is(self.canary) {
            Some(Whose::Canary)
        } else {
            self.stable.is_some_and(is).then_some(Whose::Stable)
        }
    }

    /// Whose a row of a pod's series is, by its exact labels; none for a foreign one.
    pub fn of_pod(&self, labels: &BTreeMap<String, String>) -> Option<Whose> {
        let is = |label: &str, value: &str| labels.get(label).is_some_and(|l| l == value);
        if !is("namespace", &self.release.namespace) || !is("modelrelease_dev_name", &self.release.name) {
            return None;
        }
        self.whose(|hash| is("modelrelease_dev_version", hash.as_str()))
    }

    /// Whose a row of an entrance's series is, and the port for Envoy's clusters, which has one for each; none for a
    /// foreign one.
    pub fn of_entrance(&self, labels: &BTreeMap<String, String>) -> Option<(Whose, &'static str)> {
        let get = |label: &str| labels.get(label).map_or("", String::as_str);
        // A row of a pod's own series.
        if labels.contains_key("modelrelease_dev_version") {
            return self.of_pod(labels).map(|whose| (whose, ""));
        }
        if let Some(cluster) = labels.get("cluster_name") {
            let (port, host) = if let Some(host) = cluster.strip_prefix("outbound|80||") {
                ("80", host)
            } else {
                ("9000", cluster.strip_prefix("outbound|9000||")?)
            };
            let rest = format!(".{}.svc.", self.release.namespace);
            let whose = self.whose(|hash| {
                host.strip_prefix(&self.entrance(hash)).is_some_and(|h| h.starts_with(&rest))
            })?;
            return Some((whose, port));
        }
        for (name, namespace) in [
            ("destination_workload", "destination_workload_namespace"),
            ("destination_service_name", "destination_service_namespace"),
        ] {
            if get(namespace) == self.release.namespace
                && let Some(whose) = self.whose(|hash| self.entrance(hash) == get(name))
            {
                return Some((whose, ""));
            }
        }
        None
    }
}

/// Asks for requests and failed ones of a block at the entrance. `width` in milliseconds.
///
/// Rows `k*` are failed, `n*` all requests; each version's are summed.
fn error_rate(scope: &Scope<'_>, counts: Counts, width: i64) -> String {
    let namespace = scope.namespace();
    let objects = scope.objects();
    let mut rows = Rows::default();
    match counts.entrance {
        Entrance::Envoy => {
            let cluster = scope.clusters();
            let of = |class: &str| {
                format!("envoy_cluster_upstream_rq{{cluster_name=~{cluster},response_code_class{class}}}")
            };
            let (bad, all) = (of("=\"5xx\""), of("!=\"\""));
            let fell = fell(&[&all], width);
            rows.add("cluster_name", "k", &without(&delta(&bad, width), &fell));
            rows.add("cluster_name", "n", &without(&delta(&all, width), &fell));
        }
        Entrance::Istio => {
            let key = "destination_workload_namespace, destination_workload";
            let base = format!(
                "reporter=\"destination\",destination_workload_namespace={namespace},destination_workload=~{objects},response_flags!=\"RL\""
            );
            istio(&mut rows, key, &base, width);
            let lost = format!(
                "istio_requests_total{{reporter=\"source\",destination_service_namespace={namespace},destination_service_name=~{objects},response_flags=~\".*(UH|UF|UC|NC).*\"}}"
            );
            let key = "destination_service_namespace, destination_service_name";
            let fell = fell(&[&lost], width);
            let never_arrived = without(&delta(&lost, width), &fell);
            rows.add(key, "k2", &never_arrived);
            rows.add(key, "n2", &never_arrived);
        }
        Entrance::IstioGateway => {
            let from = scope.gateways();
            let base = format!(
                "reporter=\"source\",{from}destination_service_namespace={namespace},destination_service_name=~{objects},response_flags!=\"RL\""
            );
            istio(&mut rows, "destination_service_namespace, destination_service_name", &base, width);
        }
        Entrance::Server => return server::failures(scope, counts.preset, width).unwrap_or_default(),
    }
    rows.0
}

/// Failed requests by HTTP, failed ones by gRPC, and all, of Istio's own counter.
fn istio(rows: &mut Rows, key: &str, base: &str, width: i64) {
    let all = format!("istio_requests_total{{{base}}}");
    let http = format!("istio_requests_total{{{base},response_code=~\"5..\"}}");
    let grpc = format!(
        "istio_requests_total{{{base},response_code!~\"5..\",grpc_response_status=~\"2|4|13|14|15\"}}"
    );
    let fell = fell(&[&all], width);
    rows.add(key, "k", &without(&delta(&http, width), &fell));
    rows.add(key, "k1", &without(&delta(&grpc, width), &fell));
    rows.add(key, "n", &without(&delta(&all, width), &fell));
}

/// The same question of each of so many blocks up to its time, in one: a subquery, whose instants are multiples of the
/// width as the blocks' ends are.
fn of_blocks(promql: &str, width: i64, blocks: i64) -> String {
    format!("({promql})[{}:{}]", duration(width.saturating_mul(blocks)), duration(width))
}

/// Rows of one question.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add(&mut self, key: &str, stat: &str, expression: &str) {
        self.push("sum", key, stat, expression);
    }

    fn count(&mut self, key: &str, stat: &str, expression: &str) {
        self.push("count", key, stat, expression);
    }

    fn push(&mut self, by: &str, key: &str, stat: &str, expression: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\nor ");
        }
        // Writing to a String cannot fail.
        let _ =
            write!(self.0, "label_replace({by} by ({key}) ({expression}), \"stat\", \"{stat}\", \"\", \"\")");
    }
}

fn old(selector: &str, width: i64) -> String {
    format!("({selector} offset {})", duration(width))
}

fn delta(selector: &str, width: i64) -> String {
    let old = old(selector, width);
    format!(
        "(({selector} - {old}) or (({selector} unless {old}) and on (job, instance) (up offset {} == 1)))",
        duration(width)
    )
}

fn fell(totals: &[&str], width: i64) -> String {
    let each: Vec<String> = totals.iter().map(|total| format!("({total} < {})", old(total, width))).collect();
    each.join(" or ")
}

fn without(delta: &str, fell: &str) -> String {
    format!("{delta} unless on (job, instance) ({fell})")
}

/// Milliseconds in `PromQL`.
fn duration(millis: i64) -> String {
    if millis % 1000 == 0 { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// A string literal of `PromQL`.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A regular expression for exactly this text.
fn regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '.' | '|' | '+' | '*' | '?' | '(' | ')' | '{' | '}' | '$' => {
                escaped.push('[');
                escaped.push(c);
                escaped.push(']');
            }
            '\\' | '[' | ']' | '^' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
