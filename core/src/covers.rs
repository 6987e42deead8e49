//! Is a live object as we wrote it?

use serde_json::Value;

/// Whether every field of `wanted` is in `live` with the same meaning; the `seq` annotation aside.
pub fn covers(_wanted: &Value, _live: &Value) -> bool {
    todo!()
}
