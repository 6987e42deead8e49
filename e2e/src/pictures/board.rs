//! A dashboard's JSON, as far as it is drawn.

use std::path::Path;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::checkout;
use crate::error::{Error, Result};

/// The chart's dashboards, by the names of their files.
pub const NAMES: [&str; 3] = ["release", "fleet", "operator"];

/// A dashboard.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Board {
    /// Its title.
    pub title: String,
    /// What its annotations ask, each for times.
    #[serde(deserialize_with = "list")]
    pub annotations: Vec<Annotation>,
    /// Its variables, in the order in which they are filled in.
    #[serde(deserialize_with = "list")]
    pub templating: Vec<Variable>,
    /// Its panels.
    pub panels: Vec<Panel>,
}

/// What marks times in each panel over time.
#[derive(Debug, Clone, Deserialize)]
pub struct Annotation {
    /// PromQL whose values are times in milliseconds.
    pub expr: String,
}

/// A variable.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// 0: it is shown.
    pub hide: u8,
    /// What fills it in: a question to Prometheus, or the kind of a data source.
    query: Value,
    /// What of an answer is taken.
    #[serde(default)]
    pub regex: String,
    /// What stands for all.
    pub all_value: Option<String>,
    /// What is chosen at first.
    #[serde(default)]
    current: Value,
}

impl Variable {
    /// The question to Prometheus; none where the data source itself is chosen.
    pub fn query(&self) -> Option<&str> {
        self.query.get("query")?.as_str()
    }

    /// The value that the dashboard chooses at first.
    pub fn first(&self) -> Option<&str> {
        let value = self.current.get("value")?;
        let value = value.get(0).unwrap_or(value).as_str()?;
        if value == "$__all" { self.all_value.as_deref() } else { Some(value) }
    }
}

/// What a panel draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Lines over time.
    Timeseries,
    /// Bars of states over time.
    StateTimeline,
    /// Present values.
    Stat,
}

/// A panel.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    /// What it draws.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub grid_pos: Place,
    /// What it asks.
    pub targets: Vec<Target>,
    /// How values are written, and in which colours.
    pub field_config: FieldConfig,
    /// Options of its kind.
    pub options: Options,
}

/// A place on the grid of 24 columns.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Place {
    /// Columns to the left.
    pub x: i32,
    /// Rows above.
    pub y: i32,
    /// Columns.
    pub w: i32,
    /// Rows.
    pub h: i32,
}

/// A query.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// PromQL with variables.
    pub expr: String,
    /// How its series are called.
    pub legend_format: String,
    /// Whether it is asked for the present alone.
    pub instant: bool,
}

/// How values are written, and in which colours.
#[derive(Debug, Clone, Deserialize)]
pub struct FieldConfig {
    /// Of all series.
    pub defaults: Defaults,
    /// Of some.
    pub overrides: Vec<Override>,
}

/// What holds for all series of a panel.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// Grafana's name of the unit.
    pub unit: String,
    /// Least value of the axis.
    pub min: Option<f64>,
    /// Most value of the axis.
    pub max: Option<f64>,
    /// What is shown in place of no value.
    pub no_value: Option<String>,
}

/// What holds for series whose names fit.
#[derive(Debug, Clone, Deserialize)]
pub struct Override {
    matcher: Matcher,
    properties: Vec<Property>,
}

#[derive(Debug, Clone, Deserialize)]
struct Matcher {
    id: String,
    options: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Property {
    id: String,
    value: Value,
}

/// Options of a panel's kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// Of a stat: `name` shows names, `auto` values, with names if there are several.
    #[serde(default)]
    pub text_mode: String,
}

impl Panel {
    /// Grafana's name of the fixed colour of a series, if the panel gives it one.
    pub fn colour_of(&self, series: &str) -> Option<&str> {
        let fits = |matcher: &Matcher| {
            let pattern = matcher.options.trim_start_matches('/').trim_end_matches('/');
            matcher.id == "byRegexp" && Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(series))
        };
        let overrides = self.field_config.overrides.iter().filter(|rule| fits(&rule.matcher));
        let colours = overrides.flat_map(|rule| &rule.properties).filter(|property| property.id == "color");
        colours.filter_map(|property| property.value.get("fixedColor")?.as_str()).next_back()
    }
}

/// A list inside of an object of its own, as Grafana keeps some.
fn list<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    struct List<T> {
        list: Vec<T>,
    }
    List::deserialize(from).map(|list| list.list)
}

/// Reads one of the chart's dashboards.
///
/// # Errors
/// If the file is no dashboard, or has panels of a kind that is not drawn here.
pub fn read(name: &str) -> Result<Board> {
    let file = checkout::root()?.join(format!("helm/model-release-operator/dashboards/{name}.json"));
    parse(&std::fs::read_to_string(&file).map_err(Error::io("read", &file))?, &file)
}

fn parse(text: &str, file: &Path) -> Result<Board> {
    serde_json::from_str(text)
        .map_err(|error| Error::other(format!("dashboard {}: {error}; run `make generate`", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::unit;

    #[test]
    fn every_dashboard_of_the_chart_is_read_whole() {
        let boards = NAMES.map(|name| read(name).unwrap());
        assert!(boards.iter().map(|board| board.panels.len()).sum::<usize>() >= 36);
        for panel in boards.iter().flat_map(|board| &board.panels) {
            let unit = panel.field_config.defaults.unit.as_str();
            assert!(unit::KNOWN.contains(&unit), "{}: {unit}", panel.title);
        }
        let release = &boards[0];
        assert_eq!(release.annotations.len(), 1);
        assert_eq!(release.templating[1].query(), Some("label_values(modelrelease_phase, namespace)"));
        assert_eq!(release.templating[0].query(), None, "the data source asks nothing");
        assert_eq!(boards[1].templating[1].first(), Some(".*"), "all namespaces");
    }

    #[test]
    fn a_role_has_its_colour_and_others_none() {
        let board = read("release").unwrap();
        let panel = &board.panels[5];
        assert_eq!(panel.colour_of("canary desired"), Some("orange"));
        assert_eq!(panel.colour_of("stable desired"), Some("blue"));
        assert_eq!(panel.colour_of("the canary"), None);
    }

    #[test]
    fn a_kind_that_is_not_drawn_is_refused_by_its_name() {
        let text = std::fs::read_to_string(
            checkout::root().unwrap().join("helm/model-release-operator/dashboards/fleet.json"),
        );
        let text = text.unwrap().replacen("\"type\": \"stat\"", "\"type\": \"gauge\"", 1);
        let error = parse(&text, Path::new("fleet.json")).unwrap_err().to_string();
        assert!(error.contains("fleet.json") && error.contains("gauge"), "{error}");
    }
}
