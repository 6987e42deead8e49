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
pub mod effects;
pub mod facts;
pub mod moves;
pub mod pods;
pub mod situation;
pub mod step;
pub mod tell;
pub mod wanted;
pub mod writes;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, reason = "a test's world may fail")]
pub mod testing;

pub use step::{queries, step};
