//! Everything that the operator writes for Istio and the Gateway API is accepted by istiod's own validation, without a
//! warning, and by the kinds' schemas, strictly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use testbed::command::output_with_input;
use testbed::{Error, Result, Testbed};

use super::ask::Line;

/// The kinds that istiod reads.
const KINDS: &str = "virtualservices.networking.istio.io,envoyfilters.networking.istio.io,httproutes.gateway.networking.k8s.io";
/// Who writes them.
const MANAGER: &str = "app.kubernetes.io/managed-by=model-release-operator";

/// How istiod warns of the kind itself.
const ANY_FILTER: &str = "EnvoyFilter exposes internal implementation details";

/// The objects of the operator's that were there at some moment, each form of each once.
#[derive(Debug, Default)]
pub struct Written(BTreeMap<String, Value>);

impl Written {
    /// Adds those that there are now.
    ///
    /// # Errors
    /// What kubectl wrote.
    pub fn look(&mut self, testbed: &Testbed) -> Result<()> {
        let listed = testbed.kubectl_output(&["get", KINDS, "-A", "-l", MANAGER, "-o", "json"])?;
        let listed: Value = serde_json::from_str(&listed)
            .map_err(|error| Error::other(format!("kubectl wrote no JSON of {KINDS}: {error}")))?;
        for object in listed.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
            let object = as_written(object);
            self.0.insert(object.to_string(), object);
        }
        Ok(())
    }

    /// What istiod and the API server have against them.
    ///
    /// # Errors
    /// If one of them could not be asked.
    pub fn judge(&self, testbed: &Testbed) -> Result<Vec<Line>> {
        let all: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let told = output_with_input(&mut testbed.program("istio-validate"), all.join("\n").as_bytes())?;
        let verdicts: Vec<Value> = serde_json::Deserializer::from_str(&told)
            .into_iter()
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::other(format!("istio-validate wrote no JSON: {error}")))?;
        let against: Vec<String> = verdicts.iter().flat_map(against).collect();
        let count = self.0.len();
        let kinds: BTreeMap<&str, usize> = self.0.values().filter_map(|object| object["kind"].as_str()).fold(
            BTreeMap::new(),
            |mut n, kind| {
                *n.entry(kind).or_default() += 1;
                n
            },
        );
        let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let mut lines = vec![Line::new(
            format!("objects that the operator wrote ({}) by istiod's own validation", kinds.join(", ")),
            "accepted without a warning but the one that every EnvoyFilter gets",
            if against.is_empty() { "accepted without a warning".to_owned() } else { against.join("; ") },
            against.is_empty() && verdicts.len() == count && kinds.len() == 3,
        )];
        // A dry run stores nothing; each form is asked about, also those that were replaced since.
        let mut kubectl = testbed.kubectl();
        kubectl.args(["apply", "--server-side", "--force-conflicts", "--field-manager=strict-test"]);
        kubectl.args(["--dry-run=server", "--validate=strict", "--request-timeout=60s", "--filename", "-"]);
        let refused = output_with_input(&mut kubectl, all.join("\n---\n").as_bytes()).err();
        lines.push(Line::new(
            "the same by the schemas of their kinds, strictly",
            "accepted",
            refused.as_ref().map_or_else(|| format!("{count} accepted"), ToString::to_string),
            refused.is_none(),
        ));
        Ok(lines)
    }
}

/// What istiod has against an object, but for what it says of every EnvoyFilter that there is.
fn against(verdict: &Value) -> Vec<String> {
    let text = |field: &str| verdict.get(field).and_then(Value::as_str).unwrap_or_default();
    let named = format!("{} {}/{}", text("kind"), text("namespace"), text("name"));
    // One warning stands for itself, several are a list after a line with their number.
    let points = text("warning").lines().map(|line| line.trim().trim_start_matches("* "));
    let counted = |point: &str| point.ends_with("errors occurred:") || point.ends_with("error occurred:");
    let warnings =
        points.filter(|point| !point.is_empty() && !counted(point) && !point.starts_with(ANY_FILTER));
    let error = Some(text("error").to_owned()).filter(|error| !error.is_empty());
    error.into_iter().chain(warnings.map(str::to_owned)).map(|what| format!("{named}: {what}")).collect()
}

/// An object without what the API server added.
fn as_written(object: &Value) -> Value {
    let part = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let named = ["name", "namespace", "labels", "annotations"];
    let metadata: Map<String, Value> =
        named.iter().map(|field| ((*field).to_owned(), part(&format!("/metadata/{field}")))).collect();
    let fields = [
        ("apiVersion", part("/apiVersion")),
        ("kind", part("/kind")),
        ("metadata", metadata.into()),
        ("spec", part("/spec")),
    ];
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect::<Map<_, _>>().into()
}
