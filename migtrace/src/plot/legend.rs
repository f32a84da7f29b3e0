//! The legend: the meaning of the marks that a plot has, and of no others.

use std::collections::BTreeSet;

use plotters::prelude::*;

use super::{
    canvas::{Area, Drawn, LEFT, dotted, fill, line, outline, text, text_width},
    color,
    timeline::Timeline,
};

/// Draws one row: nodes by colour, then the marks that occur. `dots`: an unmapped page is a dotted line, else a pale one.
pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, panels: &[Timeline], dots: bool, y: i32) -> Drawn<DB> {
    let mut x = LEFT;
    let middle = f64::from(y) + 7.0;
    let targets: BTreeSet<Option<i32>> = panels.iter().flat_map(|t| t.migrations.iter().map(|m| m.nid)).collect();
    let placed = panels.iter().flat_map(|t| t.placements.iter().map(|p| p.nid));
    let nodes: BTreeSet<Option<i32>> = placed.chain(targets.iter().copied()).collect();
    for nid in nodes {
        fill(area, (f64::from(x), middle - 4.0), (f64::from(x + 22), middle + 4.0), color::node(nid))?;
        entry(area, &mut x, y, &format!("on {}", name(nid)))?;
    }
    let left = |x: i32| f64::from(x);
    fill(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), color::SYSCALL)?;
    outline(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), color::FAINT)?;
    entry(area, &mut x, y, "syscall: the caller waits")?;
    if panels.iter().any(|t| !t.marks.is_empty()) {
        line(area, (left(x + 3), middle - 7.0), (left(x + 3), middle + 7.0), color::INK.stroke_width(2))?;
        if dots {
            dotted(area, (left(x + 6), left(x + 24)), middle, color::INK)?;
        } else {
            fill(area, (left(x + 6), middle - 4.0), (left(x + 24), middle + 4.0), color::pale(color::FAINT))?;
        }
        entry(area, &mut x, y, "unmapped")?;
    }
    if panels.iter().any(|t| !t.faults.is_empty()) {
        fill(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), WHITE)?;
        outline(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), color::INK)?;
        entry(area, &mut x, y, "page fault: the thread waits")?;
    }
    for nid in targets {
        fill(area, (left(x), middle - 6.0), (left(x + 22), middle + 6.0), color::node(nid))?;
        outline(area, (left(x), middle - 6.0), (left(x + 22), middle + 6.0), color::INK)?;
        entry(area, &mut x, y, &format!("migrating to {}", name(nid)))?;
    }
    Ok(())
}

fn name(nid: Option<i32>) -> String {
    nid.map_or_else(|| "an unknown node".into(), |n| format!("node {n}"))
}

fn entry<DB: DrawingBackend>(area: &Area<DB>, x: &mut i32, y: i32, name: &str) -> Drawn<DB> {
    text(area, name, (*x + 28, y), 14, false, color::INK)?;
    *x += 28 + text_width(name, 14, false) + 18;
    Ok(())
}
