//! `history`: what was decided, the newest first.

use super::check_memory;
use crate::cluster::Cluster;
use crate::error::{CliError, DONE};
use crate::output;
use crate::render::{decoded, history, named};
use crate::shell::Shell;

/// Shows the newest decisions, `limit` of them or all that are kept.
///
/// # Errors
/// If the release cannot be read.
pub async fn history(
    cluster: &Cluster,
    name: &str,
    limit: Option<u16>,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let object = cluster.get(name).await?;
    let release = decoded(&object)?;
    check_memory(&release, &named(&object))?;
    let mut entries = release.status.map(|status| status.history).unwrap_or_default();
    entries.truncate(limit.map_or(usize::MAX, usize::from));
    if let Some(format) = shell.format {
        shell.write(&output::text(&entries, format)?)?;
    } else if entries.is_empty() {
        shell.note(&format!("Nothing was decided about {} yet.", cluster.named(name)));
    } else {
        let lines = history::table(&entries, shell.style);
        shell.lines(&lines)?;
    }
    Ok(DONE)
}
