//! Everything that is decided.

pub mod analysis;
pub mod api;
pub mod capacity;
pub mod children;
pub mod covers;
pub mod drift;
pub mod due;
pub mod effects;
pub mod explain;
pub mod facts;
mod meta;
pub mod moves;
pub mod observed;
pub mod orphans;
pub mod plan;
pub mod pods;
pub mod pushes;
pub mod release;
pub mod room;
pub mod seeded;
pub mod settings;
mod share;
pub mod situation;
mod span;
pub mod step;
pub mod tell;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, reason = "a test's world may fail")]
pub mod testing;
pub mod traffic;
pub mod urgency;
pub mod version;
pub mod wanted;
pub mod writes;

pub use step::{bury, queries, step};
