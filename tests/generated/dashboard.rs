//! The Grafana dashboard of one release: how the panels are laid out and drawn.

use serde_json::{Value, json};

use super::panels::{Kind, Panel, RELEASE, limit_variable, panels};
use super::{Generated, root};

/// Where the dashboard stands.
pub(super) const PATH: &str = "helm/model-release-operator/dashboards/release.json";

pub(super) fn files() -> Vec<Generated> {
    let text = serde_json::to_string_pretty(&dashboard()).expect("a JSON value is text");
    vec![Generated { path: PATH, text: format!("{text}\n") }]
}

fn dashboard() -> Value {
    let datasource = json!({"type": "prometheus", "uid": "${datasource}"});
    let variable = |name: &str, label: &str, query: String, hide: u8| {
        json!({
            "type": "query",
            "name": name,
            "label": label,
            "datasource": datasource,
            "definition": query,
            "query": {"qryType": 5, "query": query, "refId": name},
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "hide": hide,
            "multi": false,
            "includeAll": false,
            "options": [],
            "current": {},
        })
    };
    let mut limit = variable("limit", "Limit", format!("query_result({})", limit_variable()), 2);
    limit["query"]["qryType"] = 3.into();
    limit["regex"] = r#"/limit="([^"]+)"/"#.into();
    json!({
        "uid": "modelrelease-release",
        "title": "ModelRelease / release",
        "description": "One release of a model: who serves, how good both versions are, and why it was promoted or rolled back.",
        "tags": ["modelrelease"],
        "schemaVersion": 39,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [],
        "annotations": {"list": [{
            "name": "Decisions",
            "datasource": datasource,
            "enable": true,
            "hide": false,
            "iconColor": "purple",
            "expr": format!("modelrelease_last_decision_timestamp_seconds{{{RELEASE}}} * 1000"),
            "useValueForTime": "on",
            "titleFormat": "{{decision}}",
            "step": "10s",
        }]},
        "templating": {"list": [
            {
                "type": "datasource",
                "name": "datasource",
                "label": "Prometheus",
                "query": "prometheus",
                "refresh": 1,
                "regex": "",
                "hide": 0,
                "multi": false,
                "includeAll": false,
                "options": [],
                "current": {},
            },
            variable("namespace", "Namespace", "label_values(modelrelease_phase, namespace)".into(), 0),
            variable("name", "Release", r#"label_values(modelrelease_phase{namespace="$namespace"}, name)"#.into(), 0),
            limit,
        ]},
        "panels": placed(&panels(), &datasource),
    })
}

/// Panels from left to right, a new line where one does not fit.
fn placed(panels: &[Panel], datasource: &Value) -> Vec<Value> {
    let (mut x, mut y, mut height) = (0, 0, 0);
    let mut all = Vec::new();
    for (id, panel) in (1..).zip(panels) {
        let (width, tall) = panel.size;
        if x + width > 24 {
            (x, y, height) = (0, y + height, 0);
        }
        all.push(drawn(panel, id, &json!({"x": x, "y": y, "w": width, "h": tall}), datasource));
        x += width;
        height = height.max(tall);
    }
    all
}

fn drawn(panel: &Panel, id: u32, place: &Value, datasource: &Value) -> Value {
    let targets: Vec<Value> = ('A'..)
        .zip(&panel.series)
        .map(|(letter, (query, legend))| {
            json!({
                "refId": letter,
                "datasource": datasource,
                "expr": query,
                "legendFormat": legend,
                "instant": matches!(panel.kind, Kind::Words | Kind::Numbers { .. }),
                "range": !matches!(panel.kind, Kind::Words | Kind::Numbers { .. }),
            })
        })
        .collect();
    let (kind, defaults, options) = style(&panel.kind);
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": datasource,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": colours()},
        "options": options,
    })
}

/// Grafana's type of a panel, how its values are drawn, and its own options.
fn style(kind: &Kind) -> (&'static str, Value, Value) {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    let legend = json!({"displayMode": "list", "placement": "bottom", "showLegend": true});
    match kind {
        Kind::Lines { unit, least, most } => {
            let custom = json!({
                "drawStyle": "line",
                "lineInterpolation": "linear",
                "lineWidth": 2,
                "fillOpacity": 0,
                "showPoints": "never",
                "spanNulls": false,
            });
            let mut defaults = json!({"unit": unit, "custom": custom});
            if let Some(least) = least {
                defaults["min"] = json!(least);
            }
            if let Some(most) = most {
                defaults["max"] = json!(most);
            }
            ("timeseries", defaults, json!({"legend": legend, "tooltip": {"mode": "multi", "sort": "none"}}))
        }
        Kind::States => (
            "state-timeline",
            json!({
                "unit": "bool_yes_no",
                "custom": {"fillOpacity": 70, "lineWidth": 0, "spanNulls": false},
            }),
            json!({
                "mergeValues": true,
                "showValue": "never",
                "rowHeight": 0.8,
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false},
                "tooltip": {"mode": "single", "sort": "none"},
            }),
        ),
        Kind::Words => (
            "stat",
            json!({"unit": "none", "color": {"mode": "fixed", "fixedColor": "text"}}),
            json!({
                "textMode": "name",
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "center",
                "orientation": "auto",
                "reduceOptions": last,
            }),
        ),
        Kind::Numbers { unit } => (
            "stat",
            json!({"unit": unit, "noValue": "none", "color": {"mode": "fixed", "fixedColor": "text"}}),
            json!({
                "textMode": "auto",
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "center",
                "orientation": "auto",
                "reduceOptions": last,
            }),
        ),
    }
}

/// One colour a role in every panel.
fn colours() -> Value {
    let one = |pattern: &str, colour: &str| {
        json!({
            "matcher": {"id": "byRegexp", "options": pattern},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        })
    };
    json!([
        one("/^stable/", "blue"),
        one("/^canary/", "orange"),
        one("/^previous/", "light-blue"),
        one("/^failed/", "red"),
        one("/^bound/", "dark-red"),
    ])
}

/// Names of the operator's metrics that the dashboard asks for.
fn asked() -> Vec<String> {
    let text = dashboard().to_string();
    let mut names: Vec<String> = text
        .split("modelrelease_")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The operator's page of metrics is made in these files.
#[test]
fn only_metrics_that_the_operator_exports_are_asked_for() {
    let files = ["src/metrics.rs", "src/metrics/releases.rs"];
    let code: String = files
        .iter()
        .map(|file| {
            std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
        })
        .collect();
    let asked = asked();
    assert!(asked.len() >= 12, "{asked:?}");
    for name in asked {
        // The encoder adds the suffix of counters.
        let known = [name.as_str(), name.trim_end_matches("_total")];
        assert!(
            known.iter().any(|name| code.contains(&format!("\"{name}\""))),
            "modelrelease_{name} is not exported"
        );
    }
}

#[test]
fn every_panel_is_described_and_has_a_unit() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 12);
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
        assert!(panel.pointer("/fieldConfig/defaults/unit").is_some(), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("$name") || query.contains("${limit}"), "{title}: {query}");
        }
    }
}

#[test]
fn panels_do_not_overlap() {
    let mut taken = std::collections::BTreeSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} covers another at {x},{y}", panel["title"]);
            }
        }
    }
}
