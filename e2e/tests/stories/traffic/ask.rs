//! Requests of named and nameless clients, and what came of them.

use std::collections::BTreeMap;
use std::fmt;

use futures::stream::{self, StreamExt};
use testbed::Result;
use testbed::demo::http::Client;
use testbed::demo::manifest::{CLIENT_HEADER, VERSION_HEADER};
use testbed::demo::story::Stage;

/// Requests under way at once.
const AT_ONCE: usize = 40;

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    pub what: String,
    pub must: String,
    pub was: String,
    pub holds: bool,
}

impl Line {
    pub fn new(
        what: impl Into<String>,
        must: impl Into<String>,
        was: impl Into<String>,
        holds: bool,
    ) -> Self {
        Self { what: what.into(), must: must.into(), was: was.into(), holds }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "holds" } else { "DOES NOT HOLD" };
        write!(f, "| {} | {} | {} | {word} |", self.what, self.must, self.was)
    }
}

/// An answer as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub status: u16,
    /// Name of the version that answered, or would have.
    pub version: String,
    /// Whether the gateway's limit refused it.
    pub limited: bool,
}

/// Connections to the gateway that are opened from now on. What was open before a limit came or changed goes on as it
/// was until Envoy has closed it.
pub struct Clients {
    gateway: String,
    http: Client,
}

impl Clients {
    pub fn new(stage: &Stage) -> Self {
        Self::at(&stage.gateway_url)
    }

    /// The same to another address, as in `http://192.0.2.1:30080`.
    pub fn at(url: &str) -> Self {
        Self { gateway: url.to_owned(), http: Client::default() }
    }
}

/// One prediction asked for; by a client of this name, or of none.
pub async fn one(clients: &Clients, at: (&str, &str), client: Option<&str>) -> Result<Got> {
    with(clients, at, client, &[]).await
}

/// The same with more headers.
pub async fn with(
    clients: &Clients,
    (host, path): (&str, &str),
    client: Option<&str>,
    more: &[(&str, &str)],
) -> Result<Got> {
    let url = format!("{}{path}/predict", clients.gateway);
    let mut headers = vec![("host", host), ("content-type", "application/json")];
    headers.extend(client.map(|name| (CLIENT_HEADER, name)));
    headers.extend(more);
    let answer = clients.http.post(&url, &headers, r#"{"domain": "example.com"}"#.to_owned()).await?;
    let header =
        |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    Ok(Got {
        status: answer.status,
        version: header(VERSION_HEADER),
        limited: answer.status == 429 && header("x-local-rate-limit") == "gateway",
    })
}

/// One prediction asked for by each of these clients, many at once; the answers in their order.
pub async fn each(clients: &Clients, host: &str, names: &[Option<String>]) -> Result<Vec<Got>> {
    let asked = names.iter().map(|name| one(clients, (host, ""), name.as_deref()));
    stream::iter(asked).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

/// How many answers of status 200 each version gave; none may have another status.
pub fn by_version(all: &[Got]) -> Result<BTreeMap<&str, usize>> {
    let mut counts = BTreeMap::new();
    for got in all {
        if got.status != 200 {
            return Err(testbed::Error::other(format!("a client got {got:?}")));
        }
        *counts.entry(got.version.as_str()).or_default() += 1;
    }
    Ok(counts)
}
