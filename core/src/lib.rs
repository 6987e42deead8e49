//! Everything that is decided.

pub mod api;
pub mod observed;
pub mod plan;
pub mod release;
pub mod settings;
pub mod version;
