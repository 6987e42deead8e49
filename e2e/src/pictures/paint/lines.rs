//! Panels of lines over time, and their legends.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::{ChartBuilder, LineSeries, Ranged};
use plotters::style::{Color, RGBColor, TRANSPARENT};

use super::text::{self, Anchor, Font};
use super::{Area, Filled, Picture, colour, drawn, line, pieces};
use crate::error::Result;
use crate::pictures::axis::Axis;
use crate::pictures::unit;

const SMALL: Font = Font { size: 24, bold: false, colour: colour::TEXT };
/// Below the chart: times.
const TIMES: i32 = 52;
/// Of the legend: a row, the mark of a series, and the room after a name.
const LEGEND_ROW: i32 = 36;
const SWATCH: i32 = 40;
const BETWEEN: i32 = 28;

pub fn draw(area: &Area<'_>, (width, height): (i32, i32), filled: &Filled, picture: &Picture) -> Result<()> {
    let panel = &filled.panel;
    let coloured: Vec<(&str, RGBColor)> = (0..)
        .zip(&filled.series)
        .map(|(number, series)| (series.name.as_str(), colour::of(panel.colour_of(&series.name), number)))
        .collect();
    let legend = legend(&coloured, width, (height / 3 / LEGEND_ROW).max(1));
    let legend_height = i32::try_from(legend.len()).unwrap_or(0) * LEGEND_ROW + 8;
    let chart_height = height - legend_height;

    let values = filled.series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    let values = values.filter(|value| value.is_finite());
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let defaults = &panel.field_config.defaults;
    let size = unit::size(&defaults.unit, high);
    let ends = (defaults.min.map(|min| min / size), defaults.max.map(|max| max / size));
    let y = Axis::of_values((low / size, high / size), ends, f64::from(chart_height / 90)).times(size);
    let y_label = |value: &f64| unit::on_axis(&defaults.unit, *value, y.step);
    let widest = y.lines().iter().map(|value| text::width(&y_label(value), SMALL)).max().unwrap_or(0) + 20;
    let x = times(picture, width - widest);
    // One that would lie over the panel's border is left out.
    let room = (x.to - x.from) / f64::from(width - widest) * f64::from(text::width("00:00:00", SMALL) / 2);
    let x_label = |at: &f64| if *at + room > x.to { String::new() } else { time_label(*at, &x) };

    let chart = area.clone().shrink((0, 0), (width, chart_height));
    let (from, to) = (y.from, y.to);
    let mut chart = drawn(
        ChartBuilder::on(&chart)
            .margin_top(8)
            .margin_right(10)
            .y_label_area_size(widest)
            .x_label_area_size(TIMES)
            .build_cartesian_2d(x.clone(), y.clone()),
    )?;
    let style = SMALL.style(Anchor::Start);
    drawn(
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(colour::GRID.stroke_width(2))
            .axis_style(colour::GRID.stroke_width(2))
            .set_all_tick_mark_size(12)
            .x_labels(x.lines().len())
            .y_labels(y.lines().len())
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .x_label_style(style.clone())
            .y_label_style(style)
            .draw(),
    )?;
    for mark in picture.marks.iter().filter(|mark| (x.from..=x.to).contains(mark)) {
        let dashes = dashes(*mark, &y);
        for dash in dashes {
            drawn(chart.draw_series(LineSeries::new(dash, colour::MARK.stroke_width(2))))?;
        }
    }
    for (series, (_, colour)) in filled.series.iter().zip(&coloured) {
        for piece in pieces(series, picture.range.step) {
            let inside: Vec<(f64, f64)> =
                piece.into_iter().map(|(at, value)| (at, value.clamp(from, to))).collect();
            drawn(chart.draw_series(LineSeries::new(plain(&inside), colour.stroke_width(3))))?;
        }
    }
    for (row, entries) in (0..).zip(&legend) {
        let middle = chart_height + 8 + row * LEGEND_ROW + LEGEND_ROW / 2;
        for entry in entries {
            if let Some(colour) = entry.colour {
                line(area, vec![(entry.at, middle), (entry.at + SWATCH - 12, middle)], colour, 6)?;
            }
            let quiet = if entry.colour.is_some() { SMALL } else { Font { colour: colour::QUIET, ..SMALL } };
            text::write(area, &entry.name, (entry.at + SWATCH, middle), quiet, Anchor::Start)?;
        }
    }
    Ok(())
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        #[expect(clippy::cast_possible_truncation, reason = "a place in the picture")]
        let length = (share * f64::from(high - low)).round() as i32;
        low + length
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.lines()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

/// The axis of a picture's range, where so much room is for it.
pub fn times(picture: &Picture, width: i32) -> Axis {
    #[expect(clippy::cast_precision_loss, reason = "Unix seconds")]
    let (from, to) = (picture.range.from as f64, picture.range.to as f64);
    Axis::of_times(from, to, (f64::from(width) / 135.0).max(2.0))
}

/// A time on an axis; seconds where its lines are close.
pub fn time_label(at: f64, axis: &Axis) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Unix seconds")]
    let seconds = at.round() as i64;
    text::moment(seconds, axis.step < 60.0)
}

/// A dashed line from bottom to top.
fn dashes(at: f64, y: &Axis) -> Vec<Vec<(f64, f64)>> {
    let piece = (y.to - y.from) / 60.0;
    (0..30)
        .map(|number| y.from + f64::from(number) * 2.0 * piece)
        .map(|low| vec![(at, low), (at, low + piece)])
        .collect()
}

/// The same line with fewer points: one between two of the same height tells nothing.
fn plain(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    #[expect(clippy::float_cmp, reason = "what is the same is the same")]
    let needless = |number: usize| -> Option<bool> {
        let (before, this, after) =
            (points.get(number.checked_sub(1)?)?, points.get(number)?, points.get(number + 1)?);
        Some(before.1 == this.1 && this.1 == after.1)
    };
    let kept = points.iter().enumerate().filter(|(number, _)| needless(*number) != Some(true));
    kept.map(|(_, point)| *point).collect()
}

/// A name in a legend; without a colour it tells how many have no room.
#[derive(Debug, PartialEq)]
struct Entry {
    name: String,
    colour: Option<RGBColor>,
    at: i32,
}

/// Names in rows that are no wider than they may be. What has no room is counted.
fn legend(series: &[(&str, RGBColor)], width: i32, most_rows: i32) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = vec![Vec::new()];
    let mut at = 0;
    let last = |rows: &[Vec<Entry>]| i32::try_from(rows.len()).is_ok_and(|rows| rows >= most_rows);
    for (number, (name, colour)) in series.iter().enumerate() {
        let name = text::cut(name, SMALL, width - SWATCH);
        let wide = SWATCH + text::width(&name, SMALL) + BETWEEN;
        // The last row keeps room to say how many more there are.
        let room = if last(&rows) && number + 1 < series.len() { width - 200 } else { width };
        if at > 0 && at + wide - BETWEEN > room {
            if last(&rows) {
                let more = format!("and {} more", series.len() - number);
                rows.last_mut().into_iter().for_each(|row| {
                    row.push(Entry { name: more.clone(), colour: None, at: at - SWATCH });
                });
                break;
            }
            rows.push(Vec::new());
            at = 0;
        }
        rows.last_mut().into_iter().for_each(|row| {
            row.push(Entry { name: name.clone(), colour: Some(*colour), at });
        });
        at += wide;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_legend_do_not_overlap_and_none_is_lost_without_a_word() {
        let names: Vec<String> =
            (0..30).map(|number| format!("patch modelreleases/status 20{number}")).collect();
        let series: Vec<(&str, RGBColor)> = names.iter().map(|name| (name.as_str(), colour::TEXT)).collect();
        let rows = legend(&series, 1100, 3);
        assert_eq!(rows.len(), 3);
        let mut told = 0;
        for row in &rows {
            for pair in row.windows(2) {
                assert!(
                    pair[0].at + SWATCH + text::width(&pair[0].name, SMALL) < pair[1].at + SWATCH,
                    "{pair:?}"
                );
            }
            let end = row.last().unwrap();
            assert!(end.at + SWATCH + text::width(&end.name, SMALL) <= 1100, "{end:?}");
            told += row.iter().filter(|entry| entry.colour.is_some()).count();
        }
        assert_eq!(rows[2].last().unwrap().name, format!("and {} more", 30 - told));
        assert_eq!(legend(&series[..3], 2000, 3).len(), 1);
    }

    #[test]
    fn a_flat_line_is_its_two_ends() {
        let points = vec![(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 2.0)];
        assert_eq!(plain(&points), [(0.0, 1.0), (2.0, 1.0), (3.0, 2.0)]);
    }
}
