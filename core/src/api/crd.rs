//! The CustomResourceDefinition: what the derive makes of the types, without what an API server need not know.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube_core::CustomResourceExt;
use kube_core::schema::StructuralSchemaRewriter;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{AddNullable, Transform, transform_subschemas};
use serde_json::{Map, Value, json};

use super::spec::ModelRelease;

/// Enums of more values than this are open sets of words, not choices: the schema takes any short word.
const LARGEST_CHOICE: usize = 20;

/// The definition that is installed in a cluster.
///
/// It differs from [`CustomResourceExt::crd`] in that no field is nullable (the API server then drops a `null` instead
/// of storing it), nothing below `spec` has a default, and a release that nobody looked at yet says so.
///
/// # Panics
/// If the types had no schema; they are constants, and a test makes it.
#[expect(clippy::expect_used, reason = "the schema is a constant of the types; a test makes it")]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = ModelRelease::crd();
    let schema: JSONSchemaProps = serde_json::from_value(schema()).expect("the types have an OpenAPI schema");
    for version in &mut crd.spec.versions {
        if let Some(validation) = &mut version.schema {
            validation.open_api_v3_schema = Some(schema.clone());
        }
    }
    crd
}

/// The schema of a whole release.
fn schema() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms.retain(|transform| !transform.is::<AddNullable>());
        settings.transforms.insert(0, Box::new(Plain));
    });
    let generator = settings.with_transform(StructuralSchemaRewriter).into_generator();
    let mut root = generator.into_root_schema_for::<ModelRelease>().to_value();
    flowing_text(&mut root);
    untold_items(&mut root);
    if let Some(root) = root.as_object_mut() {
        root.remove("title");
        root.insert("x-kubernetes-validations".into(), name_rule());
    }
    if let Some(status) = root.pointer_mut("/properties/status") {
        open_words(status);
        if let Some(status) = status.as_object_mut() {
            status.insert("default".into(), json!({"observedGeneration": -1}));
        }
    }
    root
}

/// V1: children are named after the release, and a Service's name is the narrowest of theirs.
fn name_rule() -> Value {
    json!([{
        "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$')",
        "message": "metadata.name must be at most 45 of a-z, 0-9 and -, starting with a letter: it names Services",
    }])
}

/// Removes what only Rust's types need: nulls, defaults, and the two types of a quantity, which Kubernetes knows.
#[derive(Clone, Debug)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(fields) = schema.as_object_mut() else { return };
        fields.remove("default");
        if fields.contains_key("x-kubernetes-int-or-string") {
            fields.remove("anyOf");
        }
        if let Some(types) = fields.get_mut("type")
            && let Some(only) = types.as_array().and_then(|all| all.iter().find(|one| *one != "null"))
        {
            *types = only.clone();
        }
        if let Some(Value::Array(choices)) = fields.get_mut("enum") {
            choices.retain(|choice| !choice.is_null());
        }
        take_over_option(fields);
    }
}

/// `Option<T>` of a struct or an enum is `anyOf: [T, null]`: becomes `T` with the field's own description.
fn take_over_option(fields: &mut Map<String, Value>) {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    let Some(Value::Array(any)) = fields.get("anyOf") else { return };
    let [inner, null] = any.as_slice() else { return };
    if !is_null(null) {
        return;
    }
    let inner = inner.as_object().cloned().unwrap_or_default();
    fields.remove("anyOf");
    for (key, value) in inner {
        fields.entry(key).or_insert(value);
    }
}

/// Doc comments are wrapped for this source; `kubectl explain` wraps them for the reader's terminal.
fn flowing_text(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                let paragraphs =
                    text.split("\n\n").map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            fields.values_mut().for_each(flowing_text);
        }
        Value::Array(items) => items.iter_mut().for_each(flowing_text),
        _ => {}
    }
}

/// A list says what it holds; `kubectl explain` never shows what its items say beside that.
fn untold_items(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // Of a schema; a field may be called `items` too, and has properties of another shape.
            if fields.get("type").is_some_and(|kind| kind == "array")
                && let Some(Value::Object(items)) = fields.get_mut("items")
            {
                items.remove("description");
            }
            fields.values_mut().for_each(untold_items);
        }
        Value::Array(items) => items.iter_mut().for_each(untold_items),
        _ => {}
    }
}

/// Words such as reasons become plain strings: an operator that knows one more than the installed definition must
/// still be able to write its status, which tells of the old definition.
fn open_words(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let many =
                fields.get("enum").and_then(Value::as_array).is_some_and(|all| all.len() > LARGEST_CHOICE);
            if many {
                fields.remove("enum");
                fields.insert("maxLength".into(), 64.into());
            }
            fields.values_mut().for_each(open_words);
        }
        Value::Array(items) => items.iter_mut().for_each(open_words),
        _ => {}
    }
}
