//! What is said over the control socket: one JSON line each way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How to tell that a part answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// A plain HTTP address, reached from the host, that answers 200.
    Http(String),
    /// The API server that a kubeconfig names says that it is ready.
    ApiServer,
    /// A socket in the file system accepts connections.
    Socket(PathBuf),
    /// A running process is all one can see.
    Process,
}

/// A program that runs inside the cluster's namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, as `cluster status` shows it.
    pub name: String,
    /// The version that runs.
    pub version: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables on top of the supervisor's.
    pub env: BTreeMap<String, String>,
    /// Where both outputs go.
    pub log: PathBuf,
    /// How to tell that it answers.
    pub probe: Probe,
}

/// Whether a part runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It runs with this number inside the cluster's process namespace.
    Running {
        /// The number.
        pid: i32,
    },
    /// It was stopped on request.
    Stopped,
    /// It ended by itself: with this exit code, or by this signal if negative.
    Ended {
        /// The code.
        code: i32,
    },
}

/// A part and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// What was asked to run.
    pub part: Part,
    /// Whether it does.
    pub status: Status,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start a part that is not known yet.
    Run(Part),
    /// Start a part that was stopped or ended.
    Start(String),
    /// Stop a part and return once its process is gone.
    Stop(String),
    /// Only tell.
    List,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) error: Option<String>,
    pub(super) parts: Vec<PartState>,
}
