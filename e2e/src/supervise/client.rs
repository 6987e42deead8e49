//! Talks to the supervisor of a cluster: starts, stops and lists its parts, and waits until they answer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::protocol::{Part, PartState, Probe, Reply, Request, Status};
use super::socket;
use crate::command::{command, output, tail};
use crate::error::{Error, Result};
use crate::http;
use crate::wait::{Seen, until_blocking};

/// How long one answer of a part may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a stopping part may take, with room for the kill that follows.
const STOPPING: Duration = Duration::from_secs(30);

/// How many lines of a failing part's log are shown.
const TAIL: usize = 12;

/// Starts a part and returns once it answers; `folder` is the cluster's.
///
/// # Errors
/// If it cannot be started, ends, or does not answer within `deadline`; the text has the end of its log.
pub fn run(folder: &Path, part: &Part, deadline: Duration) -> Result<()> {
    ask(folder, &Request::Run(part.clone()))?;
    answering(folder, part, deadline)
}

/// Starts a stopped part again and returns once it answers.
///
/// # Errors
/// As [`run`], and if there is no such part.
pub fn start(folder: &Path, name: &str, deadline: Duration) -> Result<()> {
    let parts = ask(folder, &Request::Start(name.to_owned()))?;
    let found = parts.into_iter().find(|state| state.part.name == name);
    found.map_or(Ok(()), |state| answering(folder, &state.part, deadline))
}

/// Stops a part and returns once its process is gone.
///
/// # Errors
/// If there is no such part, or it does not end.
pub fn stop(folder: &Path, name: &str) -> Result<()> {
    ask(folder, &Request::Stop(name.to_owned())).map(drop)
}

/// All parts and how they are.
///
/// # Errors
/// If the supervisor does not answer.
pub fn list(folder: &Path) -> Result<Vec<PartState>> {
    ask(folder, &Request::List)
}

/// Whether a part answers now.
///
/// # Errors
/// What is the case instead.
pub(crate) fn probe(folder: &Path, probe: &Probe) -> Result<()> {
    match probe {
        Probe::Http(url) => http::body(url, ANSWER).map(drop),
        Probe::Socket(path) => UnixStream::connect(path).map(drop).map_err(Error::io("connect to", path)),
        Probe::Process => Ok(()),
        Probe::ApiServer => {
            let config = folder.join("kubeconfig/admin");
            let kubectl = folder.join("bin/kubectl");
            let words = ["get", "--raw=/readyz", "--request-timeout=2s"];
            output(command([kubectl]).args(words).env("KUBECONFIG", config)).map(drop)
        }
    }
}

fn answering(folder: &Path, part: &Part, deadline: Duration) -> Result<()> {
    let mut over = None;
    let waited = until_blocking(&format!("{} answers", part.name), deadline, || {
        match list(folder).map(|parts| parts.into_iter().find(|state| state.part.name == part.name)) {
            Ok(Some(PartState { status: Status::Ended { code }, .. })) => {
                over = Some(code);
                return Seen::Yes(());
            }
            Ok(_) => {}
            Err(error) => return Seen::NotYet(error.to_string()),
        }
        probe(folder, &part.probe).into()
    });
    let cause = match (waited, over) {
        (_, Some(code)) => format!("{} ended with code {code}", part.name),
        (Err(error), None) => error.to_string(),
        (Ok(()), None) => return Ok(()),
    };
    Err(Error::other(format!("{cause}\n{}", log_end(part))))
}

/// The end of a part's log, where the log is, and what to do.
fn log_end(part: &Part) -> String {
    let text = fs::read(&part.log).unwrap_or_default();
    format!(
        "  last lines of {}:\n{}\n  read that log; if another program disturbs it, end that; then run the command again",
        part.log.display(),
        tail(&String::from_utf8_lossy(&text), TAIL)
    )
}

fn ask(folder: &Path, request: &Request) -> Result<Vec<PartState>> {
    let path = socket(folder);
    let fail = |detail: String| {
        Error::other(format!(
            "the cluster's supervisor does not answer on {}: {detail}; `make up` raises the cluster anew",
            path.display()
        ))
    };
    let mut stream = UnixStream::connect(&path).map_err(|error| fail(error.to_string()))?;
    let limited = stream.set_read_timeout(Some(STOPPING)).and(stream.set_write_timeout(Some(ANSWER)));
    limited.map_err(|error| fail(error.to_string()))?;
    let text = serde_json::to_string(request).map_err(|error| fail(error.to_string()))?;
    writeln!(stream, "{text}").map_err(|error| fail(error.to_string()))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(|error| fail(error.to_string()))?;
    let reply: Reply = serde_json::from_str(&line).map_err(|error| fail(error.to_string()))?;
    reply.error.map_or(Ok(reply.parts), |error| Err(Error::other(error)))
}
