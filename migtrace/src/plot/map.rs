//! The map of a process: a lane for each node and for each other place, addresses from left to right. Addresses without
//! pages are skipped.

use plotters::prelude::*;

use super::{
    canvas::{Area, Drawn, LEFT, fill, line, text, text_width},
    color,
    error::PlotError,
    file::Drawing,
};
use crate::{
    map::{Counts, Map, Place, Region},
    text::{count, quantity},
};

/// Pixels: right of the lanes, above them, below them, and a lane with its gap.
const RIGHT: i32 = 30;
const TOP: i32 = 100;
const BOTTOM: i32 = 60;
const LANE: i32 = 46;
const GAP: i32 = 10;
/// Addresses written below the lanes.
const ADDRESSES: usize = 6;
/// Steps of a colour: finer ones look the same, and would make an SVG file larger.
const SHADES: u64 = 8;

/// A map, ready to draw.
pub(super) struct Picture<'a> {
    map: &'a Map,
    cells: Vec<(u64, Counts)>,
    lanes: Vec<(Place, u64)>,
}

impl<'a> Picture<'a> {
    /// `None`: the process has no pages.
    pub(super) fn new(map: &'a Map) -> Option<Self> {
        let cells = map.cells.all();
        let lanes: Vec<_> = map.counts().iter().collect();
        (!cells.is_empty() && !lanes.is_empty()).then_some(Self { map, cells, lanes })
    }

    pub(super) fn height(&self) -> u32 {
        (TOP + BOTTOM + LANE * self.lanes.len() as i32) as u32
    }

    fn all<DB: DrawingBackend>(&self, area: &Area<DB>) -> Drawn<DB> {
        area.fill(&WHITE)?;
        let width = area.dim_in_pixel().0 as i32 - LEFT - RIGHT;
        text(area, &self.title(), (LEFT, 12), 20, true, color::INK)?;
        text(area, &self.note(), (LEFT, 42), 14, false, color::FAINT)?;
        // Never finer than a cell, so that there are no gaps.
        let columns = (width as usize).min(self.cells.len());
        let x = |column: usize| f64::from(LEFT) + column as f64 * f64::from(width) / columns as f64;
        for (n, (place, pages)) in (0..).zip(&self.lanes) {
            let top = f64::from(TOP + n * LANE);
            let bottom = top + f64::from(LANE - GAP);
            fill(area, (x(0), top), (x(columns), bottom), color::GRID)?;
            for (from, to, shade) in self.shades(*place, columns) {
                fill(area, (x(from), top), (x(to), bottom), mixed(color_of(*place), shade))?;
            }
            text(area, &lane_name(*place), (6, top as i32 + 4), 14, true, color::INK)?;
            text(area, &quantity::short_count(*pages), (6, top as i32 + 20), 13, false, color::FAINT)?;
        }
        self.borders(area, columns, &x)?;
        self.addresses(area, columns, &x)
    }

    /// Runs of columns with the same shade above 0: first and last column, and the shade.
    fn shades(&self, place: Place, columns: usize) -> Vec<(usize, usize, u64)> {
        let mut found: Vec<(usize, usize, u64)> = Vec::new();
        for column in 0..columns {
            let mut sum = Counts::default();
            self.cells[self.cells_of(column, columns)].iter().for_each(|(_, counts)| sum.merge(counts));
            let pages = sum.iter().find(|(other, _)| *other == place).map_or(0, |(_, pages)| pages);
            let shade = (pages * SHADES).div_ceil(sum.total().max(1));
            match found.last_mut() {
                Some((_, to, same)) if *to == column && *same == shade => *to = column + 1,
                _ if shade > 0 => found.push((column, column + 1, shade)),
                _ => {}
            }
        }
        found
    }

    fn cells_of(&self, column: usize, columns: usize) -> std::ops::Range<usize> {
        column * self.cells.len() / columns..(column + 1) * self.cells.len() / columns
    }

    /// The region of a column's first cell.
    fn region_of(&self, column: usize, columns: usize) -> Option<&Region> {
        let (addr, end) = self
            .cells
            .get(self.cells_of(column, columns).start)
            .map(|(addr, _)| (*addr, *addr + self.map.cells.bytes()))?;
        let regions = self.map.regions.iter().filter(|region| region.end > addr && region.start < end);
        regions.max_by_key(|region| region.counts.total())
    }

    /// Lines between regions, and the names of those with room for them.
    fn borders<DB: DrawingBackend>(&self, area: &Area<DB>, columns: usize, x: &dyn Fn(usize) -> f64) -> Drawn<DB> {
        let bottom = f64::from(TOP + LANE * self.lanes.len() as i32 - GAP);
        let starts: Vec<Option<u64>> =
            (0..columns).map(|column| self.region_of(column, columns).map(|r| r.start)).collect();
        let mut from = 0;
        for same in starts.chunk_by(|a, b| a == b) {
            let to = from + same.len();
            if from > 0 {
                line(area, (x(from), f64::from(TOP - 6)), (x(from), bottom), WHITE.stroke_width(1))?;
            }
            if let Some(region) = self.region_of(from, columns) {
                let name = region_name(region);
                if f64::from(text_width(&name, 13, false)) < x(to) - x(from) - 6.0 {
                    text(area, &name, (x(from) as i32 + 2, TOP - 22), 13, false, color::INK)?;
                }
            }
            from = to;
        }
        Ok(())
    }

    fn addresses<DB: DrawingBackend>(&self, area: &Area<DB>, columns: usize, x: &dyn Fn(usize) -> f64) -> Drawn<DB> {
        let bottom = TOP + LANE * self.lanes.len() as i32;
        for n in 0..ADDRESSES.min(columns) {
            let column = n * columns / ADDRESSES.min(columns);
            let addr = self.cells[self.cells_of(column, columns).start].0;
            let tick = x(column);
            line(area, (tick, f64::from(bottom - GAP)), (tick, f64::from(bottom)), color::FAINT.stroke_width(1))?;
            text(area, &format!("{addr:x}"), (tick as i32, bottom + 4), 13, false, color::FAINT)?;
        }
        let cell = format!(
            "addresses without pages are skipped; a column is {} or more",
            quantity::bytes(self.map.cells.bytes())
        );
        text(area, &cell, (LEFT, bottom + 26), 13, false, color::FAINT)
    }

    fn title(&self) -> String {
        let counts = self.map.counts();
        let all = counts.in_memory();
        let remote = self.map.remote(&counts).map_or_else(|| "unknown".to_owned(), |pages| pages.to_string());
        let (off, named) = self.map.off_policy();
        let off = if named > 0 { format!(", {off} off their policy's nodes") } else { String::new() };
        format!("{} (process {}): {}, {remote} remote{off}", self.map.comm, self.map.process.pid, count(all, "page"))
    }

    fn note(&self) -> String {
        let threads: Vec<String> = self.map.threads.iter().map(|(nid, n)| format!("node {nid}: {n}")).collect();
        let threads = if threads.is_empty() { "unknown".to_owned() } else { threads.join(", ") };
        format!(
            "darker: a larger share of the pages at that address; remote: on nodes where no thread ran last (threads: {threads})"
        )
    }
}

impl Drawing for Picture<'_> {
    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>) -> Result<(), PlotError> {
        self.all(area).and_then(|()| area.present()).map_err(|error| PlotError::Draw(error.to_string()))
    }
}

fn region_name(region: &Region) -> String {
    let file = region.name.rsplit('/').next().unwrap_or_default();
    let name = if file.is_empty() { region.kind } else { file };
    match region.policy.as_deref() {
        Some(policy) if policy.contains(':') => format!("{name}, {policy}"),
        _ => name.to_owned(),
    }
}

fn lane_name(place: Place) -> String {
    match place {
        Place::Node(nid) => format!("node {nid}"),
        other => other.word().replace('_', " "),
    }
}

fn color_of(place: Place) -> RGBColor {
    match place {
        Place::Node(nid) => color::node(Some(nid)),
        Place::UnknownNode | Place::Zero | Place::Swap | Place::Special => color::FAINT,
    }
}

/// A colour mixed with the lane's, by its share of [`SHADES`].
fn mixed(RGBColor(r, g, b): RGBColor, shade: u64) -> RGBColor {
    // The lowest shade is visible too.
    let part = (shade + 1) as f64 / (SHADES + 1) as f64;
    let mix = |c: u8, ground: u8| (f64::from(c) * part + f64::from(ground) * (1.0 - part)).round() as u8;
    let RGBColor(gr, gg, gb) = color::GRID;
    RGBColor(mix(r, gr), mix(g, gg), mix(b, gb))
}
