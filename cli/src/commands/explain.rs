//! `explain`: why a release waits, by the core's own rules; or why something was decided.

use model_release_core::explain::{self, Seen, explain};

use super::{check_clock, check_memory};
use crate::cluster::{Child, Cluster};
use crate::error::{CliError, DONE};
use crate::output;
use crate::render::{self, decoded, named};
use crate::shell::Shell;

/// Says why a release waits.
///
/// # Errors
/// If the release cannot be read.
pub async fn waits(cluster: &Cluster, name: &str, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let object = cluster.get(name).await?;
    let release = decoded(&object)?;
    check_memory(&release, &named(&object))?;
    let seen = seen(cluster, name).await?;
    let now = shell.now();
    check_clock(&release, now, shell);
    if seen.deployments.is_none() || seen.slices.is_none() {
        shell.note(&format!(
            "note: you may not list {} or {} in namespace {}; readiness is as the operator saw it last",
            Child::Deployments.resource(),
            Child::Slices.resource(),
            cluster.namespace
        ));
    }
    let told = explain(&release, &seen, now)
        .map_err(|error| CliError::Unreadable { release: cluster.named(name), why: error.to_string() })?;
    if let Some(format) = shell.format {
        shell.write(&output::text(&told, format)?)?;
    } else {
        let lines = render::explain::now(&told, now, shell.style);
        shell.lines(&lines)?;
    }
    Ok(DONE)
}

/// What is to be seen of a release's pods.
///
/// # Errors
/// If the cluster fails or does not answer; a missing right is none.
pub async fn seen(cluster: &Cluster, name: &str) -> Result<Seen, CliError> {
    let (deployments, slices) =
        tokio::try_join!(cluster.children(Child::Deployments, name), cluster.children(Child::Slices, name))?;
    Ok(Seen { deployments, slices })
}

/// Says why something was decided.
///
/// # Errors
/// If the release cannot be read, or keeps no decision of that number.
pub async fn decided(
    cluster: &Cluster,
    name: &str,
    decision: i64,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let object = cluster.get(name).await?;
    let release = decoded(&object)?;
    check_memory(&release, &named(&object))?;
    let history = release.status.map(|status| status.history).unwrap_or_default();
    let Some(told) = explain::decided(&history, decision) else {
        let kept: Vec<String> = history.iter().map(|entry| entry.seq.to_string()).collect();
        let kept = if kept.is_empty() { "none is".to_owned() } else { format!("{} are", kept.join(", ")) };
        let release = cluster.named(name);
        return Err(CliError::Usage(format!("{release} keeps no decision {decision}; {kept} kept")));
    };
    if let Some(format) = shell.format {
        shell.write(&output::text(&told, format)?)?;
    } else {
        let lines = render::explain::decision(&told, shell.now(), shell.style);
        shell.lines(&lines)?;
    }
    Ok(DONE)
}
