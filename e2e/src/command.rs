//! Runs programs: captured output, and errors that show the end of what the program wrote.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// How many lines of a failing program are shown.
const TAIL: usize = 15;

/// A command from a list of words.
pub fn command<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut words = words.into_iter();
    let mut command = words.next().map_or_else(|| Command::new("true"), Command::new);
    command.args(words);
    command
}

/// Cargo, as a shell would start it. What an outer cargo tells the program that it runs (`CARGO_PKG_NAME` and the like) is
/// left out: build scripts look at it, and would build much of the workspace anew.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let told = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if told {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs to the end and returns what was written to standard output.
///
/// # Errors
/// [`Error::Command`] with the last lines of both outputs if it cannot be started or exits with a failure.
pub fn output(command: &mut Command) -> Result<String> {
    finish(command, None)
}

/// As [`output`], with `input` on standard input.
///
/// # Errors
/// As [`output`].
pub fn output_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    finish(command, Some(input))
}

/// Runs to the end with both outputs in a file, so that one can follow it; the file is written anew.
///
/// # Errors
/// As [`output`], with the file's last lines; or if the file cannot be written.
pub fn logged(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log).map_err(Error::io("write", log))?;
    let both = file.try_clone().map_err(Error::io("write", log))?;
    let status = command.stdin(Stdio::null()).stdout(file).stderr(both).status();
    let detail = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => {
            let wrote = std::fs::read(log).map_err(Error::io("read", log))?;
            format!("{status}; last lines:\n{}", tail(&String::from_utf8_lossy(&wrote), TAIL))
        }
        Err(error) => format!("could not be started ({error}); check that the program is installed"),
    };
    Err(Error::Command { command: display(command), detail })
}

fn finish(command: &mut Command, input: Option<&[u8]>) -> Result<String> {
    let fail = |command: &Command, detail: String| Error::Command { command: display(command), detail };
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        fail(command, format!("could not be started ({error}); check that the program is installed"))
    })?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that stops reading early says why on its error output, which is shown below.
        let input = input.to_vec();
        std::thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let done = child.wait_with_output().map_err(|error| fail(command, error.to_string()))?;
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(out);
    }
    let wrote = format!("{out}\n{}", String::from_utf8_lossy(&done.stderr));
    Err(fail(command, format!("{}; last lines:\n{}", done.status, tail(&wrote, TAIL))))
}

/// The last `lines` non-empty lines of a text, indented for display.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown = all.iter().skip(all.len().saturating_sub(lines));
    shown.map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// The command line as one would type it, without the environment.
pub fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_shows_its_last_lines_and_its_command_line() {
        let error = output(&mut command(["sh", "-c", "echo out; echo broken >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains("broken") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_log_keeps_all_that_was_written_and_the_error_shows_its_end() {
        let log = std::env::temp_dir().join(format!("testbed-logged-{}", std::process::id()));
        let script = "for i in $(seq 40); do echo line $i; done; exit 1";
        let error = logged(&mut command(["sh", "-c", script]), &log).unwrap_err().to_string();
        assert!(error.contains("line 40") && !error.contains("line 10\n"), "{error}");
        assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 40);
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn input_reaches_the_program_and_output_comes_back() {
        assert_eq!(output_with_input(&mut command(["cat"]), b"abc").unwrap(), "abc");
    }

    #[test]
    fn tail_keeps_the_end() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "    b\n    c");
    }
}
