//! What the administrator decides for all releases: gateways, Prometheus sources, waits. A mounted file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Settings of one operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The mesh.
    pub traffic: Mesh,
    /// Sets of gateway pods that releases may use.
    pub gateways: Vec<GatewaySet>,
    /// Where evidence comes from.
    pub prometheus: Prometheus,
    /// Questions of the administrator's own, which releases may name.
    pub query_templates: Vec<QueryTemplate>,
    /// Service accounts that releases may name, in any namespace; `*` allows each. None: only `default`, unnamed.
    pub service_accounts: Vec<String>,
    /// Image of the init container that fetches models.
    pub fetcher_image: String,
    /// The operator's own metrics.
    pub metrics: Metrics,
    /// Time in which proxies that cannot be asked are taken to have followed. Seconds.
    pub propagation_wait_seconds: i64,
    /// Time after which an empty set of endpoints is a fact. Seconds.
    pub detect_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            traffic: Mesh::default(),
            gateways: Vec::new(),
            prometheus: Prometheus::default(),
            query_templates: Vec::new(),
            service_accounts: Vec::new(),
            fetcher_image: concat!("modelrelease/fetcher:", env!("CARGO_PKG_VERSION")).to_owned(),
            metrics: Metrics::default(),
            propagation_wait_seconds: 5,
            detect_seconds: 5,
        }
    }
}

/// The operator's own metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Metrics {
    /// How much is told of each release.
    pub per_release: PerRelease,
}

/// How much is told of each release: a Prometheus pays for every series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PerRelease {
    /// Everything.
    #[default]
    Full,
    /// What the alerts need, and no check's numbers.
    Summary,
    /// Nothing: only what the operator counts of itself.
    Off,
}

/// The mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Mesh {
    /// The cluster's DNS domain.
    pub cluster_domain: String,
    /// Namespaces whose sidecars see a release's mesh host.
    pub mesh_export_to: Vec<String>,
    /// Buckets per limit; a client beyond them returns with a full one.
    pub max_clients: i32,
    /// Address of istiod's port for debugging, as in `http://istiod.istio-system:15014`; none: it is not asked.
    pub istiod: Option<String>,
    /// File with the token that it is asked with; read each time, for tokens are renewed. None: without one.
    pub istiod_token_file: Option<String>,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            cluster_domain: "cluster.local".into(),
            mesh_export_to: vec![".".into()],
            max_clients: 10_000,
            istiod: None,
            istiod_token_file: None,
        }
    }
}

/// One set of gateway pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GatewaySet {
    /// Its name; part of the names of EnvoyFilters.
    pub name: String,
    /// `namespace/name` of the Istio Gateways it serves: what `spec.traffic.gateways` may name.
    pub gateways: Vec<String>,
    /// Namespace of its pods.
    pub namespace: String,
    /// Labels of its pods and of nothing else: selector of the EnvoyFilters.
    pub selector: BTreeMap<String, String>,
    /// Hosts that a namespace may claim; `*.` at the start and `{namespace}` are understood; `*` allows any.
    pub hosts: Vec<String>,
    /// Its Service, whose EndpointSlices name the pods to ask.
    pub service: String,
    /// Name of the Service's port to ask; none: its pods are not asked.
    pub probe_port: Option<String>,
    /// Whether that port speaks TLS: it is asked under the release's host, whatever certificate the pod shows.
    pub probe_tls: bool,
    /// How many pods it has: divisor of the total limit.
    pub replicas: i32,
    /// Whether EnvoyFilters may be written in its namespace.
    pub envoy_filters: bool,
}

/// Prometheus servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Prometheus {
    /// Sources, by name; a release that names none uses `default`.
    pub sources: Vec<Source>,
}

/// A question to Prometheus of the administrator's own.
///
/// In it `$selector` stands for matchers of the series that the pods of the compared versions export, `$namespace` for the
/// release's namespace in quotes, and `$window` for the length of a block. Its rows bear the labels `namespace`,
/// `modelrelease_dev_name` and `modelrelease_dev_version`; those of kind `Counts` also `stat`, which is `k` for what is
/// counted in the block and `n` for what it is a part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct QueryTemplate {
    /// What `template` of a release names.
    pub name: String,
    /// What its rows are.
    pub kind: TemplateKind,
    /// In `PromQL`.
    pub query: String,
}

/// What the rows of a template are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TemplateKind {
    /// Two numbers of each version: a count, and what it is a part of.
    #[default]
    Counts,
    /// A share of each version; for the quality gate alone.
    Gauge,
}

/// One Prometheus server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its address, as in `http://prometheus.monitoring:9090`.
    pub url: String,
    /// Where requests and errors of a version are counted.
    pub entrance: Entrance,
    /// Seconds after a block's end at which it is asked for, so that every scrape is in.
    pub lag_seconds: i64,
    /// File with the token that it is asked with; read each time, for tokens are renewed. None: without one.
    pub token_file: Option<String>,
    /// Headers that it is asked with, such as a tenant's name. No secrets: they are shown with the settings.
    pub headers: BTreeMap<String, String>,
}

impl Default for Source {
    fn default() -> Self {
        let entrance = Entrance::default();
        Self {
            name: String::new(),
            url: String::new(),
            entrance,
            lag_seconds: 3,
            token_file: None,
            headers: BTreeMap::new(),
        }
    }
}

/// Where requests and errors of a version are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrance {
    /// Istio's metrics of the pods' sidecars.
    #[default]
    Istio,
    /// Istio's metrics of the gateway.
    IstioGateway,
    /// Envoy's own cluster counters of the gateway.
    Envoy,
    /// What model servers count themselves, by their preset.
    Server,
}
