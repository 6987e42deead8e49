//! What Prometheus answers to a panel, and how Grafana calls it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::board::Board;
use crate::dashboard;
use crate::error::{Error, Result};
use regex::Regex;

/// How long Prometheus may take for one answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// What rates are over: as Grafana has it for a scrape each three seconds. The testbed's is each second.
const RATE: &str = "12s";

/// Values of variables, by their names.
pub type Variables = BTreeMap<String, String>;

/// A range of time in Unix seconds, and seconds between points.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Its begin.
    pub from: i64,
    /// Its end.
    pub to: i64,
    /// Between points.
    pub step: i64,
}

/// A series that a panel shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// As the legend calls it.
    pub name: String,
    /// Unix seconds and values.
    pub points: Vec<(f64, f64)>,
}

/// A series as Prometheus answers it: `values` over a range, `value` at a time.
#[derive(Debug, Deserialize)]
struct Answered {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

/// A Prometheus.
#[derive(Debug, Clone)]
pub struct Prometheus {
    /// Its address, as in `http://192.0.2.1:9090`.
    pub url: String,
}

impl Prometheus {
    fn get<T: serde::de::DeserializeOwned>(&self, path: &str, parameters: &[(&str, &str)]) -> Result<T> {
        let data = dashboard::data(&self.url, path, parameters, DEADLINE)?;
        serde_json::from_value(data).map_err(|error| {
            Error::other(format!("Prometheus {}: {path} answers otherwise: {error}", self.url))
        })
    }

    /// The series of a query over a range.
    ///
    /// # Errors
    /// If Prometheus does not answer, or refuses the query.
    pub fn over(&self, query: &str, legend: &str, range: Range) -> Result<Vec<Series>> {
        let (from, to, step) = (range.from.to_string(), range.to.to_string(), range.step.to_string());
        let parameters = [("start", &*from), ("end", &*to), ("step", &*step), ("query", query)];
        self.get::<Found>("query_range", &parameters).map(|found| found.series(legend))
    }

    /// The series of a query at a time.
    ///
    /// # Errors
    /// As [`Self::over`].
    pub fn at(&self, query: &str, legend: &str, time: i64) -> Result<Vec<Series>> {
        let time = time.to_string();
        let found = self.get::<Found>("query", &[("time", &*time), ("query", query)])?;
        Ok(found.series(legend))
    }

    /// Fills in a dashboard's variables, as Grafana does: `chosen` by hand, others by their first value.
    ///
    /// # Errors
    /// If a variable has no value, or not the chosen one.
    pub fn variables(&self, board: &Board, chosen: &[(&str, &str)], range: Range) -> Result<Variables> {
        let mut values = Variables::from([("__rate_interval".to_owned(), RATE.to_owned())]);
        for variable in &board.templating {
            let Some(query) = variable.query() else { continue };
            let found = self.options(&dashboard::filled(query, &values), &variable.regex, range)?;
            let hand = chosen.iter().find(|(name, _)| *name == variable.name).map(|(_, value)| *value);
            let value = hand.or(variable.first()).or(found.first().map(String::as_str));
            let value = value.filter(|value| {
                found.iter().any(|found| found == value) || variable.all_value.as_deref() == Some(value)
            });
            let value = value.ok_or_else(|| {
                Error::other(format!(
                    "{}: variable {} is not to be had: {} is not among {found:?}",
                    board.title,
                    variable.name,
                    hand.unwrap_or("any value")
                ))
            })?;
            values.insert(variable.name.clone(), value.to_owned());
        }
        Ok(values)
    }

    /// What a variable's query offers.
    fn options(&self, query: &str, pattern: &str, range: Range) -> Result<Vec<String>> {
        let inside = |function: &str| query.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(expression) = inside("query_result") {
            let pattern = Regex::new(pattern.trim_start_matches('/').trim_end_matches('/'))
                .map_err(|error| Error::other(format!("{pattern} is no pattern: {error}")))?;
            let time = range.to.to_string();
            let found = self.get::<Found>("query", &[("time", &*time), ("query", expression)])?;
            let told = found.result.iter().map(|series| braced(&series.metric));
            let group = |text: String| Some(pattern.captures(&text)?.get(1)?.as_str().to_owned());
            return Ok(told.filter_map(group).collect());
        }
        let (series, label) =
            inside("label_values").and_then(|inside| inside.rsplit_once(", ")).ok_or_else(|| {
                Error::other(format!(
                    "a variable asks {query}: only label_values and query_result are known here"
                ))
            })?;
        let (from, to) = (range.from.to_string(), range.to.to_string());
        let parameters = [("match[]", series), ("start", &*from), ("end", &*to)];
        self.get(&format!("label/{label}/values"), &parameters)
    }
}

#[derive(Debug, Deserialize)]
struct Found {
    result: Vec<Answered>,
}

impl Found {
    fn series(self, legend: &str) -> Vec<Series> {
        let series = self.result.into_iter().map(|answered| {
            let points = answered.values.iter().chain(&answered.value);
            let number = |(at, value): &(f64, String)| Some((*at, value.parse().ok()?));
            Series { name: called(legend, &answered.metric), points: points.filter_map(number).collect() }
        });
        let mut series: Vec<Series> = series.collect();
        // As Prometheus' answers come in no order that one could rely on.
        series.sort_by(|one, other| one.name.cmp(&other.name));
        series
    }
}

/// A series as `query_result` tells it to a variable's pattern.
fn braced(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{{{}}}", labels.join(","))
}

/// A legend with a series' own labels in it; a label that it does not have is nothing.
fn called(legend: &str, labels: &BTreeMap<String, String>) -> String {
    let mut name = String::new();
    let mut rest = legend;
    while let Some((before, (label, after))) =
        rest.split_once("{{").and_then(|(before, inside)| Some((before, inside.split_once("}}")?)))
    {
        name.push_str(before);
        name.push_str(labels.get(label.trim()).map_or("", String::as_str));
        rest = after;
    }
    name.push_str(rest);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_legend_names_what_the_series_has() {
        let labels = labels(&[("track", "canary"), ("version", "v2")]);
        assert_eq!(called("{{track}} {{version}}", &labels), "canary v2");
        assert_eq!(called("bound: {{ track }}: {{none}}", &labels), "bound: canary: ");
        assert_eq!(called("waiting", &labels), "waiting");
    }

    #[test]
    fn answers_over_a_range_and_at_a_time_are_series() {
        let over = r#"{"result":[{"metric":{"a":"y"},"values":[[1,"0.5"],[2,"NaN"]]},{"metric":{"a":"x"},"values":[]}]}"#;
        let found = serde_json::from_str::<Found>(over).unwrap().series("{{a}}");
        assert_eq!(found[0], Series { name: "x".to_owned(), points: Vec::new() });
        assert_eq!(found[1].points[0], (1.0, 0.5));
        assert!(found[1].points[1].1.is_nan());
        let at = r#"{"result":[{"metric":{},"value":[7,"3"]}]}"#;
        assert_eq!(serde_json::from_str::<Found>(at).unwrap().series("n")[0].points, [(7.0, 3.0)]);
    }

    #[test]
    fn a_pattern_finds_the_label_of_a_result() {
        let told = braced(&labels(&[("limit", "ml_fraud"), ("name", "fraud")]));
        let pattern = Regex::new(r#"limit="([^"]+)""#).unwrap();
        assert_eq!(&pattern.captures(&told).unwrap()[1], "ml_fraud");
    }
}
