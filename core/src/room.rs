//! The room that a status has. Where it is over, the oldest decisions on record go first.

use serde::Serialize;

use crate::api::status::ModelReleaseStatus;

/// Bytes that a status may have as JSON.
pub const MOST: usize = 32 * 1024;

/// Drops the oldest decisions from the record until the status has room.
pub fn make(status: &mut ModelReleaseStatus) {
    let mut size = bytes(status);
    while size > MOST {
        let Some(oldest) = status.history.pop() else { return };
        size = size.saturating_sub(bytes(&oldest));
    }
}

fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}
