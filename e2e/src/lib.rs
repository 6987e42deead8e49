//! A real Kubernetes cluster with Istio that a fresh machine raises for itself, and the tools that tests and demo use on it.

#[cfg(feature = "audit")]
pub mod audit;
pub mod build;
pub mod checkout;
pub mod command;
pub mod dashboard;
#[cfg(feature = "demo")]
pub mod demo;
pub mod env;
pub mod envfile;
pub mod error;
pub mod exposition;
pub mod forward;
pub mod http;
pub mod image;
pub mod network;
#[cfg(feature = "pictures")]
pub mod pictures;
pub mod plan;
pub mod process;
pub mod raise;
pub mod registry;
pub mod say;
pub mod supervise;
pub mod terminal;
pub mod wait;

pub use env::Testbed;
pub use error::{Error, Result};
