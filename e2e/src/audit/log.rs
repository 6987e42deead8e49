//! The log of changes: a JSON line each, so that a violation can be looked into, and judged again.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::world::Event;
use crate::error::{Error, Result};

/// A log that is written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Begins a new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let file = File::create(path).map_err(Error::io("write", path))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Adds a change.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        let line = serde_json::to_string(event)
            .map_err(|error| Error::other(format!("a change cannot be written as JSON: {error}")))?;
        writeln!(self.file, "{line}").map_err(Error::io("write", &self.path))
    }

    /// Brings it to the disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }
}

/// Reads a log, change by change.
///
/// # Errors
/// If it cannot be read; each line says by itself if it is none of a log.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<Event>>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let path = path.to_owned();
    Ok(BufReader::new(file).lines().enumerate().map(move |(n, line)| {
        let line = line.map_err(Error::io("read", &path))?;
        serde_json::from_str(&line)
            .map_err(|error| Error::other(format!("{} line {}: {error}", path.display(), n + 1)))
    }))
}
