//! The rules on histories: lawful ones break none, and each rule is broken once.

mod broken;
mod lawful;
mod told;
