//! From a command to what it does.

use crate::args::{Cli, Command, Format};
use crate::cluster::{Cluster, Scope};
use crate::commands::backtest::{self, Asked};
use crate::commands::simulate::{self, Supposed};
use crate::commands::{explain, get, history, status, version, word};
use crate::completion;
use crate::error::CliError;
use crate::lint;
use crate::render::decoded;
use crate::shell::Shell;

/// Does what was asked and gives the exit code. Only what needs a cluster looks for one.
///
/// # Errors
/// If it cannot be done.
pub async fn run(cli: &Cli, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    check_format(cli)?;
    match &cli.command {
        Command::Lint { files, rate } => lint::lint(files, *rate, shell),
        Command::Completion { shell: which } => completion::script(*which, shell),
        Command::Complete { words } => completion::complete(words, shell).await,
        Command::Version { client: true } => version::version(None, shell).await,
        Command::Simulate { file: Some(file), accuracy, per_minute, weight, trials, .. } => {
            let supposed =
                Supposed { accuracy: *accuracy, per_minute: *per_minute, weight: *weight, trials: *trials };
            simulate::simulate(&lint::first(file)?, supposed, shell)
        }
        Command::Backtest { file: Some(file), .. } => {
            backtest::backtest(&lint::first(file)?, &asked(&cli.command), shell).await
        }
        Command::Get { .. }
        | Command::Simulate { file: None, .. }
        | Command::Backtest { file: None, .. }
        | Command::Status { .. }
        | Command::History { .. }
        | Command::Explain { .. }
        | Command::Promote { .. }
        | Command::Rollback { .. }
        | Command::Pause { .. }
        | Command::Resume { .. }
        | Command::Retry { .. }
        | Command::Version { client: false } => {
            let cluster = Cluster::connect(&cli.common).await?;
            Box::pin(on(&cluster, &cli.command, shell)).await
        }
    }
}

/// What a backtest is asked for; of another command nothing.
fn asked(command: &Command) -> Asked {
    let Command::Backtest { prometheus, entrance, from, since, to, stable, canary, .. } = command else {
        return Asked::default();
    };
    Asked {
        prometheus: prometheus.clone(),
        entrance: *entrance,
        from: *from,
        since: *since,
        to: *to,
        stable: stable.clone(),
        canary: canary.clone(),
    }
}

fn check_format(cli: &Cli) -> Result<(), CliError> {
    let lints = matches!(cli.command, Command::Lint { .. });
    if cli.common.output == Some(Format::Github) && !lints {
        return Err(CliError::Usage("-o github is for lint alone; there are json and yaml".to_owned()));
    }
    Ok(())
}

/// Does what was asked of a cluster.
///
/// # Errors
/// If it cannot be done.
pub async fn on(cluster: &Cluster, command: &Command, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    match command {
        Command::Get { name: Some(name), watch, .. } => get::one(cluster, name, *watch, shell).await,
        Command::Get { name: None, watch, all_namespaces } => {
            let scope = if *all_namespaces { Scope::All } else { Scope::Namespace };
            get::all(cluster, scope, *watch, shell).await
        }
        Command::Status { name, for_version, timeout } => {
            status::status(cluster, name, for_version.as_deref(), *timeout, shell).await
        }
        Command::History { name, limit } => history::history(cluster, name, *limit, shell).await,
        Command::Explain { name, decision: None } => explain::waits(cluster, name, shell).await,
        Command::Explain { name, decision: Some(decision) } => {
            explain::decided(cluster, name, *decision, shell).await
        }
        Command::Promote { word } => word::promote(cluster, word, shell).await,
        Command::Rollback { name, hold } => word::roll_back(cluster, name, *hold, shell).await,
        Command::Pause { name } => word::pause(cluster, name, shell).await,
        Command::Resume { word } => word::resume(cluster, word, shell).await,
        Command::Retry { name } => word::retry(cluster, name, shell).await,
        Command::Simulate { name: Some(name), accuracy, per_minute, weight, trials, .. } => {
            let supposed =
                Supposed { accuracy: *accuracy, per_minute: *per_minute, weight: *weight, trials: *trials };
            simulate::simulate(&decoded(&cluster.get(name).await?)?, supposed, shell)
        }
        Command::Backtest { name: Some(name), .. } => {
            backtest::backtest(&decoded(&cluster.get(name).await?)?, &asked(command), shell).await
        }
        Command::Version { .. } => version::version(Some(cluster), shell).await,
        // These ask no cluster.
        Command::Simulate { .. }
        | Command::Backtest { .. }
        | Command::Lint { .. }
        | Command::Completion { .. }
        | Command::Complete { .. } => Err(CliError::Usage("this asks no cluster".to_owned())),
    }
}
