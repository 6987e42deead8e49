//! Every flag, its default and its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Releases machine-learning models on measured quality.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "model-release-operator",
    version,
    about = "Releases machine-learning models on measured quality: watches ModelRelease objects, splits traffic between \
             a stable and a canary version, and promotes or rolls back the canary.",
    after_help = "Examples:\n  \
        In a cluster, for two namespaces:\n    \
        model-release-operator --watch-namespace models --watch-namespace search --settings /etc/model-release/settings.yaml\n  \
        On your machine, against the current kubectl context:\n    \
        model-release-operator --all-namespaces --lease-namespace default --settings settings.yaml\n  \
        Install the resource:\n    \
        model-release-operator crd | kubectl apply --server-side -f -\n\n\
        Each flag may also be given as the environment variable shown beside it."
)]
pub struct Args {
    /// What to do instead of running the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// YAML file with the administrator's settings: gateways, Prometheus sources, waits. Default: built-in settings,
    /// which know no gateway and no Prometheus.
    #[arg(long, value_name = "FILE", env = "MODEL_RELEASE_SETTINGS")]
    pub settings: Option<PathBuf>,
    /// Namespace whose releases are served; repeat it, or separate several by commas.
    #[arg(
        long = "watch-namespace",
        value_name = "NAMESPACE",
        env = "MODEL_RELEASE_WATCH_NAMESPACES",
        value_delimiter = ',',
        conflicts_with = "all_namespaces"
    )]
    pub watch_namespaces: Vec<String>,
    /// Serve the releases of all namespaces. Needs rights on all of them.
    #[arg(long, env = "MODEL_RELEASE_ALL_NAMESPACES")]
    pub all_namespaces: bool,
    /// Kubeconfig file. Default: KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE", env = "MODEL_RELEASE_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME", env = "MODEL_RELEASE_CONTEXT")]
    pub context: Option<String>,
    /// Namespace of the Lease `model-release-operator`, by which one of several operators leads. Default: the pod's
    /// own, or the kubeconfig's.
    #[arg(long, value_name = "NAMESPACE", env = "MODEL_RELEASE_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Lead without a Lease. Only safe where no second operator runs.
    #[arg(long, env = "MODEL_RELEASE_NO_ELECTION")]
    pub no_election: bool,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080",
        env = "MODEL_RELEASE_METRICS_ADDRESS"
    )]
    pub metrics_address: SocketAddr,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "MODEL_RELEASE_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace; or directives, as in `info,kube=debug`.
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "MODEL_RELEASE_LOG_LEVEL")]
    pub log_level: String,
}

/// What to do instead of running the operator.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Print the `CustomResourceDefinition` of `ModelRelease` as YAML.
    Crd,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The namespaces whose releases are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them.
    All,
    /// These.
    Listed(Vec<String>),
}

impl Args {
    /// The namespaces that were asked for; none if the user did not say.
    pub fn namespaces(&self) -> Option<Namespaces> {
        if self.all_namespaces {
            return Some(Namespaces::All);
        }
        let mut listed: Vec<String> =
            self.watch_namespaces.iter().map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
        listed.sort();
        listed.dedup();
        (!listed.is_empty()).then_some(Namespaces::Listed(listed))
    }
}

/// The definition of `ModelRelease` as YAML.
///
/// # Errors
/// If it cannot be written as YAML, which no input can cause.
pub fn crd_yaml() -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&model_release_core::api::crd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn namespaces_are_listed_once_or_all_or_missing() {
        let parse = |args: &[&str]| Args::try_parse_from([&["model-release-operator"], args].concat());
        assert_eq!(parse(&[]).unwrap().namespaces(), None);
        assert_eq!(parse(&["--watch-namespace", " "]).unwrap().namespaces(), None);
        assert_eq!(
            parse(&["--watch-namespace", "b,a", "--watch-namespace", "b"]).unwrap().namespaces(),
            Some(Namespaces::Listed(vec!["a".into(), "b".into()]))
        );
        assert_eq!(parse(&["--all-namespaces"]).unwrap().namespaces(), Some(Namespaces::All));
        assert!(parse(&["--all-namespaces", "--watch-namespace", "a"]).is_err());
    }

    #[test]
    fn the_definition_is_yaml_of_the_resource() {
        let yaml = crd_yaml().unwrap();
        let back: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(back["metadata"]["name"], "modelreleases.modelrelease.dev");
    }
}
