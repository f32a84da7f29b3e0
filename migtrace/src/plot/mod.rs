//! Plots for talks and reports: timelines of a range of pages. The file's ending selects SVG or PNG.
//!
//! This module owns content and look of a plot. It uses the model, and writes one file. The font is built in, so that a host
//! without fonts draws the same.

mod axis;
mod canvas;
mod color;
mod draw;
mod error;
mod legend;
mod panel;
mod timeline;

use std::path::Path;

use plotters::{backend::SVGBackend, prelude::*, style::register_font};

pub use color::PALETTE;
pub use error::PlotError;

use crate::{model::Run, output_file, text};
use canvas::FONT;
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
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let panels = runs
        .iter()
        .map(|(name, run)| Timeline::new(run, name).ok_or_else(|| PlotError::Nothing((*name).to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| PlotError::Font)?;
    register_font(FONT, FontStyle::Bold, dejavu::sans::bold()).map_err(|_| PlotError::Font)?;
    let note = note(runs);
    let size = (WIDTH, HEIGHTS[usize::from(panels.len() > 1)]);
    // The library would give a new file the umask's mode; it keeps owner and mode of one that exists.
    let create = || output_file::create(path).map_err(PlotError::Create);
    match ending.as_deref() {
        Some("svg") => {
            create().and_then(|_| draw::all(&SVGBackend::new(path, size).into_drawing_area(), &panels, &note))
        }
        Some("png") => {
            create().and_then(|_| draw::all(&BitMapBackend::new(path, size).into_drawing_area(), &panels, &note))
        }
        _ => Err(PlotError::Ending),
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
