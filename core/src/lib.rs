//! Everything that is decided.
