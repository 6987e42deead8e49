//! Pauses and suspensions in their normal form, so that ages which grow beyond all durations do not break their sums.
//!
//! A pause that runs is counted up to now at each tick: that is what its end does, and counted once or twice it is the
//! same. Of an age and of what was paused of it only the difference decides, so both are cut by the same amount. What
//! a suspension keeps standing still does not grow older: its end would set it back by just as much.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::normal::{OLD, now};

/// An age is kept up to here while some of it was paused. Seconds.
const OLD_PAUSED: i64 = 2 * OLD;

/// Times that stand still while a release is suspended, by name of the field, and of the object around it.
pub fn stands_still(around: &str, field: &str) -> bool {
    match around {
        "" => field == "phaseStartedAt",
        "versions" => matches!(field, "zeroSince" | "drainedAt" | "retireAt" | "deleteAt"),
        "step" => field == "settledAt",
        "traffic" => matches!(field, "changedAt" | "readAt" | "settledAt"),
        "candidate" => {
            matches!(field, "readyAt" | "routedAt" | "exposedAt" | "unreadySince" | "evidenceFrom")
        }
        "clocks" => field.ends_with("Since") || field == "bakeCountedAt",
        _ => false,
    }
}

/// Counts what is paused, and cuts ages together with what was paused of them. In seconds and milliseconds, as stored.
pub fn fold(status: &mut Value) {
    let baking = status["phase"] == "Baking";
    let began = if baking { "/phaseStartedAt" } else { "/state/candidate/exposedAt" };
    let paused = age(status, "/state/clocks/pausedSince");
    for (began, counted) in [(began, "pausedMilliseconds"), ("/step/settledAt", "pausedStepMilliseconds")] {
        let before = status["state"]["clocks"][counted].as_i64().unwrap_or(0) / 1000;
        let Some(clocks) = status.pointer_mut("/state/clocks").and_then(Value::as_object_mut) else { return };
        clocks.remove(counted);
        let Some(age) = age(status, began) else { continue };
        let all = (before + paused.map_or(0, |paused| paused.min(age))).min(age);
        let left = (age - all).min(OLD);
        let age = if all == 0 { age } else { age.min(OLD_PAUSED) };
        if all > 0 {
            set_age(status, began, age);
            status["state"]["clocks"][counted] = json!((age - left) * 1000);
        }
    }
    if paused.is_some() {
        set_age(status, "/state/clocks/pausedSince", 0);
    }
}

/// How old a time may get, by the name of its field: what was paused of some is counted beside them. Seconds.
pub fn oldest(status: &Value) -> impl Fn(&str) -> i64 + use<> {
    let counted = |counted: &str| status["state"]["clocks"][counted].is_i64();
    let (main, step) = (counted("pausedMilliseconds"), counted("pausedStepMilliseconds"));
    move |field| match field {
        "phaseStartedAt" | "exposedAt" if main => OLD_PAUSED,
        "settledAt" if step => OLD_PAUSED,
        _ => OLD,
    }
}

fn age(status: &Value, at: &str) -> Option<i64> {
    let time: Timestamp = status.pointer(at)?.as_str()?.parse().ok()?;
    Some(now().duration_since(time).as_secs().max(0))
}

fn set_age(status: &mut Value, at: &str, age: i64) {
    if let Some(time) = status.pointer_mut(at) {
        *time = json!((now() - jiff::SignedDuration::from_secs(age)).to_string());
    }
}
