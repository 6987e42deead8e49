//! The demo: four releases on a real cluster, told side by side, and what became of them.

pub mod envoy;
pub mod http;
pub mod images;
pub mod install;
pub mod limit;
pub mod load;
pub mod manifest;
pub mod observe;
pub mod outcome;
pub mod plugin;
pub mod releases;
pub mod report;
pub mod screen;
pub mod sticky;
pub mod stories;
pub mod story;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::audit::witness::{Testimony, Witness};
use crate::command::cargo;
use crate::envfile::CLUSTER_PROGRAM;
use crate::error::{Error, Result};
use crate::wait::{Seen, until};
use crate::{Testbed, checkout, terminal};
use images::Made;
use install::Gateway;
use manifest::NAMESPACE;
use observe::Gauge;
use outcome::Outcome;
use releases::Releases;
use report::Report;
use story::{Board, Stage};

/// How long what an earlier run left may take to go.
const GONE: Duration = Duration::from_secs(90);

/// What the demo is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the testbed; none: the cluster that the environment describes.
    pub testbed: Option<String>,
    /// Predictions per second that each story's clients ask for.
    pub rate: u32,
}

/// Raises what is missing, tells the four stories, and leaves the cluster standing.
///
/// # Errors
/// If cluster, images or operator do not come up; a story that fails is in the report instead.
pub async fn run(options: &Options) -> Result<Report> {
    let mut stages = Vec::new();
    let mut clock = Instant::now();
    let mut lap = |name: &str, clock: &mut Instant| {
        stages.push((name.to_owned(), clock.elapsed().as_secs_f64()));
        *clock = Instant::now();
    };
    let name = options.testbed.clone();
    let testbed = blocking(move || cluster(name.as_deref())).await?;
    lap("cluster", &mut clock);
    let made = {
        let testbed = testbed.clone();
        blocking(move || images::provide(&testbed, &mut |what| println!("{what}"))).await?
    };
    let neighbours = testbed.variables.get(CLUSTER_PROGRAM).cloned();
    blocking(move || hand_out_plugin(neighbours.as_deref())).await?;
    lap("programs, models, images", &mut clock);
    let stage = Arc::new(set(testbed, made, Ground::new(NAMESPACE, options.rate)).await?);
    lap("operator", &mut clock);
    println!();
    let stories = tell(&stage).await;
    lap("stories", &mut clock);
    let asked = plugin::ask(&stage).await;
    let testimony = stage.testimony().await;
    Ok(Report::of(Timestamp::now(), stages, stories, testimony, asked))
}

/// The plugin, for whoever looks around afterwards: beside the cluster's own program, where the env file's `PATH` leads.
fn hand_out_plugin(cluster_program: Option<&str>) -> Result<()> {
    let Some(program) = cluster_program else { return Ok(()) };
    let here =
        std::env::current_exe().map_err(|why| Error::other(format!("where is this program? {why}")))?;
    let built = terminal::plugin(&here)?;
    let place = Path::new(program).with_file_name("kubectl-modelrelease");
    std::fs::copy(&built, &place).map(|_| ()).map_err(Error::io("write", &place))
}

/// Tells the four stories and shows how they go.
pub async fn tell(stage: &Arc<Stage>) -> Vec<Outcome> {
    let board = Board::default();
    // Four stories at once are a large future; it is made once.
    let stories = Box::pin(stories::tell(stage, &board));
    shown(stage, &board, stories).await
}

/// Tells the three stories that need Prometheus all the time, and shows how they go.
pub async fn tell_with_evidence(stage: &Arc<Stage>) -> Vec<Outcome> {
    let board = Board::default();
    let stories = Box::pin(stories::tell_with_evidence(stage, &board));
    shown(stage, &board, stories).await
}

async fn shown(
    stage: &Arc<Stage>,
    board: &Board,
    stories: impl Future<Output = Vec<Outcome>>,
) -> Vec<Outcome> {
    let (done, ended) = oneshot::channel();
    let screen = tokio::spawn(screen::show(Arc::clone(board), stage.releases.clone(), ended));
    let stories = stories.await;
    // If nobody listens any more the screen is gone already.
    let _ = done.send(());
    let _ = screen.await;
    stories
}

/// The cluster that the demo runs on: a testbed, raised if it is not up, or the one that the environment describes.
fn cluster(name: Option<&str>) -> Result<Testbed> {
    let Some(name) = name else {
        let testbed = Testbed::from_process()?;
        let needed = ["GATEWAY_URL", "PROMETHEUS_CLUSTER_URL", "ENVOY_ADMIN_URL"];
        let missing: Vec<&str> = needed.into_iter().filter(|name| testbed.need(name).is_err()).collect();
        if !missing.is_empty() {
            return Err(Error::other(format!(
                "CLUSTER=current needs {} too: the address of the gateway's HTTP port, that of Prometheus as pods reach \
                 it, and that of the admin port of the gateway's Envoy",
                missing.join(", ")
            )));
        }
        return Ok(testbed);
    };
    raise(name, false)
}

/// Raises the testbed `name`, or does nothing if it is up; `api_only` without pods and Istio.
///
/// # Errors
/// If it does not come up; why is on the error output already.
pub fn raise(name: &str, api_only: bool) -> Result<Testbed> {
    let root = checkout::root()?;
    // The program that raises a cluster stays with it as its supervisor, so it cannot be this one.
    let mut cluster = cargo();
    cluster.args([
        "run",
        "--quiet",
        "--package",
        "testbed",
        "--no-default-features",
        "--bin",
        "cluster",
        "--",
    ]);
    cluster.args(["up", "--name", name]).args(api_only.then_some("--api-only")).current_dir(&root);
    let status = cluster.status();
    match status {
        Ok(status) if status.success() => Testbed::load(&root, name),
        Ok(status) => Err(Error::other(format!("testbed {name} did not come up ({status}); see above"))),
        Err(error) => Err(Error::other(format!("cargo could not be started: {error}; install Rust"))),
    }
}

/// Where stories are told, and what the operator is told of it.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Namespace of the stories.
    pub namespace: String,
    /// All namespaces that the operator watches; that one among them.
    pub watched: Vec<String>,
    /// Prometheus sources beside the cluster's own, as the chart takes them.
    pub more_sources: Vec<Value>,
    /// Gateways beside the cluster's own that releases may name.
    pub more_gateways: Vec<String>,
    /// Predictions per second that each story's clients ask for.
    pub rate: u32,
    /// Pods of the gateway that a total limit is divided by.
    pub gateway_pods: u32,
}

impl Ground {
    /// One namespace, and nothing beside it.
    pub fn new(namespace: &str, rate: u32) -> Self {
        Self {
            namespace: namespace.to_owned(),
            watched: vec![namespace.to_owned()],
            more_sources: Vec::new(),
            more_gateways: Vec::new(),
            rate,
            gateway_pods: 1,
        }
    }
}

/// Starts the auditor, installs operator and artefact server, removes what an earlier run left, and begins to read Envoy's
/// counters.
///
/// # Errors
/// If something of it does not come up; the text says what to look at.
pub async fn set(testbed: Testbed, made: Made, ground: Ground) -> Result<Stage> {
    let gateway_url = testbed.need("GATEWAY_URL")?.trim_end_matches('/').to_owned();
    let admin = testbed.need("ENVOY_ADMIN_URL")?.trim_end_matches('/').to_owned();
    let (gateway, auditor) = {
        let (testbed, made, ground) = (testbed.clone(), made.clone(), ground.clone());
        blocking(move || install(&testbed, &made, &ground)).await?
    };
    let questions =
        model_server::data::read(&made.held_out).map_err(|error| Error::other(error.to_string()))?;
    let http = http::Client::default();
    let Ground { namespace, rate, watched, .. } = ground;
    let client = testbed.client().await?;
    for namespace in &watched {
        clear(&Releases::new(client.clone(), namespace)).await?;
    }
    let releases = Releases::new(client, &namespace);
    let gauge = Gauge::start(http.clone(), admin, namespace.clone());
    let auditor = Mutex::new(Some(auditor));
    Ok(Stage {
        testbed,
        made,
        gateway,
        gateway_url,
        releases,
        namespace,
        http,
        gauge,
        rate,
        questions,
        auditor,
    })
}

impl Stage {
    /// Lets another auditor watch from now on; the one before is ended.
    ///
    /// # Errors
    /// If it does not come to watch.
    pub async fn audit_anew(&self, name: &str, slack: Duration) -> Result<()> {
        let (testbed, gateway, name) = (self.testbed.clone(), self.gateway.audited(), name.to_owned());
        let witness = blocking(move || Witness::begin(&testbed, &name, &[gateway], slack)).await?;
        *self.auditor.lock().unwrap_or_else(PoisonError::into_inner) = Some(witness);
        Ok(())
    }

    /// Ends the auditor, who has watched since before the operator came.
    ///
    /// # Errors
    /// The first violation that it saw; or that it was ended before.
    pub async fn testimony(&self) -> Result<Testimony> {
        let auditor = self.auditor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let auditor = auditor.ok_or_else(|| Error::other("the auditor was ended before"))?;
        blocking(move || auditor.end()).await
    }
}

fn install(testbed: &Testbed, made: &Made, ground: &Ground) -> Result<(Gateway, Witness)> {
    println!("server of the models' files, auditor, operator by its chart");
    for namespace in &ground.watched {
        install::namespace(testbed, namespace, &made.images)?;
    }
    let gateway = Gateway::of(testbed)?;
    let auditor = Witness::begin(testbed, &ground.namespace, &[gateway.audited()], Duration::ZERO)?;
    let prometheus = testbed.need("PROMETHEUS_CLUSTER_URL")?;
    // What an istiod that is asked tells of pushes; on another cluster it may not be known where it is.
    let istiod = testbed.need("ISTIOD_URL").ok();
    let values = install::values(&made.images, &gateway, (prometheus, istiod), ground);
    install::operator(testbed, &values)?;
    Ok((gateway, auditor))
}

/// Deletes all releases of a namespace and waits until they are gone.
async fn clear(releases: &Releases) -> Result<()> {
    for name in releases.names().await? {
        releases.delete(&name).await?;
    }
    until("the releases of an earlier run are gone", GONE, || async {
        match releases.names().await {
            Ok(names) => Seen::when(names.is_empty(), || format!("{} are there", names.join(", "))),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::other(format!("a step of the demo broke off: {error}")))?
}
