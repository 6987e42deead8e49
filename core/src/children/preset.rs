//! What is known of each model server: its ports, and how it says that a model is ready.

use crate::api::pods::{PodFields, Preset};

/// The container's ports, defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// HTTP.
    pub http: i32,
    /// gRPC, if it is served.
    pub grpc: Option<i32>,
    /// Where Prometheus reads `/metrics`.
    pub metrics: i32,
}

/// How a server says that it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Its HTTP port accepts a connection.
    Connects,
    /// It answers a request for this path.
    Answers(String),
}

impl Ready {
    /// Path that is asked for.
    pub fn path(&self) -> &str {
        match self {
            Self::Connects => "/",
            Self::Answers(path) => path,
        }
    }
}

/// A version's ports. Metrics follow the HTTP port wherever the preset serves both on one.
pub(super) fn ports(preset: Preset, pod: &PodFields) -> Ports {
    let (http, grpc, metrics) = known(preset);
    let own = pod.ports.clone().unwrap_or_default();
    let own_http = own.http.unwrap_or(http);
    Ports {
        http: own_http,
        grpc: own.grpc.or(grpc),
        metrics: own.metrics.unwrap_or(if metrics == http { own_http } else { metrics }),
    }
}

/// HTTP, gRPC and metrics ports that a server listens on unless told otherwise.
const fn known(preset: Preset) -> (i32, Option<i32>, i32) {
    match preset {
        Preset::Custom => (8080, None, 8080),
        Preset::Triton => (8000, Some(8001), 8002),
        Preset::Vllm => (8000, None, 8000),
        Preset::Tfserving => (8501, Some(8500), 8501),
        Preset::Torchserve => (8080, None, 8082),
        Preset::Mlserver => (8080, Some(8081), 8082),
        Preset::Kserve => (8080, Some(8081), 8080),
        Preset::Bentoml => (3000, None, 3000),
    }
}

/// How a server says that a model is ready.
pub(super) fn ready(preset: Preset, model: &str) -> Ready {
    match preset {
        Preset::Custom => Ready::Connects,
        Preset::Triton | Preset::Mlserver | Preset::Kserve => {
            Ready::Answers(format!("/v2/models/{model}/ready"))
        }
        Preset::Vllm => Ready::Answers("/health".to_owned()),
        Preset::Tfserving => Ready::Answers(format!("/v1/models/{model}")),
        Preset::Torchserve => Ready::Answers("/ping".to_owned()),
        Preset::Bentoml => Ready::Answers("/readyz".to_owned()),
    }
}
