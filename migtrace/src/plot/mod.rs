//! Plots for talks and reports: timelines of a range of pages, and maps of a process. The file's ending selects SVG or PNG.
//!
//! This module owns content and look of a plot. It uses the model, and writes one file. The font is built in, so that a host
//! without fonts draws the same.

mod axis;
mod canvas;
mod color;
mod draw;
mod error;
mod file;
mod legend;
mod map;
mod panel;
mod timeline;

use std::path::Path;

use plotters::prelude::*;

pub use color::PALETTE;
pub use error::PlotError;
pub use file::check_name;

use crate::{map::Map, model::Run, text};
use canvas::Area;
use file::Drawing;
use timeline::Timeline;

/// Width of every plot, pixels.
const WIDTH: u32 = 1200;
/// Height of a plot of one run and of two, pixels.
const HEIGHTS: [u32; 2] = [420, 700];
/// Draws the pages of the first range that a syscall migrates, with a panel for each of one or two named runs.
///
/// # Errors
/// If the ending is neither `.svg` nor `.png`, a run has nothing to show, or the file cannot be written.
pub fn timeline(runs: &[(&str, &Run)], path: &Path) -> Result<(), PlotError> {
    file::check_name(path)?;
    let panels = runs
        .iter()
        .map(|(name, run)| Timeline::new(run, name).ok_or_else(|| PlotError::Nothing((*name).to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    let size = (WIDTH, HEIGHTS[usize::from(panels.len() > 1)]);
    file::write(&Timelines { panels: &panels, note: &note(runs) }, size, path)
}

/// Draws where the pages of a process are: a lane for each node, addresses from left to right.
///
/// # Errors
/// If the ending is neither `.svg` nor `.png`, the process has no pages, or the file cannot be written.
pub fn map(map: &Map, path: &Path) -> Result<(), PlotError> {
    file::check_name(path)?;
    let picture = map::Picture::new(map).ok_or(PlotError::NoPages)?;
    file::write(&picture, (WIDTH, picture.height()), path)
}

struct Timelines<'a> {
    panels: &'a [Timeline],
    note: &'a str,
}

impl Drawing for Timelines<'_> {
    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>) -> Result<(), PlotError> {
        draw::all(area, self.panels, self.note)
    }
}

/// The line below the title: how to read the times.
fn note(runs: &[(&str, &Run)]) -> String {
    let machine = runs.iter().find_map(|(_, run)| run.meta.machine.as_deref());
    let kernel = runs.first().map(|(_, run)| format!("Linux {}", run.meta.kernel_release)).unwrap_or_default();
    let lost: u64 = runs.iter().map(|(_, run)| run.meta.lost()).sum();
    let lost = format!("A line per page, time since the syscall began; {lost} events lost");
    match machine {
        Some(machine) => format!("{lost}; {kernel}; {}", text::machine(machine)),
        None => format!("{lost}; {kernel}"),
    }
}

#[cfg(test)]
mod tests;
