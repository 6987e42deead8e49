//! The `demo` program: shows the product's whole job on a real cluster, and says whether it was done.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use testbed::checkout;
use testbed::demo::report::Report;
use testbed::demo::{self, Options, install, manifest};
use testbed::error::{Error, Result};

/// Shows ModelRelease's whole job on a real Kubernetes with Istio, Envoy and Prometheus and a really trained model.
///
/// Raises the testbed if it is not up, trains the example's models, builds the images, installs the operator by its
/// chart, and tells four stories side by side, each with clients of its own:
///
///   A  stable was trained for 2 epochs, the canary for 5: it is promoted
///   B  the other way round: it is rolled back by itself
///   C  a rollback annotation in mid-canary: clients get stable only within a second
///   D  Prometheus stops in mid-canary: weights hold, nothing is decided; it goes on when Prometheus returns
///
/// The auditor watches all of it from outside, and says at the end whether a rule was broken. The cluster stays.
#[derive(Parser)]
#[command(name = "demo", version, after_help = AFTER)]
struct Cli {
    /// The testbed to use, raised if it is not up; with CLUSTER=current the cluster that the environment describes
    #[arg(long, env = "NAME", default_value = checkout::DEFAULT_NAME)]
    name: String,
    /// `current`: raise nothing, use the cluster that KUBECONFIG and the variables below describe
    #[arg(long, env = "CLUSTER", default_value = "testbed", value_parser = ["testbed", "current"])]
    cluster: String,
    /// Predictions per second that each story's clients ask for; as many labels follow
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(20..=500))]
    rate: u32,
    /// Writes the final table as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const AFTER: &str = "\
With CLUSTER=current these describe the cluster (a testbed's are in its env file):
  KUBECONFIG                 an administrator's
  GATEWAY_URL                the gateway's plain HTTP port, as in http://192.0.2.1:80
  GATEWAY, GATEWAY_SERVICE   Istio Gateway and the Service of its pods, each namespace/name
                             (istio-system/public, istio-system/istio-ingressgateway)
  ENVOY_ADMIN_URL            admin port of the gateway's Envoy, as by `kubectl port-forward`
  PROMETHEUS_CLUSTER_URL     Prometheus as pods reach it
  PROMETHEUS_STOP_COMMAND, PROMETHEUS_START_COMMAND
                             shell commands for story D
  CONTAINERD_ADDRESS         socket of the cluster's containerd, or
  IMAGE_LOAD_COMMAND         a shell command that hands an image over: archive is $1, name is $2

Exit codes: 0 all four stories ended as they must, no client saw a 5xx, and the auditor saw no rule broken; 1 that is not
so; 2 the stage could not be set, or the arguments make no sense.";

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match tell(&cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn tell(cli: &Cli) -> Result<bool> {
    let ours = cli.cluster != "current";
    let report = demo::run(&Options { testbed: ours.then(|| cli.name.clone()), rate: cli.rate }).await?;
    println!("\n{}", report.table());
    if let Some(file) = &cli.json {
        write(file, &report)?;
    }
    println!("{}", next(ours.then_some(cli.name.as_str()))?);
    Ok(report.ended_well)
}

fn write(file: &Path, report: &Report) -> Result<()> {
    let text = report.json().map_err(|error| Error::other(format!("the report is no JSON: {error}")))?;
    std::fs::write(file, text + "\n").map_err(Error::io("write", file))
}

/// What one may do now that the cluster stands.
fn next(testbed: Option<&str>) -> Result<String> {
    let (system, operator, namespace) = (install::SYSTEM, install::INSTALLATION, manifest::NAMESPACE);
    let look = format!(
        "  kubectl modelrelease get -n {namespace}\n  kubectl modelrelease history worse -n {namespace}\n  \
         kubectl describe mrel better -n {namespace}\n  \
         kubectl explain mrel.spec.rollout\n  kubectl logs -n {system} deployment/{operator}\n  \
         echo \"Prometheus: $PROMETHEUS_URL\"\n  \
         kubectl annotate mrel undone -n {namespace} modelrelease.dev/rollback-      # lets go of story C\n"
    );
    let Some(name) = testbed else { return Ok(format!("The cluster stays. Look around:\n{look}")) };
    let env = checkout::folder(&checkout::root()?, name).join("env");
    let flag = if name == checkout::DEFAULT_NAME { String::new() } else { format!(" NAME={name}") };
    Ok(format!(
        "The cluster stays. Look around:\n  . {}\n{look}Again, in less time: make demo{flag}. Away with it: make \
         down{flag}\n",
        env.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_next_commands_name_the_cluster_that_was_used() {
        assert!(next(Some("two")).unwrap().contains("make down NAME=two"));
        assert!(next(Some("main")).unwrap().ends_with("make down\n"));
        assert!(!next(None).unwrap().contains("make down"), "a cluster of the user's is not ours to end");
    }
}
