//! One request to one sink. Addresses and keys are read from their files each time and never told to anybody else.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use serde_json::Value;
use sha2::Sha256;

use super::{Format, Notification, Sink, event, slack};
use crate::wire::Wire;

/// Header with the signature of the body.
pub const SIGNATURE: &str = "x-modelrelease-signature";

/// Why a notification was not delivered. Says nothing of what the address or an answer holds.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A file is not there, or not readable.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf),
    /// It holds no address.
    #[error("{} holds no address", .0.display())]
    Address(PathBuf),
    /// It holds no key.
    #[error("{} holds no key", .0.display())]
    Key(PathBuf),
    /// TLS is asked for, and there is nothing to check it against.
    #[error("its address is https, and no CA certificates were found")]
    NoCertificates,
    /// Nobody answers there.
    #[error("it cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// The connection ended, or spoke something else.
    #[error("the connection broke")]
    Broken,
    /// An answer that is no success.
    #[error("it answered with status {0}")]
    Answered(u16),
    /// The settings name it no longer.
    #[error("it is no longer in the settings")]
    TakenOut,
    /// A fault of ours.
    #[error("sending it failed within the operator")]
    Internal,
}

impl Problem {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the sink's urlFile and secretFile, and what is mounted there",
            Self::Address(_) => {
                "write the whole address into it, http:// or https://, without a user or password"
            }
            Self::Key(_) => "write the key into it",
            Self::NoCertificates => "mount CA certificates and name them in SSL_CERT_FILE",
            Self::Unreachable | Self::TimedOut | Self::Broken => {
                "check the address in the sink's urlFile, and that the operator may connect to it"
            }
            Self::Answered(400..=499) => "check that the address in the sink's urlFile is still valid",
            Self::Answered(_) => "see the receiver's own log",
            Self::TakenOut => "nothing",
            Self::Internal => "report it with the operator's log",
        }
    }
}

/// Connections, made when they are first needed: with TLS only once an address is https.
#[derive(Default)]
pub struct Wires {
    plain: Mutex<Option<Wire>>,
    tls: Mutex<Option<Wire>>,
}

impl Wires {
    fn to(&self, url: &Uri) -> Result<Wire, Problem> {
        let tls = url.scheme_str() == Some("https");
        let mut made =
            if tls { &self.tls } else { &self.plain }.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wire) = &*made {
            return Ok(wire.clone());
        }
        let wire = Wire::new(tls).map_err(|_| Problem::NoCertificates)?;
        Ok(made.insert(wire).clone())
    }
}

/// What a sink of this format is sent: its type, and the JSON.
pub fn payload(format: Format, decided: &Notification) -> (&'static str, Value) {
    match format {
        Format::Slack => ("application/json", slack::message(decided)),
        Format::Webhook => ("application/json", event::plain(decided)),
        Format::CloudEvents => ("application/cloudevents+json", event::cloud_event(decided)),
    }
}

/// Sends a notification once. Success is an answer of the 200s; its body is not read.
pub async fn send(wires: &Wires, sink: Sink<'_>, decided: &Notification) -> Result<(), Problem> {
    let (content, body) = payload(sink.format, decided);
    let body = body.to_string();
    let url = address(sink.url_file).await?;
    let signature = match sink.secret_file {
        Some(file) => Some(signature(&key(file).await?, body.as_bytes()).ok_or(Problem::Internal)?),
        None => None,
    };
    let wire = wires.to(&url)?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, content)
        .header(USER_AGENT, concat!("model-release-operator/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| Problem::Internal)?;
    if let Some(signature) = signature {
        let value = HeaderValue::from_str(&signature).map_err(|_| Problem::Internal)?;
        request.headers_mut().insert(SIGNATURE, value);
    }
    let answer = wire.request(request).await.map_err(|error| {
        // Its own words may hold the address.
        if error.is_connect() { Problem::Unreachable } else { Problem::Broken }
    })?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(Problem::Answered(status.as_u16())) }
}

async fn address(file: &str) -> Result<Uri, Problem> {
    let text = tokio::fs::read_to_string(file).await.map_err(|_| Problem::Unreadable(file.into()))?;
    let url = text.trim().parse::<Uri>().ok().filter(|url| {
        let known = matches!(url.scheme_str(), Some("http" | "https"));
        known && url.authority().is_some_and(|host| !host.as_str().contains('@'))
    });
    url.ok_or_else(|| Problem::Address(file.into()))
}

/// The key, without the end of the line that editors add.
async fn key(file: &str) -> Result<Vec<u8>, Problem> {
    let mut key = tokio::fs::read(file).await.map_err(|_| Problem::Unreadable(file.into()))?;
    while key.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        key.pop();
    }
    if key.is_empty() { Err(Problem::Key(file.into())) } else { Ok(key) }
}

/// `sha256=` and the HMAC-SHA256 of the body, in hex.
pub fn signature(key: &[u8], body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(body);
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}
