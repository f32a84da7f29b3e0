//! The whole picture: the finding as title, a panel for each run on one time scale, and the legend.

use plotters::prelude::*;

use super::{
    axis::Pieces,
    canvas::{Area, Drawn, LEFT, text},
    color,
    error::PlotError,
    legend, panel,
    timeline::Timeline,
};

/// Pixels right of the lanes.
const RIGHT: i32 = 30;
const TOP: i32 = 66;
const BOTTOM: i32 = 44;

pub(super) fn all<DB: DrawingBackend>(area: &Area<DB>, panels: &[Timeline], note: &str) -> Result<(), PlotError> {
    whole(area, panels, note).and_then(|()| area.present()).map_err(|e| PlotError::Draw(e.to_string()))
}

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
