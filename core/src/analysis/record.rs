//! What the kernel keeps of a check, as text in a status.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes as base64.
pub(super) fn encoded(bytes: Vec<u8>) -> String {
    STANDARD.encode(bytes)
}

/// Bytes of base64; none if it is not.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
