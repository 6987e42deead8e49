//! The parts that run, and the reaping of every process that ends inside the cluster.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};

use super::protocol::{Part, PartState, Status};
use crate::command::command;
use crate::error::{Error, Result};
use crate::process::now;

/// How long a part may take to end by itself when it is stopped.
const GRACE: Duration = Duration::from_secs(10);

/// All parts by name, and a bell that rings on every change.
#[derive(Debug, Default)]
pub(super) struct Parts {
    known: Mutex<BTreeMap<String, PartState>>,
    changed: Condvar,
}

impl Parts {
    /// Starts a part and remembers it.
    pub(super) fn run(&self, part: Part) -> Result<()> {
        let mut known = self.lock();
        if matches!(known.get(&part.name), Some(PartState { status: Status::Running { .. }, .. })) {
            return Err(Error::other(format!("{} already runs; stop it first", part.name)));
        }
        let pid = spawn(&part)?;
        known.insert(part.name.clone(), PartState { part, status: Status::Running { pid }, since: now() });
        self.changed.notify_all();
        Ok(())
    }

    /// Starts a known part again; nothing to do if it runs.
    pub(super) fn start(&self, name: &str) -> Result<()> {
        let state = self.state(name)?;
        if matches!(state.status, Status::Running { .. }) { Ok(()) } else { self.run(state.part) }
    }

    /// Stops a part and waits until its process is gone; nothing to do if it does not run.
    pub(super) fn stop(&self, name: &str) -> Result<()> {
        let Status::Running { pid } = self.state(name)?.status else {
            return Ok(());
        };
        let Some(group) = Pid::from_raw(pid) else {
            return Err(Error::other(format!("{name} has no process number")));
        };
        // A signal that finds nobody is fine: the part ended meanwhile.
        kill_process_group(group, Signal::TERM).ok();
        if !self.gone(name, pid, GRACE) {
            kill_process_group(group, Signal::KILL).ok();
            if !self.gone(name, pid, GRACE) {
                return Err(Error::other(format!("{name} (process {pid}) does not end even when killed")));
            }
        }
        if let Some(state) = self.lock().get_mut(name) {
            state.status = Status::Stopped;
        }
        Ok(())
    }

    /// All parts by name.
    pub(super) fn list(&self) -> Vec<PartState> {
        self.lock().values().cloned().collect()
    }

    /// Waits for children for ever: parts, and whatever containers leave to the first process.
    pub(super) fn reap(&self) {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => self.bury(pid, status),
                // No child at all yet: wait for the first part.
                _ => drop(self.changed.wait_timeout(self.lock(), Duration::from_secs(1))),
            }
        }
    }

    fn bury(&self, pid: Pid, status: WaitStatus) {
        // Under the lock a child that ends at once is known by the time it is looked up here.
        let mut known = self.lock();
        let ended = Status::Running { pid: pid.as_raw_nonzero().get() };
        if let Some(state) = known.values_mut().find(|state| state.status == ended) {
            let code = status.exit_status().or(status.terminating_signal().map(|signal| -signal));
            state.status = Status::Ended { code: code.unwrap_or_default() };
            state.since = now();
            self.changed.notify_all();
        }
    }

    fn state(&self, name: &str) -> Result<PartState> {
        let known = self.lock();
        known.get(name).cloned().ok_or_else(|| {
            let names = known.keys().cloned().collect::<Vec<_>>().join(", ");
            Error::other(format!("there is no part {name:?}; there are: {names}"))
        })
    }

    fn gone(&self, name: &str, pid: i32, deadline: Duration) -> bool {
        let start = Instant::now();
        let mut known = self.lock();
        while known.get(name).is_some_and(|state| state.status == Status::Running { pid }) {
            let left = deadline.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            known = self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PartState>> {
        // The map is valid between any two statements, so a panicked holder leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(part: &Part) -> Result<i32> {
    let open = || OpenOptions::new().create(true).append(true).open(&part.log);
    let log = open().map_err(Error::io("open the log", &part.log))?;
    let both = log.try_clone().map_err(Error::io("open the log", &part.log))?;
    let mut command = command(&part.argv);
    command.envs(&part.env).stdin(Stdio::null()).stdout(log).stderr(both).process_group(0);
    let child = command.spawn().map_err(|error| {
        Error::other(format!(
            "{} could not be started: {}: {error}",
            part.name,
            part.argv.first().map_or("no program", String::as_str)
        ))
    })?;
    i32::try_from(child.id()).map_err(|error| Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Probe;
    use super::*;
    use rustix::process::waitpid;
    use std::sync::Arc;

    fn part(name: &str, script: &str) -> Part {
        Part {
            name: name.to_owned(),
            version: "1".to_owned(),
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: BTreeMap::from([("WORD".to_owned(), "said".to_owned())]),
            log: std::env::temp_dir().join(format!("testbed-{}-{name}.log", std::process::id())),
            probe: Probe::Process,
        }
    }

    /// Starts a part and waits for it alone: the real reaper would take the children of the other tests too.
    fn started(name: &str, script: &str) -> (Arc<Parts>, i32) {
        let parts = Arc::new(Parts::default());
        parts.run(part(name, script)).unwrap();
        let Status::Running { pid } = parts.state(name).unwrap().status else {
            panic!("not running");
        };
        let reaper = Arc::clone(&parts);
        std::thread::spawn(move || {
            let (pid, status) = waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap().unwrap();
            reaper.bury(pid, status);
        });
        (parts, pid)
    }

    #[test]
    fn a_part_that_ends_by_itself_is_shown_with_its_code_and_wrote_its_log() {
        let (parts, pid) = started("ends", "echo $WORD; exit 7");
        assert!(parts.gone("ends", pid, Duration::from_secs(10)));
        assert_eq!(parts.list()[0].status, Status::Ended { code: 7 });
        let log = &parts.list()[0].part.log;
        assert_eq!(std::fs::read_to_string(log).unwrap(), "said\n");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_part_that_is_stopped_is_gone_when_stop_returns_and_is_not_called_a_failure() {
        let (parts, _) = started("stops", "exec sleep 600");
        parts.stop("stops").unwrap();
        assert_eq!(parts.list()[0].status, Status::Stopped);
        parts.stop("stops").unwrap();
        std::fs::remove_file(&parts.list()[0].part.log).unwrap();
    }

    #[test]
    fn a_running_part_is_not_started_twice() {
        let (parts, pid) = started("once", "exec sleep 600");
        assert!(parts.run(part("once", "true")).unwrap_err().to_string().contains("already runs"));
        parts.start("once").unwrap();
        assert_eq!(parts.list()[0].status, Status::Running { pid });
        parts.stop("once").unwrap();
        std::fs::remove_file(&parts.list()[0].part.log).unwrap();
    }

    #[test]
    fn an_unknown_part_is_answered_with_the_names_there_are() {
        let (parts, _) = started("known", "exec sleep 600");
        assert!(parts.start("unknown").unwrap_err().to_string().contains("known"));
        parts.stop("known").unwrap();
        std::fs::remove_file(&parts.list()[0].part.log).unwrap();
    }
}
