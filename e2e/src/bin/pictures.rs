//! The `pictures` program: writes the pictures of the docs, of releases on a real cluster.

use std::process::ExitCode;

use clap::Parser;
use testbed::checkout;
use testbed::error::Result;
use testbed::pictures::record::table;
use testbed::pictures::tell::{self, Options};

/// Writes the pictures of the docs.
///
/// Raises the testbed if it is not up, tells the demo's stories A, B and C on it, gives the plugin's commands on a real
/// terminal meanwhile and after, asks the dashboards' queries of the Prometheus that saw it, and writes `docs/pictures`
/// and the marked blocks of `docs/plugin.md`. Ends with a table of panels and the series of each. The cluster stays.
#[derive(Parser)]
#[command(name = "pictures", version, after_help = AFTER)]
struct Cli {
    /// The testbed to use, raised if it is not up
    #[arg(long, env = "NAME", default_value = checkout::DEFAULT_NAME)]
    name: String,
    /// Predictions per second that each story's clients ask for; as many labels follow
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(20..=500))]
    rate: u32,
    /// Tells nothing: draws the dashboards of the last run once more, from the cluster that it left
    #[arg(long)]
    again: bool,
}

const AFTER: &str = "\
Exit codes: 0 all pictures are written, and every panel has series; 1 a panel has none; 2 the stories
or the pictures did not come about, or the arguments make no sense.";

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match draw(cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn draw(cli: Cli) -> Result<ExitCode> {
    let options = Options { testbed: cli.name, rate: cli.rate, again: cli.again };
    let rows = Box::pin(tell::run(&options)).await?;
    println!("\n{}", table(&rows));
    let silent: Vec<_> = rows.iter().filter(|row| row.series == 0).collect();
    for row in &silent {
        eprintln!("error: dashboard {}: panel {:?} has no series", row.dashboard, row.panel);
    }
    Ok(if silent.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
