//! A steady load on a released model: asks about held-out domains over HTTP/1.1, HTTP/2 and gRPC, reports their labels back,
//! and keeps account of which version answered what, how fast, and when last.
//!
//! ```no_run
//! # async fn example(held_out: Vec<model_server::data::Example>) -> Result<(), load::ConfigError> {
//! let config = load::Config { host: Some("phishing.example.com".into()), ..load::Config::new("http://192.0.2.1:80", held_out) };
//! let load = load::LoadHandle::start(config)?;
//! let canary = load.snapshot().versions.get("v2").map(|version| version.answers.ok);
//! let total = load.stop().await;
//! # Ok(()) }
//! ```

mod ask;
mod change;
mod clients;
mod config;
mod grpc;
mod histogram;
mod reply;
mod run;
mod snapshot;
mod tally;
mod way;

pub use change::{Change, Counts};
pub use config::{Config, ConfigError, parse_duration};
pub use run::LoadHandle;
pub use snapshot::{Answers, Labels, Snapshot, Version};
pub use way::{Way, parse_way};
