//! What is asked of the plugin on a terminal, and when.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::screen::Screen;
use crate::error::{Error, Result};
use crate::terminal::Terminal;
use crate::wait::{Seen, until_blocking};

/// Columns and rows of the terminal. What is longer than a terminal would roll away.
const SIZE: (u16, u16) = (120, 80);
/// How long a command may take; the longest draws thousands of trials.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long a view that goes on is looked at.
const WATCHED: Duration = Duration::from_secs(6);

/// When a command is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While the better model is on trial.
    OnTrial,
    /// Once all is decided.
    After,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// By itself.
    ByItself,
    /// By itself; then its exit code is asked for.
    WithCode,
    /// After a question that is answered with no.
    WithNo,
    /// By Ctrl-C.
    Interrupted,
}

/// A command, and what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// Its name in the docs.
    pub name: &'static str,
    /// What follows `kubectl modelrelease`. `$N` is the number of the rollback, `$PROMETHEUS_URL` where Prometheus is.
    pub line: &'static str,
    /// When it is given.
    pub when: When,
    /// How it ends.
    pub ends: Ends,
    /// Whether there is a picture of it, too.
    pub pictured: bool,
}

impl Shot {
    /// Whether what it shows stands in the page of the plugin, as text.
    pub fn in_page(&self) -> bool {
        self.name != "watch"
    }
}

const fn shot(name: &'static str, line: &'static str, when: When) -> Shot {
    Shot { name, line, when, ends: Ends::ByItself, pictured: false }
}

/// All of them.
pub const SHOTS: [Shot; 12] = [
    Shot { pictured: true, ..shot("get", "get better", When::OnTrial) },
    Shot { pictured: true, ..shot("explain", "explain better", When::OnTrial) },
    Shot { ends: Ends::WithNo, ..shot("promote", "promote better", When::OnTrial) },
    Shot { ends: Ends::Interrupted, pictured: true, ..shot("watch", "get -w", When::OnTrial) },
    shot("history", "history better", When::After),
    shot("decision", "explain worse --decision $N", When::After),
    Shot {
        ends: Ends::WithCode,
        ..shot("status", "status better --for-version epochs-5 --timeout 0s", When::After)
    },
    Shot {
        ends: Ends::WithCode,
        ..shot("failed", "status worse --for-version epochs-2 --timeout 0s", When::After)
    },
    shot("lint", "lint -f releases/", When::After),
    shot("backtest", "backtest better --prometheus $PROMETHEUS_URL --entrance envoy", When::After),
    shot("simulate", "simulate better --accuracy 0.9 --per-minute 1000", When::After),
    shot("version", "version", When::After),
];

/// Where commands are given.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The plugin.
    pub program: PathBuf,
    /// A kubeconfig whose namespace is that of the stories.
    pub kubeconfig: PathBuf,
    /// A folder with a folder `releases`, to be checked.
    pub folder: PathBuf,
    /// Where Prometheus is.
    pub prometheus: String,
    /// Number of the decision to roll back, once there is one.
    pub rollback: Option<i64>,
}

impl Desk {
    /// Gives a command, as one would type it, and takes what the terminal then shows.
    ///
    /// # Errors
    /// If it does not end as it is to.
    pub fn take(&self, shot: Shot) -> Result<Screen> {
        let number = self.rollback.map(|number| number.to_string()).unwrap_or_default();
        let typed = shot.line.replace("$N", &number);
        let words = typed.replace("$PROMETHEUS_URL", &self.prometheus);
        let mut command = Command::new(&self.program);
        command.args(words.split_whitespace()).env("KUBECONFIG", &self.kubeconfig).current_dir(&self.folder);
        let mut terminal = Terminal::run(command, SIZE)?;
        match shot.ends {
            Ends::Interrupted => {
                let begin = Instant::now();
                until_blocking("something is watched", DEADLINE, || {
                    Seen::when(begin.elapsed() >= WATCHED && !terminal.written().is_empty(), || {
                        terminal.shown()
                    })
                })?;
                let written = terminal.written();
                terminal.types("\u{3}")?;
                ended(&mut terminal, &typed)?;
                return Ok(Screen::of(&whole(&typed, &written), SIZE));
            }
            Ends::WithNo => {
                until_blocking("it asks", DEADLINE, || {
                    Seen::when(terminal.shown().contains("[y/N]"), || terminal.shown())
                })?;
                terminal.types("n\n")?;
            }
            Ends::ByItself | Ends::WithCode => {}
        }
        let Some(code) = ended(&mut terminal, &typed)? else {
            return Err(Error::other(format!("kubectl modelrelease {typed} was ended by a signal")));
        };
        let mut written = whole(&typed, &terminal.written());
        match shot.ends {
            Ends::WithCode => written.extend(format!("$ echo $?\r\n{code}\r\n").bytes()),
            // lint finds errors, and a no is no success.
            Ends::ByItself if code > 1 => {
                return Err(Error::other(format!(
                    "kubectl modelrelease {typed}: exit code {code}\n{}",
                    terminal.shown()
                )));
            }
            _ => {}
        }
        Ok(Screen::of(&written, SIZE))
    }
}

/// A prompt with what was typed, and what came of it.
fn whole(typed: &str, written: &[u8]) -> Vec<u8> {
    let mut whole = format!("$ \u{1b}[1mkubectl modelrelease {typed}\u{1b}[0m\r\n").into_bytes();
    whole.extend_from_slice(written);
    whole
}

/// Waits for the end, and gives back the exit code.
fn ended(terminal: &mut Terminal, typed: &str) -> Result<Option<i32>> {
    let what = format!("kubectl modelrelease {typed} ends");
    let status = until_blocking(&what, DEADLINE, || match terminal.ended() {
        Ok(Some(status)) => Seen::Yes(status),
        Ok(None) => Seen::NotYet(terminal.shown()),
        Err(error) => Seen::NotYet(error.to_string()),
    })?;
    Ok(status.code())
}

/// Manifests with errors, for `lint`.
///
/// # Errors
/// If they cannot be written.
pub fn manifests(folder: &Path) -> Result<()> {
    let releases = folder.join("releases");
    std::fs::create_dir_all(&releases).map_err(Error::io("create", &releases))?;
    let samples = [
        ("fraud.yaml", include_str!("samples/fraud.yaml")),
        ("churn.yaml", include_str!("samples/churn.yaml")),
    ];
    for (name, text) in samples {
        let file = releases.join(name);
        std::fs::write(&file, text).map_err(Error::io("write", &file))?;
    }
    Ok(())
}
