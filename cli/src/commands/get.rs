//! `get`: a table of releases, or one as a tree; once, or at every change.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{check_clock, check_memory};
use crate::cluster::{Child, Cluster, Scope};
use crate::error::{CliError, DONE};
use crate::output;
use crate::render::tree::{Beside, tree};
use crate::render::{decoded, list, named};
use crate::shell::Shell;
use crate::watch::{Change, Watch};

/// Time between two drawings on a terminal, at which only ages change.
const TICK: Duration = Duration::from_secs(1);
/// Time between two lists of what belongs to a release, while it is watched.
const BESIDE: Duration = Duration::from_secs(5);

/// Shows all releases.
///
/// # Errors
/// If they cannot be read or shown.
pub async fn all(
    cluster: &Cluster,
    scope: Scope,
    watch: bool,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let spread = scope == Scope::All;
    if watch {
        let (releases, version) = cluster.list(&scope).await?;
        return follow_all(cluster, scope, releases, &version, shell).await;
    }
    let releases = match shell.format {
        Some(_) => cluster.list(&scope).await?.0,
        None => cluster.table(&scope).await?,
    };
    if let Some(format) = shell.format {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": releases});
        shell.write(&output::text(&list, format)?)?;
    } else if releases.is_empty() {
        let place =
            if spread { "any namespace".to_owned() } else { format!("namespace {}", cluster.namespace) };
        shell.note(&format!("There is no ModelRelease in {place}."));
    } else {
        let lines = list::table(&releases, spread, shell.now(), shell.style);
        shell.lines(&lines)?;
    }
    Ok(DONE)
}

/// Shows one release.
///
/// # Errors
/// If it cannot be read or shown.
pub async fn one(cluster: &Cluster, name: &str, watch: bool, shell: &mut Shell<'_>) -> Result<u8, CliError> {
    let object = cluster.get(name).await?;
    if let Some(format) = shell.format.filter(|_| !watch) {
        shell.write(&output::text(&object, format)?)?;
        return Ok(DONE);
    }
    if watch {
        return follow_one(cluster, name, object, shell).await;
    }
    let beside = beside(cluster, name).await?;
    let now = shell.now();
    let release = decoded(&object)?;
    check_memory(&release, &named(&object))?;
    check_clock(&release, now, shell);
    let lines = tree(&release, &beside, now, shell.style);
    shell.lines(&lines)?;
    Ok(DONE)
}

async fn beside(cluster: &Cluster, name: &str) -> Result<Beside, CliError> {
    let (deployments, pods) =
        tokio::try_join!(cluster.children(Child::Deployments, name), cluster.children(Child::Pods, name))?;
    Ok(Beside { deployments, pods })
}

/// What is drawn again and again: over itself on a terminal, else below.
#[derive(Debug, Default)]
struct Board {
    drawn: usize,
}

impl Board {
    fn draw(&mut self, lines: Vec<String>, shell: &mut Shell<'_>) -> Result<(), CliError> {
        let lines = match shell.style.height {
            Some(rows) => fitted(lines, rows),
            None => lines,
        };
        // Lines that were wrapped by hand are several.
        let rows: usize = lines.iter().map(|line| line.matches('\n').count() + 1).sum();
        let back = match (shell.style.redraws(), self.drawn) {
            (true, drawn) if drawn > 0 => format!("\u{1b}[{drawn}A\u{1b}[J"),
            (false, drawn) if drawn > 0 => "\n".to_owned(),
            _ => String::new(),
        };
        self.drawn = rows;
        shell.write(&format!("{back}{}\n", lines.join("\n")))
    }
}

/// As many lines as there are rows, one of them for the cursor: what scrolled away could not be drawn over.
fn fitted(lines: Vec<String>, rows: usize) -> Vec<String> {
    let all: Vec<String> = lines.iter().flat_map(|line| line.split('\n')).map(str::to_owned).collect();
    let room = rows.saturating_sub(1).max(2);
    if all.len() <= room {
        return lines;
    }
    let left = all.len() - (room - 1);
    let more = format!("({left} more lines: the terminal is too low for them)");
    all.into_iter().take(room - 1).chain([more]).collect()
}

async fn follow_one(
    cluster: &Cluster,
    name: &str,
    first: Value,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let scope = Scope::One(name.to_owned());
    let version = first.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    let mut watch = Watch::new(cluster, scope, version);
    let (mut object, mut board) = (first, Board::default());
    let mut known: Option<(Instant, Beside)> = None;
    let mut changed = true;
    loop {
        shell.style = shell.style.measured();
        if let Some(format) = shell.format.filter(|_| changed) {
            shell.write(&output::entry(&object, format)?)?;
        } else if shell.format.is_none() {
            let old = known.as_ref().is_none_or(|(at, _)| at.elapsed() >= BESIDE);
            let stale = old && (changed || shell.style.redraws());
            if stale || known.is_none() {
                known = Some((Instant::now(), beside(cluster, name).await?));
            }
            let release = decoded(&object)?;
            check_memory(&release, &named(&object))?;
            let none = Beside::default();
            let beside = known.as_ref().map_or(&none, |(_, beside)| beside);
            if changed || shell.style.redraws() {
                board.draw(tree(&release, beside, shell.now(), shell.style), shell)?;
            }
        }
        changed = false;
        match tokio::time::timeout(TICK, watch.next()).await {
            Err(_) => {}
            Ok(change) => {
                changed = true;
                match change? {
                    Change::Now(now) => object = now,
                    Change::Again(all) => match all.into_iter().next() {
                        Some(now) => object = now,
                        None => return Ok(gone(cluster, name, shell)),
                    },
                    Change::Gone(_) => return Ok(gone(cluster, name, shell)),
                }
            }
        }
    }
}

fn gone(cluster: &Cluster, name: &str, shell: &mut Shell<'_>) -> u8 {
    shell.note(&format!("ModelRelease {} is deleted.", cluster.named(name)));
    DONE
}

async fn follow_all(
    cluster: &Cluster,
    scope: Scope,
    first: Vec<Value>,
    version: &str,
    shell: &mut Shell<'_>,
) -> Result<u8, CliError> {
    let spread = scope == Scope::All;
    let mut watch = Watch::new(cluster, scope, version);
    let mut all: BTreeMap<String, Value> = first.into_iter().map(|one| (named(&one), one)).collect();
    let mut board = Board::default();
    if let Some(format) = shell.format {
        for release in all.values() {
            shell.write(&output::entry(release, format)?)?;
        }
    }
    let mut changed = true;
    loop {
        shell.style = shell.style.measured();
        if shell.format.is_none() && (changed || shell.style.redraws()) {
            let releases: Vec<Value> = all.values().cloned().collect();
            board.draw(list::table(&releases, spread, shell.now(), shell.style), shell)?;
        }
        changed = false;
        let Ok(change) = tokio::time::timeout(TICK, watch.next()).await else { continue };
        changed = true;
        match change? {
            Change::Now(release) => {
                if let Some(format) = shell.format {
                    shell.write(&output::entry(&release, format)?)?;
                }
                all.insert(named(&release), release);
            }
            Change::Gone(release) => drop(all.remove(&named(&release))),
            Change::Again(releases) => {
                all = releases.into_iter().map(|one| (named(&one), one)).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fitted;

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|n| n.to_string()).collect()
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert_eq!(fitted(lines(4), 5), lines(4));
        assert_eq!(fitted(lines(5), 5), ["0", "1", "2", "(2 more lines: the terminal is too low for them)"]);
        assert_eq!(fitted(lines(3), 0).len(), 2);
        assert_eq!(fitted(vec!["a\nb\nc\nd".to_owned()], 4).len(), 3);
    }
}
