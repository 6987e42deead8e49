//! The same stories by each provider: clients see no difference.

use serde_json::json;
use testbed::demo::install::HTTP_ROUTES;
use testbed::demo::manifest::Manifest;

use super::ask::Line;

/// Whose objects route a story's release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A VirtualService.
    Istio,
    /// An HTTPRoute, at a Gateway of the Gateway API that the same pods serve.
    GatewayApi,
}

impl By {
    pub const ALL: [Self; 2] = [Self::Istio, Self::GatewayApi];

    /// The name of a story's release.
    pub fn release(self, name: &str) -> String {
        match self {
            Self::Istio => name.to_owned(),
            Self::GatewayApi => format!("{name}-routes"),
        }
    }

    /// The release, routed so.
    pub fn routed(self, manifest: Manifest) -> Manifest {
        match self {
            Self::Istio => manifest,
            Self::GatewayApi => manifest
                .with("/spec/traffic/provider", json!("GatewayAPI"))
                .with("/spec/traffic/gateways", json!([HTTP_ROUTES])),
        }
    }

    /// Says by whom each line was measured.
    pub fn said(self, mut lines: Vec<Line>) -> Vec<Line> {
        if self == Self::GatewayApi {
            for line in &mut lines {
                line.what = format!("Gateway API: {}", line.what);
            }
        }
        lines
    }
}
