//! Raises a cluster, takes it down, and tells how it is.

mod certificates;
mod lower;
mod namespaces;
mod parts;
mod settings;
mod status;
mod steps;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

pub use lower::{Left, down};
pub use status::{Health, status};

use crate::build::Programs;
use crate::checkout;
use crate::env::{Testbed, part_command};
use crate::envfile;
use crate::error::{Error, Result};
use crate::network::{ENVOY_ADMIN_PORT, GATEWAY_PORT};
use crate::plan::Times;
use crate::registry::{self, Record};
use crate::say::say;
use crate::supervise::{self, Status};

/// How long a part may take to answer again.
const RESTART: Duration = Duration::from_secs(60);

/// A cluster that is being raised: its record and the programs that it is made of.
#[derive(Debug)]
pub(super) struct Cluster {
    record: Record,
    programs: Programs,
}

/// Raises the cluster `name` of a checkout, or does nothing if it is up; returns its addresses. Only for the `cluster`
/// program: the running program becomes the cluster's supervisor.
///
/// # Errors
/// If a part cannot be built or does not come up: what failed, the end of its log, where the log is, what to do.
pub fn up(checkout: &Path, name: &str, api_only: bool) -> Result<Testbed> {
    check_name(name)?;
    let _lock = registry::lock(checkout, name)?;
    let start = Instant::now();
    if let Some(record) = registry::find(checkout, name) {
        if record.alive() && record.complete {
            return already_up(checkout, &record, api_only);
        }
        say(format_args!("Removing what an earlier run of testbed {name} left behind"));
        lower::remove(&record)?;
    }
    let cache = checkout::cache();
    fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    let mut times = Times::load(&cache);
    let programs = Programs::locate(checkout, &cache)?;
    programs.provide(checkout, &cache, api_only, &mut times)?;
    programs.link_tools(&cache.join("bin"))?;
    let record = registry::allocate(checkout, name, api_only)?;
    let mut cluster = Cluster { record, programs };
    cluster.prepare()?;
    let testbed = cluster.testbed()?;
    cluster.start(&testbed, &mut times).map_err(|error| {
        Error::other(format!(
            "testbed {name} did not come up.\n{error}\n\
             All logs are in {}. What runs is left as it is, to be looked at; `make down` removes it, and the next \
             `make up` begins anew.",
            cluster.record.path("log").display()
        ))
    })?;
    times.save();
    cluster.record.complete = true;
    cluster.record.save()?;
    write_env(checkout, name, &testbed)?;
    say(format_args!("Testbed {name} is up after {:.1} s.", start.elapsed().as_secs_f64()));
    Ok(testbed)
}

/// Builds and installs everything that a cluster needs, and starts nothing.
///
/// # Errors
/// As [`up`].
pub fn build(checkout: &Path) -> Result<()> {
    let cache = checkout::cache();
    fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    let mut times = Times::load(&cache);
    let programs = Programs::locate(checkout, &cache)?;
    programs.provide(checkout, &cache, false, &mut times)?;
    programs.link_tools(&cache.join("bin"))?;
    say(format_args!("All programs of the testbed are in {}", cache.display()));
    Ok(())
}

/// Stops a part of a cluster that is up.
///
/// # Errors
/// If the cluster is not up or has no such part.
pub fn stop_part(checkout: &Path, name: &str, part: &str) -> Result<()> {
    supervise::stop(&standing(checkout, name)?.folder(), part)
}

/// Starts a stopped part and returns once it answers.
///
/// # Errors
/// As [`stop_part`], and if it does not answer in time.
pub fn start_part(checkout: &Path, name: &str, part: &str) -> Result<()> {
    supervise::start(&standing(checkout, name)?.folder(), part, RESTART)
}

fn standing(checkout: &Path, name: &str) -> Result<Record> {
    registry::find(checkout, name).filter(Record::alive).ok_or_else(|| {
        Error::other(format!("testbed {name} is not up; raise it with `{}`", crate::env::make_up(name)))
    })
}

/// Starts again what was stopped; a cluster that is up and well is left alone.
fn already_up(checkout: &Path, record: &Record, api_only: bool) -> Result<Testbed> {
    let name = &record.name;
    if record.api_only && !api_only {
        return Err(Error::other(format!(
            "testbed {name} stands with an API server only; take it down first (`cluster down --name {name}`)"
        )));
    }
    let folder = record.folder();
    for state in supervise::list(&folder)? {
        if !matches!(state.status, Status::Running { .. }) {
            say(format_args!("Starting {} again", state.part.name));
            supervise::start(&folder, &state.part.name, RESTART)?;
        }
    }
    let testbed = testbed(record)?;
    write_env(checkout, name, &testbed)?;
    say(format_args!("Testbed {name} is already up."));
    Ok(testbed)
}

/// Names become parts of paths and messages.
fn check_name(name: &str) -> Result<()> {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.is_empty() && name.len() <= 20 && name.chars().all(fits) && name != "bin" {
        return Ok(());
    }
    Err(Error::other(format!(
        "{name:?} is no name for a testbed; use up to 20 lower-case letters, digits and dashes"
    )))
}

/// The addresses of a cluster, as its env file tells them.
fn testbed(record: &Record) -> Result<Testbed> {
    let node = record.network().node();
    let file = |relative: &str| record.path(relative).display().to_string();
    let program = file("bin/cluster");
    let mut variables = BTreeMap::from(
        [
            ("KUBECONFIG", file("kubeconfig/admin")),
            ("TESTBED_NAME", record.name.clone()),
            ("TESTBED_STATE", record.folder().display().to_string()),
            (envfile::BIN, file("bin")),
            (envfile::CLUSTER_PROGRAM, program.clone()),
            (envfile::CHECKOUT, record.checkout.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if !record.api_only {
        let from = record.checkout.display().to_string();
        let part = |verb: &str| part_command(&program, &from, verb, "prometheus", &record.name);
        let more = [
            ("GATEWAY_URL", format!("http://{node}:{GATEWAY_PORT}")),
            ("ENVOY_ADMIN_URL", format!("http://{node}:{ENVOY_ADMIN_PORT}")),
            ("PROMETHEUS_URL", format!("http://{node}:9090")),
            ("PROMETHEUS_CLUSTER_URL", format!("http://{node}:9090")),
            ("PROMETHEUS_STOP_COMMAND", part("stop")),
            ("PROMETHEUS_START_COMMAND", part("start")),
            ("ISTIOD_URL", format!("http://{node}:15014")),
            ("ISTIOD_XDS", format!("{node}:15010")),
            ("CONTAINERD_ADDRESS", file("containerd.sock")),
        ];
        variables.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    Testbed::from_variables(&record.name, variables)
}

fn write_env(checkout: &Path, name: &str, testbed: &Testbed) -> Result<()> {
    let folder = checkout::folder(checkout, name);
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let file = folder.join("env");
    fs::write(&file, envfile::render(&testbed.variables)).map_err(Error::io("write", &file))
}

impl Cluster {
    /// Folders, certificates, settings, and the programs' links: everything that needs no process.
    fn prepare(&self) -> Result<()> {
        let folder = self.record.folder();
        for dir in ["bin", "log", "kubelet", "pod-logs", "etcd", "prometheus"] {
            let dir = folder.join(dir);
            fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        }
        // etcd refuses a data folder that others can read.
        private_folder(&folder.join("etcd"))?;
        certificates::write(&folder, self.record.network())?;
        settings::write(self)?;
        self.programs.link_tools(&folder.join("bin"))?;
        // A copy, so that the cluster's commands work whatever is built in the checkout meanwhile.
        let (program, copy) = (namespaces::program()?, folder.join("bin/cluster"));
        fs::copy(&program, &copy).map_err(Error::io("copy", &program))?;
        Ok(())
    }

    fn testbed(&self) -> Result<Testbed> {
        testbed(&self.record)
    }
}

fn private_folder(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(Error::io("protect", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_paths_are_refused() {
        assert!(check_name("main").is_ok() && check_name("test-2").is_ok());
        for bad in ["", "a/b", "..", "Main", "a b", "bin", "a-name-that-is-longer-than-twenty"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
