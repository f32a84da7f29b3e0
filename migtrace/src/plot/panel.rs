//! One run: a lane over time for each page of the range.

use std::ops::Range;

use plotters::prelude::*;

use super::{
    axis::Axis,
    canvas::{Area, Drawn, LEFT, dotted, fill, line, outline, text, text_width},
    color,
    timeline::{Placement, Span, Timeline},
};
use crate::text;

/// Pixels above the lanes for the title and the syscalls' names, and below them for the axis.
const ABOVE: i32 = 50;
const BELOW: i32 = 30;
/// Lanes at least this high are all named.
const NAMED_LANE_PX: f64 = 15.0;
/// In lower lanes dots would run together: there an unmapped page is a pale line.
const DOTTED_LANE_PX: f64 = 6.0;
/// With more syscalls than these, their durations are not written above them.
const MOST_NAMED_SYSCALLS: usize = 3;

/// Position of the lanes, pixels.
struct Lanes {
    top: f64,
    height: f64,
    pages: u64,
}

impl Lanes {
    fn each(&self) -> f64 {
        self.height / self.pages.max(1) as f64
    }

    /// The upper and lower edge of a mark with this share of a page's lane, at least a pixel.
    fn band(&self, page: u64, part: f64) -> (f64, f64) {
        let middle = self.top + (page as f64 + 0.5) * self.each();
        let half = (self.each().min(30.0) * part / 2.0).max(0.5);
        (middle - half, middle + half)
    }
}

/// Whether the lanes of a panel of this height are high enough for dotted lines.
pub(super) fn has_dots(t: &Timeline, height: i32) -> bool {
    Lanes { top: 0.0, height: f64::from(height - ABOVE - BELOW), pages: t.pages }.each() >= DOTTED_LANE_PX
}

pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, t: &Timeline, axis: &Axis, y: Range<i32>) -> Drawn<DB> {
    text(area, &t.title, (LEFT, y.start + 4), 16, true, color::INK)?;
    let beside = LEFT + text_width(&t.title, 16, true) + 16;
    text(area, &t.result, (beside, y.start + 5), 14, false, color::INK)?;
    let top = f64::from(y.start + ABOVE);
    let lanes = Lanes { top, height: f64::from(y.end - BELOW) - top, pages: t.pages };
    for syscall in &t.syscalls {
        for (from, to) in syscall_spans(axis, syscall) {
            fill(area, (from, lanes.top), (to, lanes.top + lanes.height), color::SYSCALL)?;
        }
    }
    scale(area, axis, &lanes)?;
    syscalls(area, t, axis, &lanes)?;
    names(area, &lanes)?;
    // Lanes lower than a pixel overlap: mapped pages are drawn over unmapped ones.
    let (mapped, unmapped): (Vec<&Placement>, Vec<&Placement>) = t.placements.iter().partition(|p| p.mapped);
    for placement in unmapped.into_iter().chain(mapped) {
        draw_placement(area, placement, axis, &lanes)?;
    }
    for fault in &t.faults {
        bar(area, fault, axis, lanes.band(fault.page, 0.8), WHITE)?;
    }
    for migration in &t.migrations {
        bar(area, migration, axis, lanes.band(migration.page, 0.56), color::node(migration.nid))?;
    }
    for mark in &t.marks {
        let (upper, lower) = lanes.band(mark.page, 0.7);
        for (x, _) in axis.spans(&mark.ns) {
            line(area, (x, upper), (x, lower), color::INK.stroke_width(2))?;
        }
    }
    cuts(area, axis, &lanes)
}

/// The pixels of a syscall, without the margin before it.
fn syscall_spans(axis: &Axis, syscall: &Span) -> impl Iterator<Item = (f64, f64)> {
    let begin = axis.at(syscall.ns.start as f64).unwrap_or(f64::NEG_INFINITY);
    axis.spans(&syscall.ns).map(move |(from, to)| (from.max(begin), to))
}

/// The syscalls' edges, and the caller's wait time between them.
fn syscalls<DB: DrawingBackend>(area: &Area<DB>, t: &Timeline, axis: &Axis, lanes: &Lanes) -> Drawn<DB> {
    let (top, bottom) = (lanes.top - 4.0, lanes.top + lanes.height);
    for syscall in &t.syscalls {
        for (from, to) in syscall_spans(axis, syscall) {
            line(area, (from, top), (from, bottom), color::FAINT.stroke_width(1))?;
            line(area, (to, top), (to, bottom), color::FAINT.stroke_width(1))?;
            if t.syscalls.len() <= MOST_NAMED_SYSCALLS {
                let took = format!("{}, {}", t.syscall, text::duration(syscall.ns.end - syscall.ns.start));
                text(area, &took, (from as i32 + 4, lanes.top as i32 - 18), 14, false, color::INK)?;
            }
        }
    }
    Ok(())
}

/// The time axis below the lanes.
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

/// Without trailing zeros.
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

/// The smallest of 1, 2, 5, 10, 20, ... that is at least `least`.
fn round_step(least: f64) -> u64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least);
    step.unwrap_or(least.ceil()) as u64
}

/// A mapped page is a solid bar in its node's colour, an unmapped one a dotted or pale line.
fn draw_placement<DB: DrawingBackend>(area: &Area<DB>, placement: &Placement, axis: &Axis, lanes: &Lanes) -> Drawn<DB> {
    let color = color::node(placement.nid);
    let (upper, lower) = lanes.band(placement.page, 0.3);
    for (from, to) in axis.spans(&placement.ns) {
        if placement.mapped {
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

/// The cuts: a gap between two slanted strokes, and the length of the idle time.
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
