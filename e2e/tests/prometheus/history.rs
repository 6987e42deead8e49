//! What was scraped in the past hours, written into the storage of a Prometheus of its own.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use testbed::build::Programs;
use testbed::command::{command, output};
use testbed::plan::Times;
use testbed::wait::{Seen, until_blocking};
use testbed::{Error, Result, checkout, http};

/// Seconds between two scrapes.
pub const SCRAPE: i64 = 15;
/// What is known of the time before evidence begins, and after: a bit more than what is learnt from.
const BEFORE: i64 = 2 * 3600 + 600;
const AFTER: i64 = 1200;

/// Series with their samples, as `promtool` reads them.
pub struct History {
    text: String,
    /// When evidence begins: on the grid of blocks.
    begin: i64,
}

impl History {
    pub fn new() -> Self {
        let now = Timestamp::now().as_second();
        Self { text: String::new(), begin: (now - 3600).div_euclid(30) * 30 }
    }

    /// A counter that is this much higher at each scrape.
    pub fn counter(&mut self, name: &str, labels: &[(&str, &str)], by_scrape: f64) {
        let mut value = 1000.0;
        self.series(name, labels, || {
            value += by_scrape;
            value
        });
    }

    /// A target that is always there.
    pub fn target(&mut self, labels: &[(&str, &str)]) {
        self.series("up", labels, || 1.0);
    }

    /// When the last sample is.
    pub fn end(&self) -> i64 {
        self.begin + AFTER
    }

    /// One sample.
    pub fn sample(&mut self, series: &str, value: &str, at: i64) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{series} {value} {at}");
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)], mut value: impl FnMut() -> f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = labels.join(",");
        let mut at = self.begin - BEFORE;
        while at <= self.begin + AFTER {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "{name}{{{labels}}} {} {at}", value());
            at += SCRAPE;
        }
    }

    /// A Prometheus that has all of it.
    pub fn serve(self) -> Result<Prometheus> {
        let (root, cache) = (checkout::root()?, checkout::cache());
        let programs = Programs::locate(&root, &cache)?;
        programs.provide(&root, &cache, false, &mut Times::load(&cache))?;
        let program = |name: &str| programs.kubernetes.program(name);
        let folder = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
        let (series, config) = (folder.path().join("series"), folder.path().join("prometheus.yml"));
        let write =
            |path: &std::path::Path, text: &str| std::fs::write(path, text).map_err(Error::io("write", path));
        write(&series, &format!("{}# EOF\n", self.text))?;
        write(&config, "")?;
        let data = folder.path().join("data");
        let mut made = command([program("promtool")]);
        made.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&series).arg(&data);
        output(&mut made)?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| Error::other(format!("no free port: {error}")))?;
        let mut server = command([program("prometheus")]);
        server.arg(format!("--config.file={}", config.display()));
        server.arg(format!("--storage.tsdb.path={}", data.display()));
        server.args(["--storage.tsdb.retention.time=10y", &format!("--web.listen-address={address}")]);
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = server.map_err(|error| Error::other(format!("Prometheus did not start: {error}")))?;
        let prometheus =
            Prometheus { server, _data: folder, url: format!("http://{address}"), begin: self.begin };
        let ready = format!("{}/-/ready", prometheus.url);
        until_blocking("Prometheus to be ready", Duration::from_secs(30), || {
            Seen::from(http::body(&ready, Duration::from_secs(2)))
        })?;
        Ok(prometheus)
    }
}

/// One that ends with the test.
pub struct Prometheus {
    server: Child,
    _data: TempDir,
    pub url: String,
    /// When evidence begins.
    pub begin: i64,
}

impl Prometheus {
    /// Status and body of an instant query.
    pub fn ask(&self, promql: &str, time: Timestamp) -> Result<(u16, String)> {
        let mut query = String::new();
        for byte in promql.bytes() {
            let _ = write!(query, "%{byte:02X}");
        }
        let url = format!("{}/api/v1/query?query={query}&time={}", self.url, time.as_second());
        http::get(&url, Duration::from_secs(10))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
