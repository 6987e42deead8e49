//! Dashboards asked of a Prometheus: a picture of each, and a table of what each panel returned.

use std::fmt::Write;

use super::ask::{Prometheus, Range, Series, Variables};
use super::board::{self, Board, Panel};
use super::paint::{Filled, Picture};
use crate::dashboard;
use crate::error::Result;

/// What a panel returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Name of its dashboard.
    pub dashboard: String,
    /// Its title.
    pub panel: String,
    /// Series of all its queries over the range.
    pub series: usize,
}

/// The rows as a table in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut table = String::from("| dashboard | panel | series |\n|---|---|---|\n");
    for Row { dashboard, panel, series } in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {dashboard} | {panel} | {series} |");
    }
    table
}

/// A dashboard as Grafana would show it for a range.
///
/// # Errors
/// If Prometheus does not answer, or refuses a query.
pub fn picture(
    prometheus: &Prometheus,
    board: Board,
    chosen: &[(&str, &str)],
    range: Range,
) -> Result<Picture> {
    let values = prometheus.variables(&board, chosen, range)?;
    let mut panels = Vec::new();
    for panel in &board.panels {
        let series = series(prometheus, panel, &values, range, false)?;
        let title = dashboard::filled(&panel.title, &values);
        panels.push(Filled { panel: Panel { title, ..panel.clone() }, series });
    }
    let mut marks = Vec::new();
    for annotation in &board.annotations {
        let found = prometheus.over(&dashboard::filled(&annotation.expr, &values), "", range)?;
        let times =
            found.iter().flat_map(|series| &series.points).map(|(_, milliseconds)| milliseconds / 1000.0);
        marks.extend(times);
    }
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    let shown = board.templating.iter().filter(|variable| variable.hide == 0);
    let value =
        |name: &str| values.get(name).map(|value| if value == ".*" { "All".into() } else { value.clone() });
    let variables = shown.filter_map(|shown| Some((shown.label.clone(), value(&shown.name)?))).collect();
    Ok(Picture { board, variables, panels, marks, range })
}

/// What each panel of a dashboard returned over a range, also those that show the present alone.
///
/// # Errors
/// As [`picture`].
pub fn rows(prometheus: &Prometheus, chosen: &[(&str, &str)], name: &str, range: Range) -> Result<Vec<Row>> {
    let board = board::read(name)?;
    let values = prometheus.variables(&board, chosen, range)?;
    let row = |panel: &Panel| {
        let series = series(prometheus, panel, &values, range, true)?;
        let panel = dashboard::filled(&panel.title, &values);
        Ok(Row { dashboard: name.to_owned(), panel, series: series.len() })
    };
    board.panels.iter().map(row).collect()
}

/// The series of all queries of a panel; `over` asks those of the present over the range, too.
fn series(
    prometheus: &Prometheus,
    panel: &Panel,
    values: &Variables,
    range: Range,
    over: bool,
) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for target in &panel.targets {
        let query = dashboard::filled(&target.expr, values);
        all.extend(if target.instant && !over {
            prometheus.at(&query, &target.legend_format, range.to)?
        } else {
            prometheus.over(&query, &target.legend_format, range)?
        });
    }
    Ok(all)
}
