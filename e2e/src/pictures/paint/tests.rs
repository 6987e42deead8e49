//! A small dashboard is drawn whole.

use serde_json::json;

use super::*;
use crate::pictures::ask::Series;

fn panel(kind: &str, title: &str, x: i32) -> Panel {
    let panel = json!({
        "type": kind, "title": title, "gridPos": {"x": x, "y": 0, "w": 8, "h": 8},
        "targets": [], "options": {"textMode": "auto"},
        "fieldConfig": {"defaults": {"unit": "percentunit", "min": 0.0, "max": 1.0, "noValue": "none"}, "overrides": [{
            "matcher": {"id": "byRegexp", "options": "/^canary/"},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": "orange"}}],
        }]},
    });
    serde_json::from_value(panel).unwrap()
}

fn series(name: &str, points: &[(f64, f64)]) -> Series {
    Series { name: name.to_owned(), points: points.to_vec() }
}

fn picture(panels: Vec<Filled>) -> Picture {
    let board =
        json!({"title": "A <board>", "annotations": {"list": []}, "templating": {"list": []}, "panels": []});
    Picture {
        board: serde_json::from_value(board).unwrap(),
        variables: vec![("Release".to_owned(), "fraud".to_owned())],
        panels,
        marks: vec![30.0],
        range: Range { from: 0, to: 60, step: 10 },
    }
}

fn filled(panel: Panel, series: Vec<Series>) -> Filled {
    Filled { panel, series }
}

#[test]
fn lines_states_and_numbers_are_drawn_with_their_names_and_units() {
    let line = series("canary desired", &[(0.0, 0.2), (10.0, 0.5), (30.0, 0.5), (40.0, 0.75)]);
    let state = series("Analyzing", &[(10.0, 1.0), (20.0, 1.0)]);
    let svg = picture(vec![
        filled(panel("timeseries", "Weights", 0), vec![line]),
        filled(panel("state-timeline", "Phase", 8), vec![state]),
        filled(panel("stat", "Share", 16), vec![series("canary", &[(60.0, 0.2)])]),
    ])
    .svg()
    .unwrap();
    for text in
        ["A &lt;board&gt;", "fraud", "Weights", "canary desired", "20%", "100%", "Analyzing", "00:00:30"]
    {
        assert!(svg.contains(&format!("\n{text}\n")), "{text} is not in {svg}");
    }
    assert_eq!(
        svg.matches("#FF9830").count(),
        3,
        "two pieces of the canary's line, and its mark in the legend"
    );
    assert!(svg.contains("#B877D9"), "the mark of a decision");
    assert!(svg.contains("#4D7F49"), "the bar of a state");
}

#[test]
fn a_panel_without_data_says_so_in_the_words_of_its_kind() {
    let memory = filled(panel("timeseries", "Memory", 0), Vec::new());
    let svg = picture(vec![memory, filled(panel("stat", "Time left", 8), Vec::new())]).svg().unwrap();
    assert!(svg.contains("\nNo data\n") && svg.contains("\nnone\n"), "{svg}");
}
