//! The model: weights over hashed n-grams, and the file that holds them.

use crate::{digest, features};
use std::path::{Path, PathBuf};

/// First bytes of every model file.
const MAGIC: &[u8; 8] = b"NGRAM-LR";
/// Version of the layout that this program writes and reads.
const FORMAT: u16 = 1;
/// Bytes before the weights: magic, format, bits, reserved, epochs.
const HEADER: usize = 8 + 2 + 1 + 1 + 4;
/// Sizes of the table of weights that can be meant, as powers of two.
const BITS: std::ops::RangeInclusive<u8> = 8..=22;

/// Logistic regression without an intercept: both classes are equally frequent in what it learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    bits: u8,
    epochs: u32,
    weights: Vec<f32>,
}

/// Why a model could not be loaded or stored.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file could not be read or written.
    #[error("model file {path}: {source}; check MODEL_PATH and the volume", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder does not hold exactly one file.
    #[error("folder {path} holds {found} model files, expected one; let MODEL_PATH name the file", path = path.display())]
    NotOne {
        /// The folder.
        path: PathBuf,
        /// Visible files in it.
        found: usize,
    },
    /// The content is no model of this program.
    #[error("model file {path}: {why}; train it again with this program's `train`", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Model {
    /// All weights zero; `bits` is held within what a file may say.
    pub fn zero(bits: u8, epochs: u32) -> Self {
        let bits = bits.clamp(*BITS.start(), *BITS.end());
        Self { bits, epochs, weights: vec![0.0; 1 << bits] }
    }

    /// How often training went over the examples.
    pub fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Chance, from 0 to 1, that the domain belongs to a phishing site.
    pub fn score(&self, domain: &str) -> f64 {
        let sum: f64 = features::places(domain, self.bits)
            .filter_map(|at| self.weights.get(at))
            .map(|w| f64::from(*w))
            .sum();
        1.0 / (1.0 + (-sum).exp())
    }

    /// One step of stochastic gradient descent on one example.
    pub fn learn(&mut self, domain: &str, phishing: bool, step: f64) {
        let error = f64::from(u8::from(phishing)) - self.score(domain);
        #[expect(clippy::cast_possible_truncation, reason = "weights are stored as f32")]
        let change = (step * error) as f32;
        for at in features::places(domain, self.bits) {
            if let Some(weight) = self.weights.get_mut(at) {
                *weight += change;
            }
        }
    }

    /// The file's content: magic, format (u16), bits (u8), a zero, epochs (u32), `1 << bits` weights (f32); little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.weights.len() * 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[self.bits, 0]);
        bytes.extend_from_slice(&self.epochs.to_le_bytes());
        bytes.extend(self.weights.iter().flat_map(|w| w.to_le_bytes()));
        bytes
    }

    /// The reverse of [`Model::to_bytes`]; the error says what is wrong with the content.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let body = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a model file")?;
        let (format, body) = body.split_first_chunk::<2>().ok_or("it ends within its header")?;
        if u16::from_le_bytes(*format) != FORMAT {
            return Err("it has another format version");
        }
        let ([bits, _reserved], body) = body.split_first_chunk::<2>().ok_or("it ends within its header")?;
        let (epochs, body) = body.split_first_chunk::<4>().ok_or("it ends within its header")?;
        if !BITS.contains(bits) {
            return Err("its table has an impossible size");
        }
        let (chunks, rest) = body.as_chunks::<4>();
        if chunks.len() != 1 << bits || !rest.is_empty() {
            return Err("its length is not what its header says");
        }
        let weights: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
        if !weights.iter().all(|w| w.is_finite()) {
            return Err("a weight is not a finite number");
        }
        Ok(Self { bits: *bits, epochs: u32::from_le_bytes(*epochs), weights })
    }

    /// Reads a model from a file, or from the one visible file of a folder. Returns it with its SHA-256.
    pub fn load(path: &Path) -> Result<(Self, String), ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let file =
            if std::fs::metadata(path).map_err(io)?.is_dir() { only_file(path)? } else { path.to_owned() };
        let bytes = std::fs::read(&file).map_err(|source| ModelError::Io { path: file.clone(), source })?;
        let model = Self::from_bytes(&bytes).map_err(|why| ModelError::Malformed { path: file, why })?;
        Ok((model, digest::sha256_hex(&bytes)))
    }

    /// Writes the file whole or not at all. Returns its SHA-256 and size in bytes.
    pub fn store(&self, path: &Path) -> Result<(String, usize), ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let bytes = self.to_bytes();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let part = path.with_extension("part");
        std::fs::write(&part, &bytes).and_then(|()| std::fs::rename(&part, path)).map_err(io)?;
        Ok((digest::sha256_hex(&bytes), bytes.len()))
    }
}

/// Hidden names are left out: unfinished downloads, and what volumes keep beside the content.
fn only_file(folder: &Path) -> Result<PathBuf, ModelError> {
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && std::fs::metadata(entry.path()).map_err(io)?.is_file() {
            files.push(entry.path());
        }
    }
    match (files.pop(), files.len()) {
        (Some(file), 0) => Ok(file),
        (last, rest) => {
            Err(ModelError::NotOne { path: folder.to_owned(), found: rest + usize::from(last.is_some()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taught() -> Model {
        let mut model = Model::zero(10, 3);
        for _ in 0..50 {
            model.learn("secure-login-verify.example", true, 0.1);
            model.learn("library.example", false, 0.1);
        }
        model
    }

    #[test]
    fn what_was_learnt_is_known() {
        let model = taught();
        assert!(model.score("secure-login-verify.example") > 0.9);
        assert!(model.score("library.example") < 0.1);
        assert!((Model::zero(10, 0).score("any.example") - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_stored_model_loads_as_it_was_from_its_file_and_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.bin");
        let (sha256, size) = taught().store(&file).unwrap();
        assert_eq!(size, HEADER + 4 * 1024);
        std::fs::write(folder.path().join(".model.bin.part"), "half").unwrap();
        for path in [file.as_path(), folder.path()] {
            assert_eq!(Model::load(path).unwrap(), (taught(), sha256.clone()));
        }
        assert_eq!(taught().epochs(), 3);
    }

    #[test]
    fn a_folder_with_none_or_two_is_refused_with_the_number() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Model::load(folder.path()), Err(ModelError::NotOne { found: 0, .. })));
        for name in ["a.bin", "b.bin"] {
            taught().store(&folder.path().join(name)).unwrap();
        }
        assert!(matches!(Model::load(folder.path()), Err(ModelError::NotOne { found: 2, .. })));
    }

    #[test]
    fn every_kind_of_damage_is_refused() {
        let good = taught().to_bytes();
        assert!(Model::from_bytes(&good).is_ok());
        let damaged = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Model::from_bytes(&bytes).unwrap_err()
        };
        assert!(damaged(0, b'X').contains("begin"));
        assert!(damaged(8, 9).contains("format"));
        assert!(damaged(10, 63).contains("impossible"));
        assert!(damaged(10, 11).contains("length"));
        assert!(Model::from_bytes(&good[..good.len() - 1]).unwrap_err().contains("length"));
        assert!(Model::from_bytes(&good[..9]).unwrap_err().contains("header"));
        let mut infinite = good.clone();
        infinite[HEADER..HEADER + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert!(Model::from_bytes(&infinite).unwrap_err().contains("finite"));
    }
}
