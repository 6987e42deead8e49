//! Everything that is decided.

pub mod analysis;
pub mod api;
pub mod children;
pub mod covers;
mod meta;
pub mod observed;
pub mod plan;
pub mod release;
pub mod settings;
pub mod traffic;
pub mod version;
