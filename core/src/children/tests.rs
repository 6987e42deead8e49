//! What a version's objects must say.

mod parts;

use serde_json::{Value, json};

use super::*;
use crate::meta::sample;

fn full() -> Rendered<'static> {
    let release = sample::full();
    render(&release, &release.stable, &sample::settings())
}

/// The pod of a release with this in its `runtime`, and an image.
fn pod(runtime: &Value) -> Value {
    let mut spec = json!({"runtime": {"image": "ghcr.io/example/x:1"}, "stable": {"version": "v1"}});
    spec["runtime"].as_object_mut().unwrap().extend(runtime.as_object().unwrap().clone());
    pod_of(&spec)
}

fn pod_of(spec: &Value) -> Value {
    let release = sample::release("fraud", spec);
    render(&release, &release.stable, &sample::settings()).deployment["spec"]["template"]["spec"].clone()
}

fn server(runtime: &Value) -> Value {
    pod(runtime)["containers"][0].clone()
}

#[test]
fn every_object_is_owned_and_numbered() {
    let release = sample::full();
    let (rendered, hash) = (full(), &release.stable.hash);
    for (object, key) in [
        (sent(rendered.deployment.clone().into_owned(), Some(2), 7), deployment_key(&release, hash)),
        (sent(rendered.service.clone().into_owned(), None, 7), service_key(&release, hash)),
        (record(&release, hash, "2026.07", &rendered, 7), record_key(&release, hash)),
        (apex(&release, hash, &rendered, 7), apex_key(&release)),
    ] {
        assert_eq!(object["kind"], key.kind.api().2);
        assert_eq!(object["metadata"]["name"], key.name);
        assert_eq!(object["metadata"]["namespace"], key.namespace);
        assert_eq!(object["metadata"]["annotations"]["modelrelease.dev/seq"], "7");
        assert_eq!(
            object["metadata"]["ownerReferences"],
            json!([{
                "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease", "name": "fraud",
                "uid": "8f14e45f-ceea-467f-a6a1-0a9b0c4d3e21", "controller": true, "blockOwnerDeletion": false,
            }])
        );
        assert_eq!(object["metadata"]["labels"]["modelrelease.dev/name"], "fraud");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/managed-by"], "model-release-operator");
        let labels = object["metadata"]["labels"].to_string();
        assert!(!labels.contains("stable") && !labels.contains("canary"), "a role is no label: {labels}");
    }
    assert_eq!(deployment_key(&release, hash).name, format!("fraud-{hash}"));
    assert_eq!(apex_key(&release).name, "fraud");
}

#[test]
fn what_was_rendered_holds_neither_size_nor_number() {
    let rendered = full();
    assert_eq!(rendered.deployment["spec"].get("replicas"), None);
    assert_eq!(rendered.deployment["metadata"]["annotations"].get("modelrelease.dev/seq"), None);
    let sized = |replicas, seq| sent(rendered.deployment.clone().into_owned(), Some(replicas), seq);
    assert_eq!(sized(0, 1)["spec"]["replicas"], 0);
    let (mut one, two) = (sized(1, 1), sized(2, 2));
    one["spec"]["replicas"] = json!(2);
    one["metadata"]["annotations"]["modelrelease.dev/seq"] = json!("2");
    assert_eq!(one, two);
}

#[test]
fn a_size_or_a_policy_of_the_release_changes_no_pod() {
    let changed = |runtime: Value, rollout: Value| {
        let mut spec = json!({"runtime": {"image": "i"}, "stable": {"version": "v1"}, "rollout": rollout});
        spec["runtime"].as_object_mut().unwrap().extend(runtime.as_object().unwrap().clone());
        pod_of(&spec)
    };
    assert_eq!(changed(json!({"minReplicas": 3}), json!({"bake": "1m"})), changed(json!({}), json!({})));
}

#[test]
fn pods_of_a_version_are_selected_by_its_hash_and_no_others_are() {
    let release = sample::full();
    let rendered = full();
    let selector = json!({
        "modelrelease.dev/name": "fraud",
        "modelrelease.dev/version": release.stable.hash.as_str(),
        "modelrelease.dev/component": "model",
    });
    assert_eq!(rendered.deployment["spec"]["selector"], json!({"matchLabels": selector}));
    assert_eq!(rendered.service["spec"]["selector"], selector);
    assert_eq!(apex(&release, &release.stable.hash, &rendered, 1)["spec"]["selector"], selector);
    let labels = rendered.deployment["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    assert!(selector.as_object().unwrap().iter().all(|(key, value)| labels.get(key) == Some(value)));
    assert_eq!(labels["app.kubernetes.io/version"], "2026.07");
}

#[test]
fn services_are_inside_the_cluster_on_the_ports_of_every_version() {
    let port = |name: &str, port: i32, target: i32| json!({"name": name, "port": port, "targetPort": target, "protocol": "TCP", "appProtocol": name});
    let service = full().service;
    assert_eq!(service["spec"]["ports"], json!([port("http", 80, 8000), port("grpc", 9000, 8001)]));
    assert_eq!(service["spec"]["type"], "ClusterIP");
    let minimal = sample::minimal();
    let rendered = render(&minimal, &minimal.stable, &sample::settings());
    assert_eq!(rendered.service["spec"]["ports"], json!([port("http", 80, 8080)]));
    let apex = apex(&minimal, &minimal.stable.hash, &rendered, 1);
    assert_eq!(apex["spec"], rendered.service["spec"]);
}

#[test]
fn pods_are_restricted_whatever_the_release_says() {
    for release in [sample::full(), sample::minimal()] {
        let rendered = render(&release, &release.stable, &sample::settings());
        let pod = &rendered.deployment["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["enableServiceLinks"], false);
        let containers = ["initContainers", "containers"].map(|list| pod[list].as_array().cloned());
        for container in containers.into_iter().flatten().flatten() {
            assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
            assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
            assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        }
    }
    assert_eq!(full().deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"], 1000);
}

#[test]
fn the_model_is_fetched_before_the_server_and_read_only_to_it() {
    let deployment = full().deployment;
    let pod = &deployment["spec"]["template"]["spec"];
    let digest = format!("sha256:{}", "ab".repeat(32));
    assert_eq!(
        pod["initContainers"],
        json!([{
            "name": "fetch",
            "image": "ghcr.io/modelrelease/fetcher:1.2.3",
            "imagePullPolicy": "IfNotPresent",
            "args": [
                "--uri", "$(STORAGE_URI)", "--dest", "/models", "--digest", digest,
                "--termination-log", "/dev/termination-log",
            ],
            "env": [
                // `$(HOME)` of the user's address is no variable of ours.
                {"name": "STORAGE_URI", "value": "https://models.example.com/fraud/2026.07.onnx?part=$$(HOME)"},
                {"name": "STORAGE_DEST", "value": "/models"},
                {"name": "STORAGE_DIGEST", "value": digest},
            ],
            "envFrom": [{"secretRef": {"name": "s3-models"}}],
            "resources": {"requests": {"cpu": "2000m", "memory": "8192Mi"}, "limits": {"cpu": "4", "memory": "8Gi"}},
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
            },
            "volumeMounts": [{"name": "model", "mountPath": "/models"}],
        }])
    );
    assert_eq!(pod["volumes"], json!([{"name": "model", "emptyDir": {"sizeLimit": "5120Mi"}}]));
    let mount = json!([{"name": "model", "mountPath": "/models", "readOnly": true}]);
    assert_eq!(pod["containers"][0]["volumeMounts"], mount);
}

#[test]
fn a_model_in_the_image_needs_no_volume_and_no_digest_no_argument() {
    let inside = pod(&json!({}));
    assert!(["volumes", "initContainers"].iter().all(|field| inside.get(field).is_none()));
    assert_eq!(inside["containers"][0].get("volumeMounts"), None);
    let spec = json!({"stable": {"version": "v1", "image": "i", "storageUri": "https://m.example.com/1"}});
    let fetched = pod_of(&spec);
    let args = json!([
        "--uri",
        "$(STORAGE_URI)",
        "--dest",
        "/mnt/models",
        "--termination-log",
        "/dev/termination-log"
    ]);
    assert_eq!(fetched["initContainers"][0]["args"], args);
    assert_eq!(fetched["volumes"], json!([{"name": "model", "emptyDir": {}}]));
    assert_eq!(fetched["initContainers"][0].get("envFrom"), None);
}

#[test]
fn secrets_are_named_by_reference_only_and_credentials_only_to_the_fetcher() {
    let rendered = full();
    let server = rendered.deployment["spec"]["template"]["spec"]["containers"][0].to_string();
    assert!(!server.contains("s3-models"));
    assert!(server.contains(r#"{"secretKeyRef":{"key":"api-key","name":"fraud"}}"#));
    assert_eq!(rendered.deployment.to_string().matches("s3-models").count(), 1);
}

#[test]
fn our_variables_come_first_and_the_users_win() {
    let deployment = full().deployment;
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(
        env[..5],
        [
            json!({"name": "MODEL_NAME", "value": "fraud-model"}),
            json!({"name": "MODEL_VERSION", "value": "2026.07"}),
            json!({"name": "MODEL_PATH", "value": "/models"}),
            json!({"name": "MODEL_FORMAT", "value": "onnx"}),
            json!({"name": "LOG_LEVEL", "value": "info"}),
        ]
    );
    assert!(env.contains(&json!({"name": "HOME", "value": "$(MODEL_PATH)/home"})));
    assert!(env.contains(&json!({"name": "EMPTY"})));
    let own = server(&json!({"env": [{"name": "MODEL_NAME", "value": "mine"}], "modelName": "a$(B)"}));
    let version = json!({"name": "MODEL_VERSION", "value": "v1"});
    assert_eq!(own["env"], json!([version, {"name": "MODEL_NAME", "value": "mine"}]));
    assert_eq!(server(&json!({"modelName": "a$(B)"}))["env"][0]["value"], "a$$(B)");
}

#[test]
fn every_port_is_listed_once_and_metrics_can_be_found_by_name() {
    for (runtime, want) in [
        (json!({"preset": "custom"}), vec![("metrics", 8080)]),
        (json!({"preset": "triton"}), vec![("http", 8000), ("grpc", 8001), ("metrics", 8002)]),
        (json!({"preset": "vllm"}), vec![("metrics", 8000)]),
        (json!({"preset": "tfserving"}), vec![("grpc", 8500), ("metrics", 8501)]),
        (json!({"preset": "torchserve"}), vec![("http", 8080), ("metrics", 8082)]),
        (json!({"preset": "mlserver"}), vec![("http", 8080), ("grpc", 8081), ("metrics", 8082)]),
        (json!({"preset": "kserve"}), vec![("grpc", 8081), ("metrics", 8080)]),
        (json!({"preset": "bentoml"}), vec![("metrics", 3000)]),
        (json!({"ports": {"http": 5000}}), vec![("metrics", 5000)]),
        (json!({"ports": {"http": 5000, "metrics": 9090}}), vec![("http", 5000), ("metrics", 9090)]),
        (
            json!({"ports": {"http": 5000, "grpc": 5000, "metrics": 9090}}),
            vec![("http", 5000), ("metrics", 9090)],
        ),
        (json!({"ports": {"http": 1, "grpc": 2, "metrics": 2}}), vec![("http", 1), ("metrics", 2)]),
        (
            json!({"preset": "triton", "ports": {"http": 9000}}),
            vec![("http", 9000), ("grpc", 8001), ("metrics", 8002)],
        ),
    ] {
        let ports = server(&runtime)["ports"].clone();
        let want: Vec<Value> = want
            .into_iter()
            .map(|(name, port)| json!({"name": name, "containerPort": port, "protocol": "TCP"}))
            .collect();
        assert_eq!(ports, json!(want), "{runtime}");
    }
}

#[test]
fn a_preset_knows_when_its_model_is_ready() {
    for (preset, port, path) in [
        ("triton", 8000, "/v2/models/fraud/ready"),
        ("vllm", 8000, "/health"),
        ("tfserving", 8501, "/v1/models/fraud"),
        ("torchserve", 8080, "/ping"),
        ("mlserver", 8080, "/v2/models/fraud/ready"),
        ("kserve", 8080, "/v2/models/fraud/ready"),
        ("bentoml", 3000, "/readyz"),
    ] {
        let server = server(&json!({"preset": preset}));
        for probe in ["readinessProbe", "startupProbe"] {
            assert_eq!(server[probe]["httpGet"], json!({"path": path, "port": port}), "{preset}");
        }
        assert_eq!(server.get("livenessProbe"), None, "{preset}: none unless the user gives one");
    }
    let custom = server(&json!({"ports": {"http": 5000}}));
    assert_eq!(custom["readinessProbe"]["tcpSocket"], json!({"port": 5000}));
    assert_eq!(custom["startupProbe"]["tcpSocket"], json!({"port": 5000}));
}

#[test]
fn loading_may_take_half_an_hour_and_is_seen_to_end_within_two_seconds() {
    let startup = server(&json!({}))["startupProbe"].clone();
    let number = |field: &str| startup[field].as_i64().unwrap();
    assert_eq!(number("periodSeconds") * number("failureThreshold"), 1800);
    assert_eq!(number("periodSeconds"), 2);
    let own = server(&json!({"startupProbe": {"exec": {"command": ["test"]}}}))["startupProbe"].clone();
    assert_eq!(own, json!({"exec": {"command": ["test"]}, "failureThreshold": 180}));
}

#[test]
fn a_users_probe_is_taken_as_it_is_and_asks_the_http_port() {
    let probes = server(&json!({
        "ports": {"http": 5000},
        "readinessProbe": {"httpGet": {}, "periodSeconds": 7, "successThreshold": 2, "initialDelaySeconds": 0},
        "livenessProbe": {"grpc": {}, "initialDelaySeconds": 9, "failureThreshold": 4},
        "startupProbe": {"tcpSocket": {"port": 7}, "failureThreshold": 3, "timeoutSeconds": 2},
    }));
    let ready = json!({"httpGet": {"path": "/", "port": 5000}, "periodSeconds": 7, "successThreshold": 2});
    assert_eq!(probes["readinessProbe"], ready);
    let live = json!({"grpc": {"port": 5000}, "initialDelaySeconds": 9, "failureThreshold": 4});
    assert_eq!(probes["livenessProbe"], live);
    let start = json!({"tcpSocket": {"port": 7}, "failureThreshold": 3, "timeoutSeconds": 2});
    assert_eq!(probes["startupProbe"], start);
}

#[test]
fn a_pod_lingers_before_it_ends_and_has_time_for_a_whole_request() {
    let grace = |timeout: Value, runtime: Value| {
        let mut spec = json!({"stable": {"version": "v1", "image": "i"}, "runtime": runtime, "traffic": {}});
        if timeout.is_string() {
            spec["traffic"] = json!({"timeout": timeout});
        }
        let pod = pod_of(&spec);
        let linger = &pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
        (pod["terminationGracePeriodSeconds"].as_i64().unwrap(), linger.as_i64().unwrap())
    };
    assert_eq!(grace(Value::Null, json!({})), (30, 5));
    assert_eq!(grace(json!("60s"), json!({})), (75, 5));
    assert_eq!(grace(json!("100ms"), json!({})), (16, 5));
    assert_eq!(grace(json!("60s"), json!({"terminationGracePeriodSeconds": 90})), (90, 5));
    assert_eq!(grace(Value::Null, json!({"terminationGracePeriodSeconds": 2})), (2, 2));
}

#[test]
fn nothing_empty_is_written() {
    // The API server would drop it, and the next look would take that for drift.
    let bare = pod(&json!({
        "command": [], "args": [], "env": [], "nodeSelector": {}, "tolerations": [], "imagePullSecrets": [],
        "resources": {"requests": {}, "limits": {}},
    }));
    for field in ["nodeSelector", "tolerations", "imagePullSecrets"] {
        assert_eq!(bare.get(field), None, "{field}");
    }
    for field in ["command", "args", "resources"] {
        assert_eq!(bare["containers"][0].get(field), None, "{field}");
    }
    let tolerations = &full().deployment["spec"]["template"]["spec"]["tolerations"];
    assert_eq!(tolerations[0], json!({"key": "nvidia.com/gpu", "operator": "Exists"}));
    assert_eq!(tolerations[1]["tolerationSeconds"], 0);
}

#[test]
fn a_record_gives_back_what_was_rendered() {
    let release = sample::full();
    let rendered = full();
    let body = record(&release, &release.stable.hash, "2026.07", &rendered, 3);
    assert_eq!(recorded(&body), Some(("2026.07", rendered)));
    assert_eq!(body["revision"], 1);
    for path in ["/data/version", "/data/deployment", "/data/service", "/data/deployment/kind", "/data"] {
        let mut broken = body.clone();
        *broken.pointer_mut(path).unwrap() = Value::Null;
        assert_eq!(recorded(&broken), None, "{path}");
    }
    assert_eq!(recorded(&json!({})), None);
}

#[test]
fn a_deadline_of_the_release_is_the_deployments() {
    let spec = full().deployment["spec"].clone();
    assert_eq!(spec["progressDeadlineSeconds"], 900);
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
}
