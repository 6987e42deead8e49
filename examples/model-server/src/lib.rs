//! The example's model and its server: is this domain a phishing site?
//!
//! `train` makes a model file out of labelled domains, `serve` answers with it over HTTP and gRPC and counts how often it was
//! right, `serve-files` hands model files to the pods that load them, `serve-app` is an app that asks the model of its own version.

pub mod app;
pub mod artefacts;
pub mod data;
pub mod digest;
pub mod features;
pub mod front;
pub mod grpc;
pub mod http;
pub mod ids;
pub mod messages;
pub mod metrics;
pub mod model;
pub mod random;
pub mod train;
