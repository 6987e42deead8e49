//! Panels of states over time: a row for each series, a bar while it holds.

use plotters::prelude::Rectangle;
use plotters::style::Color;

use super::text::{self, Anchor, Font};
use super::{Area, Filled, Picture, Piece, colour, drawn, line, lines, pieces};
use crate::error::Result;

const SMALL: Font = Font { size: 24, bold: false, colour: colour::TEXT };
/// Below the bars: times.
const TIMES: i32 = 52;

pub fn draw(area: &Area<'_>, (width, height): (i32, i32), filled: &Filled, picture: &Picture) -> Result<()> {
    // A series that comes again later is one row.
    let mut rows: Vec<(&str, Vec<Piece>)> = Vec::new();
    for series in &filled.series {
        let found = pieces(series, picture.range.step);
        match rows.iter_mut().find(|(name, _)| *name == series.name) {
            Some((_, known)) => known.extend(found),
            None => rows.push((&series.name, found)),
        }
    }
    // In the order in which they came to be.
    let begin = |pieces: &[Piece]| pieces.iter().flatten().map(|point| point.0).fold(f64::MAX, f64::min);
    rows.sort_by(|one, other| begin(&one.1).total_cmp(&begin(&other.1)));
    let names = rows.iter().map(|(name, _)| text::width(name, SMALL)).max().unwrap_or(0);
    let left = names.min(width * 7 / 10) + 20;
    let axis = lines::times(picture, width - left);
    #[expect(clippy::cast_possible_truncation, reason = "a place in the picture")]
    let place = |at: f64| left + ((at - axis.from) / (axis.to - axis.from) * f64::from(width - left)) as i32;
    let bars = height - TIMES;
    for at in axis.lines() {
        line(area, vec![(place(at), 0), (place(at), bars)], colour::GRID, 2)?;
        // Its middle is at its line, and none of it outside.
        let label = lines::time_label(at, &axis);
        let half = text::width(&label, SMALL) / 2;
        let middle = place(at).clamp(half, width - half);
        text::write(area, &label, (middle, bars + TIMES / 2 + 4), SMALL, Anchor::Middle)?;
    }
    let each = bars / i32::try_from(rows.len()).unwrap_or(1).max(1);
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let step = picture.range.step as f64;
    for (number, (name, pieces)) in (0..).zip(&rows) {
        let (top, middle) = (number * each + each / 10, number * each + each / 2);
        let name = text::cut(name, SMALL, left - 20);
        text::write(area, &name, (left - 20, middle), SMALL, Anchor::End)?;
        for piece in pieces {
            let (Some(first), Some(last)) = (piece.first(), piece.last()) else { continue };
            let corners = [
                (place(first.0), top),
                (place((last.0 + step).min(axis.to)), (number + 1) * each - each / 10),
            ];
            drawn(area.draw(&Rectangle::new(corners, colour::STATE.filled())))?;
        }
    }
    Ok(())
}
