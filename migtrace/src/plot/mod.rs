//! Plots for talks and reports: timelines of a range of pages, as SVG or PNG by the file's ending.
//!
//! This module owns what a plot shows and how it looks. It knows the model, and of files only the one that it writes. The
//! font is built in, so that a machine without fonts draws the same.

mod axis;
mod color;
mod draw;
mod legend;
mod panel;
mod timeline;

use std::path::Path;

use plotters::{backend::SVGBackend, prelude::*, style::register_font};
use thiserror::Error;

pub use color::PALETTE;

use crate::{model::Run, text};
use timeline::Timeline;

/// Why a plot was not drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// The file's ending names no format.
    #[error("a plot's file name must end in .svg or .png")]
    Ending,
    /// Nothing in this run to draw.
    #[error("{0} holds no request to move a range of pages: there is nothing to draw")]
    Nothing(String),
    /// The font that is built in could not be read.
    #[error("the built-in font is damaged")]
    Font,
    /// The file could not be written.
    #[error("could not draw: {0}")]
    Draw(String),
}

/// Width of every plot, pixels.
const WIDTH: u32 = 1200;
/// Height of a plot of one run and of two, pixels.
const HEIGHTS: [u32; 2] = [420, 700];
/// The family that text is drawn in; a name that programs which show SVG know.
const FONT: &str = "sans-serif";

/// Draws what happened to the pages of the range that was first asked to move, a panel for each of one or two named runs.
///
/// # Errors
/// Where the ending is neither `.svg` nor `.png`, where a run has nothing to show, or where the file cannot be written.
pub fn timeline(runs: &[(&str, &Run)], path: &Path) -> Result<(), PlotError> {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let panels = runs
        .iter()
        .map(|(name, run)| Timeline::new(run, name).ok_or_else(|| PlotError::Nothing((*name).to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| PlotError::Font)?;
    register_font(FONT, FontStyle::Bold, dejavu::sans::bold()).map_err(|_| PlotError::Font)?;
    let note = note(runs);
    let size = (WIDTH, HEIGHTS[usize::from(panels.len() > 1)]);
    match ending.as_deref() {
        Some("svg") => draw::all(&SVGBackend::new(path, size).into_drawing_area(), &panels, &note),
        Some("png") => draw::all(&BitMapBackend::new(path, size).into_drawing_area(), &panels, &note),
        _ => Err(PlotError::Ending),
    }
}

/// What must be known to read the times.
fn note(runs: &[(&str, &Run)]) -> String {
    let machine = runs.iter().find_map(|(_, run)| run.meta.machine.as_deref());
    let kernel = runs.first().map(|(_, run)| format!("Linux {}", run.meta.kernel_release)).unwrap_or_default();
    let lost: u64 = runs.iter().map(|(_, run)| run.meta.lost()).sum();
    let lost = format!("Time since the request began; {lost} events lost");
    match machine {
        Some(machine) => format!("{lost}; {kernel}; {}", text::machine(machine)),
        None => format!("{lost}; {kernel}"),
    }
}

#[cfg(test)]
mod tests;
