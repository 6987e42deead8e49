//! What the kernel keeps of a check, as text in a status.

use k8s_openapi::ByteString;
use serde_json::Value;

/// Bytes as base64.
pub(super) fn encoded(bytes: Vec<u8>) -> String {
    match serde_json::to_value(ByteString(bytes)) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Bytes of base64; none if it is not.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    serde_json::from_value::<ByteString>(Value::String(text.to_owned())).ok().map(|bytes| bytes.0)
}
