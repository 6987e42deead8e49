//! The Grafana dashboards: what each is about, and how their panels are laid out and drawn.

use serde_json::{Value, json};

use super::Generated;
use super::fleet::{fleet, operator};
use super::panels::{Kind, Panel, RELEASE, limit_variable, panels};

/// The check of a model's quality, which every release with a canary has.
const QUALITY: &str = "model_accuracy";

/// A dashboard, apart from what all have in common.
struct Dashboard {
    name: &'static str,
    description: &'static str,
    /// How far it looks back.
    from: &'static str,
    variables: Vec<Value>,
    annotations: Vec<Value>,
    panels: Vec<Panel>,
}

pub(super) fn files() -> Vec<Generated> {
    all()
        .iter()
        .map(|dashboard| {
            let text = serde_json::to_string_pretty(&drawn(dashboard)).expect("a JSON value is text");
            Generated { path: path(dashboard.name), text: format!("{text}\n") }
        })
        .collect()
}

/// Where it stands.
fn path(name: &str) -> &'static str {
    match name {
        "release" => "helm/model-release-operator/dashboards/release.json",
        "fleet" => "helm/model-release-operator/dashboards/fleet.json",
        _ => "helm/model-release-operator/dashboards/operator.json",
    }
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// A variable that Prometheus fills in.
fn variable(name: &str, label: &str, query: &str, hide: u8) -> Value {
    json!({
        "type": "query",
        "name": name,
        "label": label,
        "datasource": datasource(),
        "query": {"qryType": 5, "query": query, "refId": name},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "hide": hide,
        "multi": false,
        "includeAll": false,
        "options": [],
    })
}

fn all() -> [Dashboard; 3] {
    let mut limit = variable("limit", "Limit", &format!("query_result({})", limit_variable()), 2);
    limit["query"]["qryType"] = 3.into();
    limit["regex"] = r#"/limit="([^"]+)"/"#.into();
    // What is shown at first; which checks there are differs between releases.
    let mut check = variable(
        "check",
        "Check",
        &format!("label_values(modelrelease_check_value_ratio{{{RELEASE}}}, check)"),
        0,
    );
    check["current"] = json!({"selected": true, "text": QUALITY, "value": QUALITY});
    let mut namespaces = variable("namespace", "Namespace", "label_values(modelrelease_phase, namespace)", 0);
    namespaces["multi"] = true.into();
    namespaces["includeAll"] = true.into();
    namespaces["allValue"] = ".*".into();
    namespaces["current"] = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    [
        Dashboard {
            name: "release",
            description: "One release of a model: who serves, how good both versions are, and why it was promoted or rolled back.",
            from: "now-1h",
            variables: vec![
                variable("namespace", "Namespace", "label_values(modelrelease_phase, namespace)", 0),
                variable(
                    "name",
                    "Release",
                    r#"label_values(modelrelease_phase{namespace="$namespace"}, name)"#,
                    0,
                ),
                check,
                limit,
            ],
            annotations: vec![json!({
                "name": "Decisions",
                "datasource": datasource(),
                "enable": true,
                "hide": false,
                "iconColor": "purple",
                "expr": format!("modelrelease_last_decision_timestamp_seconds{{{RELEASE}}} * 1000"),
                "useValueForTime": "on",
                "titleFormat": "{{decision}}",
                "step": "10s",
            })],
            panels: panels(),
        },
        Dashboard {
            name: "fleet",
            description: "All releases: where they are, how fast they are decided, and what rollbacks cost.",
            from: "now-7d",
            variables: vec![namespaces],
            annotations: Vec::new(),
            panels: fleet(),
        },
        Dashboard {
            name: "operator",
            description: "The operator itself: whether it leads, keeps up, and is answered by the API server and by Prometheus.",
            from: "now-1h",
            variables: Vec::new(),
            annotations: Vec::new(),
            panels: operator(),
        },
    ]
}

fn drawn(dashboard: &Dashboard) -> Value {
    let mut variables = vec![json!({
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
    })];
    variables.extend(dashboard.variables.iter().cloned());
    json!({
        "uid": format!("modelrelease-{}", dashboard.name),
        "title": format!("ModelRelease / {}", dashboard.name),
        "description": dashboard.description,
        "tags": ["modelrelease"],
        "schemaVersion": 39,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": dashboard.from, "to": "now"},
        "timezone": "browser",
        "links": [{
            "type": "dashboards",
            "title": "ModelRelease",
            "tooltip": "",
            "icon": "external link",
            "url": "",
            "tags": ["modelrelease"],
            "asDropdown": true,
            "includeVars": false,
            "keepTime": true,
            "targetBlank": false,
        }],
        "annotations": {"list": dashboard.annotations},
        "templating": {"list": variables},
        "panels": placed(&dashboard.panels, &datasource()),
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
        all.push(panelled(panel, id, &json!({"x": x, "y": y, "w": width, "h": tall}), datasource));
        x += width;
        height = height.max(tall);
    }
    all
}

fn panelled(panel: &Panel, id: u32, place: &Value, datasource: &Value) -> Value {
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
                "custom": {"fillOpacity": 70, "lineWidth": 0},
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

/// Every panel of every dashboard, with the name of its dashboard.
fn all_panels() -> Vec<(&'static str, Value)> {
    let panels = |dashboard: &Dashboard| {
        let drawn = drawn(dashboard);
        let panels = drawn["panels"].as_array().unwrap().clone();
        panels.into_iter().map(|panel| (dashboard.name, panel)).collect::<Vec<_>>()
    };
    all().iter().flat_map(panels).collect()
}

#[test]
fn every_panel_is_described_and_has_a_unit_a_legend_and_its_datasource() {
    let panels = all_panels();
    assert!(panels.len() >= 36, "{}", panels.len());
    for (dashboard, panel) in panels {
        let title = format!("{dashboard}: {}", panel["title"].as_str().unwrap());
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
        assert!(panel.pointer("/fieldConfig/defaults/unit").is_some_and(Value::is_string), "{title}");
        assert_eq!(panel["datasource"], datasource(), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"], datasource(), "{title}");
            assert!(!target["legendFormat"].as_str().unwrap().is_empty(), "{title}");
            let query = target["expr"].as_str().unwrap();
            let one = dashboard != "release" || query.contains("$name") || query.contains("${limit}");
            assert!(one, "{title} is about other releases as well: {query}");
        }
    }
}

#[test]
fn panels_do_not_overlap_and_have_their_own_numbers() {
    for dashboard in &all() {
        let (mut taken, mut ids) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for panel in drawn(dashboard)["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{} covers another at {x},{y}", panel["title"]);
                }
            }
        }
    }
}

/// `$1` is a group of a pattern, and `$__…` Grafana's own.
#[test]
fn every_variable_that_is_used_is_there() {
    for dashboard in &all() {
        let drawn = drawn(dashboard);
        let defined: Vec<&str> = drawn["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();
        let text = drawn.to_string();
        let used = text.split('$').skip(1).map(|rest| {
            let rest = rest.strip_prefix('{').unwrap_or(rest);
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
        });
        let own = |name: &String| !name.starts_with("__") && name.parse::<u8>().is_err();
        for name in used.filter(own) {
            // `$1_$2` is two groups with an underline between them.
            let group = name.trim_end_matches('_').parse::<u8>().is_ok();
            assert!(group || defined.contains(&name.as_str()), "{}: ${name} is not defined", dashboard.name);
        }
    }
}
