//! What the definition of the resource must be: bounded, described, and right about good and bad releases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

#[path = "schema/samples.rs"]
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kube_cel::Validator;
use model_release_core::api::{ModelRelease, crd};
use samples::{By, Sample};
use serde_json::Value;

/// An API server refuses objects of more than 1.5 MiB, and `kubectl apply` without `--server-side` annotations of
/// more than 256 KiB.
const LARGEST: usize = 215_000;

fn schema() -> Value {
    let crd = serde_json::to_value(crd()).unwrap();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema").expect("the definition has a schema").clone()
}

fn all_samples() -> Vec<(String, Sample)> {
    samples::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/samples"))
}

/// Calls `visit` with each schema of a field, its path, and whether the field must be given.
fn walk(schema: &Value, path: &str, required: bool, visit: &mut dyn FnMut(&Value, &str, bool)) {
    visit(schema, path, required);
    let needed: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), needed.contains(name.as_str()), visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), true, visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{path}{{}}"), true, visit);
    }
}

#[test]
fn the_definition_fits_where_it_must() {
    let size = serde_json::to_string(&crd()).unwrap().len();
    assert!(size <= LARGEST, "{size} bytes");
}

#[test]
fn every_field_is_described_and_in_spec_shows_a_value_and_its_default() {
    let mut bad = Vec::new();
    walk(&schema(), "", true, &mut |schema, path, required| {
        if path.ends_with(['}', ']']) {
            return;
        }
        let text = schema["description"].as_str().unwrap_or_default();
        if text.len() < 4 || !text.ends_with('.') {
            bad.push(format!("{path}: {text:?} is not a sentence"));
        }
        if path.starts_with(".spec.") && !required && !text.contains("Default: ") {
            bad.push(format!("{path}: {text:?} does not say its default"));
        }
        if path.starts_with(".spec.") && holds_a_value(schema) && !shows_a_value(schema, text) {
            bad.push(format!("{path}: {text:?} shows no value"));
        }
        if text.lines().any(|line| line.ends_with(char::is_whitespace)) || text.contains("\n ") {
            bad.push(format!("{path}: lines of {text:?} are not joined"));
        }
    });
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Whether what is written there is a value, or a list or map of values.
fn holds_a_value(schema: &Value) -> bool {
    let scalar = |of: &Value| !matches!(of["type"].as_str(), Some("object" | "array"));
    let map = schema["type"] == "object" && schema["additionalProperties"].is_object();
    scalar(schema)
        || schema["type"] == "array" && scalar(&schema["items"])
        || map && scalar(&schema["additionalProperties"])
}

/// Whether a reader learns what a value looks like: by an example, bounds, words to choose from, or the default.
fn shows_a_value(schema: &Value, text: &str) -> bool {
    let example = text.contains("as in ") || text.starts_with("As in ") || text.contains("://");
    let bounds =
        text.split(" to ").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '"'));
    let default = text
        .split_once("Default: ")
        .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '"' | '`')));
    example || bounds || default || schema["type"] == "boolean" || !schema["enum"].is_null()
}

#[test]
fn all_of_spec_is_bounded() {
    let mut bad = Vec::new();
    walk(&schema()["properties"]["spec"], "spec", true, &mut |schema, path, _| {
        let has = |key: &str| !schema[key].is_null();
        let bounded = match schema["type"].as_str() {
            Some("string") => has("maxLength") || has("enum"),
            Some("array") => has("maxItems"),
            Some("object") => has("properties") || has("maxProperties"),
            Some("integer") => {
                has("minimum") && has("maximum") || UNLIMITED.iter().any(|end| path.ends_with(end))
            }
            Some("boolean") => true,
            None => schema["x-kubernetes-int-or-string"] == true && has("maxLength"),
            Some(_) => false,
        };
        if !bounded {
            bad.push(format!("{path}: {}", schema["type"]));
        }
    });
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Numbers whose only bound is their type, as in Kubernetes itself.
const UNLIMITED: [&str; 3] = [".runAsUser", ".fsGroup", ".tolerationSeconds"];

#[test]
fn nothing_is_said_that_an_api_server_warns_of_or_changes() {
    let mut bad = Vec::new();
    walk(&schema(), "", true, &mut |schema, path, _| {
        let format = schema["format"].as_str().unwrap_or_default();
        if format.starts_with("uint") {
            bad.push(format!("{path}: format {format}"));
        }
        for key in ["nullable", "anyOf", "oneOf", "allOf", "title"] {
            if !schema[key].is_null() {
                bad.push(format!("{path}: {key}"));
            }
        }
        if !schema["default"].is_null() && path != ".status" {
            bad.push(format!("{path}: default {}", schema["default"]));
        }
        if schema["enum"].as_array().is_some_and(|all| all.len() > 20) {
            bad.push(format!("{path}: words that grow would be refused by an older definition"));
        }
    });
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert_eq!(schema()["properties"]["status"]["default"], serde_json::json!({"observedGeneration": -1}));
}

#[test]
fn good_samples_pass_every_rule_and_decode_without_loss() {
    let schema = schema();
    let mut seen = 0;
    for (file, sample) in all_samples().into_iter().filter(|(_, sample)| sample.refused.is_none()) {
        let release = sample.release();
        let verdict = Validator::new().validate(&schema, &release, None);
        assert!(verdict.is_ok(), "{file}: {}: {verdict:?}", sample.name);
        let decoded: ModelRelease = serde_json::from_value(release.clone())
            .unwrap_or_else(|error| panic!("{file}: {}: {error}", sample.name));
        let again = serde_json::to_value(decoded).unwrap();
        assert_eq!(again["spec"], release["spec"], "{file}: {}", sample.name);
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} good samples");
}

#[test]
fn bad_samples_are_refused_by_the_rule_they_are_meant_for() {
    let schema = schema();
    for (file, sample) in all_samples() {
        let Some(refused) = sample.refused.as_ref().filter(|refused| refused.by == By::Rule) else {
            continue;
        };
        let errors = match Validator::new().validate(&schema, &sample.release(), None) {
            Ok(()) => panic!("{file}: {}: no rule refuses it", sample.name),
            Err(errors) => errors,
        };
        let field = refused.field.as_deref().unwrap_or_default();
        let meant =
            errors.as_slice().iter().any(|one| one.field_path == field && one.message == refused.says);
        assert!(meant, "{file}: {}: {errors}", sample.name);
    }
}

#[test]
fn every_release_in_docs_and_samples_passes_every_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository");
    let mut texts = Vec::new();
    for folder in [".", "docs", "config/samples", "examples/releases"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let text = || std::fs::read_to_string(&path).unwrap();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("md") => {
                    let page = text();
                    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
                    texts.extend(blocks.map(|block| (path.clone(), block.to_owned())));
                }
                Some("yaml") => texts.push((path.clone(), text())),
                _ => {}
            }
        }
    }
    let schema = schema();
    let mut seen = 0;
    for (path, text) in texts {
        for document in text.split("\n---") {
            let value: Value = serde_saphyr::from_str(document)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if value["kind"] != "ModelRelease" {
                continue;
            }
            let verdict = Validator::new().validate(&schema, &value, None);
            assert!(verdict.is_ok(), "{}: {verdict:?}", path.display());
            let decoded: ModelRelease = serde_json::from_value(value.clone()).unwrap();
            let again = serde_json::to_value(decoded).unwrap();
            assert_eq!(again["spec"], value["spec"], "{}: a field is not known", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} releases were found");
}

#[test]
fn every_rule_has_a_good_and_a_bad_sample() {
    let samples = all_samples();
    let mut rules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    walk(&schema(), "", true, &mut |schema, path, _| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().expect("every rule has a message");
            rules.entry(message.to_owned()).or_default().push(path.to_owned());
        }
    });
    assert!(rules.len() >= 30, "only {} rules were found", rules.len());
    let refused = |message: &str| {
        samples.iter().any(|(_, s)| s.refused.as_ref().is_some_and(|r| r.by == By::Rule && r.says == message))
    };
    let reached = |path: &str| {
        samples
            .iter()
            .any(|(_, s)| s.refused.is_none() && present(&s.release(), path.trim_start_matches('.')))
    };
    for (message, paths) in &rules {
        assert!(refused(message), "no bad sample for: {message}");
        assert!(paths.iter().any(|path| reached(path)), "no good sample for: {message} (at {paths:?})");
    }
}

/// Whether a release has a value at a path such as `spec.env[].valueFrom`.
fn present(value: &Value, path: &str) -> bool {
    if path.is_empty() {
        return !value.is_null();
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, inside) = step.split_at(step.find(['[', '{']).unwrap_or(step.len()));
    match (inside, &value[name]) {
        ("[]", Value::Array(items)) => items.iter().any(|item| present(item, rest)),
        ("{}", Value::Object(fields)) => fields.values().any(|field| present(field, rest)),
        ("", inner) => present(inner, rest),
        _ => false,
    }
}
