//! Puts the operator together, runs it until it is told to end, and ends it in order.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::admin::{self, AdminError, Health};
use crate::args::{Args, Namespaces};
use crate::clock::Clock;
use crate::cluster::{Cluster, Events, Leases};
use crate::controller::Controller;
use crate::gateway::Gateways;
use crate::istiod::{self, Istiod};
use crate::lease::{Election, Lead};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::orphans;
use crate::prometheus::{Prometheus, PrometheusError};
use crate::reconcile::Ports;
use crate::settings::{self, Current, SettingsError};
use crate::warmup::Warmups;
use crate::watch::{Caches, scopes, start};

/// Why the operator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody said which releases to serve.
    #[error(
        "say whose releases to serve: --watch-namespace NAMESPACE (repeat it for more) or --all-namespaces"
    )]
    NoNamespaces,
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No way to the API server.
    #[error(
        "found no cluster to connect to; give --kubeconfig and --context, set KUBECONFIG, or run it in a pod with a service account"
    )]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client could not be made.
    #[error("could not prepare the connection to the API server; check the kubeconfig's certificates")]
    Client(#[source] Box<kube::Error>),
    /// Prometheus.
    #[error(transparent)]
    Prometheus(#[from] PrometheusError),
    /// The address of metrics and health.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Signals cannot be heard.
    #[error("could not listen for the signal to end")]
    Signals(#[source] std::io::Error),
    /// A task that must run as long as the operator does has ended: a fault of ours.
    #[error("a part of the operator ended unexpectedly, so it ends as a whole; report it with the log")]
    Lost(#[source] Option<tokio::task::JoinError>),
}

impl RunError {
    /// 2 for what the user wrote, 1 for the rest.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoNamespaces | Self::Settings(_) => ExitCode::from(2),
            Self::Config(_)
            | Self::Client(_)
            | Self::Prometheus(_)
            | Self::Admin(_)
            | Self::Signals(_)
            | Self::Lost(_) => ExitCode::FAILURE,
        }
    }
}

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// If it cannot begin.
pub async fn run(args: Args) -> Result<(), RunError> {
    let namespaces = args.namespaces().ok_or(RunError::NoNamespaces)?;
    let (put, current) = Current::new(settings::load(args.settings.as_deref())?);
    let settings = current.now();
    let config = config(&args).await?;
    let client = client(config.clone())?;
    let clock = Clock::system();
    let metrics = Metrics::default();
    let health = Arc::new(Health::default());
    let identity = identity();
    let prometheus = Prometheus::new(&settings.prometheus.sources, &metrics, &clock)?;
    let listener = admin::listen(args.metrics_address).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let served = match &namespaces {
        Namespaces::All => "all".to_owned(),
        Namespaces::Listed(listed) => listed.join(","),
    };
    info!(
        version = env!("CARGO_PKG_VERSION"), server = %config.cluster_url, namespaces = served, %identity,
        gateways = settings.gateways.len(), sources = settings.prometheus.sources.len(), "starts",
    );

    let scopes = scopes(&namespaces, &settings);
    let (caches, woken) = Caches::new(&scopes);
    metrics.tell_releases(caches.clone(), current.clone(), clock.clone());
    let memory = Memory::default();
    let (events, publish) = Events::new(client.clone(), &identity, metrics.clone());
    let cluster = Cluster::new(client.clone(), metrics.clone(), memory.clone(), events);

    let mut background = JoinSet::new();
    background.spawn(admin::serve(listener, health.clone(), metrics.clone()));
    background.spawn(publish);
    start(&client, scopes, &caches, &metrics, &mut background);

    let (stop_work, work_stops) = watch::channel(false);
    let (stop_lease, lease_stops) = watch::channel(false);
    let mut election = JoinSet::new();
    let lead = if args.no_election {
        metrics.set_leader(true);
        Lead::without_election()
    } else {
        let namespace = args.lease_namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        // A connection of its own: a flood of other calls must not cost the lead.
        let leases = Leases::new(&self::client(config)?, &namespace, metrics.clone(), clock.clone());
        let (running, lead) = Election::new(leases, &identity, metrics.clone(), health.clone());
        election.spawn(running.run(lease_stops));
        lead
    };
    let istiod = Istiod::new(&settings.traffic, &metrics, &clock);
    if let Some(file) = args.settings {
        background.spawn(settings::follow(file, put, prometheus.clone(), caches.clone()));
    }
    let ports = Ports {
        settings: current,
        caches,
        memory,
        cluster,
        prometheus,
        gateways: Gateways::default(),
        istiod,
        warmups: Warmups::default(),
        clock,
        metrics,
        step: model_release_core::step,
    };
    background.spawn(orphans::run(ports.caches.clone(), ports.cluster.clone(), lead.clone()));
    if ports.istiod.is_there() {
        let caches = ports.caches.clone();
        background.spawn(istiod::run(ports.istiod.clone(), settings, caches, lead.clone()));
    }
    let mut work = JoinSet::new();
    work.spawn(Controller::new(ports, woken, lead, health.clone()).run(work_stops));

    // Half an operator is worse than none: its pod is started anew.
    let lost = tokio::select! {
        _ = terminate.recv() => {
            info!("told to end");
            None
        }
        _ = interrupt.recv() => {
            info!("interrupted");
            None
        }
        Some(ended) = background.join_next() => Some(ended.err()),
        Some(ended) = work.join_next() => Some(ended.err()),
        Some(ended) = election.join_next() => Some(ended.err()),
    };
    health.stopping();
    stop_work.send_replace(true);
    while work.join_next().await.is_some() {}
    // Only now: whoever takes over must not meet writes of ours.
    stop_lease.send_replace(true);
    let freed = async { while election.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(6), freed).await.is_err() {
        warn!("the lease was not given free in time; it ends by itself");
    }
    background.shutdown().await;
    info!("ended");
    lost.map_or(Ok(()), |cause| Err(RunError::Lost(cause)))
}

/// How to reach the API server: the flags, the environment, or the pod's service account.
async fn config(args: &Args) -> Result<Config, RunError> {
    let boxed = |error: Box<dyn std::error::Error + Send + Sync>| RunError::Config(error);
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    let mut config = if let Some(file) = &args.kubeconfig {
        let file = Kubeconfig::read_from(file).map_err(|error| boxed(error.into()))?;
        Config::from_custom_kubeconfig(file, &options).await.map_err(|error| boxed(error.into()))?
    } else if args.context.is_some() {
        Config::from_kubeconfig(&options).await.map_err(|error| boxed(error.into()))?
    } else {
        Config::infer().await.map_err(|error| boxed(error.into()))?
    };
    // Its retries go on for minutes: a write of a deposed leader could land late. Ours are the next look.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(config)
}

fn client(config: Config) -> Result<Client, RunError> {
    Client::try_from(config).map_err(|error| RunError::Client(Box::new(error)))
}

/// A name that no other process has: the pod's, or the machine's and this process'.
fn identity() -> String {
    let host =
        std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).ok().filter(|name| !name.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok()).unwrap_or_default();
    let started = jiff::Timestamp::now().as_microsecond();
    format!("{}_{}_{started:x}", host.trim(), std::process::id())
}
