//! A dashboard as a picture: its panels where they stand in Grafana, with what Prometheus answered.

mod colour;
mod lines;
mod numbers;
mod states;
mod text;

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, PathElement, Rectangle, SVGBackend};
use plotters::style::{Color, RGBColor};

use super::ask::{Range, Series};
use super::board::{Board, Kind, Panel};
use crate::error::{Error, Result};
use text::{Anchor, Font};

/// All lengths are halves of a pixel of Grafana's, so that lines are as fine as they are there.
const COLUMN: i32 = 100;
const ROW: i32 = 76;
const GAP: i32 = 16;
/// Above the panels: title, variables, range.
const HEAD: i32 = 96;
/// Above what a panel draws: its title.
const TITLE: i32 = 60;
/// Between a panel's border and what it draws.
const MARGIN: i32 = 20;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A panel, and what it shows.
#[derive(Debug, Clone)]
pub struct Filled {
    /// The panel.
    pub panel: Panel,
    /// Its series: over the range, or at its end.
    pub series: Vec<Series>,
}

/// A dashboard that has been asked.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The dashboard.
    pub board: Board,
    /// Names for people of the variables that are shown, and their values.
    pub variables: Vec<(String, String)>,
    /// Its panels.
    pub panels: Vec<Filled>,
    /// Times that are marked.
    pub marks: Vec<f64>,
    /// The range that is shown.
    pub range: Range,
}

impl Picture {
    /// Draws it, as SVG.
    ///
    /// # Errors
    /// If something cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let rows = self.panels.iter().map(|filled| filled.panel.grid_pos.y + filled.panel.grid_pos.h).max();
        let size = (24 * COLUMN + GAP, HEAD + rows.unwrap_or(0) * ROW + GAP);
        let mut svg = String::new();
        {
            let size = (size.0.unsigned_abs(), size.1.unsigned_abs());
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            drawn(root.fill(&colour::CANVAS))?;
            self.head(&root, size.0.cast_signed())?;
            for filled in &self.panels {
                self.panel(&root, filled)?;
            }
            drawn(root.present())?;
        }
        Ok(svg)
    }

    fn head(&self, root: &Area<'_>, width: i32) -> Result<()> {
        let title = Font { size: 34, bold: true, colour: colour::BRIGHT };
        text::write(root, &self.board.title, (GAP + 8, HEAD / 2), title, Anchor::Start)?;
        let plain = Font { size: 26, bold: false, colour: colour::TEXT };
        let mut at = GAP + 8 + text::width(&self.board.title, title) + 60;
        for (label, value) in &self.variables {
            let quiet = Font { colour: colour::QUIET, ..plain };
            text::write(root, label, (at, HEAD / 2), quiet, Anchor::Start)?;
            at += text::width(label, quiet) + 16;
            text::write(root, value, (at, HEAD / 2), plain, Anchor::Start)?;
            at += text::width(value, plain) + 44;
        }
        let times =
            format!("{} to {} UTC", text::moment(self.range.from, true), text::moment(self.range.to, true));
        text::write(root, &times, (width - GAP - 8, HEAD / 2), plain, Anchor::End)
    }

    fn panel(&self, root: &Area<'_>, filled: &Filled) -> Result<()> {
        let place = filled.panel.grid_pos;
        let size = (place.w * COLUMN - GAP, place.h * ROW - GAP);
        let area = root.clone().shrink((place.x * COLUMN + GAP, HEAD + place.y * ROW), size);
        let whole = [(0, 0), (size.0 - 1, size.1 - 1)];
        drawn(area.draw(&Rectangle::new(whole, colour::PANEL.filled())))?;
        drawn(area.draw(&Rectangle::new(whole, colour::BORDER.stroke_width(2))))?;
        let title = Font { size: 28, bold: true, colour: colour::BRIGHT };
        let shown = text::cut(&filled.panel.title, title, size.0 - 2 * MARGIN);
        text::write(&area, &shown, (MARGIN, TITLE / 2 + 4), title, Anchor::Start)?;
        let inside = (size.0 - 2 * MARGIN, size.1 - TITLE - MARGIN);
        let area = area.shrink((MARGIN, TITLE), inside);
        match filled.panel.kind {
            // A panel of numbers says itself what it shows where there is none.
            Kind::Stat => numbers::draw(&area, inside, filled),
            _ if filled.series.iter().all(|series| series.points.is_empty()) => nothing(&area, inside),
            Kind::Timeseries => lines::draw(&area, inside, filled, self),
            Kind::StateTimeline => states::draw(&area, inside, filled, self),
        }
    }
}

/// What stands in a panel that has nothing to draw.
fn nothing(area: &Area<'_>, (width, height): (i32, i32)) -> Result<()> {
    let font = Font { size: 28, bold: false, colour: colour::QUIET };
    text::write(area, "No data", (width / 2, height / 2), font, Anchor::Middle)
}

/// Points of a series that follow each other without a gap.
type Piece = Vec<(f64, f64)>;

/// Pieces of a line: it ends where a point is missing, as Grafana has it.
fn pieces(series: &Series, step: i64) -> Vec<Piece> {
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let gap = step as f64 * 1.5;
    let mut pieces: Vec<Piece> = Vec::new();
    for point in series.points.iter().filter(|(_, value)| value.is_finite()) {
        match pieces.last_mut() {
            Some(piece) if piece.last().is_some_and(|last| point.0 - last.0 <= gap) => piece.push(*point),
            _ => pieces.push(vec![*point]),
        }
    }
    pieces
}

fn line(area: &Area<'_>, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) -> Result<()> {
    drawn(area.draw(&PathElement::new(points, colour.stroke_width(width))))
}

/// What the library says of a failure, as an error of ours.
fn drawn<T, E: Display>(result: std::result::Result<T, E>) -> Result<T> {
    result.map_err(|error| Error::other(format!("the picture cannot be drawn: {error}")))
}

#[cfg(test)]
mod tests;
