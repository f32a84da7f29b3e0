//! What the marks of a timeline mean.

use std::collections::BTreeSet;

use plotters::prelude::*;

use super::{
    color,
    draw::{Area, LEFT, dotted, fill, line, outline, text, text_width},
    timeline::Timeline,
};

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// One row: nodes by colour, then the marks that occur.
pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, panels: &[Timeline], y: i32) -> Drawn<DB> {
    let mut x = LEFT;
    let middle = f64::from(y) + 7.0;
    let nodes: BTreeSet<Option<i32>> =
        panels.iter().flat_map(|t| t.stays.iter().map(|s| s.nid).chain(t.moves.iter().map(|m| m.nid))).collect();
    for nid in nodes {
        fill(area, (f64::from(x), middle - 4.0), (f64::from(x + 22), middle + 4.0), color::node(nid))?;
        let name = nid.map_or_else(|| "node not known".into(), |n| format!("on node {n}"));
        entry(area, &mut x, y, &name)?;
    }
    let left = |x: i32| f64::from(x);
    fill(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), color::REQUEST)?;
    outline(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), color::FAINT)?;
    entry(area, &mut x, y, "in the request: caller waits")?;
    if panels.iter().any(|t| !t.marks.is_empty()) {
        line(area, (left(x + 3), middle - 7.0), (left(x + 3), middle + 7.0), color::INK.stroke_width(2))?;
        dotted(area, (left(x + 6), left(x + 24)), middle, color::INK)?;
        entry(area, &mut x, y, "unmapped")?;
    }
    if panels.iter().any(|t| !t.faults.is_empty()) {
        fill(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), WHITE)?;
        outline(area, (left(x), middle - 8.0), (left(x + 22), middle + 8.0), color::INK)?;
        entry(area, &mut x, y, "page fault: toucher waits")?;
    }
    fill(area, (left(x), middle - 6.0), (left(x + 22), middle + 6.0), color::UNKNOWN)?;
    outline(area, (left(x), middle - 6.0), (left(x + 22), middle + 6.0), color::INK)?;
    entry(area, &mut x, y, "moving, in its new colour")
}

fn entry<DB: DrawingBackend>(area: &Area<DB>, x: &mut i32, y: i32, name: &str) -> Drawn<DB> {
    text(area, name, (*x + 28, y), 14, false, color::INK)?;
    *x += 28 + text_width(name, 14, false) + 18;
    Ok(())
}
