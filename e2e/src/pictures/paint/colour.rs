//! The colours of Grafana's dark theme.

use plotters::style::RGBColor;

/// Behind the panels.
pub const CANVAS: RGBColor = RGBColor(0x11, 0x12, 0x17);
/// Behind what a panel draws.
pub const PANEL: RGBColor = RGBColor(0x18, 0x1b, 0x1f);
/// Around a panel.
pub const BORDER: RGBColor = RGBColor(0x2a, 0x2d, 0x33);
/// Lines of a grid.
pub const GRID: RGBColor = RGBColor(0x2c, 0x2f, 0x35);
/// Titles.
pub const BRIGHT: RGBColor = RGBColor(0xe6, 0xe6, 0xee);
/// Text.
pub const TEXT: RGBColor = RGBColor(0xcc, 0xcc, 0xdc);
/// Text that matters less.
pub const QUIET: RGBColor = RGBColor(0x8e, 0x90, 0x9c);
/// A state that holds.
pub const STATE: RGBColor = RGBColor(0x4d, 0x7f, 0x49);
/// A mark of a time.
pub const MARK: RGBColor = RGBColor(0xb8, 0x77, 0xd9);

/// `palette-classic`: what series have that no rule gives a colour, by their number.
const CLASSIC: [RGBColor; 16] = [
    RGBColor(0x73, 0xbf, 0x69),
    RGBColor(0xf2, 0xcc, 0x0c),
    RGBColor(0x8a, 0xb8, 0xff),
    RGBColor(0xff, 0x78, 0x0a),
    RGBColor(0xf2, 0x49, 0x5c),
    RGBColor(0x57, 0x94, 0xf2),
    RGBColor(0xb8, 0x77, 0xd9),
    RGBColor(0x70, 0x5d, 0xa0),
    RGBColor(0x37, 0x87, 0x2d),
    RGBColor(0xfa, 0xde, 0x2a),
    RGBColor(0x44, 0x7e, 0xbc),
    RGBColor(0xc1, 0x5c, 0x17),
    RGBColor(0x89, 0x0f, 0x02),
    RGBColor(0x0a, 0x43, 0x7c),
    RGBColor(0x6d, 0x1f, 0x62),
    RGBColor(0x58, 0x44, 0x77),
];

/// The colour of a series: by Grafana's name of it, else by the number of the series.
pub fn of(name: Option<&str>, number: usize) -> RGBColor {
    match name {
        Some("blue") => RGBColor(0x57, 0x94, 0xf2),
        Some("light-blue") => RGBColor(0x8a, 0xb8, 0xff),
        Some("orange") => RGBColor(0xff, 0x98, 0x30),
        Some("red") => RGBColor(0xf2, 0x49, 0x5c),
        Some("dark-red") => RGBColor(0xc4, 0x16, 0x2a),
        _ => CLASSIC.get(number % CLASSIC.len()).copied().unwrap_or(TEXT),
    }
}
