//! Draws a matrix of nodes as a heat map, with the nodes' distances.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::{
    model::live::{State, matrix::Matrix},
    text::{self, Tone, quantity},
    tui::rows::nodes,
};

/// Columns of a cell, and of the name of a row.
const CELL: u16 = 7;
const LABEL: u16 = 7;

/// Columns that a matrix of so many nodes takes.
pub(super) fn width(nodes: usize) -> u16 {
    LABEL + CELL * nodes as u16
}

/// Draws a matrix below its heading. `axes`: what rows and columns are.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, matrix: &Matrix, title: &str, axes: &str) {
    canvas.heading(area, 0, title);
    let nodes = nodes::numbers(state);
    if nodes.is_empty() {
        canvas.line(area, 1, &Tone::Dim.paint("the nodes of the machine are not known").into());
        return;
    }
    let columns = usize::from((area.width.saturating_sub(LABEL)) / CELL).min(nodes.len());
    let rows = usize::from(area.height.saturating_sub(2)).min(nodes.len());
    let dim = canvas.theme.style(Tone::Dim);
    canvas.put(area.x, area.y + 1, LABEL, axes, dim);
    for (n, nid) in nodes.iter().take(columns).enumerate() {
        canvas.put_right(area.x + LABEL + n as u16 * CELL, area.y + 1, CELL - 1, &format!("n{nid}"), dim);
    }
    let max = matrix.max();
    for (row, from) in nodes.iter().take(rows).enumerate() {
        let y = area.y + 2 + row as u16;
        if y >= area.bottom() {
            break;
        }
        canvas.put(area.x, y, LABEL - 1, &format!("n{from}{}", lacks(state, *from)), dim);
        for (column, to) in nodes.iter().take(columns).enumerate() {
            cell(canvas, (area.x + LABEL + column as u16 * CELL, y), state, (*from, *to), matrix.get(*from, *to), max);
        }
    }
    let hidden = nodes.len() - rows.min(columns);
    if hidden > 0 && area.height > 1 {
        canvas.put_right(
            area.x,
            area.y,
            area.width,
            &format!(" {} more ", text::count(hidden as u64, "node")),
            canvas.theme.style(Tone::Warn),
        );
    }
}

/// What a node without CPUs or without memory has, as far as it was read.
fn lacks(state: &State, nid: i32) -> &'static str {
    let Some(facts) = state.nodes.get(nid).map(|reading| &reading.facts) else { return "" };
    match (facts.cpus.as_deref() == Some(""), facts.mem_bytes == Some(0)) {
        (true, true) => " -",
        (true, false) => " mem",
        (false, true) => " cpu",
        (false, false) => "",
    }
}

fn cell(canvas: &mut Canvas<'_>, (x, y): (u16, u16), state: &State, (from, to): (i32, i32), count: u64, max: u64) {
    let share = if max == 0 { 0.0 } else { count as f64 / max as f64 };
    if count > 0 {
        canvas.put_right(
            x,
            y,
            CELL - 1,
            &format!("{:>6}", quantity::short_count(count)),
            canvas.theme.heat(share, true),
        );
        return;
    }
    let text = distance(state, from, to).map_or_else(|| "·".to_owned(), |d| format!("·{d}"));
    canvas.put_right(x, y, CELL - 1, &text, canvas.theme.style(Tone::Dim));
}

/// Distance from node to node as the firmware reports it: 10 is the node itself.
fn distance(state: &State, from: i32, to: i32) -> Option<u32> {
    let nodes = &state.meta.topology.nodes;
    let column = nodes.iter().position(|node| node.nid == to)?;
    nodes.iter().find(|node| node.nid == from)?.distances.get(column).copied()
}
