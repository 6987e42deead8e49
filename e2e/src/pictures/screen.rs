//! What a terminal shows, as text and as a picture.

use std::fmt::Write;
use std::num::NonZeroU16;

use anstyle_svg::Term;

/// A terminal's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Its rows with the codes of their colours.
    coloured: String,
    /// Its rows as text.
    pub text: String,
    columns: u16,
}

impl Screen {
    /// What a terminal of so many columns and rows shows after it was written this.
    pub fn of(written: &[u8], (columns, rows): (u16, u16)) -> Self {
        let mut parser = vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0);
        parser.process(written);
        let screen = parser.screen();
        let rows: Vec<String> = screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        let used = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
        let mut coloured = String::new();
        for row in 0..u16::try_from(used).unwrap_or(u16::MAX) {
            coloured.push_str(&row_coloured(screen, row, columns));
            coloured.push('\n');
        }
        let mut text = String::new();
        for (number, row) in (0..).zip(rows.iter().take(used)) {
            // What the terminal alone has broken is one line.
            if screen.row_wrapped(number) {
                // Writing to a String cannot fail.
                let _ = write!(text, "{row:<wide$}", wide = usize::from(columns));
            } else {
                text.push_str(row);
                text.push('\n');
            }
        }
        Self { coloured, text, columns }
    }

    /// The picture, as SVG.
    pub fn svg(&self) -> String {
        // The columns of a terminal are 8.4 pixels wide there.
        let wide = usize::from(self.columns) * 42 / 5;
        let svg = Term::new()
            .palette(anstyle_svg::WIN10_CONSOLE)
            .min_width_px(wide)
            .render_svg(self.coloured.trim_end());
        scalable(&svg)
    }
}

fn at_least_one(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN)
}

/// A row with the codes of its colours. What is the same in neighbouring cells is said once.
fn row_coloured(screen: &vt100::Screen, row: u16, columns: u16) -> String {
    let cells: Vec<&vt100::Cell> = (0..columns).filter_map(|column| screen.cell(row, column)).collect();
    let used = cells.iter().rposition(|cell| !cell.contents().trim().is_empty()).map_or(0, |last| last + 1);
    let mut coloured = String::new();
    let mut before = String::new();
    for cell in cells.iter().take(used).filter(|cell| !cell.is_wide_continuation()) {
        let style = style(cell);
        if style != before {
            coloured.push_str("\u{1b}[0m");
            coloured.push_str(&style);
            before = style;
        }
        coloured.push_str(if cell.contents().is_empty() { " " } else { cell.contents() });
    }
    if !before.is_empty() {
        coloured.push_str("\u{1b}[0m");
    }
    coloured
}

/// The code that makes text look as a cell does.
fn style(cell: &vt100::Cell) -> String {
    let mut codes: Vec<String> = Vec::new();
    let effects =
        [(cell.bold(), 1), (cell.dim(), 2), (cell.italic(), 3), (cell.underline(), 4), (cell.inverse(), 7)];
    codes.extend(effects.into_iter().filter(|(on, _)| *on).map(|(_, code)| code.to_string()));
    match cell.fgcolor() {
        vt100::Color::Default => {}
        vt100::Color::Idx(index) if index < 8 => codes.push((30 + index).to_string()),
        vt100::Color::Idx(index) => codes.push(format!("38;5;{index}")),
        vt100::Color::Rgb(red, green, blue) => codes.push(format!("38;2;{red};{green};{blue}")),
    }
    if codes.is_empty() { String::new() } else { format!("\u{1b}[{}m", codes.join(";")) }
}

/// The same picture, which a page may show smaller than it is.
fn scalable(svg: &str) -> String {
    let size =
        |name: &str| svg.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once("px\""));
    match (size("width"), size("height")) {
        (Some((width, _)), Some((height, _))) => {
            svg.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1)
        }
        _ => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_over_is_not_on_the_screen() {
        let screen = Screen::of(b"first\r\nsecond\r\n\x1b[2A\x1b[Jthird\r\n", (20, 5));
        assert_eq!(screen.text, "third\n");
    }

    #[test]
    fn a_line_that_the_terminal_breaks_is_one() {
        assert_eq!(Screen::of(b"12345678\r\nabcd efghi\r\n", (5, 8)).text, "12345678\nabcd efghi\n");
    }

    #[test]
    fn colours_and_text_come_into_the_picture_once_each() {
        let screen = Screen::of(b"\x1b[32mPass\x1b[0m of <b>\r\n\x1b[2mquiet\x1b[0m", (40, 5));
        assert_eq!(screen.text, "Pass of <b>\nquiet\n");
        assert_eq!(screen.coloured.matches("\u{1b}[32m").count(), 1, "{:?}", screen.coloured);
        let svg = screen.svg();
        assert!(svg.contains("fg-green\">Pass<") && svg.contains("of &lt;b&gt;"), "{svg}");
        assert!(svg.contains("dimmed\">quiet<"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 356 "), "as wide as the terminal, with a margin: {svg}");
    }
}
