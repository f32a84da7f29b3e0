//! One run: a lane for each page of the range, over time.

use std::ops::Range;

use plotters::prelude::*;

use super::{
    axis::Axis,
    color,
    draw::{Area, LEFT, dotted, fill, line, outline, text, text_width},
    timeline::{Span, Stay, Timeline},
};
use crate::text;

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Room above the lanes for the title and the requests' names, and below them for the axis.
const ABOVE: i32 = 50;
const BELOW: i32 = 30;
/// Lanes at least this high have names of their own.
const NAMED_LANE_PX: f64 = 15.0;

/// In lower lanes dots would run into each other: there an unmapped page is pale.
const DOTTED_LANE_PX: f64 = 6.0;
/// With more requests than these, their times are not written above them.
const MOST_NAMED_REQUESTS: usize = 3;

/// Where the lanes are, pixels.
struct Lanes {
    top: f64,
    height: f64,
    pages: u64,
}

impl Lanes {
    fn each(&self) -> f64 {
        self.height / self.pages.max(1) as f64
    }

    /// The upper and lower edge of a mark that takes this part of a page's lane, at least a pixel.
    fn band(&self, page: u64, part: f64) -> (f64, f64) {
        let middle = self.top + (page as f64 + 0.5) * self.each();
        let half = (self.each().min(30.0) * part / 2.0).max(0.5);
        (middle - half, middle + half)
    }
}

pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, t: &Timeline, axis: &Axis, y: Range<i32>) -> Drawn<DB> {
    text(area, &t.title, (LEFT, y.start + 4), 16, true, color::INK)?;
    let beside = LEFT + text_width(&t.title, 16, true) + 16;
    text(area, &t.result, (beside, y.start + 5), 14, false, color::INK)?;
    let top = f64::from(y.start + ABOVE);
    let lanes = Lanes { top, height: f64::from(y.end - BELOW) - top, pages: t.pages };
    for request in &t.requests {
        for (from, to) in request_spans(axis, request) {
            fill(area, (from, lanes.top), (to, lanes.top + lanes.height), color::REQUEST)?;
        }
    }
    scale(area, axis, &lanes)?;
    requests(area, t, axis, &lanes)?;
    names(area, &lanes)?;
    // Where lanes are lower than a pixel, pages that are somewhere win over unmapped ones.
    let (mapped, unmapped): (Vec<&Stay>, Vec<&Stay>) = t.stays.iter().partition(|s| s.mapped);
    for stay in unmapped.into_iter().chain(mapped) {
        draw_stay(area, stay, axis, &lanes)?;
    }
    for fault in &t.faults {
        bar(area, fault, axis, lanes.band(fault.page, 0.8), WHITE)?;
    }
    for moved in &t.moves {
        bar(area, moved, axis, lanes.band(moved.page, 0.56), color::node(moved.nid))?;
    }
    for mark in &t.marks {
        let (upper, lower) = lanes.band(mark.page, 0.7);
        for (x, _) in axis.spans(&mark.ns) {
            line(area, (x, upper), (x, lower), color::INK.stroke_width(2))?;
        }
    }
    cuts(area, axis, &lanes)
}

/// The pixels of a request, without the margin before it: a request begins where it begins.
fn request_spans(axis: &Axis, request: &Span) -> impl Iterator<Item = (f64, f64)> {
    let begin = axis.at(request.ns.start as f64).unwrap_or(f64::NEG_INFINITY);
    axis.spans(&request.ns).map(move |(from, to)| (from.max(begin), to))
}

/// The requests' edges, and the time that the caller waited between them.
fn requests<DB: DrawingBackend>(area: &Area<DB>, t: &Timeline, axis: &Axis, lanes: &Lanes) -> Drawn<DB> {
    let (top, bottom) = (lanes.top - 4.0, lanes.top + lanes.height);
    for request in &t.requests {
        for (from, to) in request_spans(axis, request) {
            line(area, (from, top), (from, bottom), color::FAINT.stroke_width(1))?;
            line(area, (to, top), (to, bottom), color::FAINT.stroke_width(1))?;
            if t.requests.len() <= MOST_NAMED_REQUESTS {
                let took = format!("request, {}", text::duration(request.ns.end - request.ns.start));
                text(area, &took, (from as i32 + 4, lanes.top as i32 - 18), 14, false, color::INK)?;
            }
        }
    }
    Ok(())
}

/// The axis of time below the lanes.
fn scale<DB: DrawingBackend>(area: &Area<DB>, axis: &Axis, lanes: &Lanes) -> Drawn<DB> {
    let bottom = lanes.top + lanes.height;
    for (from, to) in axis.pieces() {
        line(area, (from, bottom), (to, bottom), color::FAINT.stroke_width(1))?;
    }
    let mut free = f64::NEG_INFINITY;
    for ns in axis.ticks(96.0) {
        let Some(x) = axis.at(ns) else { continue };
        line(area, (x, lanes.top), (x, bottom), color::GRID.stroke_width(1))?;
        line(area, (x, bottom), (x, bottom + 4.0), color::FAINT.stroke_width(1))?;
        let label = format!("{} ms", round(ns / 1e6));
        let half = f64::from(text_width(&label, 14, false)) / 2.0;
        if x - half > free {
            text(area, &label, ((x - half) as i32, bottom as i32 + 7), 14, false, color::FAINT)?;
            free = x + half + 6.0;
        }
    }
    Ok(())
}

/// Without digits that say nothing.
fn round(ms: f64) -> String {
    let text = format!("{ms:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn names<DB: DrawingBackend>(area: &Area<DB>, lanes: &Lanes) -> Drawn<DB> {
    let every = round_step(NAMED_LANE_PX / lanes.each());
    let named = (0..lanes.pages).filter(|p| *p == 0 || (p + 1) % every == 0);
    for page in named {
        let label = if every == 1 { format!("page {}", page + 1) } else { (page + 1).to_string() };
        let (upper, lower) = lanes.band(page, 1.0);
        let x = LEFT - 8 - text_width(&label, 14, false);
        text(area, &label, (x, ((upper + lower) / 2.0) as i32 - 8), 14, false, color::INK)?;
    }
    Ok(())
}

/// The least of 1, 2, 5, 10, 20, ... that is not less.
fn round_step(least: f64) -> u64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least);
    step.unwrap_or(least.ceil()) as u64
}

/// A page mapped on a node is a solid bar of the node's colour, an unmapped one a dotted or pale line.
fn draw_stay<DB: DrawingBackend>(area: &Area<DB>, stay: &Stay, axis: &Axis, lanes: &Lanes) -> Drawn<DB> {
    let color = color::node(stay.nid);
    let (upper, lower) = lanes.band(stay.page, 0.3);
    for (from, to) in axis.spans(&stay.ns) {
        if stay.mapped {
            fill(area, (from, upper), (to, lower), color)?;
        } else if lanes.each() < DOTTED_LANE_PX {
            fill(area, (from, upper), (to, lower), color::pale(color))?;
        } else {
            dotted(area, (from, to), (upper + lower) / 2.0, color)?;
        }
    }
    Ok(())
}

fn bar<DB: DrawingBackend>(
    area: &Area<DB>,
    span: &Span,
    axis: &Axis,
    (upper, lower): (f64, f64),
    inside: RGBColor,
) -> Drawn<DB> {
    for (from, to) in axis.spans(&span.ns) {
        let to = to.max(from + 1.0);
        fill(area, (from, upper), (to, lower), inside)?;
        if lower - upper >= 3.0 {
            outline(area, (from, upper), (to, lower), color::INK)?;
        }
    }
    Ok(())
}

/// Where idle time is cut out: a gap between two slanted strokes, and how long it was.
fn cuts<DB: DrawingBackend>(area: &Area<DB>, axis: &Axis, lanes: &Lanes) -> Drawn<DB> {
    let bottom = lanes.top + lanes.height;
    for (from, to, ns) in axis.cuts() {
        for x in [from, to] {
            line(area, (x - 3.0, bottom + 5.0), (x + 3.0, bottom - 5.0), color::INK.stroke_width(1))?;
        }
        let label = format!("{} idle", text::duration_f64(ns));
        let x = (from + to) / 2.0 - f64::from(text_width(&label, 14, false)) / 2.0;
        text(area, &label, (x as i32, lanes.top as i32 - 18), 14, false, color::FAINT)?;
    }
    Ok(())
}
