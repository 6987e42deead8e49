//! A page of metrics, held against what `promtool` has to say of it.

use std::process::Command;

use crate::command::output_with_input;
use crate::error::{Error, Result};

/// What `promtool check metrics` has against a page in the `OpenMetrics` format; nothing if it is clean.
///
/// # Errors
/// If it cannot be asked, or refuses the page: its own words.
pub fn complaints(promtool: &mut Command, page: &str) -> Result<String> {
    let counters: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    if counters.is_empty() {
        return Err(Error::other("the page has no counter: it is no operator's"));
    }
    let said = output_with_input(promtool.args(["check", "metrics"]), older(page, &counters).as_bytes())?;
    Ok(said.trim().to_owned())
}

/// The page in Prometheus' older text format, which `promtool` reads: there a counter's own name ends in `_total`.
fn older(page: &str, counters: &[&str]) -> String {
    let lines = page.lines().filter(|line| *line != "# EOF").map(|line| {
        let name = line.strip_prefix("# ").and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
        let renamed = counters.contains(&name).then(|| line.replacen(name, &format!("{name}_total"), 1));
        renamed.unwrap_or_else(|| line.to_owned()) + "\n"
    });
    lines.collect()
}
