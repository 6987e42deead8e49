//! Labelled domains, as files and in memory.

use crate::features;
use std::path::{Path, PathBuf};

/// One labelled domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// In the spelling of [`features::normal`].
    pub domain: String,
    /// Whether it belongs to a phishing site.
    pub phishing: bool,
}

/// Why a file of labelled domains could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It could not be read.
    #[error("cannot read {path}: {source}; make the data first (`make example-data`)", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what it must be.
    #[error(
        "{path}, line {line}: expected a domain, a tab and `phishing` or `legitimate`; make the data again (`make example-data`)",
        path = path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// There is nothing in it.
    #[error("{path} holds no domain; make the data again (`make example-data`)", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file of lines `domain<TAB>phishing|legitimate`.
pub fn read(path: &Path) -> Result<Vec<Example>, DataError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| DataError::Unreadable { path: path.to_owned(), source })?;
    let examples = text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            parse(line).ok_or_else(|| DataError::Malformed { path: path.to_owned(), line: at + 1 })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if examples.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    Ok(examples)
}

fn parse(line: &str) -> Option<Example> {
    let (domain, label) = line.split_once('\t')?;
    let domain = features::normal(domain);
    let phishing = match label {
        "phishing" => true,
        "legitimate" => false,
        _ => return None,
    };
    (!domain.is_empty()).then_some(Example { domain, phishing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.tsv");
        std::fs::write(&file, "Pay-Now.Example\tphishing\nshop.example\tlegitimate\n").unwrap();
        let got = read(&file).unwrap();
        assert_eq!(got[0], Example { domain: "pay-now.example".into(), phishing: true });
        assert_eq!(got[1], Example { domain: "shop.example".into(), phishing: false });
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.tsv");
        std::fs::write(&file, "a.example\tphishing\nb.example\tmaybe\n").unwrap();
        let message = read(&file).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }

    #[test]
    fn nothing_to_read_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let absent = read(&folder.path().join("absent.tsv")).unwrap_err().to_string();
        assert!(absent.contains("make example-data"), "{absent}");
        let file = folder.path().join("empty.tsv");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(read(&file), Err(DataError::Empty { .. })));
    }
}
