//! What a command talks through: two streams, a clock, and somebody who may confirm.

use std::io::Write;

use jiff::Timestamp;

use crate::args::Format;
use crate::ask::Confirm;
use crate::error::CliError;
use crate::screen::Style;
use crate::table::wrapped;

/// What a command talks through.
pub struct Shell<'a> {
    /// Where answers go.
    pub out: &'a mut dyn Write,
    /// Where everything else goes.
    pub err: &'a mut dyn Write,
    /// How text looks.
    pub style: Style,
    /// The format of answers as data; none: for people.
    pub format: Option<Format>,
    /// What time it is.
    pub clock: &'a dyn Fn() -> Timestamp,
    /// Who confirms.
    pub human: &'a mut dyn Confirm,
}

impl<'a> Shell<'a> {
    /// One without colours, for people, at the time that it is.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, human: &'a mut dyn Confirm) -> Self {
        Self { out, err, style: Style::default(), format: None, clock: &Timestamp::now, human }
    }
}

impl Shell<'_> {
    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Writes an answer as it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, text: &str) -> Result<(), CliError> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(())
    }

    /// Writes a sentence and ends the line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn say(&mut self, text: &str) -> Result<(), CliError> {
        let text = wrapped(text, 0, self.style);
        self.write(&format!("{text}\n"))
    }

    /// Writes lines.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn lines(&mut self, lines: &[String]) -> Result<(), CliError> {
        let mut text = lines.join("\n");
        text.push('\n');
        self.write(&text)
    }

    /// Tells what is beside the answer. That nobody hears it changes nothing.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }
}
