//! Text: how wide it is, where it is cut, and how times are written.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle};

use super::{Area, drawn};
use crate::error::Result;

/// What is there on most machines; the last one on all.
pub const FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub struct Font {
    /// Height in half pixels.
    pub size: i32,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub colour: RGBColor,
}

impl Font {
    /// As the library takes it.
    pub fn style(self, anchor: Anchor) -> TextStyle<'static> {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // The library takes the height of a line.
        let font = FontDesc::new(FontFamily::Name(FAMILY), f64::from(self.size) * 1.24, style);
        let (color, pos) = (self.colour.to_backend_color(), Pos::new(horizontal, VPos::Center));
        TextStyle { color, pos, ..TextStyle::from(font) }
    }
}

/// Which point of a text is at its place; from top to bottom always its middle.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    /// Its begin.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// Writes text.
pub fn write(area: &Area<'_>, text: &str, at: (i32, i32), font: Font, anchor: Anchor) -> Result<()> {
    drawn(area.draw_text(text, &font.style(anchor), at))
}

/// How wide text is, at most: which of the fonts a reader has is not known, so it is by classes of characters.
pub fn width(text: &str, font: Font) -> i32 {
    let thousandths = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 300,
        'f' | 't' | 'r' | 'I' | '(' | ')' | '-' | '/' | '"' | '[' | ']' => 400,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 900,
        c if c.is_uppercase() => 700,
        _ => 580,
    };
    let bold = if font.bold { 1060 } else { 1000 };
    let sum: i32 = text.chars().map(thousandths).sum();
    sum * font.size / 1000 * bold / 1000
}

/// Text that is no wider than it may be.
pub fn cut(text: &str, font: Font, most: i32) -> String {
    if width(text, font) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&format!("{kept}{c}…"), font) > most {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

/// A time of day in UTC.
pub fn moment(seconds: i64, precise: bool) -> String {
    let zoned = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    zoned.strftime(if precise { "%H:%M:%S" } else { "%H:%M" }).to_string()
}
