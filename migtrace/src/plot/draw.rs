//! The whole picture: the finding as title, a panel for each run on one time scale, and the legend.

use plotters::{coord::Shift, prelude::*};

use super::{FONT, PlotError, axis::Pieces, color, legend, panel, timeline::Timeline};

pub(super) type Area<DB> = DrawingArea<DB, Shift>;

/// Pixels left and right of the lanes.
pub(super) const LEFT: i32 = 72;
const RIGHT: i32 = 30;
const TOP: i32 = 66;
const BOTTOM: i32 = 44;

pub(super) fn all<DB: DrawingBackend>(area: &Area<DB>, panels: &[Timeline], note: &str) -> Result<(), PlotError> {
    whole(area, panels, note).and_then(|()| area.present()).map_err(|e| PlotError::Draw(e.to_string()))
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn whole<DB: DrawingBackend>(area: &Area<DB>, panels: &[Timeline], note: &str) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (width as i32, height as i32);
    text(area, &finding(panels), (LEFT, 12), 20, true, color::INK)?;
    text(area, note, (LEFT, 42), 14, false, color::FAINT)?;
    let room = f64::from(width - LEFT - RIGHT);
    let pieces: Vec<Pieces> = panels.iter().map(busy).collect();
    let px_per_ns = pieces.iter().map(|p| p.px_per_ns(room)).fold(f64::INFINITY, f64::min);
    let each = (height - TOP - BOTTOM) / (panels.len().max(1) as i32);
    for ((timeline, pieces), n) in panels.iter().zip(&pieces).zip(0..) {
        let axis = pieces.axis(f64::from(LEFT), px_per_ns);
        let top = TOP + n * each;
        panel::draw(area, timeline, &axis, top..top + each)?;
    }
    let dots = panels.iter().any(|t| panel::has_dots(t, each));
    legend::draw(area, panels, dots, height - 30)
}

fn busy(timeline: &Timeline) -> Pieces {
    Pieces::new(timeline.syscalls.iter().chain(&timeline.faults).map(|s| s.ns.clone()))
}

/// How long the caller waited, and how long page faults took afterwards, for each run.
fn finding(panels: &[Timeline]) -> String {
    let findings: Vec<&str> = panels.iter().map(|timeline| timeline.finding.as_str()).collect();
    format!("Wait time: {}", findings.join("; "))
}

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
