//! Lengths of time for people.

use jiff::SignedDuration;

/// A length of time in at most two units: `45s`, `1m30s`, `18m`, `2h05m`, `3d4h`. Not below zero.
pub fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, 1..10) if seconds % 60 > 0 => format!("{minutes}m{:02}s", seconds % 60),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) if minutes % 60 > 0 => format!("{hours}h{:02}m", minutes % 60),
        (0, _, _) => format!("{hours}h"),
        _ if hours % 24 > 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}
