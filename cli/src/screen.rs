//! What the terminal is: its width, whether it shows colours, and whether it is one at all.

use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

/// What a piece of text means, by which it is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is wrong.
    Bad,
    /// Something is awaited.
    Busy,
    /// Less important than the rest.
    Quiet,
    /// More important than the rest.
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "33",
            Self::Quiet => "2",
            Self::Strong => "1",
        }
    }
}

/// How text is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are shown.
    pub colour: bool,
    /// Whether characters beyond ASCII are.
    pub unicode: bool,
    /// Columns that there are; none: as many as are needed.
    pub width: Option<usize>,
    /// Rows that there are; none: as many as are needed. A terminal that is redrawn has some.
    pub height: Option<usize>,
}

/// Columns below which no layout makes sense: a narrower terminal wraps lines by itself.
const NARROWEST: usize = 40;

impl Style {
    /// What standard output is. A file or a pipe gets plain ASCII, as wide as it needs to be.
    pub fn of_stdout(no_color: bool) -> Self {
        let out = std::io::stdout();
        if !out.is_terminal() {
            return Self::default();
        }
        let size = tcgetwinsize(&out).ok();
        let told = |variable: &str| std::env::var(variable).unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(told).find(|value| !value.is_empty());
        let locale = locale.unwrap_or_default().to_ascii_uppercase();
        Self {
            colour: !no_color && told("NO_COLOR").is_empty() && told("TERM") != "dumb",
            unicode: locale.contains("UTF-8") || locale.contains("UTF8"),
            width: size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0),
            height: size.map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 0),
        }
        .fitting()
    }

    /// The same, no narrower than any layout can be.
    #[must_use]
    pub fn fitting(self) -> Self {
        Self { width: self.width.map(|width| width.max(NARROWEST)), ..self }
    }

    /// The same at the size that the terminal has now; where there is none, the same.
    #[must_use]
    pub fn measured(self) -> Self {
        if self.height.is_none() {
            return self;
        }
        let Ok(size) = tcgetwinsize(std::io::stdout()) else { return self };
        let (width, height) = (usize::from(size.ws_col), usize::from(size.ws_row));
        Self { width: Some(width).filter(|w| *w > 0), height: Some(height.max(1)), ..self }.fitting()
    }

    /// Whether what was written can be written over.
    pub fn redraws(self) -> bool {
        self.height.is_some()
    }

    /// Text in its colour.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// From one value to another.
    pub fn arrow(self) -> &'static str {
        if self.unicode { "\u{2192}" } else { "->" }
    }

    /// What ends a text that was cut.
    pub fn ellipsis(self) -> &'static str {
        if self.unicode { "\u{2026}" } else { "~" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_plain_ascii() {
        let style = Style::default();
        assert_eq!(style.paint(Tone::Bad, "x"), "x");
        assert_eq!((style.arrow(), style.ellipsis(), style.width), ("->", "~", None));
    }

    #[test]
    fn colours_end_where_they_should() {
        let style = Style { colour: true, ..Style::default() };
        assert_eq!(style.paint(Tone::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
        assert_eq!(style.paint(Tone::Good, ""), "");
    }

    #[test]
    fn no_terminal_is_too_small() {
        let style = Style { width: Some(3), ..Style::default() }.fitting();
        assert_eq!(style.width, Some(NARROWEST));
    }
}
