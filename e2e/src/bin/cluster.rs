//! The `cluster` program: raises a real Kubernetes cluster with Istio on this machine, and takes it down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use testbed::checkout::{self, DEFAULT_NAME};
use testbed::raise::{self, Health, Left};
use testbed::say::say;
use testbed::{Result, Testbed, forward, supervise};

/// A real Kubernetes cluster with Istio on this machine, with no Docker and no cloud.
///
/// etcd, the Kubernetes programs, containerd, coredns, istiod and Prometheus run inside namespaces of their own;
/// Envoy runs in a pod as the ingress gateway. The host reaches node, pods and Services by a route of its own.
///
/// The first `up` builds everything from pinned versions (about 12 minutes on two processors) and keeps it in
/// `~/.cache/model-release-testbed`; later ones take seconds. Needs root, Debian 12, Go 1.26 and Python 3.
#[derive(Parser)]
#[command(name = "cluster", version, after_help = EXAMPLES)]
struct Cli {
    /// The checkout whose clusters are meant; without it the one around the current folder
    #[arg(long, global = true)]
    checkout: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "\
Examples:
  cluster up && . .testbed/env && kubectl get pods -A
  cluster up --name two            a second cluster beside the first; its addresses: .testbed/two/env
  cluster up --name api --api-only API server and etcd only, in seconds
  cluster part stop prometheus     as a failure would; `part start` brings it back
  cluster image demo/app:1 app/    build app/Dockerfile (FROM scratch) and hand it to the cluster
  cluster down && cluster status   nothing is left

Exit codes of `status`: 0 up and well, 1 up and not well, 3 down.";

#[derive(Subcommand)]
enum Task {
    /// Raise a cluster, building what is missing; nothing to do if it is up
    Up {
        #[command(flatten)]
        which: Which,
        /// Only etcd and the API server: for tests that need no pods
        #[arg(long)]
        api_only: bool,
    },
    /// Take a cluster down and check that no process, mount, interface or cgroup is left
    Down {
        #[command(flatten)]
        which: Which,
    },
    /// Show each part: state, since when, version, process, log
    Status {
        #[command(flatten)]
        which: Which,
        /// All clusters of this machine, whoever raised them
        #[arg(long)]
        all: bool,
    },
    /// Stop, start or restart one part of a cluster that is up
    Part {
        /// What to do
        verb: Verb,
        /// The part, as `status` names it
        part: String,
        #[command(flatten)]
        which: Which,
    },
    /// Build and install everything that a cluster needs, and start nothing
    Build,
    /// Build the Dockerfile of a folder and make the image known to the cluster
    Image {
        /// The image's name with its tag; pods use it with `imagePullPolicy: IfNotPresent`
        reference: String,
        /// The folder with a Dockerfile that is FROM scratch
        context: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// The first process inside a cluster's namespaces; started by `up`
    #[command(hide = true)]
    Supervise {
        /// The cluster's folder
        folder: PathBuf,
    },
    /// Passes connections on to an address that only takes them from inside the cluster; started by `up`
    #[command(hide = true)]
    Forward {
        /// Where to listen
        listen: SocketAddr,
        /// Where to pass connections on to
        target: SocketAddr,
    },
}

#[derive(Args)]
struct Which {
    /// The cluster's name: lower-case letters, digits, dashes
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Verb {
    /// End its process
    Stop,
    /// Start it again and wait until it answers
    Start,
    /// Both
    Restart,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.task {
        // These run inside the cluster, whatever became of the checkout.
        Task::Supervise { folder } => supervise::serve(&folder).map(|()| ExitCode::SUCCESS),
        Task::Forward { listen, target } => forward::serve(listen, target).map(|()| ExitCode::SUCCESS),
        task => cli.checkout.map_or_else(checkout::root, Ok).and_then(|checkout| run(&checkout, task)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(checkout: &Path, task: Task) -> Result<ExitCode> {
    match task {
        Task::Supervise { .. } | Task::Forward { .. } => {}
        Task::Up { which, api_only } => up(checkout, &which.name, api_only)?,
        Task::Down { which } => down(checkout, &which.name)?,
        Task::Status { which, all } => return status(checkout, &which.name, all),
        Task::Part { verb, part, which } => self::part(checkout, verb, &part, &which.name)?,
        Task::Build => raise::build(checkout)?,
        Task::Image { reference, context, which } => {
            Testbed::load(checkout, &which.name)?.load_image(&reference, &context)?;
            say(format_args!("Image {reference} is known to testbed {}.", which.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn up(checkout: &Path, name: &str, api_only: bool) -> Result<()> {
    let testbed = raise::up(checkout, name, api_only)?;
    say(format_args!("Use it with: . {}", checkout::folder(checkout, name).join("env").display()));
    if let (Some(gateway), Some(prometheus)) = (testbed.gateway_url, testbed.prometheus_url) {
        say(format_args!("Gateway {gateway}, Prometheus {prometheus}"));
    }
    Ok(())
}

fn down(checkout: &Path, name: &str) -> Result<()> {
    match raise::down(checkout, name)? {
        Left::Removed => say(format_args!(
            "Testbed {name} is down; no process, mount, interface, route, cgroup or file of it is left (its nftables \
             tables went with its network namespace)."
        )),
        Left::NothingThere => say(format_args!("Testbed {name} was not up; there is nothing to remove.")),
    }
    Ok(())
}

fn part(checkout: &Path, verb: Verb, part: &str, name: &str) -> Result<()> {
    if matches!(verb, Verb::Stop | Verb::Restart) {
        raise::stop_part(checkout, name, part)?;
        say(format_args!("{part} is stopped."));
    }
    if matches!(verb, Verb::Start | Verb::Restart) {
        raise::start_part(checkout, name, part)?;
        say(format_args!("{part} answers."));
    }
    Ok(())
}

fn status(checkout: &Path, name: &str, all: bool) -> Result<ExitCode> {
    let health = raise::status(checkout, (!all).then_some(name))?;
    Ok(match health {
        Health::Up => ExitCode::SUCCESS,
        Health::Ailing => ExitCode::from(1),
        Health::Down => ExitCode::from(3),
    })
}
