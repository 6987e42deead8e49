//! The command line of the load: a live line, files for others to read, a table at the end.

use clap::Parser;
use load::{Config, LoadHandle, Snapshot, Way, parse_duration, parse_way};
use model_server::data;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How often the snapshot file is written anew.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(200);
/// Snapshots per live line and per line of the report.
const LINE_EVERY: u32 = 5;

/// Asks a released model at a steady rate, reports the labels back, and tells which version answered.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The gateway, as http://<address>:<port>.
    #[arg(long, env = "GATEWAY_URL")]
    url: String,
    /// Host header, one of traffic.hosts; default: the address itself.
    #[arg(long)]
    host: Option<String>,
    /// How to ask: keep-alive, fresh (a connection each time), http2 (without TLS) and grpc, as in keep-alive,grpc; a weight may
    /// follow, as in keep-alive=9,fresh=1.
    #[arg(long, default_value = "keep-alive", value_delimiter = ',', value_parser = parse_way)]
    ways: Vec<(Way, u32)>,
    /// Predictions per second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Users that they are spread over.
    #[arg(long, default_value_t = 200)]
    users: u32,
    /// How long, as in 60s or 5m.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    duration: Duration,
    /// Labelled domains: lines of domain, tab, `phishing` or `legitimate`.
    #[arg(long)]
    data: PathBuf,
    /// Time from an answer to its label.
    #[arg(long, default_value = "0s", value_parser = parse_duration)]
    label_delay: Duration,
    /// Report no labels.
    #[arg(long)]
    no_labels: bool,
    /// Header that says who asks.
    #[arg(long, default_value = "x-user-id")]
    user_header: String,
    /// Header by which answers name their version and labels find it.
    #[arg(long, default_value = "x-model-version")]
    version_header: String,
    /// Until an answer is given up.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
    /// Predictions waited for at once; more are skipped.
    #[arg(long, default_value_t = 500)]
    in_flight: usize,
    /// Of the random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to append a snapshot to each second, a line of JSON each.
    #[arg(long)]
    report: Option<PathBuf>,
    /// File that always holds the newest snapshot (JSON, replaced whole every 200 ms).
    #[arg(long)]
    snapshot: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(total) => {
            print!("{}", table(&total));
            if total.answers.answered > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<Snapshot, Box<dyn Error>> {
    let config = Config {
        url: cli.url.clone(),
        host: cli.host,
        ways: cli.ways,
        rate: cli.rate,
        users: cli.users,
        duration: cli.duration,
        questions: data::read(&cli.data)?,
        label_delay: (!cli.no_labels).then_some(cli.label_delay),
        user_header: cli.user_header,
        version_header: cli.version_header,
        timeout: cli.timeout,
        in_flight: cli.in_flight,
        seed: cli.seed,
    };
    let load = LoadHandle::start(config)?;
    let live = std::io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(SNAPSHOT_EVERY);
    let mut tick = 0_u32;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            stopped = tokio::signal::ctrl_c() => {
                stopped?;
                break;
            }
        }
        let now = load.snapshot();
        if let Some(file) = &cli.snapshot {
            replace(file, &now)?;
        }
        if tick.is_multiple_of(LINE_EVERY) {
            if let Some(file) = &cli.report {
                append(file, &now)?;
            }
            if live {
                eprint!("\r\x1b[K{}", line(&now));
            }
        }
        tick = tick.wrapping_add(1);
        if now.ended {
            break;
        }
    }
    if live {
        eprintln!();
    }
    let total = load.stop().await;
    if let Some(file) = &cli.snapshot {
        replace(file, &total)?;
    }
    if let Some(file) = &cli.report {
        append(file, &total)?;
    }
    Ok(total)
}

/// Whoever reads the file sees the old or the new content, never a part.
fn replace(file: &Path, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    let part = file.with_extension("part");
    let written =
        std::fs::write(&part, serde_json::to_vec(snapshot)?).and_then(|()| std::fs::rename(&part, file));
    written
        .map_err(|error| format!("{}: {error}; choose a file in a folder that exists", file.display()).into())
}

fn append(file: &Path, snapshot: &Snapshot) -> Result<(), Box<dyn Error>> {
    let text = format!("{}\n", serde_json::to_string(snapshot)?);
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written
        .map_err(|error| format!("{}: {error}; choose a file in a folder that exists", file.display()).into())
}

fn line(now: &Snapshot) -> String {
    let mut text = format!("{:>4} s  {} asked", now.at_ms / 1000, now.sent);
    for (name, version) in &now.versions {
        let share = now.share(name).map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        // Writing to a String cannot fail.
        let _ = write!(text, "  {name} {share}");
        if let Some(accuracy) = version.accuracy() {
            let _ = write!(text, " right {accuracy:.3}");
        }
    }
    let lost = now.connection_errors + now.timeouts;
    let _ = write!(text, "  5xx {}  429 {}  lost {lost}", now.answers.server_errors, now.answers.limited);
    if now.mismatched > 0 {
        let _ = write!(text, "  MISMATCHED {}", now.mismatched);
    }
    text
}

fn table(total: &Snapshot) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.1}"));
    let mut text = format!(
        "{:<16} {:>8} {:>8} {:>6} {:>6} {:>6} {:>8} {:>8} {:>8} {:>7}\n",
        "VERSION", "ANSWERS", "2XX", "429", "4XX", "5XX", "P50 MS", "P99 MS", "LABELS", "RIGHT"
    );
    let mut row = |name: &str, a: &load::Answers, labels: u64, accuracy: Option<f64>| {
        let right = accuracy.map_or_else(|| "-".to_owned(), |a| format!("{a:.4}"));
        let _ = writeln!(
            text,
            "{name:<16} {:>8} {:>8} {:>6} {:>6} {:>6} {:>8} {:>8} {labels:>8} {right:>7}",
            a.answered,
            a.ok,
            a.limited,
            a.client_errors,
            a.server_errors,
            number(a.p50_ms),
            number(a.p99_ms)
        );
    };
    for (name, version) in &total.versions {
        row(name, &version.answers, version.labelled, version.accuracy());
    }
    row("all", &total.answers, total.labels.counted, None);
    let _ =
        writeln!(text, "{:<16} {:>8} {:>8} {:>6} {:>6} {:>6}", "WAY", "SENT", "OK", "429", "FAILED", "LOST");
    for (way, of) in &total.ways {
        let _ = writeln!(
            text,
            "{way:<16} {:>8} {:>8} {:>6} {:>6} {:>6}",
            of.sent, of.ok, of.limited, of.failed, of.lost
        );
    }
    let _ = writeln!(
        text,
        "{} asked in {:.1} s, {} skipped, {} connections failed, {} timed out; labels: {} misrouted, {} limited, {} failed",
        total.sent,
        Duration::from_millis(total.at_ms).as_secs_f64(),
        total.skipped,
        total.connection_errors,
        total.timeouts,
        total.labels.misrouted,
        total.labels.limited,
        total.labels.failed
    );
    if total.pairs > 0 {
        let _ = writeln!(
            text,
            "{} answers told which version was chosen and which computed them, {} of them two different ones",
            total.pairs, total.mismatched
        );
    }
    if let Some(mismatch) = &total.last_mismatch {
        let _ = writeln!(text, "last mismatch: {mismatch}");
    }
    if let Some(trouble) = &total.last_trouble {
        let _ = writeln!(text, "last trouble: {trouble}");
    }
    text
}
