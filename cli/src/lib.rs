//! `kubectl modelrelease`: what the plugin's program is made of.

pub mod args;
pub mod ask;
pub mod cluster;
pub mod commands;
pub mod completion;
pub mod error;
pub mod lint;
pub mod names;
pub mod output;
pub mod render;
pub mod run;
pub mod screen;
pub mod shell;
pub mod simulate;
pub mod table;
pub mod times;
pub mod watch;

/// Field manager of everything that is written: never one that begins like kubectl's own, which other tools take for
/// an edit by hand.
pub const FIELD_MANAGER: &str = "modelrelease-cli";
