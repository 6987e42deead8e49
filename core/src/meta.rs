//! The metadata that a release's objects share: labels by which they are found, and whom they belong to.

use serde_json::{Map, Value, json};

use crate::api::{
    ANNOTATION_RENDERED, ANNOTATION_SEQ, FIELD_MANAGER, GROUP, LABEL_COMPONENT, LABEL_NAME, LABEL_NAMESPACE,
    LABEL_UID, LABEL_VERSION,
};
use crate::release::Release;
use crate::version::{Hash, digest};

/// What of a version an object belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// What runs or leads to its model.
    Model,
    /// What runs or leads to its app.
    App,
}

impl Component {
    /// Value of [`LABEL_COMPONENT`], and name of the container.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::App => "app",
        }
    }
}

/// Labels of an object of the release as a whole.
///
/// `app.kubernetes.io/instance` is left out on purpose: `GitOps` tools track by it what they themselves deploy.
pub(crate) fn labels(release: &Release) -> Value {
    json!({
        "app.kubernetes.io/name": release.name,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        LABEL_NAME: release.name,
    })
}

/// Labels of an object of one version. No role is ever among them: a role changes, a pod's labels do not.
pub(crate) fn version_labels(release: &Release, hash: &Hash, name: &str, component: Component) -> Value {
    json!({
        "app.kubernetes.io/name": release.name,
        "app.kubernetes.io/version": name,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        LABEL_NAME: release.name,
        LABEL_VERSION: hash.as_str(),
        LABEL_COMPONENT: component.as_str(),
    })
}

/// What selects a version's pods of one component, and nothing else in the namespace.
pub(crate) fn selector(release: &Release, hash: &Hash, component: Component) -> Value {
    json!({LABEL_NAME: release.name, LABEL_VERSION: hash.as_str(), LABEL_COMPONENT: component.as_str()})
}

/// What selects the models' pods of every version.
pub(crate) fn models(release: &Release) -> Value {
    json!({LABEL_NAME: release.name, LABEL_COMPONENT: Component::Model.as_str()})
}

/// Metadata of an object in the release's namespace: deleted with the release, by its owner reference.
pub(crate) fn owned(release: &Release, name: &str, labels: Value) -> Value {
    let owner = json!([{
        "apiVersion": format!("{GROUP}/v1alpha1"),
        "kind": "ModelRelease",
        "name": release.name,
        "uid": release.uid,
        "controller": true,
        // Children must not keep a release from being deleted.
        "blockOwnerDeletion": false,
    }]);
    fields([
        ("name", name.into()),
        ("namespace", release.namespace.as_str().into()),
        ("labels", labels),
        ("ownerReferences", owner),
    ])
}

/// Metadata of an object in a gateway's namespace: an owner reference cannot reach there, so labels name the owner.
pub(crate) fn beside_gateway(release: &Release, namespace: &str, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/managed-by": FIELD_MANAGER,
            LABEL_NAME: release.name,
            LABEL_NAMESPACE: release.namespace,
            LABEL_UID: release.uid,
        },
    })
}

const RENDERED: [&str; 3] = ["metadata", "annotations", ANNOTATION_RENDERED];

/// The object with the number of the decision that it follows.
pub(crate) fn with_seq(mut object: Value, seq: i64) -> Value {
    set(&mut object, &["metadata", "annotations", ANNOTATION_SEQ], json!(seq.to_string()));
    object
}

/// What was rendered, with a digest of it.
pub(crate) fn with_digest(mut object: Value) -> Value {
    let digest: String = digest(&object).chars().take(16).collect();
    set(&mut object, &RENDERED, digest.into());
    object
}

/// Whether a live object was rendered like this one, whatever hands did to it since.
pub(crate) fn same_rendering(rendered: &Value, live: &Value) -> bool {
    at(rendered, &RENDERED).is_some_and(|digest| at(live, &RENDERED) == Some(digest))
}

/// An object of fields that are moved into it; `json!` copies every value that it is given.
pub(crate) fn fields<const N: usize>(all: [(&str, Value); N]) -> Value {
    Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The value at a path of fields. Unlike [`Value::pointer`] it copies no part of the path: a look reads many.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}

/// Puts a value at a path of fields, making the objects on the way.
pub(crate) fn set(object: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let Value::Object(fields) = object {
        set(fields.entry(*first).or_insert(Value::Null), rest, value);
    }
}

/// What a live object says, without what its API server and controllers say about it, and without its size: fit to be
/// applied once more.
pub(crate) fn content(live: &Value) -> Value {
    let mut object = live.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(fields) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        fields
            .retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "labels" | "ownerReferences"));
    }
    if let Some(fields) = object.get_mut("spec").and_then(Value::as_object_mut) {
        fields.remove("replicas");
    }
    object
}

/// Puts what there is: an absent field is not written at all, so that it stays its default or somebody else's.
pub(crate) fn put<T: Into<Value>>(fields: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
pub(crate) mod sample;
