//! The digest of a part's pin files: it names the part's folder in the cache, so a changed pin is a new folder.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// The digest's length in hex digits.
const DIGITS: usize = 12;

/// The digest over all files of a folder: their paths and contents, in the order of their paths.
///
/// # Errors
/// If the folder or a file in it cannot be read.
pub fn digest(folder: &Path) -> Result<String> {
    let mut lines = String::new();
    for file in files(folder)? {
        let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
        let name = file.strip_prefix(folder).unwrap_or(&file);
        lines.push_str(&hex(&bytes));
        lines.push_str("  ");
        lines.push_str(&name.to_string_lossy());
        lines.push('\n');
    }
    Ok(hex(lines.as_bytes()).chars().take(DIGITS).collect())
}

/// SHA-256 in hex, as `sha256sum` writes it.
fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// All files below a folder, sorted by path.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("testbed-pins-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn digest_of(name: &str, files: &[(&str, &str)]) -> String {
        let dir = folder(name, files);
        let digest = digest(&dir).unwrap();
        fs::remove_dir_all(dir).unwrap();
        digest
    }

    #[test]
    fn the_digest_changes_with_a_pin_with_a_name_and_with_nothing_else() {
        let base = digest_of("base", &[("go.mod", "a v1"), ("sub/x", "y")]);
        assert_eq!(base.len(), DIGITS);
        assert_eq!(base, digest_of("same", &[("sub/x", "y"), ("go.mod", "a v1")]));
        assert_ne!(base, digest_of("pin", &[("go.mod", "a v2"), ("sub/x", "y")]));
        assert_ne!(base, digest_of("name", &[("go.mod", "a v1"), ("sub/z", "y")]));
    }

    #[test]
    fn it_is_what_the_shell_computes() {
        let dir = folder("shell", &[("a", "1\n"), ("b", "2\n")]);
        let script = "cd \"$0\" && sha256sum a b | sha256sum | cut -c1-12";
        let shell = crate::command::command(["sh", "-c", script, &dir.to_string_lossy()]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&shell.stdout).trim(), digest(&dir).unwrap());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(digest(Path::new("/nowhere/at/all")).is_err());
    }
}
