//! A fleet of releases in an API server: each with the status of one that has lived for long and has a canary on trial.

use futures::{StreamExt, stream};
use hyper::Request;
use model_release_core::api::status::Track;
use model_release_core::api::{LABEL_COMPONENT, LABEL_NAME, LABEL_VERSION};
use model_release_core::testing::World;
use serde_json::{Value, json};

use crate::lived;

/// Requests that are under way at a time.
const AT_ONCE: usize = 64;
/// Field manager of what an operator writes; the API server keeps beside each object who wrote which field.
const OPERATOR: &str = "model-release-operator";

/// So many releases in so many namespaces, evenly.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Releases in all.
    pub releases: usize,
    /// Namespaces, each with as many of them.
    pub namespaces: usize,
}

impl Fleet {
    /// A namespace's name.
    pub fn namespace(number: usize) -> String {
        format!("fleet-{number}")
    }

    /// A release's name; the first of each namespace is `fraud-0`.
    pub fn name(number: usize) -> String {
        format!("fraud-{number}")
    }

    /// Releases of each namespace.
    pub fn each(self) -> usize {
        self.releases / self.namespaces
    }

    /// Creates namespaces, releases, and what the plugin lists beside each release of the first namespace.
    pub async fn create(self, client: &kube::Client) {
        let world = lived::analyzing();
        let (client, world) = (client, &world);
        for number in 0..self.namespaces {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": Self::namespace(number)}});
            send(client, "POST", "/api/v1/namespaces", &namespace).await;
        }
        // No controller makes it here, and no pod is taken without.
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        let path = format!("/api/v1/namespaces/{}/serviceaccounts", Self::namespace(0));
        send(client, "POST", &path, &account).await;
        let all = (0..self.releases)
            .map(|number| (Self::namespace(number % self.namespaces), Self::name(number / self.namespaces)));
        let create = |(namespace, name): (String, String)| async move {
            release(client, world, &namespace, &name).await;
            if namespace == Self::namespace(0) {
                children(client, world, &namespace, &name).await;
            }
        };
        stream::iter(all).for_each_concurrent(AT_ONCE, create).await;
    }
}

/// A release as its user wrote it, and then its status as the operator did.
async fn release(client: &kube::Client, world: &World, namespace: &str, name: &str) {
    let mut object = serde_json::to_value(&world.object).unwrap();
    let status = object["status"].take();
    object["metadata"] = json!({"name": name, "namespace": namespace, "labels": {"team": "risk"}});
    let path = format!("/apis/modelrelease.dev/v1alpha1/namespaces/{namespace}/modelreleases");
    let mut stored = send(client, "POST", &format!("{path}?fieldManager=argocd"), &object).await;
    stored["status"] = status;
    send(client, "PUT", &format!("{path}/{name}/status?fieldManager={OPERATOR}"), &stored).await;
}

/// Deployment, pod and `EndpointSlice` of both versions.
async fn children(client: &kube::Client, world: &World, namespace: &str, name: &str) {
    for version in
        world.status().versions.iter().filter(|one| matches!(one.track, Track::Stable | Track::Canary))
    {
        let object = format!("{name}-{}", version.hash);
        let labels = json!({LABEL_NAME: name, LABEL_VERSION: version.hash, LABEL_COMPONENT: "model"});
        let meta = |name: &str| json!({"name": name, "namespace": namespace, "labels": labels});
        let spec = json!({"containers": [{"name": "model", "image": "registry.example.com/fraud:1"}]});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(&object), "spec": {
            "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec},
        }});
        let mut slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta(&object),
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": true}}]});
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!(object);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta(&format!("{object}-abcde")), "spec": spec});
        for (path, object) in [
            (format!("/apis/apps/v1/namespaces/{namespace}/deployments"), deployment),
            (format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"), slice),
            (format!("/api/v1/namespaces/{namespace}/pods"), pod),
        ] {
            send(client, "POST", &path, &object).await;
        }
    }
}

async fn send(client: &kube::Client, method: &str, path: &str, object: &Value) -> Value {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(serde_json::to_vec(object).unwrap()).unwrap();
    client.request(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}
