//! The init container's program: flags and environment in, a model file and one line about it out.

use clap::Parser;
use model_release_fetcher::digest::Digest;
use model_release_fetcher::download::{self, Job};
use model_release_fetcher::location::Location;
use model_release_fetcher::outcome::{self, Failure, Fetched};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const EXIT_CODES: &str = "Exit codes: 0 in place, 1 the folder cannot be used, 2 wrong usage, 20 DigestMismatch, \
    21 ArtifactNotFound, 22 ArtifactDenied, 23 OutOfDisk, 24 FetchTimeout, 25 UnsupportedScheme, 143 told to stop.";

/// Downloads the model that a version's storageUri names, checks it, and puts it where the server reads it.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Cli {
    /// Address of the file: https:// or http://.
    #[arg(long, env = "STORAGE_URI", hide_env_values = true)]
    uri: String,
    /// Existing folder to put it in, under the last part of the address.
    #[arg(long, env = "STORAGE_DEST", default_value = "/mnt/models")]
    dest: PathBuf,
    /// What its content must be: `sha256:` and 64 hex digits. Empty: whatever it is, its digest is told.
    #[arg(long, env = "STORAGE_DIGEST", default_value = "")]
    digest: String,
    /// File that kubelet reads the termination message from.
    #[arg(long, default_value = "/dev/termination-log")]
    termination_log: PathBuf,
    /// Seconds for all of it.
    #[arg(long, default_value_t = 3600)]
    timeout_seconds: u64,
    /// Seconds without a byte, until a try is given up.
    #[arg(long, default_value_t = 30)]
    stall_seconds: u64,
    /// Milliseconds before the second of three tries; twice that before the third.
    #[arg(long, default_value_t = 1000)]
    retry_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::select! {
        outcome = fetch(&cli) => outcome,
        () = terminated() => Err(Failure::Stopped),
    };
    outcome::report(&outcome, &cli.termination_log);
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.exit_code()),
    }
}

async fn fetch(cli: &Cli) -> Result<Fetched, Failure> {
    let digest = match cli.digest.as_str() {
        "" => None,
        text => Some(Digest::parse(text).ok_or_else(|| {
            Failure::Usage(
                "the digest is malformed; write it as sha256:<64 lower-case hex digits>".to_owned(),
            )
        })?),
    };
    let job = Job {
        from: Location::parse(&cli.uri)?,
        folder: cli.dest.clone(),
        digest,
        deadline: Duration::from_secs(cli.timeout_seconds),
        stall: Duration::from_secs(cli.stall_seconds),
        tries: 3,
        pause: Duration::from_millis(cli.retry_ms),
    };
    download::run(&job).await
}

/// As a container's first process it gets no signal that it does not ask for, and would hold up the pod's deletion.
async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut term) => drop(term.recv().await),
        Err(error) => {
            eprintln!("SIGTERM cannot be waited for: {error}");
            std::future::pending::<()>().await;
        }
    }
}
