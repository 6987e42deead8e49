//! The example's program: trains a model, serves it, or serves the files of models.

use clap::{Args, Parser, Subcommand};
use model_server::app::{App, Faults};
use model_server::front::Front;
use model_server::{artefacts::Artefacts, data, http, model::Model, train};
use std::hash::{BuildHasher, RandomState};
use std::{error::Error, net::Ipv4Addr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long requests in flight may still take once nothing new is accepted.
const GRACE: Duration = Duration::from_secs(10);

/// Says whether a domain is a phishing site.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains a model and prints its accuracy on held-out domains as one line of JSON.
    Train(TrainArgs),
    /// Answers predictions over HTTP and gRPC and counts how often they were right.
    Serve(ServeArgs),
    /// Answers over HTTP and gRPC by asking a model of its own version: an app that is released with its model.
    ServeApp(AppArgs),
    /// Serves the files of a folder over HTTP, for pods to fetch models from.
    ServeFiles(FilesArgs),
}

#[derive(Args)]
struct TrainArgs {
    /// Folder with train.tsv and held-out.tsv, as `make example-data` writes them.
    #[arg(long)]
    data: PathBuf,
    /// File to write.
    #[arg(long)]
    out: PathBuf,
    /// Times that training goes over the examples.
    #[arg(long, default_value_t = 5)]
    epochs: u32,
    /// Size of one step of the gradient descent.
    #[arg(long, default_value_t = 0.0005)]
    step: f64,
    /// The model has 2 to the power of this many weights.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(8..=22))]
    bits: u8,
    /// Of the order in which examples are taken.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct ServeArgs {
    /// The model's file, or a folder that holds it alone.
    #[arg(long, env = "MODEL_PATH", default_value = "/mnt/models")]
    model: PathBuf,
    /// Name of the version, given back with every answer.
    #[arg(long, env = "MODEL_VERSION")]
    model_version: String,
    /// Name of the model, given back with every answer.
    #[arg(long, env = "MODEL_NAME", default_value = "phishing")]
    model_name: String,
    /// Port for predictions, labels and health, HTTP and gRPC alike; 0 takes any free one, the log names it.
    #[arg(long, env = "HTTP_PORT", default_value_t = 8080)]
    port: u16,
    /// Port for /metrics.
    #[arg(long, env = "METRICS_PORT", default_value_t = 9090)]
    metrics_port: u16,
    /// Seconds between saying "not ready" and closing the port, for gateways to notice.
    #[arg(long, env = "DRAIN_SECONDS", default_value_t = 5)]
    drain_seconds: u64,
    /// For tests: share of predictions, from 0 to 1, that is answered 500; over gRPC INTERNAL.
    #[arg(long, env = "FAIL_RATIO", default_value_t = 0.0, value_parser = share)]
    fail_ratio: f64,
    /// For tests: milliseconds that each prediction takes longer.
    #[arg(long, env = "SLOW_MS", default_value_t = 0)]
    slow_ms: u64,
}

#[derive(Args)]
struct AppArgs {
    /// Where its model answers.
    #[arg(long, env = "MODEL_URL")]
    model_url: String,
    /// Where its model answers gRPC; default: where it answers HTTP.
    #[arg(long, env = "MODEL_GRPC_URL")]
    model_grpc_url: Option<String>,
    /// Name of the version, given back with every answer.
    #[arg(long, env = "MODEL_VERSION")]
    model_version: String,
    /// Port to answer on, HTTP and gRPC alike.
    #[arg(long, env = "HTTP_PORT", default_value_t = 8080)]
    port: u16,
}

#[derive(Args)]
struct FilesArgs {
    /// The folder.
    #[arg(long)]
    dir: PathBuf,
    /// Port to serve it on.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
    let done = match cli.command {
        Command::Train(args) => learn(&args),
        Command::Serve(args) => serve(args).await,
        Command::ServeApp(args) => serve_app(args).await,
        Command::ServeFiles(args) => serve_files(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn learn(args: &TrainArgs) -> Result<(), Box<dyn Error>> {
    let examples = data::read(&args.data.join("train.tsv"))?;
    let held_out = data::read(&args.data.join("held-out.tsv"))?;
    let recipe = train::Recipe { epochs: args.epochs, step: args.step, bits: args.bits, seed: args.seed };
    let model = train::train(&examples, recipe);
    let (sha256, bytes) = model.store(&args.out)?;
    let accuracy = (train::accuracy(&model, &held_out) * 1e4).round() / 1e4;
    let report = serde_json::json!({
        "file": args.out, "sha256": sha256, "bytes": bytes, "epochs": args.epochs,
        "examples": examples.len(), "heldOut": held_out.len(), "heldOutAccuracy": accuracy,
    });
    println!("{report}");
    Ok(())
}

async fn serve(args: ServeArgs) -> Result<(), Box<dyn Error>> {
    let faults = Faults { fail_ratio: args.fail_ratio, slow: Duration::from_millis(args.slow_ms) };
    let start = RandomState::new().hash_one(std::process::id());
    let app = Arc::new(App::new(&args.model_name, &args.model_version, faults, start));
    let (stop, stopped) = watch::channel(false);

    let asked = Arc::clone(&app);
    let (port, answering) = spawn(args.port, stopped.clone(), move |request| {
        let app = Arc::clone(&asked);
        async move { app.answer(request).await }
    })
    .await?;
    let scraped = Arc::clone(&app);
    let (metrics_port, counting) = spawn(args.metrics_port, stopped, move |request| {
        let app = Arc::clone(&scraped);
        async move { app.answer_metrics(&request) }
    })
    .await?;

    let path = args.model;
    let (model, sha256) = tokio::task::spawn_blocking(move || Model::load(&path)).await??;
    tracing::info!(
        version = args.model_version,
        epochs = model.epochs(),
        sha256,
        port,
        metrics_port,
        "ready"
    );
    app.load(model, sha256);

    terminated().await?;
    app.drain();
    tracing::info!(seconds = args.drain_seconds, "told to stop; not ready any more, closing soon");
    tokio::time::sleep(Duration::from_secs(args.drain_seconds)).await;
    stop.send_replace(true);
    answering.await?;
    counting.await?;
    Ok(())
}

async fn serve_app(args: AppArgs) -> Result<(), Box<dyn Error>> {
    let grpc_url = args.model_grpc_url.as_ref().unwrap_or(&args.model_url);
    let front = Arc::new(Front::new(&args.model_url, grpc_url, &args.model_version)?);
    let (stop, stopped) = watch::channel(false);
    let (port, answering) = spawn(args.port, stopped, move |request| {
        let front = Arc::clone(&front);
        async move { front.answer(request).await }
    })
    .await?;
    tracing::info!(version = args.model_version, model = args.model_url, port, "in front of its model");
    terminated().await?;
    stop.send_replace(true);
    answering.await?;
    Ok(())
}

async fn serve_files(args: FilesArgs) -> Result<(), Box<dyn Error>> {
    let artefacts = Arc::new(Artefacts::new(args.dir));
    let (stop, stopped) = watch::channel(false);
    let (port, serving) = spawn(args.port, stopped, move |request| {
        let artefacts = Arc::clone(&artefacts);
        async move { artefacts.answer(request.method(), request.uri().path()).await }
    })
    .await?;
    tracing::info!(port, "serving files");
    terminated().await?;
    stop.send_replace(true);
    serving.await?;
    Ok(())
}

/// Serves on `port` (0: any free one); gives back the port that was opened.
async fn spawn<H, F>(
    port: u16,
    mut stopped: watch::Receiver<bool>,
    handler: H,
) -> Result<(u16, tokio::task::JoinHandle<()>), Box<dyn Error>>
where
    H: Fn(hyper::Request<hyper::body::Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = http::Answer> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .await
        .map_err(|error| format!("port {port} cannot be opened: {error}; choose another one"))?;
    let opened = listener.local_addr()?.port();
    let serving = tokio::spawn(async move {
        let stop = async move {
            // The sender going away means the same.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        http::serve(listener, handler, stop, GRACE).await;
    });
    Ok((opened, serving))
}

async fn terminated() -> std::io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
