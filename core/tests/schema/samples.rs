//! The sample releases: data that the local rules and a real API server are both held against.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

/// Who refuses a bad sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A rule in CEL.
    Rule,
    /// Types, patterns and bounds of the schema: only an API server checks these.
    Schema,
}

/// One sample.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What the sample shows.
    pub name: String,
    /// What differs from the smallest good release: a JSON merge patch.
    #[serde(default)]
    pub with: Value,
    /// How it is refused; a good sample has none.
    pub refused: Option<Refused>,
}

/// A refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Who refuses.
    pub by: By,
    /// The field that is named, as in `spec.canary.version`; none where the server names no field.
    pub field: Option<String>,
    /// Words of the refusal.
    pub says: String,
}

impl Sample {
    /// The whole release.
    pub fn release(&self) -> Value {
        let mut release = json!({
            "apiVersion": "modelrelease.dev/v1alpha1",
            "kind": "ModelRelease",
            "metadata": {"name": "sample", "namespace": "default"},
            "spec": {
                "stable": {"version": "v1", "image": "registry.example/fraud:1"},
                "canary": {"version": "v2", "image": "registry.example/fraud:2"},
            },
        });
        merge(&mut release, &self.with);
        release
    }
}

/// Every sample of a folder, with the file it is in.
pub fn all(folder: &Path) -> Vec<(String, Sample)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut samples = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let list: Vec<Sample> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        samples.extend(list.into_iter().map(|sample| (name.clone(), sample)));
    }
    samples
}

/// RFC 7386.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        if !patch.is_null() {
            *into = patch.clone();
        }
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let fields = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
