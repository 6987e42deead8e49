//! Releases that the renderers' tests share: one that uses every field, and one that uses none.

use serde_json::{Value, json};

use crate::api::ModelRelease;
use crate::release::Release;
use crate::settings::Settings;

/// A release of one namespace, with a spec.
pub(crate) fn release(name: &str, spec: &Value) -> Release {
    let object = json!({
        "apiVersion": "modelrelease.dev/v1alpha1",
        "kind": "ModelRelease",
        "metadata": {
            "name": name,
            "namespace": "ml",
            "uid": "8f14e45f-ceea-467f-a6a1-0a9b0c4d3e21",
            "generation": 1,
            "creationTimestamp": "2026-11-21T09:00:00Z",
        },
        "spec": spec,
    });
    let object: ModelRelease = serde_json::from_value(object).unwrap();
    let release = Release::parse(&object, &settings());
    assert_eq!(release.refused, None);
    release
}

/// A release that says only what it must.
pub(crate) fn minimal() -> Release {
    release("fraud", &json!({"stable": {"version": "v1", "image": "ghcr.io/example/fraud:1"}}))
}

/// A release that says all it can.
pub(crate) fn full() -> Release {
    release(
        "fraud",
        &json!({
            "runtime": {
                "preset": "triton",
                "modelName": "fraud-model",
                "image": "ghcr.io/example/tritonserver:24.08",
                "command": ["tritonserver"],
                "args": ["--model-repository=/models", ""],
                "env": [
                    {"name": "LOG_LEVEL", "value": "info"},
                    {"name": "EMPTY", "value": ""},
                    {"name": "HOME", "value": "$(MODEL_PATH)/home"},
                    {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "fraud", "key": "api-key"}}},
                    {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "f", "key": "k", "optional": false}}},
                ],
                "resources": {
                    "requests": {"cpu": "2000m", "memory": "8192Mi"},
                    "limits": {"cpu": 4, "memory": "8Gi", "nvidia.com/gpu": 1},
                },
                "readinessProbe": {"httpGet": {"path": "/v2/health/ready"}, "initialDelaySeconds": 0, "timeoutSeconds": 4},
                "livenessProbe": {"grpc": {"port": 8001}, "initialDelaySeconds": 20, "periodSeconds": 15},
                "nodeSelector": {"pool": "gpu", "spot": ""},
                "tolerations": [
                    {"key": "nvidia.com/gpu", "operator": "Exists", "value": ""},
                    {"key": "slow", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 0},
                ],
                "imagePullSecrets": [{"name": "pull"}, {"name": "pull-too"}],
                "runAsUser": 1000,
                "terminationGracePeriodSeconds": 75,
                "minReplicas": 3,
                "storage": {"size": "5120Mi", "credentialsSecret": "s3-models", "mountPath": "/models"},
            },
            "stable": {
                "version": "2026.07",
                "storageUri": "https://models.example.com/fraud/2026.07.onnx?part=$(HOME)",
                "verification": {"digest": format!("sha256:{}", "ab".repeat(32))},
                "modelFormat": {"name": "onnx", "version": "1"},
            },
            "canary": {"version": "2026.08", "storageUri": "https://models.example.com/fraud/2026.08.onnx"},
            "traffic": {
                "gateways": ["istio-ingress/public", "mesh"],
                "hosts": ["fraud.example.com", "fraud.example.org"],
                "clientHeader": "x-user-id",
                "rateLimit": {
                    "perClient": {"requests": 20, "window": "60s", "burst": 30},
                    "total": {"requests": 2001, "window": "1m", "burst": 3000},
                },
                "versionHeader": "x-model-version",
                "timeout": "2500ms",
            },
            "rollout": {"progressDeadlineSeconds": 900},
        }),
    )
}

/// Settings with one set of gateways.
pub(crate) fn settings() -> Settings {
    serde_json::from_value(json!({
        "traffic": {"clusterDomain": "cluster.local", "meshExportTo": [".", "callers"], "maxClients": 5000},
        "serviceAccounts": ["models"],
        "fetcherImage": "ghcr.io/modelrelease/fetcher:1.2.3",
        "gateways": [{
            "name": "public",
            "gateways": ["istio-ingress/public", "istio-ingress/internal"],
            "namespace": "istio-ingress",
            "selector": {"istio": "ingressgateway"},
            "hosts": ["*"],
            "service": "gateway",
            "probePort": "http",
            "replicas": 2,
            "envoyFilters": true,
        }],
    }))
    .unwrap()
}
