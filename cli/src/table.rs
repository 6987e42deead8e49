//! Tables that fit: columns give way in an order of their own, the last one is cut, and colours take no room.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::error::plain;
use crate::screen::{Style, Tone};

/// Columns between two columns.
const GAP: usize = 2;
/// Columns that the last one needs to be worth showing, where it may be cut.
const LEAST: usize = 16;

/// A text in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A text without a colour; what could steer a terminal is taken out.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: plain(text.as_ref()), tone: None }
    }

    /// The same in a colour.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = Some(tone);
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// When it gives way where room is scarce: the largest number first; 0 never does.
    pub gives_way: u8,
}

/// A column that stays.
pub const fn column(title: &'static str) -> Column {
    Column { title, gives_way: 0 }
}

/// A column that gives way, those with the largest number first.
pub const fn optional(title: &'static str, gives_way: u8) -> Column {
    Column { title, gives_way }
}

/// The lines of a table, its heading first. Rows that are too short end in empty cells.
pub fn lines(columns: &[Column], rows: &[Vec<Cell>], style: Style) -> Vec<String> {
    let empty = Cell::default();
    let cell = |row: &[Cell], index: usize| row.get(index).unwrap_or(&empty).clone();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let widest = rows.iter().map(|row| cell(row, index).text.width()).max().unwrap_or(0);
            widest.max(column.title.width())
        })
        .collect();
    let shown = fitting(columns, &widths, style.width);
    let titles: Vec<Cell> = columns.iter().map(|column| Cell::new(column.title).tone(Tone::Quiet)).collect();
    let line = |row: &[Cell]| {
        let mut text = String::new();
        let mut used = 0;
        for (place, &index) in shown.iter().enumerate() {
            let cell = cell(row, index);
            let width = widths.get(index).copied().unwrap_or(0);
            let last = place + 1 == shown.len();
            let room = style.width.map_or(width, |all| all.saturating_sub(used).min(width));
            let own = if last { cut(&cell.text, room, style) } else { cell.text };
            let padding = if last { 0 } else { width.saturating_sub(own.width()) + GAP };
            used += own.width() + padding;
            text.push_str(&cell.tone.map_or_else(|| own.clone(), |tone| style.paint(tone, &own)));
            text.push_str(&" ".repeat(padding));
        }
        text.trim_end().to_owned()
    };
    std::iter::once(line(&titles)).chain(rows.iter().map(|row| line(row))).collect()
}

/// The columns that have room: the last one may be cut, so it needs only some of its width.
fn fitting(columns: &[Column], widths: &[usize], width: Option<usize>) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let Some(room) = width else { return shown };
    loop {
        let of = |index: &usize| widths.get(*index).copied().unwrap_or(0);
        let last = shown.last().map_or(0, |index| of(index).min(LEAST));
        let others: usize = shown.iter().rev().skip(1).map(|index| of(index) + GAP).sum();
        let first_out = shown
            .iter()
            .copied()
            .filter_map(|index| Some((columns.get(index)?.gives_way, index)))
            .filter(|(gives_way, _)| *gives_way > 0)
            .max();
        match first_out {
            Some((_, out)) if others + last > room => shown.retain(|index| *index != out),
            _ => return shown,
        }
    }
}

/// A text in so many columns at most; one that is longer ends in an ellipsis.
pub fn cut(text: &str, room: usize, style: Style) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let end = style.ellipsis();
    let mut left = room.saturating_sub(end.width());
    let mut short = String::new();
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        short.push(c);
    }
    short.push_str(end);
    short
}

/// A text in lines of so many columns at most, broken between words; the later lines are indented. Without a width it
/// is left as it is.
pub fn wrapped(text: &str, indent: usize, style: Style) -> String {
    let Some(width) = style.width else { return text.to_owned() };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let begun = if lines.is_empty() { 0 } else { indent };
        let needed = begun + line.width() + 1 + word.width();
        if !line.is_empty() && needed > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [column("NAME"), optional("WHY", 1), optional("MESSAGE", 2)];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["fraud".into(), "Analyzing".into(), "v2 has 10 %; accuracy is not proven yet".into()],
            vec![Cell::new("p").tone(Tone::Bad)],
        ]
    }

    fn at(width: Option<usize>) -> Vec<String> {
        lines(&COLUMNS, &rows(), Style { width, ..Style::default() })
    }

    #[test]
    fn a_table_is_as_wide_as_it_needs_to_be() {
        assert_eq!(
            at(None),
            ["NAME   WHY        MESSAGE", "fraud  Analyzing  v2 has 10 %; accuracy is not proven yet", "p",]
        );
    }

    #[test]
    fn the_last_column_is_cut_before_a_column_goes() {
        let lines = at(Some(40));
        assert_eq!(lines[1], "fraud  Analyzing  v2 has 10 %; accuracy~");
        assert!(lines.iter().all(|line| line.width() <= 40));
    }

    #[test]
    fn columns_give_way_in_their_order() {
        assert_eq!(at(Some(20))[0], "NAME   WHY");
        assert_eq!(at(Some(8))[0], "NAME");
    }

    #[test]
    fn colours_take_no_room_and_wide_letters_do() {
        let style = Style { colour: true, ..Style::default() };
        let rows = vec![vec![Cell::new("\u{6a21}\u{578b}").tone(Tone::Good), "x".into()]];
        let drawn = lines(&[column("N"), column("W")], &rows, style);
        assert_eq!(drawn[1], "\u{1b}[32m\u{6a21}\u{578b}\u{1b}[0m  x");
        assert_eq!(cut("\u{6a21}\u{578b}", 3, Style::default()), "\u{6a21}~");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        let style = Style { width: Some(12), ..Style::default() };
        assert_eq!(wrapped("a bb ccc dddd eeeee", 2, style), "a bb ccc\n  dddd eeeee");
        assert_eq!(wrapped("  two spaces", 2, Style::default()), "  two spaces");
        assert_eq!(wrapped("averyveryverylongword", 2, style), "averyveryverylongword");
    }
}
