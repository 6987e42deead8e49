//! Downloads one model file, checks it, and puts it in place whole or not at all.
//!
//! The program runs as an init container. What it found out goes to the termination message, as one line of JSON that the
//! operator reads from the pod's status; the exit code tells the same in a number.

pub mod digest;
pub mod download;
pub mod location;
pub mod outcome;
mod source;
mod store;
