//! `status`: waits until a version is decided, and tells a script by its exit code.

use std::time::Duration;

use model_release_core::explain::{Followed, Outcome, Standing, follow, outcome};
use serde::Serialize;
use serde_json::Value;

use super::{check_clock, check_memory};
use crate::cluster::{Cluster, Scope};
use crate::error::{CliError, DONE, LATE, REFUSED, SUPERSEDED, plain};
use crate::names::hint;
use crate::output;
use crate::render::{decoded, named};
use crate::screen::Tone;
use crate::shell::Shell;
use crate::table::wrapped;
use crate::watch::{Change, Watch};

/// The answer as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    release: String,
    version: Option<String>,
    exit_code: u8,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Waits until it is decided. `for_version`: name or hash; `limit`: how long at most.
///
/// # Errors
/// If the release cannot be read, or has no such version.
pub async fn status(
    cluster: &Cluster,
    name: &str,
    for_version: Option<&str>,
    limit: Option<Duration>,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let first = cluster.get(name).await?;
    let release = decoded(&first)?;
    check_memory(&release, &named(&first))?;
    check_clock(&release, shell.now(), shell);
    let followed = follow(&release, for_version).map_err(|names| {
        let wanted = for_version.unwrap_or_default();
        CliError::Usage(format!(
            "{} has no version {}{}",
            cluster.named(name),
            plain(wanted),
            hint(wanted, names.iter().map(String::as_str))
        ))
    })?;
    let mut last = outcome(&release, &followed);
    let waiting = wait(cluster, name, first, &followed, &mut last, shell);
    let decided = match limit {
        Some(limit) => match tokio::time::timeout(limit, waiting).await {
            Ok(decided) => Some(decided?),
            Err(_) => None,
        },
        None => Some(waiting.await?),
    };
    let (outcome, code) = match decided {
        Some(outcome) => {
            let code = code(outcome.standing);
            (outcome, code)
        }
        None => (last, LATE),
    };
    tell(cluster, name, &followed, outcome, code, shell)
}

fn code(standing: Standing) -> u8 {
    match standing {
        Standing::Promoted | Standing::Healthy => DONE,
        Standing::RolledBack | Standing::Stalled => REFUSED,
        Standing::Superseded => SUPERSEDED,
        Standing::Waiting => LATE,
    }
}

/// Looks at every change until it is decided; `last` is how it stands meanwhile.
async fn wait(
    cluster: &Cluster,
    name: &str,
    first: Value,
    followed: &Followed,
    last: &mut Outcome,
    shell: &mut Shell<'_>,
) -> Result<Outcome, CliError> {
    let version = first.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    let mut watch = Watch::new(cluster, Scope::One(name.to_owned()), version);
    let mut told = String::new();
    loop {
        if last.standing != Standing::Waiting {
            return Ok(last.clone());
        }
        if told != last.message && shell.format.is_none() {
            told.clone_from(&last.message);
            shell.note(&plain(&told));
        }
        let object = match watch.next().await? {
            Change::Now(object) => Some(object),
            Change::Again(all) => all.into_iter().next(),
            Change::Gone(_) => None,
        };
        let Some(object) = object else {
            return Ok(Outcome {
                standing: Standing::Superseded,
                message: "the release is deleted".to_owned(),
            });
        };
        *last = outcome(&decoded(&object)?, followed);
    }
}

fn tell(
    cluster: &Cluster,
    name: &str,
    followed: &Followed,
    outcome: Outcome,
    code: u8,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let release = cluster.named(name);
    let version = match followed {
        Followed::Version { name, .. } => Some(name.clone()),
        Followed::Release => None,
    };
    if let Some(format) = shell.format {
        let told = Told { release, version, exit_code: code, outcome };
        shell.write(&output::text(&told, format)?)?;
        return Ok(code);
    }
    let (word, tone) = match (outcome.standing, code) {
        (Standing::Waiting, _) => ("not decided in time", Tone::Busy),
        (Standing::Promoted, _) => ("promoted", Tone::Good),
        (Standing::Healthy, _) => ("healthy", Tone::Good),
        (Standing::RolledBack, _) => ("rolled back", Tone::Bad),
        (Standing::Stalled, _) => ("stalled", Tone::Bad),
        (Standing::Superseded, _) => ("superseded", Tone::Busy),
    };
    let version = version.map_or_else(String::new, |version| format!(" {}", plain(version)));
    let line = format!("{release}{version}: {word}: {}", plain(&outcome.message));
    // Colours come last: they have no width.
    let line = wrapped(&line, 0, shell.style).replacen(word, &shell.style.paint(tone, word), 1);
    shell.write(&format!("{line}\n"))?;
    Ok(code)
}
