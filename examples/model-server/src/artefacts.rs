//! Serves the files of one folder: the store that pods of the example fetch their model from.

use crate::http::{self, Answer};
use hyper::body::{Bytes, Frame};
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, HeaderValue};
use hyper::{Method, StatusCode};
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// Read and sent at once.
const PIECE: usize = 64 * 1024;
const MEDIA_TYPE: &str = "application/octet-stream";

/// A folder whose visible files anyone may read.
#[derive(Debug, Clone)]
pub struct Artefacts {
    root: PathBuf,
}

impl Artefacts {
    /// Of the folder `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// 200 with the file and its length, 404 for everything that is no visible file below the folder.
    pub async fn answer(&self, method: &Method, path: &str) -> Answer {
        if path == "/healthz" {
            return http::content(StatusCode::OK, "text/plain", b"ok\n".to_vec());
        }
        if !http::is_read(method) {
            return http::not_allowed("GET, HEAD");
        }
        let opened = match self.locate(path) {
            Some(file) => open(&file).await,
            None => None,
        };
        let Some((file, length)) = opened else {
            return http::refuse(StatusCode::NOT_FOUND, "no such artefact; check the path of storageUri");
        };
        let mut answer = if *method == Method::HEAD {
            http::content(StatusCode::OK, MEDIA_TYPE, Vec::new())
        } else {
            http::stream(MEDIA_TYPE, pieces(file, length))
        };
        let headers = answer.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
        answer
    }

    /// The file that a path names, if each of its parts is a plain visible name: no `..`, nothing encoded.
    fn locate(&self, path: &str) -> Option<PathBuf> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        parts.iter().all(|part| plain(part)).then(|| parts.iter().fold(self.root.clone(), |at, p| at.join(p)))
    }
}

fn plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
}

async fn open(path: &Path) -> Option<(tokio::fs::File, u64)> {
    let file = tokio::fs::File::open(path).await.ok()?;
    let about = file.metadata().await.ok()?;
    about.is_file().then_some((file, about.len()))
}

/// Exactly `length` bytes: a file that shrinks meanwhile ends the connection, it never looks complete.
fn pieces(
    file: tokio::fs::File,
    length: u64,
) -> impl futures::Stream<Item = std::io::Result<Frame<Bytes>>> + Send {
    futures::stream::try_unfold(file.take(length), |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Frame::data(Bytes::from(piece)), file)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn ask(method: Method, path: &str) -> (StatusCode, Option<u64>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        std::fs::write(folder.path().join("models/v1.bin"), vec![7; 3 * PIECE + 5]).unwrap();
        std::fs::write(folder.path().join(".hidden"), "secret").unwrap();
        let answer = Artefacts::new(folder.path().to_owned()).answer(&method, path).await;
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let status = answer.status();
        (status, length, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn a_file_comes_whole_and_with_its_length() {
        let size = 3 * PIECE + 5;
        let (status, length, body) = ask(Method::GET, "/models/v1.bin").await;
        assert_eq!((status, length), (StatusCode::OK, Some(size as u64)));
        assert_eq!(body, vec![7; size]);
        let (status, length, body) = ask(Method::HEAD, "/models/v1.bin").await;
        assert_eq!((status, length, body.len()), (StatusCode::OK, Some(size as u64), 0));
    }

    #[tokio::test]
    async fn nothing_but_visible_files_below_the_folder_is_found() {
        for path in [
            "/",
            "/models",
            "/models/",
            "/absent.bin",
            "/.hidden",
            "/models/../.hidden",
            "/..",
            "/%2e%2e/x",
            "//x",
        ] {
            assert_eq!(ask(Method::GET, path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn writing_is_refused() {
        assert_eq!(ask(Method::PUT, "/models/v1.bin").await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
