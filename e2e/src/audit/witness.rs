//! Starts the auditor beside a test or the demo, under an identity that may only read, and demands at the end that it saw
//! no violation.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::command::cargo;
use crate::error::{Error, Result};
use crate::{Testbed, checkout};

/// What the auditor may do, and who it is.
const IDENTITY: &str = include_str!("../../cluster/settings/auditor.yaml");
/// Namespace and name of its service account.
const ACCOUNT: (&str, &str) = ("model-release-audit", "auditor");
/// How long it may take to build and begin; then, to end.
const BEGINS: Duration = Duration::from_secs(300);
const ENDS: Duration = Duration::from_secs(60);
/// The line by which it says that it sees everything from now on.
pub const STARTED: &str = "auditing from now on";

/// An auditor that runs.
#[derive(Debug)]
pub struct Witness {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
    log: PathBuf,
}

/// What it said at the end.
#[derive(Debug, Clone)]
pub struct Testimony {
    /// Its last line: `auditor: 1234 revisions, 0 violations`.
    pub line: String,
    /// All that it said, with how often each rule was applied.
    pub report: String,
}

impl Witness {
    /// Starts it; what happens from now on is judged. `name` is that of its log, `gateways` are written
    /// `namespace/label=value`, `slack` is added to every limit of time.
    ///
    /// # Errors
    /// If it does not come to watch.
    pub fn begin(testbed: &Testbed, name: &str, gateways: &[String], slack: Duration) -> Result<Self> {
        let root = checkout::root()?;
        let folder = root.join("target/audit");
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let kubeconfig = identity(testbed, &folder.join(format!("{name}.kubeconfig")))?;
        let log = folder.join(format!("{name}.jsonl"));
        let mut audit = cargo();
        audit.args(["run", "--quiet", "--package", "testbed", "--bin", "audit", "--"]).current_dir(&root);
        audit.arg("--kubeconfig").arg(kubeconfig).arg("--log").arg(&log);
        audit.arg("--slack").arg(format!("{}s", slack.as_secs()));
        audit.args(gateways.iter().flat_map(|gateway| ["--gateway", gateway]));
        audit.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = audit
            .spawn()
            .map_err(|error| Error::other(format!("cargo could not be started: {error}; install Rust")))?;
        let (send, lines) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                    if send.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let mut witness = Self { child, lines, heard: Vec::new(), log };
        witness.hear(BEGINS, |line| line.starts_with(STARTED))?;
        Ok(witness)
    }

    /// Ends it.
    ///
    /// # Errors
    /// The first violation with the changes that led to it; or why it does not know.
    pub fn end(mut self) -> Result<Testimony> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself, with a violation: that is what it says then.
            kill_process(pid, Signal::TERM).ok();
        }
        let heard = self.hear(ENDS, |_| false);
        if let Err(error @ Error::Timeout { .. }) = heard {
            return Err(error);
        }
        let status = self.child.wait().map_err(Error::io("wait for", "the auditor"))?;
        let report = self.heard.join("\n");
        if !status.success() {
            return Err(Error::other(format!(
                "the auditor ended with {status}:\n{report}\nits log of changes: {}",
                self.log.display()
            )));
        }
        let line = self.heard.last().cloned().unwrap_or_default();
        Ok(Testimony { line, report })
    }

    /// Reads what it says until a line fits, or until it ends.
    fn hear(&mut self, deadline: Duration, fits: impl Fn(&str) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(deadline.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    let found = fits(&line);
                    self.heard.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::Timeout {
                        what: "the auditor answers".to_owned(),
                        seconds: start.elapsed().as_secs_f64(),
                        last: self.heard.join("\n"),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::other(format!("the auditor ended: {}", self.heard.join("\n"))));
                }
            }
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // Of one that was ended properly nothing is left to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Writes a kubeconfig with which one may only read what is audited.
fn identity(testbed: &Testbed, file: &Path) -> Result<PathBuf> {
    testbed.apply(IDENTITY)?;
    let (namespace, account) = ACCOUNT;
    let token =
        testbed.kubectl_output(&["create", "token", account, "--namespace", namespace, "--duration=24h"])?;
    let view = ["config", "view", "--raw", "--minify", "--flatten", "--output", "json"];
    let text = testbed.kubectl_output(&view)?;
    let mut config: Value = serde_json::from_str(&text)
        .map_err(|error| Error::other(format!("kubectl wrote no JSON of the kubeconfig: {error}")))?;
    let user = config.pointer("/users/0/name").cloned().unwrap_or_default();
    if let Some(fields) = config.as_object_mut() {
        fields.insert("users".into(), json!([{"name": user, "user": {"token": token.trim()}}]));
    }
    // A token is as good as a key: nobody else may read it.
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(file).and_then(|mut open| open.write_all(config.to_string().as_bytes()));
    written.map_err(Error::io("write", file))?;
    Ok(file.to_owned())
}
