//! What `kubectl modelrelease` shows: the plugin's own commands, asked as a user would.

use clap::Parser;
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

/// A command, and what came of it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// As a user types it.
    pub command: String,
    /// What it printed.
    pub answer: String,
    /// Why it gave no answer, if it gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How the better model came to be promoted, and why the worse one was rolled back.
pub async fn ask(stage: &Stage) -> Vec<Asked> {
    let [better, worse, ..] = RELEASES;
    // If it cannot be read the plugin says so itself.
    let status = stage.releases.get(worse).await.ok().and_then(|release| release.status).unwrap_or_default();
    let decision = rollback(&status, &stage.made.worse.name).map(|entry| entry.seq.to_string());
    let mut why = vec!["explain", worse];
    why.extend(decision.iter().flat_map(|decision| ["--decision", decision]));
    vec![one(stage, &["history", better]).await, one(stage, &why).await]
}

async fn one(stage: &Stage, words: &[&str]) -> Asked {
    let command = format!("kubectl modelrelease {} -n {}", words.join(" "), stage.namespace);
    match answer(stage, words).await {
        Ok(answer) => Asked { command, answer, problem: None },
        Err(error) => Asked { command, problem: Some(error.to_string()), ..Asked::default() },
    }
}

async fn answer(stage: &Stage, words: &[&str]) -> Result<String> {
    let whole = ["kubectl-modelrelease", "-n", &stage.namespace, "--kubeconfig"];
    let kubeconfig = stage.testbed.need("KUBECONFIG")?;
    let whole = whole.into_iter().chain([kubeconfig]).chain(words.iter().copied());
    let cli = Cli::try_parse_from(whole).map_err(|error| Error::other(error.to_string()))?;
    let (mut out, mut err, mut human) = (Vec::new(), Vec::new(), Human);
    let mut shell =
        Shell { style: Style::of_stdout(cli.common.no_color), ..Shell::new(&mut out, &mut err, &mut human) };
    Box::pin(run(&cli, &mut shell)).await.map_err(|error| Error::other(error.to_string()))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
