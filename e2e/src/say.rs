//! Writes a line for the user; a reader that has gone away (`cluster status | head`) is no failure.

use std::fmt::Display;
use std::io::{Write as _, stdout};

/// Writes one line to standard output.
pub fn say(line: impl Display) {
    if cfg!(test) {
        // What the test harness captures.
        return println!("{line}");
    }
    writeln!(stdout(), "{line}").ok();
}

/// Writes text to standard output at once, without ending the line.
pub(crate) fn say_part(text: impl Display) {
    let mut out = stdout();
    write!(out, "{text}").and_then(|()| out.flush()).ok();
}
