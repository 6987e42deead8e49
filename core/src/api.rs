//! The `ModelRelease` resource as it is written and read: spec, status, conditions, reasons, annotations.
//!
//! Nothing here decides. The types decode whatever the API server accepted; [`crate::release`] says whether it makes
//! sense.

pub mod annotations;
pub mod checks;
pub mod conditions;
mod crd;
pub mod decision;
pub mod evidence;
pub mod placement;
pub mod pods;
pub mod probes;
pub mod reasons;
pub mod rollout;
mod rules;
mod schema;
pub mod spec;
pub mod state;
pub mod status;
pub mod traffic;
pub mod volumes;

pub use crd::crd;
pub use reasons::Reason;
pub use spec::{ModelRelease, ModelReleaseSpec};
pub use status::ModelReleaseStatus;

/// API group of the resource, and prefix of every label and annotation.
pub const GROUP: &str = "modelrelease.dev";
/// Field manager of every write.
pub const FIELD_MANAGER: &str = "model-release-operator";
/// Label: the release that an object belongs to.
pub const LABEL_NAME: &str = "modelrelease.dev/name";
/// Label: the hash of the version that an object belongs to.
pub const LABEL_VERSION: &str = "modelrelease.dev/version";
/// Label: `model`, or later `app`.
pub const LABEL_COMPONENT: &str = "modelrelease.dev/component";
/// Label on objects outside the release's namespace: where the release lives.
pub const LABEL_NAMESPACE: &str = "modelrelease.dev/namespace";
/// Label on objects outside the release's namespace: the release's UID, in place of an owner reference.
pub const LABEL_UID: &str = "modelrelease.dev/uid";
/// Label of users' own apps in the mesh: the release that they follow.
pub const LABEL_FOLLOWS: &str = "modelrelease.dev/follows";
/// Label of users' own apps in the mesh: the name of the version whose model they call.
pub const LABEL_FOLLOWS_VERSION: &str = "modelrelease.dev/follows-version";
/// Annotation on children: the number of the decision that they follow.
pub const ANNOTATION_SEQ: &str = "modelrelease.dev/seq";
/// Annotation on a version's Deployments and Services: digest of what was rendered, so that what was only rendered anew
/// is known from what would be another one.
pub const ANNOTATION_RENDERED: &str = "modelrelease.dev/rendered";
/// Finalizer that is there only while an object outside the namespace is.
pub const FINALIZER: &str = "modelrelease.dev/gateway-objects";
