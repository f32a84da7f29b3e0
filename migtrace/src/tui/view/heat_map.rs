//! Draws a heat map: when, and at which addresses, a process touched memory.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::{
    model::live::heat::{Cell, Heat},
    text::{self, Tone, quantity},
};

/// Columns of the addresses beside the map.
const ADDRESS: u16 = 13;

/// Addresses from top to bottom, time from left to right. Addresses without a fault are skipped.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, heat: &Heat, zero_ns: u64) {
    let (bytes, ns) = heat.cell_size();
    let title =
        format!("faults by address and time; a cell is {} by {} or more", quantity::bytes(bytes), text::duration(ns));
    canvas.heading(area, 0, &title);
    let addresses: Vec<u64> = heat.iter().map(|(addr, ..)| addr).collect::<BTreeSet<_>>().into_iter().collect();
    let begin = heat.iter().map(|(_, at, _)| at).min();
    let (Some(begin), Some(width)) = (begin, area.width.checked_sub(ADDRESS + 1).filter(|w| *w > 0)) else {
        canvas.line(area, 1, &Tone::Dim.paint("no fault yet").into());
        return;
    };
    let rows = area.height.saturating_sub(2).min(addresses.len().min(u16::MAX.into()) as u16).max(1);
    let end = heat.iter().map(|(_, at, _)| at + ns).max().unwrap_or(begin + 1).max(begin + ns);
    // Never finer than a cell, so that there are no gaps between neighbouring cells.
    let columns = u64::from(width).min((end - begin).div_ceil(ns)).max(1);
    let cell_of = |addr: u64, at: u64| {
        let rank = addresses.binary_search(&addr).unwrap_or(0);
        let column = ((at - begin) as u128 * u128::from(columns) / u128::from(end - begin)) as u16;
        ((rank * usize::from(rows) / addresses.len()) as u16, column)
    };
    let mut cells = BTreeMap::<(u16, u16), Cell>::new();
    for (addr, at, cell) in heat.iter() {
        let sum = cells.entry(cell_of(addr, at)).or_default();
        sum.faults += cell.faults;
        sum.remote += cell.remote;
    }
    let max = cells.values().map(|cell| cell.faults).max().unwrap_or(1) as f64;
    let dim_style = canvas.theme.style(Tone::Dim);
    for row in 0..rows {
        let first = addresses
            .iter()
            .enumerate()
            .find(|(rank, _)| rank * usize::from(rows) / addresses.len() == usize::from(row));
        let label = first.map(|(_, addr)| format!("{addr:x}")).unwrap_or_default();
        canvas.put_right(area.x, area.y + 1 + row, ADDRESS - 1, &label, dim_style);
    }
    // A short time is drawn wide, to be readable.
    let wide = (width / columns as u16).clamp(1, 8);
    for ((row, column), cell) in cells {
        let share = cell.faults as f64 / max;
        let mostly_remote = cell.remote * 2 > cell.faults;
        let filled = if mostly_remote { 'x' } else { canvas.theme.shade(share) };
        let style = canvas.theme.heat(share, mostly_remote);
        for n in 0..wide {
            canvas.put(area.x + ADDRESS + column * wide + n, area.y + 1 + row, 1, &filled.to_string(), style);
        }
    }
    let legend = format!(
        "{} to {}   ░ to █: 1 to {} faults   x: mostly remote",
        quantity::clock(begin.saturating_sub(zero_ns)),
        quantity::clock(end.saturating_sub(zero_ns)),
        quantity::short(max)
    );
    canvas.line(area, rows + 1, &Tone::Dim.paint(" ".repeat(ADDRESS.into()) + &legend).into());
}
