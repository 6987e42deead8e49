//! The machine's register of clusters: which exist, whose they are, and the locks that keep two commands apart.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checkout;
use crate::error::{Error, Result};
use crate::network::{self, Network};
use crate::process::{self, Identity};

/// What is known of a cluster; kept in `cluster.json` in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The cluster's name, unique within its checkout.
    pub name: String,
    /// The checkout that raised it.
    pub checkout: PathBuf,
    /// Which of the machine's clusters it is.
    pub index: u8,
    /// Whether it was raised without kubelet and Istio.
    pub api_only: bool,
    /// Whether raising it came to its end.
    pub complete: bool,
    /// When raising began, in seconds since 1970.
    pub since: u64,
    /// The first process inside its namespaces, by the host's numbers.
    pub supervisor: Option<Identity>,
    /// Its process namespace; of use only while the supervisor lives.
    pub pid_namespace: Option<String>,
}

impl Record {
    /// Its addresses.
    pub fn network(&self) -> Network {
        Network { index: self.index }
    }

    /// Its folder: certificates, settings, logs, data, and the containers' files.
    pub fn folder(&self) -> PathBuf {
        checkout::registry().join(self.index.to_string())
    }

    /// A file or folder inside [`Self::folder`].
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder().join(relative)
    }

    /// Whether its first process runs.
    pub fn alive(&self) -> bool {
        self.supervisor.is_some_and(Identity::alive)
    }

    /// Writes it into its folder.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self) -> Result<()> {
        let file = self.path("cluster.json");
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::other(error.to_string()))?;
        // Written beside and renamed, so that a killed run never leaves half a record.
        let beside = self.path("cluster.json.new");
        fs::write(&beside, text).map_err(Error::io("write", &beside))?;
        fs::rename(&beside, &file).map_err(Error::io("write", &file))
    }
}

/// A lock that is held until it is dropped, or its process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes the lock of one cluster of a checkout, so that two commands do not raise or remove it at once.
///
/// # Errors
/// If another command holds it.
pub fn lock(checkout: &Path, name: &str) -> Result<Lock> {
    let folder = checkout::folder(checkout, name);
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let path = folder.join("lock");
    let file = File::create(&path).map_err(Error::io("write", &path))?;
    file.try_lock().map_err(|_| {
        Error::other(format!(
            "another command is raising or removing testbed {name} (it holds {}); wait for it to end",
            path.display()
        ))
    })?;
    Ok(Lock(file))
}

/// All registered clusters, by index.
pub fn all() -> Vec<Record> {
    let read = |index: u8| {
        let file = checkout::registry().join(index.to_string()).join("cluster.json");
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    };
    (0..network::MOST).filter_map(read).collect()
}

/// The cluster `name` of a checkout, dead or alive.
pub fn find(checkout: &Path, name: &str) -> Option<Record> {
    all().into_iter().find(|record| record.checkout == checkout && record.name == name)
}

/// Registers a new cluster with addresses that no other has, and makes its folder.
///
/// # Errors
/// If no addresses are free, or the folder cannot be made.
pub fn allocate(checkout: &Path, name: &str, api_only: bool) -> Result<Record> {
    let base = checkout::registry();
    fs::create_dir_all(&base).map_err(Error::io("create", &base))?;
    let path = base.join("lock");
    let guard = File::create(&path).map_err(Error::io("write", &path))?;
    guard.lock().map_err(Error::io("lock", &path))?;
    // A folder with anything in it counts as taken even without a readable record.
    let used =
        |index: &u8| fs::read_dir(base.join(index.to_string())).is_ok_and(|mut files| files.next().is_some());
    let taken: Vec<u8> = (0..network::MOST).filter(used).collect();
    let routes = fs::read_to_string("/proc/net/route").map_err(Error::io("read", "/proc/net/route"))?;
    let Some(network) = network::choose(&taken, &network::parse_routes(&routes)) else {
        return Err(Error::other(format!(
            "no addresses are free for another testbed ({} stand on this machine; 10.213.0.0/16 to 10.215.0.0/16 \
             are used, less what the host routes elsewhere); take one down (`cluster status --all` lists them)",
            taken.len()
        )));
    };
    let record = Record {
        name: name.to_owned(),
        checkout: checkout.to_path_buf(),
        index: network.index,
        api_only,
        complete: false,
        since: process::now(),
        supervisor: None,
        pid_namespace: None,
    };
    fs::create_dir_all(record.folder()).map_err(Error::io("create", record.folder()))?;
    record.save()?;
    Ok(record)
}
