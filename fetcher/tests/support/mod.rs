//! A server of raw answers, and the program run against it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// Nothing here takes near as long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Answers by path and by how often that path was asked before; then closes.
pub type Answers = fn(path: &str, before: usize) -> Vec<u8>;

/// A running server; it ends with the test's runtime.
pub struct Server {
    /// `host:port`.
    pub address: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    pub async fn start(answers: Answers) -> Self {
        Self::start_with(answers, None).await
    }

    pub async fn start_with(answers: Answers, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let counts = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, tls.clone(), answers, Arc::clone(&counts)));
            }
        });
        Self { address, asked }
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<tokio_rustls::TlsAcceptor>,
    answers: Answers,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
) {
    match tls {
        None => exchange(stream, answers, &asked).await,
        // A client that does not trust the certificate goes away here.
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => exchange(stream, answers, &asked).await,
            Err(_refused) => {}
        },
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Answers,
    asked: &Mutex<BTreeMap<String, usize>>,
) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
    let before = {
        let mut asked = asked.lock().unwrap();
        let count = asked.entry(path.clone()).or_default();
        *count += 1;
        *count - 1
    };
    // The client may have gone; what it makes of that is what the test looks at.
    let _ = stream.write_all(&answers(&path, before)).await;
    let _ = stream.shutdown().await;
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What a run left.
pub struct Run {
    pub code: i32,
    /// The termination message, read as JSON.
    pub line: Value,
    /// Everything that was printed.
    pub printed: String,
    /// Names in the folder, sorted.
    pub files: Vec<String>,
}

/// Runs the program with `folder` as the place for models.
pub async fn run(folder: &Path, uri: &str, more: &[&str], env: &[(&str, &str)]) -> Run {
    run_until(folder, uri, more, env, std::future::pending()).await
}

/// The same, and tells it to stop once `stop` resolves.
pub async fn run_until(
    folder: &Path,
    uri: &str,
    more: &[&str],
    env: &[(&str, &str)],
    stop: impl Future<Output = ()>,
) -> Run {
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("termination-log");
    let child = Command::new(env!("CARGO_BIN_EXE_model-release-fetcher"))
        .args(["--uri", uri, "--dest", folder.to_str().unwrap(), "--retry-ms", "10"])
        .args(["--termination-log", log.to_str().unwrap()])
        .args(more)
        .env_clear()
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let id = child.id().unwrap().to_string();
    let stopping = async {
        stop.await;
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        std::future::pending::<()>().await;
    };
    let ended = tokio::time::timeout(DEADLINE, child.wait_with_output());
    let Output { status, stdout, stderr } = tokio::select! {
        output = ended => output.unwrap().unwrap(),
        () = stopping => unreachable!("it waits for ever"),
    };
    let printed = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let text = std::fs::read_to_string(&log)
        .unwrap_or_else(|_| panic!("no termination message; printed: {printed}"));
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    Run { code: status.code().unwrap(), line: serde_json::from_str(&text).unwrap(), printed, files }
}
