//! The plugin on a terminal of its own, as a user would run it: what it wrote, keys that are pressed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::checkout;
use crate::command::cargo;
use crate::error::{Error, Result};

/// Builds the plugin from this checkout and gives back its program, which is put where `neighbour` is, a program of the
/// same build. With the features that the testbed is compiled with, so that little is compiled for it.
///
/// # Errors
/// If it does not compile; why is on the error output already.
pub fn plugin(neighbour: &Path) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--package", "testbed", "--package", "kubectl-modelrelease"]);
    let done = build.args(["--bin", "kubectl-modelrelease"]).current_dir(checkout::root()?).status();
    match done {
        Ok(status) if status.success() => Ok(neighbour.with_file_name("kubectl-modelrelease")),
        Ok(status) => Err(Error::other(format!("the plugin was not built ({status}); see above"))),
        Err(error) => Err(Error::other(format!("cargo could not be started: {error}; install Rust"))),
    }
}

/// A program on a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    child: Child,
}

impl Terminal {
    /// Runs a program on a terminal of so many columns and rows. It sees the environment of this process, less what would
    /// take away its colours.
    ///
    /// # Errors
    /// If there is no terminal to be had, or the program does not start.
    pub fn run(mut program: Command, (columns, rows): (u16, u16)) -> Result<Self> {
        let failed = |what: &str, why: &dyn std::fmt::Display| Error::other(format!("{what}: {why}"));
        let none = |why: rustix::io::Errno| failed("no terminal to be had", &why);
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).map_err(none)?;
        grantpt(&master).map_err(none)?;
        unlockpt(&master).map_err(none)?;
        let name = ptsname(&master, Vec::new()).map_err(none)?;
        let name = PathBuf::from(name.to_string_lossy().into_owned());
        let open = || -> Result<OwnedFd> {
            let file =
                File::options().read(true).write(true).open(&name).map_err(Error::io("open", &name))?;
            Ok(file.into())
        };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let tty = open()?;
        tcsetwinsize(tty.as_fd(), size).map_err(none)?;
        program.env("TERM", "xterm").env("LANG", "C.UTF-8").env_remove("NO_COLOR").env_remove("LC_ALL");
        // The terminal is the program's own, so that its Ctrl-C is a signal. A shell that started us in the background had us
        // ignore that one, which programs hand on to their children.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "setsid", "--ctty", "--wait"]);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        let child = command.stdin(open()?).stdout(open()?).stderr(open()?).spawn();
        let child = child.map_err(|why| failed("env could not be started", &why))?;
        let keys = File::from(master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let reader = keys.try_clone().map_err(|why| failed("the terminal cannot be read", &why))?;
        let into = Arc::clone(&shown);
        Ok(Self { keys, shown, reader: std::thread::spawn(move || read(reader, &into)), child })
    }

    /// All that was written so far, as the terminal got it.
    pub fn written(&self) -> Vec<u8> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same as text, with plain ends of lines.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.written()).replace("\r\n", "\n")
    }

    /// Presses keys.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn types(&mut self, keys: &str) -> Result<()> {
        self.keys
            .write_all(keys.as_bytes())
            .map_err(|why| Error::other(format!("no key can be pressed: {why}")))
    }

    /// How the program ended; none while it runs, or while something that it wrote is not read yet.
    ///
    /// # Errors
    /// If that cannot be asked.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.child.try_wait();
        let ended = ended.map_err(|why| Error::other(format!("the program cannot be waited for: {why}")))?;
        Ok(ended.filter(|_| self.reader.is_finished()))
    }
}

fn read(mut from: File, into: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    // It ends with an error once nobody holds the other end.
    while let Ok(count @ 1..) = from.read(&mut piece) {
        let read = piece.get(..count).unwrap_or_default();
        into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(read);
    }
}
