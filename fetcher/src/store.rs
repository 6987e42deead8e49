//! The file on disk: what is there already, the part being written, and putting it in place.

use crate::digest::{Digest, Sum};
use crate::outcome::Failure;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Read at once.
const PIECE: usize = 256 * 1024;

/// A download that is not in place yet, under a hidden name beside its place.
pub struct Part {
    file: File,
    path: PathBuf,
    sum: Sum,
    size: u64,
}

impl Part {
    /// Begins anew: what an earlier try left is overwritten.
    pub async fn create(target: &Path) -> Result<Self, Failure> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.part"));
        let file = File::create(&path).await.map_err(|error| refused(&path, &error, 0))?;
        Ok(Self { file, path, sum: Sum::default(), size: 0 })
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece.
    pub async fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.file.write_all(piece).await.map_err(|error| refused(&self.path, &error, self.size))?;
        self.sum.add(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// The whole content is there: gives its digest and size, and what puts it in place.
    pub async fn finish(mut self) -> Result<(Digest, u64, Complete), Failure> {
        let synced = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        synced.await.map_err(|error| refused(&self.path, &error, self.size))?;
        Ok((self.sum.finish(), self.size, Complete { path: self.path }))
    }

    /// Takes the part away; failing to leaves a hidden file that the next try overwrites.
    pub async fn discard(self) {
        let _ = tokio::fs::remove_file(&self.path).await;
    }
}

/// A whole download under its hidden name.
pub struct Complete {
    path: PathBuf,
}

impl Complete {
    /// From now on it is there, whole.
    pub async fn place(self, target: &Path) -> Result<(), Failure> {
        tokio::fs::rename(&self.path, target).await.map_err(|error| refused(target, &error, 0))
    }

    /// Takes it away, as [`Part::discard`].
    pub async fn discard(self) {
        let _ = tokio::fs::remove_file(&self.path).await;
    }
}

/// Digest and size of the file, if it is there.
pub async fn present(target: &Path) -> Result<Option<(Digest, u64)>, Failure> {
    let mut file = match File::open(target).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(target, &error, 0)),
    };
    let (mut sum, mut size, mut piece) = (Sum::default(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece).await.map_err(|error| refused(target, &error, 0))?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sum.add(bytes);
        size += read as u64;
    }
    Ok(Some((sum.finish(), size)))
}

fn refused(path: &Path, error: &std::io::Error, written: u64) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Failure::OutOfDisk(format!(
                "no space left for {path} after {written} bytes ({error}); raise storage.size or free the node's disk"
            ))
        }
        _ => Failure::StorageFailed(format!("{path}: {error}; check the volume, its mount and fsGroup")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_from_other_trouble() {
        // /dev/full fails every write as a full disk does.
        let path = PathBuf::from("/dev/full");
        let file = tokio::fs::OpenOptions::new().write(true).open(&path).await.unwrap();
        let mut part = Part { file, path, sum: Sum::default(), size: 0 };
        let written = async {
            part.add(&[0; 100]).await?;
            part.finish().await.map(|_| ())
        };
        assert_eq!(written.await.unwrap_err().exit_code(), 23);

        let folder = tempfile::tempdir().unwrap();
        let absent = Part::create(&folder.path().join("absent/model")).await;
        assert_eq!(absent.err().map(|f| f.exit_code()), Some(1));
    }

    #[tokio::test]
    async fn a_part_is_invisible_until_it_is_placed_and_gone_when_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model.bin");
        let mut part = Part::create(&target).await.unwrap();
        part.add(b"abc").await.unwrap();
        assert_eq!(present(&target).await.unwrap(), None);
        let (digest, size, complete) = part.finish().await.unwrap();
        complete.place(&target).await.unwrap();
        assert_eq!(present(&target).await.unwrap(), Some((digest, size)));
        assert_eq!(size, 3);

        Part::create(&target).await.unwrap().discard().await;
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["model.bin"]);
    }
}
