//! A cluster as demo and tests see it: its addresses, and ways to talk to it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checkout::{self, DEFAULT_NAME};
use crate::command::output;
use crate::envfile;
use crate::error::{Error, Result};

/// A cluster that is up. Every address can be reached from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testbed {
    /// The testbed's name, or `current` for a cluster that was there before.
    pub name: String,
    /// The kubeconfig file, with administrator's rights.
    pub kubeconfig: PathBuf,
    /// Base address of the gateway's plain HTTP port, as `http://address:port`. API-only clusters have none.
    pub gateway_url: Option<String>,
    /// Base address of Prometheus as the host reaches it.
    pub prometheus_url: Option<String>,
    /// Base address of the same Prometheus as pods reach it.
    pub prometheus_cluster_url: Option<String>,
    /// Base address of istiod's debug pages (`/debug/syncz`) and metrics.
    pub istiod_url: Option<String>,
    /// Base address of the admin port of the gateway's Envoy.
    pub envoy_admin_url: Option<String>,
    /// The socket of the cluster's containerd, for images that no registry has.
    pub containerd_address: Option<PathBuf>,
    /// All variables, also those that have no field of their own.
    pub variables: BTreeMap<String, String>,
}

impl Testbed {
    /// The cluster that the environment asks for: `CLUSTER=current` means the one that the process environment
    /// describes, else the testbed named by `TESTBED_NAME` (default `main`) of this checkout.
    ///
    /// # Errors
    /// If that cluster is not up, or its description lacks a needed variable.
    pub fn discover() -> Result<Self> {
        if env::var("CLUSTER").is_ok_and(|value| value == "current") {
            return Self::from_process();
        }
        let name = env::var("TESTBED_NAME").unwrap_or_else(|_| DEFAULT_NAME.to_owned());
        Self::load(&checkout::root()?, &name)
    }

    /// The testbed `name` that was raised from this checkout.
    ///
    /// # Errors
    /// If it was not raised, or its env file is damaged.
    pub fn load(checkout: &Path, name: &str) -> Result<Self> {
        let file = checkout::folder(checkout, name).join("env");
        let text = std::fs::read_to_string(&file).map_err(|_| {
            Error::other(format!(
                "testbed {name} is not up (no {}); raise it with `{}`",
                file.display(),
                make_up(name)
            ))
        })?;
        Self::from_variables(name, envfile::parse(&text)?)
    }

    /// A cluster that was there before, described by the process environment: `KUBECONFIG` (default
    /// `~/.kube/config`), `GATEWAY_URL`, `PROMETHEUS_URL` and the others of the env file as far as they are known.
    ///
    /// # Errors
    /// If there is no kubeconfig.
    pub fn from_process() -> Result<Self> {
        let mut variables: BTreeMap<String, String> =
            envfile::NAMES.iter().filter_map(|&name| Some((name.to_owned(), env::var(name).ok()?))).collect();
        if let (false, Some(home)) = (variables.contains_key("KUBECONFIG"), env::var_os("HOME")) {
            let default = Path::new(&home).join(".kube/config");
            if default.is_file() {
                variables.insert("KUBECONFIG".into(), default.to_string_lossy().into_owned());
            }
        }
        Self::from_variables("current", variables)
    }

    pub(crate) fn from_variables(name: &str, variables: BTreeMap<String, String>) -> Result<Self> {
        let get = |key: &str| variables.get(key).filter(|value| !value.is_empty()).cloned();
        let url = |key: &str| get(key).map(|value| value.trim_end_matches('/').to_owned());
        let kubeconfig = get("KUBECONFIG").map(PathBuf::from).ok_or_else(|| {
            Error::other(format!("cluster {name} has no KUBECONFIG; set it to the path of a kubeconfig file"))
        })?;
        Ok(Self {
            name: get("TESTBED_NAME").unwrap_or_else(|| name.to_owned()),
            kubeconfig,
            gateway_url: url("GATEWAY_URL"),
            prometheus_cluster_url: url("PROMETHEUS_CLUSTER_URL").or_else(|| url("PROMETHEUS_URL")),
            prometheus_url: url("PROMETHEUS_URL"),
            istiod_url: url("ISTIOD_URL"),
            envoy_admin_url: url("ENVOY_ADMIN_URL"),
            containerd_address: get("CONTAINERD_ADDRESS").map(PathBuf::from),
            variables,
        })
    }

    /// The value of an address field, or an error that says which variable to set.
    ///
    /// # Errors
    /// If it is not known.
    pub fn need(&self, variable: &str) -> Result<&str> {
        self.variables.get(variable).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::other(format!(
                "cluster {} has no {variable}; set it, or raise a full testbed with `make up`",
                self.name
            ))
        })
    }

    /// `kubectl` on this cluster; add arguments and run it, or hand it to [`crate::command::output`].
    pub fn kubectl(&self) -> Command {
        self.program("kubectl")
    }

    /// A program with this cluster's variables: `KUBECONFIG`, the addresses, and `PATH` with the testbed's own
    /// `kubectl`, `helm`, `kustomize`, `kubeconform`, `promtool` in front.
    pub fn program(&self, name: &str) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let ours = self.variables.get(envfile::BIN).filter(|dir| !dir.is_empty());
        // The lookup of `name` goes by our own PATH, not the child's, so the folder is looked into here.
        let found = ours.map(|dir| Path::new(dir).join(name)).filter(|file| file.exists());
        let mut command = Command::new(found.unwrap_or_else(|| name.into()));
        command.envs(&self.variables).env("KUBECONFIG", &self.kubeconfig);
        if let Some(dir) = ours {
            command.env("PATH", format!("{dir}:{path}"));
        }
        command
    }

    /// Applies manifests server-side: `yaml` may hold several documents.
    ///
    /// # Errors
    /// What kubectl wrote, if the API server refuses one of them.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        let mut kubectl = self.kubectl();
        kubectl.args(["apply", "--server-side", "--force-conflicts", "--field-manager=testbed"]);
        kubectl.args(["--request-timeout=60s", "--filename", "-"]);
        crate::command::output_with_input(&mut kubectl, yaml.as_bytes()).map(drop)
    }

    /// Runs `kubectl` with these arguments and returns what it wrote.
    ///
    /// # Errors
    /// What kubectl wrote, if it failed.
    pub fn kubectl_output(&self, arguments: &[&str]) -> Result<String> {
        output(self.kubectl().args(arguments))
    }

    /// The settings for an API client.
    ///
    /// # Errors
    /// If the kubeconfig cannot be read or does not make sense.
    #[cfg(feature = "client")]
    pub async fn client_config(&self) -> Result<kube::Config> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Error::other(format!("kubeconfig {}: {error}", self.kubeconfig.display()))
        };
        let file =
            kube::config::Kubeconfig::read_from(&self.kubeconfig).map_err(|error| unreadable(&error))?;
        let options = kube::config::KubeConfigOptions::default();
        kube::Config::from_custom_kubeconfig(file, &options).await.map_err(|error| unreadable(&error))
    }

    /// An API client with administrator's rights.
    ///
    /// # Errors
    /// As [`Self::client_config`].
    #[cfg(feature = "client")]
    pub async fn client(&self) -> Result<kube::Client> {
        let config = self.client_config().await?;
        kube::Client::try_from(config).map_err(|error| {
            Error::other(format!("no client from kubeconfig {}: {error}", self.kubeconfig.display()))
        })
    }

    /// Stops a part that runs beside the cluster (`prometheus`, `istiod`, …), as a failure would, and returns once
    /// its process is gone. For a cluster that was there before: runs its `<PART>_STOP_COMMAND`.
    ///
    /// # Errors
    /// If there is no such part, or no such command.
    pub fn stop_part(&self, part: &str) -> Result<()> {
        self.part(part, "STOP")
    }

    /// Starts a stopped part again and returns once it answers.
    ///
    /// # Errors
    /// As [`Self::stop_part`], and if the part does not come up.
    pub fn start_part(&self, part: &str) -> Result<()> {
        self.part(part, "START")
    }

    /// Stops and starts a part.
    ///
    /// # Errors
    /// As [`Self::start_part`].
    pub fn restart_part(&self, part: &str) -> Result<()> {
        self.stop_part(part)?;
        self.start_part(part)
    }

    fn part(&self, part: &str, verb: &str) -> Result<()> {
        let variable = format!("{}_{verb}_COMMAND", part.to_uppercase().replace('-', "_"));
        let own = |name: &str| self.variables.get(name).map(String::as_str);
        let line = match (own(&variable), own(envfile::CLUSTER_PROGRAM), own(envfile::CHECKOUT)) {
            (Some(line), ..) => line.to_owned(),
            (None, Some(program), Some(checkout)) => {
                part_command(program, checkout, &verb.to_lowercase(), part, &self.name)
            }
            _ => self.need(&variable)?.to_owned(),
        };
        output(self.program("sh").args(["-c", &line])).map(drop)
    }
}

/// The shell line that stops or starts a part of a testbed.
pub(crate) fn part_command(program: &str, checkout: &str, verb: &str, part: &str, name: &str) -> String {
    format!("'{program}' --checkout '{checkout}' part {verb} '{part}' --name {name}")
}

/// The command that raises the testbed `name`.
pub(crate) fn make_up(name: &str) -> String {
    if name == DEFAULT_NAME { "make up".into() } else { format!("make up NAME={name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn testbed(pairs: &[(&str, &str)]) -> Result<Testbed> {
        let variables = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Testbed::from_variables("current", variables)
    }

    #[test]
    fn pods_use_the_hosts_prometheus_unless_told_otherwise() {
        let one = testbed(&[("KUBECONFIG", "/k"), ("PROMETHEUS_URL", "http://p:9090/")]).unwrap();
        assert_eq!(one.prometheus_cluster_url.as_deref(), Some("http://p:9090"));
    }

    #[test]
    fn a_cluster_without_a_kubeconfig_is_refused_with_the_variable_to_set() {
        assert!(testbed(&[]).unwrap_err().to_string().contains("KUBECONFIG"));
    }

    #[test]
    fn a_missing_address_is_named() {
        let one = testbed(&[("KUBECONFIG", "/k")]).unwrap();
        assert!(one.need("GATEWAY_URL").unwrap_err().to_string().contains("GATEWAY_URL"));
        assert!(one.stop_part("prometheus").unwrap_err().to_string().contains("PROMETHEUS_STOP_COMMAND"));
    }

    #[test]
    fn a_testbed_that_was_not_raised_says_how_to_raise_it() {
        let error = Testbed::load(Path::new("/nowhere"), "two").unwrap_err().to_string();
        assert!(error.contains("make up NAME=two"), "{error}");
    }

    #[test]
    fn the_own_stop_command_wins_over_the_testbeds() {
        let mark = std::env::temp_dir().join(format!("testbed-part-{}", std::process::id()));
        let line = format!("echo stopped > {}", mark.display());
        let one = testbed(&[("KUBECONFIG", "/k"), ("PROMETHEUS_STOP_COMMAND", &line)]).unwrap();
        one.stop_part("prometheus").unwrap();
        assert_eq!(std::fs::read_to_string(&mark).unwrap(), "stopped\n");
        std::fs::remove_file(mark).unwrap();
    }
}
