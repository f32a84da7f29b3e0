//! Drawing primitives: text, lines and rectangles, in pixels.

use plotters::{coord::Shift, prelude::*};

pub(super) type Area<DB> = DrawingArea<DB, Shift>;

pub(super) type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Pixels left of the lanes.
pub(super) const LEFT: i32 = 72;
/// Font family, by a name that SVG viewers know.
pub(super) const FONT: &str = "sans-serif";

/// Text with its upper left corner at a point.
pub(super) fn text<DB: DrawingBackend>(
    area: &Area<DB>,
    text: &str,
    at: (i32, i32),
    size: i32,
    bold: bool,
    color: RGBColor,
) -> Drawn<DB> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = FontDesc::new(FontFamily::Name(FONT), f64::from(size), style).color(&color);
    area.draw(&Text::new(text.to_string(), at, font))
}

/// Width of a text, pixels; estimated if the font cannot measure it.
pub(super) fn text_width(text: &str, size: i32, bold: bool) -> i32 {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = FontDesc::new(FontFamily::Name(FONT), f64::from(size), style);
    font.box_size(text).map_or(text.chars().count() as i32 * size * 6 / 10, |(width, _)| width as i32)
}

/// A filled rectangle.
pub(super) fn fill<DB: DrawingBackend>(
    area: &Area<DB>,
    from: (f64, f64),
    to: (f64, f64),
    color: RGBColor,
) -> Drawn<DB> {
    area.draw(&Rectangle::new([px(from), px(to)], color.filled()))
}

/// The outline of a rectangle.
pub(super) fn outline<DB: DrawingBackend>(
    area: &Area<DB>,
    from: (f64, f64),
    to: (f64, f64),
    color: RGBColor,
) -> Drawn<DB> {
    area.draw(&Rectangle::new([px(from), px(to)], color.stroke_width(1)))
}

/// A straight line.
pub(super) fn line<DB: DrawingBackend>(
    area: &Area<DB>,
    from: (f64, f64),
    to: (f64, f64),
    style: ShapeStyle,
) -> Drawn<DB> {
    area.draw(&PathElement::new(vec![px(from), px(to)], style))
}

/// A dotted horizontal line.
pub(super) fn dotted<DB: DrawingBackend>(area: &Area<DB>, x: (f64, f64), y: f64, color: RGBColor) -> Drawn<DB> {
    let mut at = x.0;
    while at < x.1 {
        line(area, (at, y), ((at + 3.0).min(x.1), y), color.stroke_width(2))?;
        at += 7.0;
    }
    Ok(())
}

fn px((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}
