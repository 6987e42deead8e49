//! What runs a version: its Deployment, its Service, the record of both, and the release's own Service.

mod artifact;
mod autoscaler;
mod deployment;
mod placement;
mod preset;
mod probes;
mod record;
mod server;
mod service;
#[cfg(test)]
mod tests;
mod volumes;

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::api::pods::{PodFields, Preset};
use crate::meta::{self, Component};
use crate::plan::{Key, Kind};
use crate::release::Release;
use crate::settings::Settings;
use crate::traffic::Entrance;
use crate::version::{Hash, Version};

pub use artifact::{VOLUME as MODEL_VOLUME, claim, path as model_path};
pub use autoscaler::{autoscaler, scale_read};
pub use preset::Ready;
pub use record::{entrance_recorded, record, recorded};
pub use service::apex;

/// What was rendered for a version when it first got a role: whole objects but for replicas and `seq`.
///
/// It is kept in a record and never rendered anew while the version lives, so that an operator upgrade or an edit of
/// the release's policy restarts no pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered<'a> {
    /// Its Deployment.
    pub deployment: Cow<'a, Value>,
    /// Its Service.
    pub service: Cow<'a, Value>,
    /// What runs its app, if it has one.
    pub app: Option<App<'a>>,
}

/// What was rendered for a version's app.
#[derive(Clone, Debug, PartialEq)]
pub struct App<'a> {
    /// Its Deployment.
    pub deployment: Cow<'a, Value>,
    /// Its Service: the version's entrance.
    pub service: Cow<'a, Value>,
}

impl Rendered<'_> {
    /// Where requests enter the version: its app if it has one.
    pub fn entrance(&self) -> (Component, &Value) {
        match &self.app {
            Some(app) => (Component::App, &app.service),
            None => (Component::Model, &self.service),
        }
    }

    /// The same, but an object that stands already, and was rendered otherwise, as it stands: `stands` finds it.
    #[must_use]
    pub fn as_it_stands<'b>(mut self, stands: impl Fn(Component, Kind) -> Option<&'b Value>) -> Self {
        let keep = |object: &mut Cow<'_, Value>, component, kind| {
            if let Some(live) = stands(component, kind).filter(|live| !meta::same_rendering(object, live)) {
                *object = Cow::Owned(meta::content(live));
            }
        };
        keep(&mut self.deployment, Component::Model, Kind::Deployment);
        keep(&mut self.service, Component::Model, Kind::Service);
        if let Some(app) = &mut self.app {
            keep(&mut app.deployment, Component::App, Kind::Deployment);
            keep(&mut app.service, Component::App, Kind::Service);
        }
        self
    }
}

/// One of the things that a version runs: its model, or its app.
#[derive(Clone, Copy)]
struct Part<'a> {
    component: Component,
    version: &'a Version,
    pod: &'a PodFields,
    preset: Preset,
}

impl<'a> Part<'a> {
    fn model(version: &'a Version) -> Self {
        let preset = version.effective.model.preset.unwrap_or_default();
        Self { component: Component::Model, version, pod: version.pod(), preset }
    }

    fn app(version: &'a Version) -> Option<Self> {
        let pod = version.app()?;
        Some(Self { component: Component::App, version, pod, preset: Preset::Custom })
    }

    fn name(self, release: &Release) -> String {
        part_name(release, &self.version.hash, self.component)
    }

    fn labels(self, release: &Release) -> Value {
        meta::version_labels(release, &self.version.hash, &self.version.name, self.component)
    }

    fn selector(self, release: &Release) -> Value {
        meta::selector(release, &self.version.hash, self.component)
    }
}

/// What was rendered as it is sent: after the decision `seq`, and of a Deployment with its size.
pub fn sent(rendered: Value, replicas: Option<i32>, seq: i64) -> Value {
    let mut object = meta::with_seq(rendered, seq);
    if let Some(replicas) = replicas {
        meta::set(&mut object, &["spec", "replicas"], json!(replicas));
    }
    object
}

/// Renders a version's objects.
pub fn render(release: &Release, version: &Version, settings: &Settings) -> Rendered<'static> {
    let model = Part::model(version);
    Rendered {
        deployment: signed(deployment::render(release, model, settings)),
        service: signed(service::render(release, model)),
        app: Part::app(version).map(|part| App {
            deployment: signed(deployment::render(release, part, settings)),
            service: signed(service::render(release, part)),
        }),
    }
}

fn signed(rendered: Value) -> Cow<'static, Value> {
    Cow::Owned(meta::with_digest(rendered))
}

/// How requests enter a version.
pub fn entrance(version: &Version) -> Entrance {
    let app = Part::app(version);
    let part = app.unwrap_or_else(|| Part::model(version));
    Entrance { app: app.is_some(), grpc: preset::ports(part.preset, part.pod).grpc.is_some() }
}

/// How a version answers by HTTP, where requests enter it, once it is ready; none if nothing tells that it answers any.
pub fn ready(release: &Release, version: &Version) -> Option<Ready> {
    let part = Part::app(version).unwrap_or_else(|| Part::model(version));
    let model = version.effective.model.model_name.as_deref().unwrap_or(&release.name);
    probes::over_http(part.pod, part.preset, model, preset::ports(part.preset, part.pod).http)
}

/// Names a version's Deployment.
pub fn deployment_key(release: &Release, hash: &Hash) -> Key {
    key(release, Kind::Deployment, release.object_name(hash))
}

/// Names an object of one of a version's two parts: its Deployment, Service or autoscaler.
pub fn part_key(release: &Release, hash: &Hash, component: Component, kind: Kind) -> Key {
    key(release, kind, part_name(release, hash, component))
}

fn part_name(release: &Release, hash: &Hash, component: Component) -> String {
    match component {
        Component::Model => release.object_name(hash),
        Component::App => release.app_name(hash),
    }
}

/// Names a version's Service.
pub fn service_key(release: &Release, hash: &Hash) -> Key {
    key(release, Kind::Service, release.object_name(hash))
}

/// Names a version's record.
pub fn record_key(release: &Release, hash: &Hash) -> Key {
    key(release, Kind::ControllerRevision, release.object_name(hash))
}

/// Names the release's own Service.
pub fn apex_key(release: &Release) -> Key {
    key(release, Kind::Service, release.name.clone())
}

fn key(release: &Release, kind: Kind, name: String) -> Key {
    Key { kind, namespace: release.namespace.clone(), name }
}
