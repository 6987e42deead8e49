//! The record of what was rendered for a version: a ControllerRevision, whose content nobody can change.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{App, Rendered};
use crate::meta::{self, Component};
use crate::release::Release;
use crate::traffic::Entrance;
use crate::version::Hash;

/// The ControllerRevision that keeps what was rendered for a version.
pub fn record(release: &Release, hash: &Hash, name: &str, rendered: &Rendered, seq: i64) -> Value {
    let labels = meta::version_labels(release, hash, name, Component::Model);
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": meta::owned(release, &release.object_name(hash), labels),
        "revision": 1,
        "data": {"version": name, "deployment": rendered.deployment, "service": rendered.service},
    });
    if let Some(app) = &rendered.app {
        let both = json!({"deployment": app.deployment, "service": app.service});
        meta::set(&mut object, &["data", "app"], both);
    }
    meta::with_seq(object, seq)
}

/// How requests enter the version of a live record.
pub fn entrance_recorded(body: &Value) -> Entrance {
    let app = has_app(body);
    let service: &[&str] = if app { &["data", "app", "service"] } else { &["data", "service"] };
    let ports = meta::at(body, service).and_then(|service| meta::at(service, &["spec", "ports"]));
    let named = |port: &Value| port.get("name").and_then(Value::as_str) == Some("grpc");
    Entrance { app, grpc: ports.and_then(Value::as_array).is_some_and(|ports| ports.iter().any(named)) }
}

fn has_app(body: &Value) -> bool {
    meta::at(body, &["data", "app"]).is_some()
}

/// The version's name and objects, back from a live ControllerRevision. None if it is not one of ours.
pub fn recorded(body: &Value) -> Option<(&str, Rendered<'_>)> {
    let name = meta::at(body, &["data", "version"])?.as_str()?;
    let of_kind = |path: &[&str], kind: &str| {
        meta::at(body.get("data")?, path)
            .filter(|object| object.get("kind").and_then(Value::as_str) == Some(kind))
            .map(Cow::Borrowed)
    };
    let deployment = of_kind(&["deployment"], "Deployment")?;
    let service = of_kind(&["service"], "Service")?;
    let app = if has_app(body) {
        Some(App {
            deployment: of_kind(&["app", "deployment"], "Deployment")?,
            service: of_kind(&["app", "service"], "Service")?,
        })
    } else {
        None
    };
    Some((name, Rendered { deployment, service, app }))
}
