//! Colours that colour-blind people can distinguish: Okabe and Ito's palette without yellow, which is too pale on white.

use plotters::style::RGBColor;

/// The palette.
pub const PALETTE: [RGBColor; 7] = [
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 114, 178),
    RGBColor(60, 60, 60),
];

pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const FAINT: RGBColor = RGBColor(120, 120, 120);
pub(super) const GRID: RGBColor = RGBColor(226, 226, 226);
pub(super) const SYSCALL: RGBColor = RGBColor(232, 232, 240);
pub(super) const UNKNOWN: RGBColor = RGBColor(170, 170, 170);

/// The colour of a node; the palette repeats.
pub(super) fn node(nid: Option<i32>) -> RGBColor {
    nid.and_then(|n| usize::try_from(n).ok()).map_or(UNKNOWN, |n| PALETTE[n % PALETTE.len()])
}

/// The same colour, two thirds of the way to white.
pub(super) fn pale(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let mix = |c: u8| 255 - (255 - c) / 3;
    RGBColor(mix(r), mix(g), mix(b))
}
