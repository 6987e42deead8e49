//! The table of releases, of whatever version wrote them: what cannot be read is left open.

use jiff::Timestamp;
use serde_json::Value;

use super::phase_tone;
use crate::screen::{Style, Tone};
use crate::table::{Cell, Column, column, lines, optional};
use crate::times::age;

/// Releases as a table, sorted by namespace and name. `spread`: over several namespaces.
pub fn table(releases: &[Value], spread: bool, now: Timestamp, style: Style) -> Vec<String> {
    let mut columns: Vec<Column> = if spread { vec![column("NAMESPACE")] } else { Vec::new() };
    columns.extend([
        column("NAME"),
        optional("STABLE", 2),
        optional("CANARY", 1),
        column("WEIGHT"),
        column("PHASE"),
        optional("QUALITY(S/C)", 4),
        optional("READY", 3),
        optional("AGE", 5),
        optional("MESSAGE", 6),
    ]);
    let mut sorted: Vec<&Value> = releases.iter().collect();
    sorted.sort_by_key(|release| (text(release, "/metadata/namespace"), text(release, "/metadata/name")));
    let rows: Vec<Vec<Cell>> = sorted.into_iter().map(|release| row(release, spread, now)).collect();
    lines(&columns, &rows, style)
}

fn row(release: &Value, spread: bool, now: Timestamp) -> Vec<Cell> {
    let phase = text(release, "/status/phase");
    let weight = release.pointer("/status/canaryPercent").and_then(Value::as_i64);
    let created = text(release, "/metadata/creationTimestamp").parse().ok();
    let ready = condition(release, "Ready");
    let tone = match ready.as_str() {
        "True" => Tone::Good,
        "False" => Tone::Bad,
        _ => Tone::Busy,
    };
    let mut cells: Vec<Cell> =
        if spread { vec![text(release, "/metadata/namespace").into()] } else { Vec::new() };
    cells.extend([
        Cell::new(shown(text(release, "/metadata/name"))).tone(Tone::Strong),
        shown(text(release, "/status/stableVersion")).into(),
        shown(text(release, "/status/canaryVersion")).into(),
        weight.map_or_else(|| "-".to_owned(), |weight| weight.to_string()).into(),
        Cell::new(shown(phase.clone())).tone(phase_tone(&phase)),
        shown(text(release, "/status/qualitySummary")).into(),
        Cell::new(shown(ready)).tone(tone),
        age(created, now).into(),
        text(release, "/status/message").into(),
    ]);
    cells
}

fn text(release: &Value, pointer: &str) -> String {
    release.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn shown(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// The status of a condition; empty without one.
fn condition(release: &Value, kind: &str) -> String {
    let all = release.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let mut found = all.filter(|c| c.get("type").and_then(Value::as_str) == Some(kind));
    found.find_map(|c| c.get("status")?.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn releases() -> Vec<Value> {
        let fraud = json!({
            "metadata": {"name": "fraud", "namespace": "ml", "creationTimestamp": "2026-11-01T10:00:00Z"},
            "status": {
                "stableVersion": "2026.07", "canaryVersion": "2026.08", "canaryPercent": 10, "phase": "Analyzing",
                "qualitySummary": "0.9340/0.9210", "message": "2026.08 has 10 %; accuracy is not proven yet",
                "conditions": [{"type": "Ready", "status": "Unknown"}],
            },
        });
        let half =
            json!({"metadata": {"name": "churn", "namespace": "ml"}, "status": {"phase": "Levitating"}});
        vec![fraud, half, json!({})]
    }

    fn drawn(width: Option<usize>) -> Vec<String> {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        table(&releases(), true, now, Style { width, ..Style::default() })
    }

    #[test]
    fn a_pipe_gets_every_column() {
        assert_eq!(
            drawn(None),
            [
                "NAMESPACE  NAME   STABLE   CANARY   WEIGHT  PHASE       QUALITY(S/C)   READY    AGE  MESSAGE",
                "           -      -        -        -       -           -              -        -",
                "ml         churn  -        -        -       Levitating  -              -        -",
                "ml         fraud  2026.07  2026.08  10      Analyzing   0.9340/0.9210  Unknown  20d  2026.08 has 10 %; \
                 accuracy is not proven yet",
            ]
        );
    }

    #[test]
    fn eighty_columns_show_what_matters_most() {
        let lines = drawn(Some(80));
        assert!(lines.iter().all(|line| line.width() <= 80), "{lines:#?}");
        assert!(lines[0].contains("PHASE") && lines[0].contains("READY"), "{}", lines[0]);
        assert!(!lines[0].contains("MESSAGE"), "{}", lines[0]);
    }

    #[test]
    fn a_hundred_and_sixty_columns_show_all_of_it() {
        let lines = drawn(Some(160));
        assert!(lines[3].ends_with("accuracy is not proven yet"), "{}", lines[3]);
    }

    #[test]
    fn colours_follow_the_phase() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let lines = table(&releases(), false, now, Style { colour: true, ..Style::default() });
        assert!(lines[3].contains("\u{1b}[33mAnalyzing\u{1b}[0m"), "{}", lines[3]);
    }
}
