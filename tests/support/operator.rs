//! The operator as it runs, but for the wire: watches, election, controller, on the server in memory.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use model_release_core::settings::Settings;
use model_release_operator::admin::Health;
use model_release_operator::args::Namespaces;
use model_release_operator::clock::Clock;
use model_release_operator::cluster::{Cluster, Events, Leases};
use model_release_operator::controller::Controller;
use model_release_operator::gateway::Gateways;
use model_release_operator::istiod::{self, Istiod};
use model_release_operator::lease::{Election, Lead};
use model_release_operator::memory::Memory;
use model_release_operator::metrics::Metrics;
use model_release_operator::notify::Notifier;
use model_release_operator::orphans;
use model_release_operator::prometheus::Prometheus;
use model_release_operator::reconcile::{Ports, Step};
use model_release_operator::settings::Current;
use model_release_operator::warmup::Warmups;
use model_release_operator::watch::{Caches, scopes, start};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::api::{ApiServer, Connection};

/// A running operator. Dropped, it dies at once, as a process that is killed.
pub struct Operator {
    tasks: JoinSet<()>,
    work: JoinSet<()>,
    election: JoinSet<()>,
    stop_work: watch::Sender<bool>,
    stop_lease: watch::Sender<bool>,
    pub metrics: Metrics,
    pub lead: Lead,
}

impl Operator {
    /// One that needs no lease.
    pub fn start(server: &Arc<ApiServer>) -> Self {
        Self::run(server, None, Settings::default(), model_release_core::step)
    }

    /// One whose decisions are made otherwise.
    pub fn deciding(server: &Arc<ApiServer>, step: Step) -> Self {
        Self::run(server, None, Settings::default(), step)
    }

    /// One with other settings.
    pub fn with(server: &Arc<ApiServer>, settings: Settings) -> Self {
        Self::run(server, None, settings, model_release_core::step)
    }

    /// One that takes part in the election under this name.
    pub fn candidate(server: &Arc<ApiServer>, identity: &str) -> Self {
        Self::run(server, Some(identity), Settings::default(), model_release_core::step)
    }

    fn run(server: &Arc<ApiServer>, identity: Option<&str>, settings: Settings, step: Step) -> Self {
        let client = Client::new(Connection(server.clone()), "default");
        // Far from the machine's time: whoever read that by accident would be found out.
        let clock = Clock::following_timers("2030-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let (metrics, memory, health) = (Metrics::default(), Memory::default(), Arc::new(Health::default()));
        let current = Current::from(settings);
        let settings = current.now();
        let scopes = scopes(&Namespaces::All, &settings);
        let (caches, woken) = Caches::new(&scopes);
        metrics.tell_releases(caches.clone(), current.clone(), clock.clone());
        let (events, publish) = Events::new(client.clone(), "test", metrics.clone());
        let cluster = Cluster::new(client.clone(), metrics.clone(), memory.clone(), events);
        let mut tasks = JoinSet::new();
        tasks.spawn(publish);
        start(&client, scopes, &caches, &metrics, &mut tasks);
        let (stop_work, work_stops) = watch::channel(false);
        let (stop_lease, lease_stops) = watch::channel(false);
        let mut election = JoinSet::new();
        let lead = if let Some(identity) = identity {
            let leases = Leases::new(&client, "system", metrics.clone(), clock.clone());
            let (running, lead) = Election::new(leases, identity, metrics.clone(), health.clone());
            election.spawn(running.run(lease_stops));
            lead
        } else {
            metrics.set_leader(true);
            Lead::without_election()
        };
        let prometheus = Prometheus::new(&[], &metrics, &clock).unwrap();
        let gateways = Gateways::default();
        let istiod = Istiod::new(&settings.traffic, &metrics, &clock);
        let notifier = Notifier::new(current.clone(), metrics.clone(), clock.clone());
        let ports = Ports {
            settings: current,
            caches,
            memory,
            cluster,
            prometheus,
            gateways,
            istiod,
            warmups: Warmups::default(),
            notifier,
            clock,
            metrics: metrics.clone(),
            step,
        };
        tasks.spawn(orphans::run(ports.caches.clone(), ports.cluster.clone(), lead.clone()));
        tasks.spawn(ports.notifier.clone().run(ports.caches.clone(), lead.clone()));
        if ports.istiod.is_there() {
            let caches = ports.caches.clone();
            tasks.spawn(istiod::run(ports.istiod.clone(), settings, caches, lead.clone()));
        }
        let mut work = JoinSet::new();
        work.spawn(Controller::new(ports, woken, lead.clone(), health).run(work_stops));
        Self { tasks, work, election, stop_work, stop_lease, metrics, lead }
    }

    /// Ends it in order, as SIGTERM does.
    pub async fn stop(mut self) {
        self.stop_work.send_replace(true);
        while self.work.join_next().await.is_some() {}
        self.stop_lease.send_replace(true);
        while self.election.join_next().await.is_some() {}
        self.tasks.shutdown().await;
    }
}
