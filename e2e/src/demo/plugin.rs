//! What `kubectl modelrelease` shows: the plugin's own commands, asked as a user would.

use clap::Parser;
use jiff::Timestamp;
use kubectl_modelrelease::args::Cli;
use kubectl_modelrelease::ask::Human;
use kubectl_modelrelease::run::run;
use kubectl_modelrelease::screen::Style;
use kubectl_modelrelease::shell::Shell;
use serde::Serialize;

use super::Stage;
use super::releases::rollback;
use super::stories::RELEASES;
use crate::error::{Error, Result};

/// A command, and what it answered.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// As a user types it.
    pub command: String,
    /// What it printed.
    pub answer: String,
}

/// How the better model came to be promoted, and why the worse one was rolled back.
///
/// # Errors
/// If the plugin gives no answer.
pub async fn ask(stage: &Stage) -> Result<Vec<Asked>> {
    let [better, worse, ..] = RELEASES;
    let status = stage.releases.get(worse).await?.status.unwrap_or_default();
    let decision = rollback(&status, &stage.made.worse.name).map(|entry| entry.seq.to_string());
    let mut why = vec!["explain", worse];
    why.extend(decision.iter().flat_map(|decision| ["--decision", decision]));
    Ok(vec![one(stage, &["history", better]).await?, one(stage, &why).await?])
}

async fn one(stage: &Stage, words: &[&str]) -> Result<Asked> {
    let command = format!("kubectl modelrelease {} -n {}", words.join(" "), stage.namespace);
    let failed = |why: String| Error::other(format!("{command}: {why}"));
    let whole = ["kubectl-modelrelease", "-n", &stage.namespace, "--kubeconfig"];
    let kubeconfig = stage.testbed.need("KUBECONFIG")?;
    let whole = whole.into_iter().chain([kubeconfig]).chain(words.iter().copied());
    let cli = Cli::try_parse_from(whole).map_err(|error| failed(error.to_string()))?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut shell = Shell {
        out: &mut out,
        err: &mut err,
        style: Style::of_stdout(cli.common.no_color),
        format: None,
        clock: &Timestamp::now,
        human: &mut Human,
    };
    Box::pin(run(&cli, &mut shell)).await.map_err(|error| failed(error.to_string()))?;
    Ok(Asked { answer: String::from_utf8_lossy(&out).into_owned(), command })
}
