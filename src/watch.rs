//! One watch a kind and namespace: trigger and cache in one. Managed fields are not kept; a kind that the server lacks
//! is looked for again each minute.

pub mod cache;

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::watcher;
use kube::{Client, Resource};
use model_release_core::api::{FIELD_MANAGER, LABEL_NAME, ModelRelease};
use model_release_core::plan::Kind;
use model_release_core::settings::Settings;
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

pub use cache::{Caches, Change, Object, ReleaseKey};

use crate::args::Namespaces;
use crate::clock::jitter;
use crate::metrics::Metrics;

/// A kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// The releases themselves.
    Release,
    /// A kind that we write.
    Child(Kind),
    /// Pods of versions.
    Pod,
    /// Endpoints of versions' Services.
    EndpointSlice,
    /// Endpoints of gateways' Services.
    GatewaySlice,
}

impl Watched {
    /// Group, version, kind and plural.
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Release => return ApiResource::erase::<ModelRelease>(&()),
            Self::Child(kind) => kind.api(),
            Self::Pod => ("", "v1", "Pod", "pods"),
            Self::EndpointSlice | Self::GatewaySlice => {
                ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
            }
        };
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// The kind's plural, for logs and metrics.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Release => "modelreleases",
            Self::Child(kind) => kind.api().3,
            Self::Pod => "pods",
            Self::EndpointSlice | Self::GatewaySlice => "endpointslices",
        }
    }
}

/// One watch: a kind, in one namespace or all, of objects with some labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The kind.
    pub watched: Watched,
    /// The namespace; none for all.
    pub namespace: Option<String>,
    /// Label selector; none for every object.
    pub labels: Option<String>,
}

/// The watches that serve these namespaces under these settings.
pub fn scopes(namespaces: &Namespaces, settings: &Settings) -> Vec<Scope> {
    let places: Vec<Option<String>> = match namespaces {
        Namespaces::All => vec![None],
        Namespaces::Listed(listed) => listed.iter().cloned().map(Some).collect(),
    };
    let mut scopes = Vec::new();
    for namespace in places {
        let mut add = |watched, labels: Option<&str>| {
            scopes.push(Scope { watched, namespace: namespace.clone(), labels: labels.map(str::to_owned) });
        };
        add(Watched::Release, None);
        add(Watched::Child(Kind::Deployment), Some(LABEL_NAME));
        add(Watched::Child(Kind::HorizontalPodAutoscaler), Some(LABEL_NAME));
        add(Watched::Child(Kind::Service), Some(LABEL_NAME));
        add(Watched::Child(Kind::ControllerRevision), Some(LABEL_NAME));
        // All of them: another's route may claim a host of ours.
        add(Watched::Child(Kind::VirtualService), None);
        add(Watched::Child(Kind::HttpRoute), None);
        add(Watched::Child(Kind::EnvoyFilter), Some(LABEL_NAME));
        add(Watched::Pod, Some(LABEL_NAME));
        add(Watched::EndpointSlice, Some(LABEL_NAME));
    }
    let mut filters: Vec<&str> =
        settings.gateways.iter().filter(|set| set.envoy_filters).map(|set| set.namespace.as_str()).collect();
    filters.sort_unstable();
    filters.dedup();
    let elsewhere = |namespace: &&str| match namespaces {
        Namespaces::All => false,
        Namespaces::Listed(listed) => !listed.iter().any(|own| own == namespace),
    };
    for namespace in filters.into_iter().filter(elsewhere) {
        scopes.push(Scope {
            watched: Watched::Child(Kind::EnvoyFilter),
            namespace: Some(namespace.to_owned()),
            labels: Some(LABEL_NAME.to_owned()),
        });
    }
    let mut asked: Vec<(&str, &str)> = settings
        .gateways
        .iter()
        .filter(|set| set.probe_port.is_some())
        .map(|set| (set.namespace.as_str(), set.service.as_str()))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    for chunk in asked.chunk_by(|a, b| a.0 == b.0) {
        let services: Vec<&str> = chunk.iter().map(|(_, service)| *service).collect();
        scopes.extend(chunk.first().map(|(namespace, _)| Scope {
            watched: Watched::GatewaySlice,
            namespace: Some((*namespace).to_owned()),
            labels: Some(format!("kubernetes.io/service-name in ({})", services.join(","))),
        }));
    }
    scopes
}

/// Starts the watches. They end with `tasks`.
pub fn start(
    client: &Client,
    scopes: Vec<Scope>,
    caches: &Caches,
    metrics: &Metrics,
    tasks: &mut JoinSet<()>,
) {
    for scope in scopes {
        tasks.spawn(run(client.clone(), scope, caches.clone(), metrics.clone()));
    }
}

/// How long until a kind that the server lacks is looked for again.
const ABSENT: Duration = Duration::from_secs(60);

/// The same for our own kind: an installation brings definition and operator at the same time, and a minute in which
/// the first release is not looked at would be taken for a fault.
const OWN_ABSENT: Duration = Duration::from_secs(2);

async fn run(client: Client, scope: Scope, caches: Caches, metrics: Metrics) {
    let resource = scope.watched.resource();
    let api: Api<DynamicObject> = match &scope.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let mut config = watcher::Config::default();
    config.label_selector.clone_from(&scope.labels);
    // A dead watch is noticed when it should have ended: soon, for what a rollback waits for.
    if matches!(scope.watched, Watched::Release | Watched::Child(Kind::VirtualService | Kind::HttpRoute)) {
        config = config.timeout(60);
    }
    let mut events = std::pin::pin!(watcher(api, config));
    let mut failures = 0_u32;
    let mut lacking = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if matches!(event, watcher::Event::InitDone) {
                    metrics.kube_request("list", scope.watched.plural(), "200");
                    if lacking {
                        info!(kind = %resource.kind, "the API server serves this kind now");
                    }
                    failures = 0;
                    lacking = false;
                }
                caches.take(&scope, change(event, scope.watched, &resource));
            }
            Err(error) => {
                let code = api_code(&error);
                metrics.kube_request(
                    "watch",
                    scope.watched.plural(),
                    &code.map_or("error".to_owned(), |c| c.to_string()),
                );
                let wait = if code == Some(404) && matches!(error, watcher::Error::InitialListFailed(_)) {
                    if !std::mem::replace(&mut lacking, true) {
                        missing(&scope, &resource);
                    }
                    caches.absent(&scope);
                    if scope.watched == Watched::Release { OWN_ABSENT } else { ABSENT }
                } else {
                    failures = failures.saturating_add(1);
                    failed(&scope, code, failures, &error);
                    backoff(failures)
                };
                tokio::time::sleep(wait).await;
            }
        }
    }
}

fn missing(scope: &Scope, resource: &ApiResource) {
    if scope.watched == Watched::Child(Kind::HttpRoute) {
        // Most clusters need only one of the two; a release that needs this one is told.
        info!(kind = %resource.kind, "the API server does not serve this kind; releases with traffic.provider GatewayAPI need it");
        return;
    }
    let remedy = match scope.watched {
        Watched::Release => {
            "install it: model-release-operator crd | kubectl apply --server-side -f -; looked for again each 2 s"
        }
        _ => "install Istio's CRDs if releases are to get traffic; looked for again each minute",
    };
    warn!(kind = %resource.kind, api_version = %resource.api_version, remedy, "the API server does not serve this kind");
}

fn failed(scope: &Scope, code: Option<u16>, failures: u32, error: &watcher::Error) {
    let remedy = match code {
        Some(401 | 403) => "give the operator's service account get, list and watch on it",
        Some(_) => "see the API server's log; it is tried again",
        None => "check that the API server can be reached; it is tried again",
    };
    let namespace = scope.namespace.as_deref().unwrap_or("*");
    if matches!(code, Some(410)) {
        debug!(kind = scope.watched.plural(), namespace, "a watch starts over");
    } else if [1, 4, 16].contains(&failures) || failures.is_multiple_of(64) {
        warn!(kind = scope.watched.plural(), namespace, failures, %error, remedy, "a watch failed");
    }
}

/// Half a second doubling to 30 s, less up to a third.
fn backoff(failures: u32) -> Duration {
    let full = Duration::from_millis(500).saturating_mul(1 << failures.saturating_sub(1).min(6));
    full.min(Duration::from_secs(30)).mul_f64(1.0 - jitter() / 3.0)
}

fn api_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

fn change(event: watcher::Event<DynamicObject>, watched: Watched, resource: &ApiResource) -> Change {
    let object = |object| pruned(object, watched, resource);
    match event {
        watcher::Event::Init => Change::Restart,
        watcher::Event::InitApply(o) => Change::Listed(object(o)),
        watcher::Event::InitDone => Change::Synced,
        watcher::Event::Apply(o) => Change::Set(object(o)),
        watcher::Event::Delete(o) => Change::Removed(object(o)),
    }
}

/// The object as it is kept: whole but for managed fields; of a pod, only what is read of it.
pub fn pruned(mut object: DynamicObject, watched: Watched, resource: &ApiResource) -> Object {
    let managers = object.meta_mut().managed_fields.take().unwrap_or_default();
    let scaled_by_others = watched == Watched::Child(Kind::Deployment)
        && managers.iter().any(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER) && owns_size(entry));
    let ObjectMeta { name, namespace, uid, resource_version, .. } = object.metadata.clone();
    if watched == Watched::Pod {
        object.metadata.annotations = None;
        if let Some(fields) = object.data.as_object_mut() {
            fields.remove("spec");
        }
    }
    let mut body = serde_json::to_value(object).unwrap_or_default();
    if let Value::Object(fields) = &mut body {
        // Items of a list come without them.
        fields.insert("apiVersion".into(), resource.api_version.clone().into());
        fields.insert("kind".into(), resource.kind.clone().into());
    }
    Object {
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
        uid: uid.unwrap_or_default(),
        resource_version: resource_version.unwrap_or_default(),
        scaled_by_others,
        body,
    }
}

/// Whether a manager owns the number of replicas.
fn owns_size(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref();
    fields.is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
}

#[cfg(test)]
mod tests {
    use model_release_core::settings::GatewaySet;

    use super::*;

    #[test]
    fn gateways_are_watched_once_a_namespace_and_only_as_allowed() {
        let set = |name: &str, service: &str, filters: bool, probed: bool| GatewaySet {
            name: name.into(),
            namespace: "infra".into(),
            service: service.into(),
            envoy_filters: filters,
            probe_port: probed.then(|| "http".into()),
            ..GatewaySet::default()
        };
        let settings = Settings {
            gateways: vec![
                set("a", "one", true, true),
                set("b", "two", true, true),
                set("c", "two", false, true),
                GatewaySet { namespace: "other".into(), ..set("d", "three", false, false) },
            ],
            ..Settings::default()
        };
        let all = scopes(&Namespaces::Listed(vec!["models".into()]), &settings);
        let outside: Vec<_> = all.iter().filter(|s| s.namespace.as_deref() != Some("models")).collect();
        assert_eq!(outside.len(), 2, "{outside:?}");
        assert_eq!(outside[0].watched, Watched::Child(Kind::EnvoyFilter));
        assert_eq!(outside[1].labels.as_deref(), Some("kubernetes.io/service-name in (one,two)"));
        assert!(scopes(&Namespaces::All, &settings).iter().any(|s| s.namespace.is_none()));
    }

    #[test]
    fn a_failing_watch_is_tried_again_ever_more_slowly() {
        assert!(backoff(1) <= Duration::from_millis(500));
        assert!(backoff(40) <= Duration::from_secs(30) && backoff(40) >= Duration::from_secs(20));
    }
}
