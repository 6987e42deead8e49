//! The first process inside a cluster's namespaces: starts and stops the parts it is told to, and buries what ends.
//!
//! It decides nothing. `cluster up` and `cluster part` talk to it over a socket in the cluster's folder; when it is
//! killed, the kernel ends everything inside the namespaces.

mod client;
mod parts;
mod protocol;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use client::probe;
pub use client::{list, run, start, stop};
pub use protocol::{Part, PartState, Probe, Status};
use protocol::{Reply, Request};

use crate::command::{command, output};
use crate::error::{Error, Result};
use parts::Parts;

/// The socket's place inside the cluster's folder.
pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

/// Runs for as long as the cluster does; to be called as the first process of fresh namespaces.
///
/// # Errors
/// If the mounts or the socket cannot be made.
pub fn serve(folder: &Path) -> Result<()> {
    prepare_mounts()?;
    let parts = Arc::new(Parts::default());
    let reaper = Arc::clone(&parts);
    std::thread::spawn(move || reaper.reap());
    let path = socket(folder);
    let listener = UnixListener::bind(&path).map_err(Error::io("listen on", &path))?;
    for stream in listener.incoming().flatten() {
        let parts = Arc::clone(&parts);
        std::thread::spawn(move || {
            if let Err(error) = answer(&parts, &stream) {
                eprintln!("a request was not answered: {error}");
            }
        });
    }
    Ok(())
}

/// Hides the host's runtime folders behind empty ones, so that nothing that a part writes there stays behind.
fn prepare_mounts() -> Result<()> {
    for dir in ["/run", "/var/log", "/var/lib/cni"] {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        output(&mut command(["mount", "-t", "tmpfs", "-o", "mode=0755", "testbed", dir]))?;
    }
    for dir in ["/run/netns", "/run/containerd", "/run/lock", "/var/log/containers"] {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    }
    Ok(())
}

fn answer(parts: &Parts, stream: &UnixStream) -> Result<()> {
    let fail = |error: &dyn std::fmt::Display| Error::other(format!("control socket: {error}"));
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(|error| fail(&error))?;
    let request: Request = serde_json::from_str(&line).map_err(|error| fail(&error))?;
    let done = match request {
        Request::Run(part) => parts.run(part),
        Request::Start(name) => parts.start(&name),
        Request::Stop(name) => parts.stop(&name),
        Request::List => Ok(()),
    };
    let reply = Reply { error: done.err().map(|error| error.to_string()), parts: parts.list() };
    let text = serde_json::to_string(&reply).map_err(|error| fail(&error))?;
    let mut stream = stream;
    writeln!(stream, "{text}").map_err(|error| fail(&error))
}
