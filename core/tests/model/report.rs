//! What a run brought, in words.

use super::check::Brought;

/// Prints it, and fails if a property does not hold.
pub fn hold(brought: &Brought) {
    println!(
        "{}: {} states, depth {}, {} worlds decided, {} friendly worlds, {:.1} s, rows {}{}",
        brought.name,
        brought.states,
        brought.depth,
        brought.decided,
        brought.calm,
        brought.time.as_secs_f64(),
        brought.rows.join(" "),
        if brought.both { ", both write" } else { "" },
    );
    let broken: Vec<String> = brought.broken.iter().map(|(name, how)| format!("{name}: {how}")).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(brought.exhausted, "{} did not come to its end", brought.name);
}
