//! The walls of a cluster: its namespaces, its cgroup, and the link between it and the host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Cluster;
use crate::command::{command, output, output_with_input};
use crate::error::{Error, Result};
use crate::network::{BRIDGE, UPLINK};
use crate::process::{self, Identity};
use crate::supervise;
use crate::wait::{Seen, until_blocking};

/// How long the first process may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Raises the walls: after this the supervisor answers and host and cluster reach each other.
pub(super) fn raise(cluster: &mut Cluster) -> Result<()> {
    make_cgroups(&cluster.record.network().cgroup())?;
    start_supervisor(cluster)?;
    connect(cluster)
}

fn start_supervisor(cluster: &mut Cluster) -> Result<()> {
    let folder = cluster.record.folder();
    let log_path = cluster.record.path("log/supervisor.log");
    let log = File::create(&log_path).map_err(Error::io("write", &log_path))?;
    let both = log.try_clone().map_err(Error::io("write", &log_path))?;
    // `setsid`, so that the cluster outlives the terminal; `--kill-child`, so that it does not outlive `unshare`.
    let mut unshare = command(["setsid", "unshare", "--pid", "--mount", "--net", "--ipc", "--uts", "--fork"]);
    unshare.args(["--propagation", "private", "--mount-proc", "--kill-child", "--"]);
    unshare.arg(program()?).arg("supervise").arg(&folder).current_dir("/");
    let child = unshare.stdin(Stdio::null()).stdout(log).stderr(both).spawn();
    let child = child.map_err(|error| {
        Error::other(format!(
            "`setsid unshare` could not be started ({error}); install the package util-linux"
        ))
    })?;
    let parent = i32::try_from(child.id()).map_err(|error| Error::other(error.to_string()))?;
    let waited = until_blocking("the cluster's first process answers", DEADLINE, || {
        let Some(identity) = process::child_of(parent).and_then(Identity::of) else {
            return Seen::NotYet("it is not there".to_owned());
        };
        supervise::list(&folder).map(|_| identity).into()
    });
    let supervisor = waited.map_err(|error| {
        let text = fs::read_to_string(&log_path).unwrap_or_default();
        Error::other(format!(
            "{error}\n{}\n  the log is {}; the testbed needs root and a kernel with pid, mount, net, ipc and uts namespaces",
            crate::command::tail(&text, 10),
            log_path.display()
        ))
    })?;
    cluster.record.supervisor = Some(supervisor);
    cluster.record.pid_namespace = process::namespace(supervisor.pid, "pid");
    cluster.record.save()
}

/// This very program, which is also the supervisor.
pub(super) fn program() -> Result<PathBuf> {
    std::env::current_exe().map_err(Error::io("find", "the running program"))
}

/// Links host and cluster, and sets up the bridge that node and pods are on.
fn connect(cluster: &Cluster) -> Result<()> {
    let network = cluster.record.network();
    let pid = cluster.record.supervisor.map(|supervisor| supervisor.pid.to_string()).unwrap_or_default();
    let interface = network.interface();
    let (node, pods, services) = (network.node(), network.pods(), network.services());
    let outside = format!(
        "link add {interface} type veth peer name {UPLINK} netns {pid}
addr add {host}/30 dev {interface}
link set {interface} up
route add {pods} via {uplink} dev {interface}
route add {services} via {uplink} dev {interface}
",
        host = network.host(),
        uplink = network.uplink()
    );
    output_with_input(&mut command(["ip", "-batch", "-"]), outside.as_bytes())?;
    // The route to Services keeps a packet that no rule has caught from bouncing back to the host.
    let inside = format!(
        "link set lo up
addr add {uplink}/30 dev {UPLINK}
link set {UPLINK} up
link add {BRIDGE} type bridge
addr add {node}/24 dev {BRIDGE}
link set {BRIDGE} up
route add blackhole {services}
",
        uplink = network.uplink()
    );
    let enter = |words: &[&str]| {
        let mut nsenter = command(["nsenter", "--target", &pid, "--net", "--uts", "--mount", "--"]);
        nsenter.args(words);
        nsenter
    };
    output_with_input(&mut enter(&["ip", "-batch", "-"]), inside.as_bytes())?;
    // Without bridge-nf-call a pod that reaches a pod through a Service gets the answer from the wrong address.
    let script = "echo node > /proc/sys/kernel/hostname
        echo 1 > /proc/sys/net/ipv4/ip_forward
        [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || modprobe br_netfilter
        echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables";
    output(&mut enter(&["sh", "-ec", script])).map(drop).map_err(|error| {
        Error::other(format!(
            "{error}\n  the kernel needs br_netfilter; load it with `modprobe br_netfilter`"
        ))
    })
}

/// The folders in which each cgroup hierarchy is mounted.
fn hierarchies() -> Result<Vec<(PathBuf, bool)>> {
    let file = "/proc/self/mounts";
    let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
    Ok(parse_hierarchies(&text))
}

/// Mount points of cgroup hierarchies; `true` for version 2.
fn parse_hierarchies(mounts: &str) -> Vec<(PathBuf, bool)> {
    let hierarchy = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let version_2 = match *fields.get(2)? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        Some((PathBuf::from(fields.get(1)?), version_2))
    };
    mounts.lines().filter_map(hierarchy).collect()
}

/// Makes the cluster's cgroup in every hierarchy, ready to have processes and children.
fn make_cgroups(name: &str) -> Result<()> {
    for (mount, version_2) in hierarchies()? {
        let group = mount.join(name);
        fs::create_dir_all(&group).map_err(Error::io("create the cgroup", &group))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            // A cpuset of version 1 is empty at first and then takes no process.
            if let (false, Ok(all)) = (version_2, fs::read_to_string(mount.join(file))) {
                let target = group.join(file);
                fs::write(&target, all.trim()).map_err(Error::io("write", &target))?;
            }
        }
        if version_2 {
            delegate(&mount, &group);
        }
        weigh(&group);
    }
    Ok(())
}

/// All pods of a cluster together count as one process beside the machine's others, unless they are given more weight: with
/// a compiler or two at work they would starve, and clients would wait for seconds.
fn weigh(group: &Path) {
    for (file, weight) in [("cpu.shares", 20 * 1024), ("cpu.weight", 20 * 100)] {
        let target = group.join(file);
        if target.exists() {
            // Without it the cluster is only slower.
            fs::write(target, weight.to_string()).ok();
        }
    }
}

/// Passes every controller that can be passed on; one that cannot is only missed by limits on it.
fn delegate(mount: &Path, group: &Path) {
    let controllers = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        for dir in [mount, group] {
            fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}")).ok();
        }
    }
}

/// Removes the cluster's cgroup from every hierarchy; returns what is left.
pub(super) fn remove_cgroups(name: &str) -> Result<Vec<PathBuf>> {
    let groups: Vec<PathBuf> = hierarchies()?.into_iter().map(|(mount, _)| mount.join(name)).collect();
    // Processes that were killed leave their cgroups only once the kernel is done with them.
    until_blocking("the cluster's cgroups are empty", DEADLINE, || {
        let left = groups.iter().filter(|group| group.exists() && !remove_tree(group)).count();
        Seen::when(left == 0, || format!("{left} are not"))
    })
    .ok();
    Ok(groups.into_iter().filter(|group| group.exists()).collect())
}

/// Removes a cgroup and those below it; only empty ones can be removed.
fn remove_tree(group: &Path) -> bool {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    fs::remove_dir(group).is_ok()
}

/// Removes the link from the host's side, if it is still there.
pub(super) fn disconnect(interface: &str) -> Result<()> {
    if !interface_exists(interface) {
        return Ok(());
    }
    match output(Command::new("ip").args(["link", "delete", interface])) {
        // The kernel removes it by itself once the namespace is gone, maybe just now.
        Err(_) if !interface_exists(interface) => Ok(()),
        other => other.map(drop),
    }
}

/// Whether the host has this interface.
pub(super) fn interface_exists(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = parse_hierarchies(mounts);
        assert_eq!(
            found,
            [("/sys/fs/cgroup/cpu".into(), false), (PathBuf::from("/sys/fs/cgroup/unified"), true)]
        );
    }

    #[test]
    fn a_tree_is_removed_from_its_leaves() {
        let root = std::env::temp_dir().join(format!("testbed-tree-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("c")).unwrap();
        assert!(remove_tree(&root) && !root.exists());
    }
}
