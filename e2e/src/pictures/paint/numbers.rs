//! Panels of present values: each as large as there is room for, its name below it.

use super::text::{self, Anchor, Font};
use super::{Area, Filled, colour};
use crate::error::Result;
use crate::pictures::unit;

/// Sizes of values, and the size of names beside that of their values.
const LARGEST: i32 = 72;
const SMALLEST: i32 = 22;

pub fn draw(area: &Area<'_>, (width, height): (i32, i32), filled: &Filled) -> Result<()> {
    let cells = cells(filled);
    let layout = layout(&cells, (width, height));
    let (across, wide, tall) = (layout.across, width / layout.across, height / layout.down);
    for (number, (value, name)) in (0..).zip(&cells) {
        let middle = ((number % across) * wide + wide / 2, (number / across) * tall + tall / 2);
        let font = Font { size: layout.size, bold: true, colour: colour::TEXT };
        let value = text::cut(value, font, wide - 16);
        let below = small(layout.size);
        let lift = if name.is_some() { below.size * 2 / 3 } else { 0 };
        text::write(area, &value, (middle.0, middle.1 - lift), font, Anchor::Middle)?;
        if let Some(name) = name {
            let name = text::cut(name, below, wide - 16);
            text::write(area, &name, (middle.0, middle.1 + layout.size * 2 / 3), below, Anchor::Middle)?;
        }
    }
    Ok(())
}

fn small(size: i32) -> Font {
    Font { size: (size / 2).clamp(SMALLEST, 26), bold: false, colour: colour::QUIET }
}

/// What is written large, and below it.
fn cells(filled: &Filled) -> Vec<(String, Option<String>)> {
    let panel = &filled.panel;
    let defaults = &panel.field_config.defaults;
    let last =
        |points: &[(f64, f64)]| points.iter().rev().map(|(_, value)| *value).find(|value| value.is_finite());
    let none = || defaults.no_value.clone().unwrap_or_else(|| "No data".to_owned());
    let several = filled.series.len() > 1;
    let cells = filled.series.iter().map(|series| {
        let value = last(&series.points).map_or_else(none, |value| unit::alone(&defaults.unit, value));
        match panel.options.text_mode.as_str() {
            "name" => (series.name.clone(), None),
            _ => (value, several.then(|| series.name.clone())),
        }
    });
    let cells: Vec<_> = cells.collect();
    if cells.is_empty() { vec![(none(), None)] } else { cells }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    across: i32,
    down: i32,
    size: i32,
}

/// As many side by side as lets them be largest.
fn layout(cells: &[(String, Option<String>)], (width, height): (i32, i32)) -> Layout {
    let count = i32::try_from(cells.len()).unwrap_or(1).max(1);
    let fits = |across: i32, size: i32| {
        let down = (count + across - 1) / across;
        let font = Font { size, bold: true, colour: colour::TEXT };
        let names = if cells.iter().any(|(_, name)| name.is_some()) { small(size).size * 5 / 4 } else { 0 };
        let wide = |(value, name): &(String, Option<String>)| {
            let name = name.as_ref().map_or(0, |name| text::width(name, small(size)));
            text::width(value, font).max(name) + 16 <= width / across
        };
        size * 5 / 4 + names <= height / down && cells.iter().all(wide)
    };
    let largest =
        |across: i32| (SMALLEST..=LARGEST).rev().find(|size| fits(across, *size)).unwrap_or(SMALLEST);
    let all = (1..=count).map(|across| Layout {
        across,
        down: (count + across - 1) / across,
        size: largest(across),
    });
    // Of those that are equally large the one with the fewest rows.
    all.max_by_key(|layout| (layout.size, -layout.down)).unwrap_or(Layout {
        across: 1,
        down: 1,
        size: SMALLEST,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(values: &[&str]) -> Vec<(String, Option<String>)> {
        values.iter().map(|value| ((*value).to_owned(), Some("a name".to_owned()))).collect()
    }

    #[test]
    fn what_is_wide_stands_side_by_side_and_what_is_tall_one_above_the_other() {
        assert_eq!(layout(&named(&["1", "2", "3"]), (900, 200)).across, 3);
        assert_eq!(layout(&named(&["1", "2", "3"]), (200, 600)).across, 1);
    }

    #[test]
    fn a_long_word_is_smaller_than_a_short_one() {
        let long = layout(&[("rollback epochs-2: QualityRegression".to_owned(), None)], (640, 200));
        let short = layout(&[("20%".to_owned(), None)], (640, 200));
        assert_eq!(short.size, LARGEST);
        assert!(long.size < short.size && long.size > SMALLEST, "{long:?}");
    }
}
