//! Looks at the machine's processes through `/proc`: who lives in a namespace, when it started, how it is killed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number in the host's process namespace.
    pub pid: i32,
    /// Its start in clock ticks since boot.
    pub started: u64,
}

impl Identity {
    /// The process `pid`, if it lives.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (!stat.dead).then_some(Self { pid, started: stat.started })
    }

    /// Whether exactly this process still runs.
    pub fn alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Kills it at once, if it still is the same process.
    pub fn kill(self) {
        if let (true, Some(pid)) = (self.alive(), Pid::from_raw(self.pid)) {
            // It may end between look and kill; then there is nothing left to do.
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// What `/proc/<pid>/stat` tells.
struct Stat {
    parent: i32,
    started: u64,
    dead: bool,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The program's name stands in parentheses and may itself hold spaces and parentheses.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let dead = matches!(*fields.first()?, "Z" | "X");
        Some(Self { parent: fields.get(1)?.parse().ok()?, started: fields.get(19)?.parse().ok()?, dead })
    }
}

/// All processes of the machine.
fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The first child of a process.
pub fn child_of(parent: i32) -> Option<i32> {
    all().into_iter().find(|&pid| Stat::read(pid).is_some_and(|stat| stat.parent == parent && !stat.dead))
}

/// The identity of a process's namespace of a kind (`pid`, `net`, `mnt`), as `/proc` writes it.
pub fn namespace(pid: i32, kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The identity of this process's namespace of a kind.
pub fn own_namespace(kind: &str) -> Option<String> {
    namespace(i32::try_from(std::process::id()).ok()?, kind)
}

/// The living processes in a namespace that [`namespace`] returned.
pub fn living_in(kind: &str, namespace_id: &str) -> Vec<Identity> {
    let inside = |pid: &i32| namespace(*pid, kind).as_deref() == Some(namespace_id);
    all().into_iter().filter(inside).filter_map(Identity::of).collect()
}

/// The host's number of the process that has number `inner` in the process namespace `namespace_id`.
pub fn host_pid(namespace_id: &str, inner: i32) -> Option<i32> {
    all().into_iter().find(|&pid| {
        namespace(pid, "pid").as_deref() == Some(namespace_id)
            && fs::read_to_string(format!("/proc/{pid}/status"))
                .is_ok_and(|text| inner_pid(&text) == Some(inner))
    })
}

fn inner_pid(status: &str) -> Option<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// The living processes whose command line has these words next to each other.
pub fn with_arguments(words: &[&str]) -> Vec<Identity> {
    let has = |pid: &i32| {
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let all: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
        all.windows(words.len()).any(|some| some.iter().zip(words).all(|(got, word)| *got == word.as_bytes()))
    };
    all().into_iter().filter(has).filter_map(Identity::of).collect()
}

/// The command lines of some processes, shortened, for messages.
pub fn describe(processes: &[Identity]) -> String {
    let line = |identity: &Identity| {
        let words =
            fs::read(Path::new("/proc").join(identity.pid.to_string()).join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&words).replace('\0', " ");
        format!("{} {}", identity.pid, text.chars().take(60).collect::<String>().trim())
    };
    processes.iter().take(5).map(line).collect::<Vec<_>>().join("; ")
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_no_later_one() {
        let me = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.alive());
        assert!(!Identity { started: me.started + 1, ..me }.alive());
    }

    #[test]
    fn a_killed_process_is_dead_before_its_parent_looks() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(i32::try_from(child.id()).unwrap()).unwrap();
        identity.kill();
        child.wait().unwrap();
        assert!(!identity.alive());
    }

    #[test]
    fn names_with_parentheses_do_not_shift_the_fields() {
        let tail = "S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0";
        let stat = Stat::parse(&format!("12 (a) b) (c) {tail}")).unwrap();
        assert_eq!((stat.parent, stat.started, stat.dead), (7, 4711, false));
    }

    #[test]
    fn the_innermost_number_is_the_last() {
        assert_eq!(inner_pid("Name:\tx\nNSpid:\t4711\t12\n"), Some(12));
    }

    #[test]
    fn a_process_is_found_by_words_of_its_command_line() {
        let mut child = std::process::Command::new("sleep").args(["60.25", "0.125"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let found = crate::wait::until_blocking("the command line shows", Duration::from_secs(10), || {
            let found = with_arguments(&["60.25", "0.125"]);
            crate::wait::Seen::when(found.iter().any(|one| one.pid == pid), || format!("{found:?}"))
        });
        assert!(with_arguments(&["0.125", "60.25"]).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        found.unwrap();
    }

    #[test]
    fn this_process_is_found_in_its_own_namespace() {
        let me = i32::try_from(std::process::id()).unwrap();
        let id = namespace(me, "net").unwrap();
        assert!(living_in("net", &id).iter().any(|identity| identity.pid == me));
    }
}
