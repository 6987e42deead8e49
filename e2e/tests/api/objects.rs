//! Rendered objects, by name, so that two ways of rendering can be compared.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testbed::build::Programs;
use testbed::{checkout, command};

/// Name of the operator's objects, and of the chart's release in these tests.
pub const OPERATOR: &str = "model-release-operator";
/// Namespace of the operator.
pub const SYSTEM: &str = "model-release-system";

pub fn root() -> PathBuf {
    checkout::root().expect("the test runs in a checkout")
}

/// helm or kustomize, as the testbed builds them.
fn tool(name: &str) -> Command {
    Command::new(program(name))
}

/// One of the testbed's tools; the testbed builds its programs if it is missing.
pub fn program(name: &str) -> PathBuf {
    let find = || {
        let programs = Programs::locate(&root(), &checkout::cache()).unwrap();
        programs.tools().find(|(tool, _)| *tool == name).map(|(_, path)| path)
    };
    find().unwrap_or_else(|| {
        let mut build = Command::new(env!("CARGO_BIN_EXE_cluster"));
        command::output(build.arg("build").current_dir(root())).unwrap_or_else(|error| panic!("{error}"));
        find().expect("it is one of the testbed's tools")
    })
}

/// What the chart makes of a file of values beside these tests.
pub fn charted(values: &str) -> String {
    charted_with(values, &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// The same with more arguments, or why helm refuses.
pub fn charted_with(values: &str, more: &[&str]) -> testbed::Result<String> {
    let values = root().join("e2e/tests/api/values").join(values);
    let mut helm = tool("helm");
    helm.args(["template", OPERATOR, "helm/model-release-operator", "--namespace", SYSTEM, "--values"]);
    command::output(helm.arg(values).args(more).current_dir(root()))
}

/// What helm says against the chart with a file of values; a warning is an error.
pub fn linted(values: &str) -> testbed::Result<String> {
    let values = root().join("e2e/tests/api/values").join(values);
    let mut helm = tool("helm");
    helm.args(["lint", "--strict", "helm/model-release-operator", "--values"]).arg(values);
    command::output(helm.current_dir(root()))
}

/// What kustomize makes of a folder below `config`.
pub fn configured(folder: &str) -> String {
    let mut kustomize = tool("kustomize");
    command::output(kustomize.arg("build").arg(root().join("config").join(folder)))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Objects by `kind namespace/name`, without what only helm adds.
pub fn by_name(yaml: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for text in yaml.split("\n---") {
        let mut object: Value =
            serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        if object.is_null() {
            continue;
        }
        let word = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = format!("{} {}/{}", word("/kind"), word("/metadata/namespace"), word("/metadata/name"));
        plain(&mut object);
        assert!(all.insert(key.clone(), object).is_none(), "{key} is rendered twice");
    }
    all
}

/// Takes away what helm adds to every object, and reads the settings so that only their meaning counts.
fn plain(object: &mut Value) {
    const ADDED: [&str; 6] = [
        "helm.sh/chart",
        "helm.sh/resource-policy",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "checksum/settings",
    ];
    for holder in ["/metadata", "/spec/template/metadata"] {
        let Some(metadata) = object.pointer_mut(holder).and_then(Value::as_object_mut) else { continue };
        for kind in ["labels", "annotations"] {
            let Some(words) = metadata.get_mut(kind).and_then(Value::as_object_mut) else { continue };
            words.retain(|key, _| !ADDED.contains(&key.as_str()));
            if words.is_empty() {
                metadata.remove(kind);
            }
        }
    }
    if object["kind"] == "CustomResourceDefinition" && object["metadata"]["labels"].is_object() {
        // kustomize installs the generated file as it is; the chart labels it as its own.
        object["metadata"].as_object_mut().unwrap().remove("labels");
    }
    if let Some(Value::String(text)) = object.pointer_mut("/data/settings.yaml") {
        let settings: Value = serde_saphyr::from_str(text).unwrap();
        object["data"]["settings.yaml"] = settings;
    }
}
