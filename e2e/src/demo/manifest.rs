//! The releases of the stories, as a user would write them.

use serde_json::{Value, json};

use super::images::{Images, Model};

/// Namespace of the stories.
pub const NAMESPACE: &str = "demo";
/// Header that names a client; the load sends it, the limit counts by it.
pub const CLIENT_HEADER: &str = "x-user-id";
/// Header that names a version, in answers and in requests.
pub const VERSION_HEADER: &str = "x-model-version";
/// Requests of one client in a minute.
pub const CLIENT_LIMIT: i32 = 20;
/// Port of the example's server, and of its app, for HTTP and gRPC alike.
const PORT: u16 = 8080;
/// Time between looks of the operator at the evidence, in seconds.
pub const INTERVAL_SECONDS: u64 = 5;

/// What differs between the releases of the stories.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Namespace.
    pub namespace: String,
    /// Name of the release; its host is `<name>.<namespace>.example`.
    pub name: String,
    /// The model that is relied on.
    pub stable: Model,
    /// The model on trial.
    pub canary: Option<Model>,
    /// Percent of the traffic at each step, and its least time in seconds.
    pub steps: Vec<(i32, u32)>,
    /// Labelled answers of the canary before any promotion.
    pub min_samples: i32,
    /// Whether it serves gRPC, too, on the port of its HTTP.
    pub grpc: bool,
    /// Whether an app is released with the model, and asked instead of it.
    pub app: bool,
    /// What else is different: JSON pointers into the resource, and the values there; null: the field is left out.
    pub edits: Vec<(String, Value)>,
}

impl Manifest {
    /// A release with one step of half the traffic.
    pub fn new(namespace: &str, name: &str, stable: &Model) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            stable: stable.clone(),
            canary: None,
            steps: vec![(50, 10)],
            min_samples: 100,
            grpc: false,
            app: false,
            edits: Vec::new(),
        }
    }

    /// The same with a field set; null leaves it out.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        self.edits.retain(|(other, _)| other != pointer);
        self.edits.push((pointer.to_owned(), value));
        self
    }

    /// The same with this model on trial.
    #[must_use]
    pub fn with_canary(mut self, model: &Model) -> Self {
        self.canary = Some(model.clone());
        self
    }

    /// The same, serving gRPC, too; its clients ask over every protocol then.
    #[must_use]
    pub fn with_grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// The same with an app, which is asked instead of the model and asks that of its own version.
    #[must_use]
    pub fn with_app(mut self) -> Self {
        self.app = true;
        self
    }

    /// Where clients reach it.
    pub fn host(&self) -> String {
        format!("{}.{}.example", self.name, self.namespace)
    }

    /// The whole resource.
    pub fn render(&self, images: &Images, gateway: &str) -> Value {
        let mut resource = json!({
            "apiVersion": "modelrelease.dev/v1alpha1",
            "kind": "ModelRelease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "runtime": {
                    "image": images.server,
                    "modelName": "phishing",
                    "ports": {"http": PORT, "metrics": 9090},
                    "readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1},
                    "startupProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1, "failureThreshold": 120},
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
                },
                "stable": block(&self.stable, &self.namespace),
                "traffic": {
                    "gateways": [gateway],
                    "hosts": [self.host()],
                    "clientHeader": CLIENT_HEADER,
                    "versionHeader": VERSION_HEADER,
                    "rateLimit": {"perClient": {"requests": CLIENT_LIMIT, "window": "60s"}},
                },
                "rollout": {
                    "steps": self.steps.iter().map(|(percent, seconds)| {
                        json!({"trafficPercent": percent, "minDuration": format!("{seconds}s")})
                    }).collect::<Vec<_>>(),
                    "bake": "10s",
                    "drain": "5s",
                },
                "analysis": {
                    "interval": format!("{INTERVAL_SECONDS}s"),
                    "initialDelay": "0s",
                    "quality": {"maxDrop": "0.02", "minSamples": self.min_samples},
                },
            },
        });
        if let (Some(model), Some(spec)) =
            (&self.canary, resource.get_mut("spec").and_then(Value::as_object_mut))
        {
            spec.insert("canary".to_owned(), block(model, &self.namespace));
        }
        if self.app {
            set(&mut resource, &["spec", "runtime", "app"], app(images));
        }
        if self.grpc {
            set(&mut resource, &["spec", "runtime", "ports", "grpc"], json!(PORT));
        }
        if self.app && self.grpc {
            set(&mut resource, &["spec", "runtime", "app", "ports", "grpc"], json!(PORT));
            // Port 9000 of the model's Service, which is for gRPC alone.
            let url = json!([{"name": "MODEL_GRPC_URL", "value": "$(MODEL_URL):9000"}]);
            set(&mut resource, &["spec", "runtime", "app", "env"], url);
        }
        for (pointer, value) in &self.edits {
            let path: Vec<&str> = pointer.split('/').skip(1).collect();
            set(&mut resource, &path, value.clone());
        }
        resource
    }
}

/// The example's app, in front of the model.
fn app(images: &Images) -> Value {
    json!({
        "image": images.server,
        "args": ["serve-app"],
        "ports": {"http": PORT},
        "readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
    })
}

/// Sets a field, making the objects on the way; null removes it.
fn set(resource: &mut Value, path: &[&str], value: Value) {
    let ([first, rest @ ..], Value::Object(fields)) = (path, resource) else { return };
    match (rest.is_empty(), value) {
        (true, Value::Null) => drop(fields.remove(*first)),
        (true, value) => drop(fields.insert((*first).to_owned(), value)),
        (false, value) => {
            set(fields.entry(*first).or_insert_with(|| json!({})), rest, value);
        }
    }
}

fn block(model: &Model, namespace: &str) -> Value {
    json!({
        "version": model.name,
        "storageUri": format!("http://artifacts.{namespace}.svc.cluster.local/{}", model.file),
        "verification": {"digest": format!("sha256:{}", model.sha256)},
    })
}

#[cfg(test)]
mod tests {
    use model_release_core::api::ModelRelease;

    use super::*;

    fn model(name: &str) -> Model {
        Model { name: name.into(), file: format!("{name}.bin"), sha256: "ab".repeat(32), accuracy: 0.8 }
    }

    #[test]
    fn what_is_written_decodes_and_loses_nothing() {
        let images = Images { server: "example.com/server:1".into(), ..Images::default() };
        let manifest = Manifest::new("demo", "better", &model("epochs-2")).with_canary(&model("epochs-5"));
        let written = manifest.render(&images, "istio-system/public");
        let read: ModelRelease = serde_json::from_value(written.clone()).unwrap();
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(again["spec"], written["spec"], "a field that the type does not know would be lost");
        let all = manifest.with_app().with_grpc().render(&images, "istio-system/public");
        let read: ModelRelease = serde_json::from_value(all.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap()["spec"], all["spec"]);
    }

    #[test]
    fn grpc_is_served_by_the_model_and_by_the_app_that_asks_it() {
        let images = Images { server: "example.com/server:1".into(), ..Images::default() };
        let plain = || Manifest::new("demo", "better", &model("epochs-2"));
        let runtime = |manifest: Manifest| manifest.render(&images, "a/b")["spec"]["runtime"].clone();
        assert_eq!(runtime(plain()).get("app"), None);
        assert_eq!(runtime(plain())["ports"].get("grpc"), None);
        assert_eq!(runtime(plain().with_grpc())["ports"]["grpc"], 8080);

        let app = runtime(plain().with_app())["app"].clone();
        assert_eq!((&app["image"], &app["args"]), (&json!("example.com/server:1"), &json!(["serve-app"])));
        assert_eq!((&app["ports"], app.get("env")), (&json!({"http": 8080}), None));
        let both = runtime(plain().with_grpc().with_app());
        assert_eq!(both, runtime(plain().with_app().with_grpc()));
        assert_eq!(both["app"]["ports"], json!({"http": 8080, "grpc": 8080}));
        assert_eq!(both["app"]["env"][0]["value"], "$(MODEL_URL):9000");
    }

    #[test]
    fn edits_set_fields_make_objects_and_remove() {
        let manifest = Manifest::new("demo", "better", &model("epochs-2"))
            .with("/spec/rollout/bake", json!("1m"))
            .with("/metadata/annotations/a", json!("b"))
            .with("/spec/traffic", Value::Null);
        let written = manifest.render(&Images::default(), "a/b");
        assert_eq!(written["spec"]["rollout"]["bake"], "1m");
        assert_eq!(written["spec"]["rollout"]["drain"], "5s", "the rest stays");
        assert_eq!(written["metadata"]["annotations"]["a"], "b");
        assert!(written["spec"].get("traffic").is_none());
    }

    #[test]
    fn without_a_model_on_trial_there_is_no_canary_block() {
        let written = Manifest::new("demo", "better", &model("epochs-2")).render(&Images::default(), "a/b");
        assert!(written["spec"].get("canary").is_none());
    }
}
