//! Takes a cluster down and checks that nothing of it is left.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::namespaces;
use crate::checkout;
use crate::command::{command, output};
use crate::error::{Error, Result};
use crate::process::{self, Identity};
use crate::registry::{self, Record};
use crate::wait::{Seen, until_blocking};

/// How long the kernel may take to end all processes.
const DEADLINE: Duration = Duration::from_secs(20);

/// Whether there was anything to take down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The cluster was there and is gone.
    Removed,
    /// There was none.
    NothingThere,
}

/// Takes down the cluster `name` of a checkout.
///
/// # Errors
/// If something of it cannot be removed: what, and what to do.
pub fn down(checkout: &Path, name: &str) -> Result<Left> {
    let _lock = registry::lock(checkout, name)?;
    let env = checkout::folder(checkout, name).join("env");
    if env.exists() {
        fs::remove_file(&env).map_err(Error::io("remove", &env))?;
    }
    let Some(record) = registry::find(checkout, name) else {
        return Ok(Left::NothingThere);
    };
    remove(&record)?;
    Ok(Left::Removed)
}

/// Removes everything of a cluster, dead or alive, and checks that it is gone.
pub(super) fn remove(record: &Record) -> Result<()> {
    let inside = inside(record);
    for process in &inside {
        process.kill();
    }
    until_blocking("all processes of the cluster have ended", DEADLINE, || {
        let left: Vec<Identity> = inside.iter().copied().filter(|process| process.alive()).collect();
        Seen::when(left.is_empty(), || process::describe(&left))
    })?;
    namespaces::disconnect(&record.network().interface())?;
    unmount(&record.folder())?;
    let groups = namespaces::remove_cgroups(&record.network().cgroup())?;
    if let Some(group) = groups.first() {
        return Err(Error::other(format!(
            "the cgroup {} still has processes or children; see its cgroup.procs, end them, and run `make down` again",
            group.display()
        )));
    }
    remove_folder(&record.folder())?;
    verify(record)
}

/// All processes of a cluster, with the first one before the others: its end ends the rest.
///
/// Namespaces are looked up by number only while the first process lives: numbers of dead ones are given out again.
fn inside(record: &Record) -> Vec<Identity> {
    let Some(supervisor) = record.supervisor else {
        // Raising it was killed before its first process was on record; the command lines name the cluster's folder.
        return process::with_arguments(&["supervise", &record.folder().to_string_lossy()]);
    };
    if !supervisor.alive() {
        return Vec::new();
    }
    // Who entered the network from outside keeps it alive, and so is one of them.
    let kinds = ["pid", "net"].into_iter().filter_map(|kind| {
        let id = process::namespace(supervisor.pid, kind)?;
        // Whatever went wrong before: nobody outside the cluster is touched.
        (process::own_namespace(kind)? != id).then(|| process::living_in(kind, &id))
    });
    std::iter::once(supervisor).chain(kinds.flatten()).collect()
}

/// Mounts that reached the host's namespace; there should be none.
fn unmount(folder: &Path) -> Result<()> {
    for mount in mounts_below(folder)?.into_iter().rev() {
        output(&mut command(["umount", "--lazy", &mount]))?;
    }
    Ok(())
}

fn mounts_below(folder: &Path) -> Result<Vec<String>> {
    let file = "/proc/self/mounts";
    let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
    let targets = text.lines().filter_map(|line| line.split_whitespace().nth(1));
    Ok(targets.filter(|target| Path::new(target).starts_with(folder)).map(str::to_owned).collect())
}

fn remove_folder(folder: &Path) -> Result<()> {
    // A process that is being killed may write a last file meanwhile.
    until_blocking(&format!("{} is removed", folder.display()), DEADLINE, || {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Seen::NotYet(error.to_string()),
            _ => Seen::Yes(()),
        }
    })
}

/// Looks for whatever could be left.
fn verify(record: &Record) -> Result<()> {
    let network = record.network();
    let routes = fs::read_to_string("/proc/net/route").map_err(Error::io("read", "/proc/net/route"))?;
    let mut left = Vec::new();
    if namespaces::interface_exists(&network.interface()) {
        left.push(format!("the interface {}", network.interface()));
    }
    if routes.lines().any(|line| line.split_whitespace().next() == Some(&network.interface())) {
        left.push(format!("routes over {}", network.interface()));
    }
    left.extend(mounts_below(&record.folder())?.into_iter().map(|mount| format!("the mount {mount}")));
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::other(format!(
        "of testbed {} there is still: {}; remove it by hand (`ip link delete`, `umount`) and run `make down` again",
        record.name,
        left.join(", ")
    )))
}
