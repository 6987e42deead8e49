//! The only place that asks the cluster. Objects are read as they are stored: whether they make sense is for the reader
//! to say, and an object of another version must not keep the others from being shown.

mod listed;

use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use model_release_core::api::{GROUP, LABEL_NAME, ModelRelease};
use serde_json::{Map, Value, json};

use crate::FIELD_MANAGER;
use crate::args::Common;
use crate::error::{CliError, chain, plain};
use crate::names::hint;

/// Limit of every request, a watch's answers aside.
const LIMIT: Duration = Duration::from_secs(10);
/// Length of a watch, in seconds; then it is begun anew.
const WATCH: u32 = 290;
/// The releases, as rights name them.
const RELEASES: &str = "modelreleases.modelrelease.dev";

/// Which releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of all namespaces.
    All,
    /// Those of the namespace.
    Namespace,
    /// One of the namespace.
    One(String),
}

/// What belongs to a release and is looked at beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Its Deployments.
    Deployments,
    /// Its pods.
    Pods,
    /// The `EndpointSlices` of its Services.
    Slices,
}

impl Child {
    /// Group, version, kind, plural, and the name that rights go by.
    fn api(self) -> (&'static str, &'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Deployments => ("apps", "v1", "Deployment", "deployments", "deployments.apps"),
            Self::Pods => ("", "v1", "Pod", "pods", "pods"),
            Self::Slices => (
                "discovery.k8s.io",
                "v1",
                "EndpointSlice",
                "endpointslices",
                "endpointslices.discovery.k8s.io",
            ),
        }
    }

    /// The name that rights go by.
    pub fn resource(self) -> &'static str {
        self.api().4
    }
}

/// A cluster, and a namespace in it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// The namespace that is asked about.
    pub namespace: String,
    server: String,
}

/// What a watch tells.
pub type Events = BoxStream<'static, Result<WatchEvent<DynamicObject>, kube::Error>>;

impl Cluster {
    /// The cluster that flags and kubeconfig name.
    ///
    /// # Errors
    /// [`CliError::Config`] if they name none.
    pub async fn connect(common: &Common) -> Result<Self, CliError> {
        let failed = |error: &(dyn std::error::Error + 'static)| CliError::Config { why: chain(error) };
        let options = KubeConfigOptions { context: common.context.clone(), ..KubeConfigOptions::default() };
        let config = if let Some(file) = &common.kubeconfig {
            let file = Kubeconfig::read_from(file).map_err(|error| failed(&error))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| failed(&error))
        } else if common.context.is_some() {
            Config::from_kubeconfig(&options).await.map_err(|error| failed(&error))
        } else {
            Config::infer().await.map_err(|error| failed(&error))
        };
        let mut config = config?;
        // Its own retries go on for minutes; somebody is waiting here.
        config.default_retry = false;
        config.connect_timeout = Some(LIMIT);
        let server = config.cluster_url.to_string();
        let namespace = common.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, namespace, server })
    }

    /// A cluster behind a client.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned(), server: "this cluster".to_owned() }
    }

    /// Namespace and name of a release.
    pub fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    fn releases(&self, scope: &Scope) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<ModelRelease>(&());
        match scope {
            Scope::All => Api::all_with(self.client.clone(), &resource),
            Scope::Namespace | Scope::One(_) => {
                Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
            }
        }
    }

    /// Reads a release.
    ///
    /// # Errors
    /// [`CliError::NotFound`] with the names that are near, if there is none.
    pub async fn get(&self, name: &str) -> Result<Value, CliError> {
        let what = format!("read ModelRelease {}", self.named(name));
        let api = self.releases(&Scope::Namespace);
        match self.call(&what, ("get", RELEASES), &Scope::Namespace, api.get(name).boxed()).await {
            Ok(object) => Ok(value(object)),
            Err(CliError::Answered { code: 404, .. }) => Err(self.absent(name).await),
            Err(error) => Err(error),
        }
    }

    /// Why a release was not found: there is none of that name, or no such kind.
    async fn absent(&self, name: &str) -> CliError {
        let hint = match self.table(&Scope::Namespace).await {
            Ok(all) => hint(name, all.iter().filter_map(|one| one.pointer("/metadata/name")?.as_str())),
            Err(error @ CliError::NoKind { .. }) => return error,
            // Who may not list them is not told their names.
            Err(_) => String::new(),
        };
        CliError::NotFound { name: plain(name), namespace: self.namespace.clone(), hint }
    }

    /// Lists what belongs to a release. None without the right to.
    ///
    /// # Errors
    /// If the cluster fails or does not answer.
    pub async fn children(&self, child: Child, release: &str) -> Result<Option<Vec<Value>>, CliError> {
        let (group, version, kind, plural, resource) = child.api();
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let described = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &described);
        let parameters = ListParams::default().labels(&format!("{LABEL_NAME}={release}"));
        let what = format!("list {plural} of ModelRelease {}", self.named(release));
        match self.call(&what, ("list", resource), &Scope::Namespace, api.list(&parameters).boxed()).await {
            Ok(list) => Ok(Some(list.items.into_iter().map(stored).collect())),
            Err(CliError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets annotations of a release, or removes those whose value is null, if it is still the one that was read. None if
    /// it has changed meanwhile.
    ///
    /// # Errors
    /// If the cluster refuses, fails or does not answer.
    pub async fn annotate(
        &self,
        name: &str,
        resource_version: &str,
        annotations: Map<String, Value>,
    ) -> Result<Option<Value>, CliError> {
        let what = format!("annotate ModelRelease {}", self.named(name));
        let api = self.releases(&Scope::Namespace);
        let body = json!({"metadata": {"resourceVersion": resource_version, "annotations": annotations}});
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(&body);
        let request = api.patch(name, &parameters, &patch).boxed();
        match self.call(&what, ("patch", RELEASES), &Scope::Namespace, request).await {
            Ok(object) => Ok(Some(value(object))),
            Err(CliError::Answered { code: 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Watches releases from a version on.
    ///
    /// # Errors
    /// If the cluster refuses, fails or does not answer.
    pub async fn watch(&self, scope: &Scope, version: &str) -> Result<Events, CliError> {
        let api = self.releases(scope);
        let parameters = match scope {
            Scope::One(name) => WatchParams::default().fields(&format!("metadata.name={name}")),
            Scope::All | Scope::Namespace => WatchParams::default(),
        };
        let parameters = parameters.timeout(WATCH);
        let request = api.watch(&parameters, version).boxed();
        let stream = self.call("watch ModelReleases", ("watch", RELEASES), scope, request).await?;
        Ok(stream.boxed())
    }

    /// The versions of our API that the cluster serves; none if it serves none.
    ///
    /// # Errors
    /// If the cluster refuses, fails or does not answer.
    pub async fn served(&self) -> Result<Vec<String>, CliError> {
        let what = format!("ask which versions of {GROUP} there are");
        let request = http::Request::get(format!("/apis/{GROUP}")).body(Vec::new());
        let request = request.map_err(|error| CliError::Usage(error.to_string()))?;
        let asked = self.client.request::<APIGroup>(request).boxed();
        match self.call(&what, ("get", "the API's versions"), &Scope::All, asked).await {
            Ok(group) => Ok(group.versions.into_iter().map(|version| version.version).collect()),
            Err(CliError::Answered { code: 404, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Makes one request: within its limit, its failure sorted.
    async fn call<T>(
        &self,
        what: &str,
        right: (&'static str, &'static str),
        scope: &Scope,
        request: BoxFuture<'_, Result<T, kube::Error>>,
    ) -> Result<T, CliError> {
        match tokio::time::timeout(LIMIT, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.sorted(what, right, scope, &error)),
            Err(_) => Err(CliError::TimedOut {
                server: self.server.clone(),
                what: what.to_owned(),
                seconds: LIMIT.as_secs(),
            }),
        }
    }

    fn sorted(
        &self,
        what: &str,
        (verb, resource): (&'static str, &'static str),
        scope: &Scope,
        error: &kube::Error,
    ) -> CliError {
        let (server, what) = (self.server.clone(), what.to_owned());
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::Auth(_) => return CliError::Unauthorized { server, why: chain(error) },
            kube::Error::SerdeError(_) => {
                return CliError::Answered { what, code: 200, why: chain(error) };
            }
            _ => return CliError::Unreachable { server, what, why: chain(error) },
        };
        let place = match scope {
            Scope::All => "in all namespaces".to_owned(),
            Scope::Namespace | Scope::One(_) => format!("in namespace {}", self.namespace),
        };
        match status.code {
            401 => CliError::Unauthorized { server, why: plain(&status.message) },
            // A webhook refuses with the same code, and says why.
            403 if !status.message.contains("denied the request") => {
                CliError::Forbidden { verb, resource, place }
            }
            code => CliError::Answered { what, code, why: plain(&status.message) },
        }
    }
}

/// An object as data, without what only writers need.
fn stored(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    serde_json::to_value(object).unwrap_or_default()
}

/// A release as data. Items of a list do not say what they are; this one does.
pub fn value(release: DynamicObject) -> Value {
    let mut value = stored(release);
    if let Some(fields) = value.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| json!(format!("{GROUP}/v1alpha1")));
        fields.entry("kind").or_insert_with(|| json!("ModelRelease"));
    }
    value
}
