//! Files of plots: SVG or PNG, by their ending. The font is built in.

use std::path::Path;

use plotters::{backend::SVGBackend, prelude::*, style::register_font};

use super::{
    canvas::{Area, FONT},
    error::PlotError,
};
use crate::output_file;

/// What can be drawn on any kind of file.
pub(super) trait Drawing {
    fn draw<DB: DrawingBackend>(&self, area: &Area<DB>) -> Result<(), PlotError>;
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Svg,
    Png,
}

impl Ending {
    fn of(path: &Path) -> Result<Self, PlotError> {
        match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => Err(PlotError::Ending),
        }
    }
}

/// Whether a plot can have this file name.
///
/// # Errors
/// [`PlotError::Ending`].
pub fn check_name(path: &Path) -> Result<(), PlotError> {
    Ending::of(path).map(drop)
}

/// Creates the file, and draws.
pub(super) fn write(drawing: &impl Drawing, size: (u32, u32), path: &Path) -> Result<(), PlotError> {
    let ending = Ending::of(path)?;
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| PlotError::Font)?;
    register_font(FONT, FontStyle::Bold, dejavu::sans::bold()).map_err(|_| PlotError::Font)?;
    // The library would give a new file the umask's mode; it keeps owner and mode of one that exists.
    output_file::create(path).map_err(PlotError::Create)?;
    match ending {
        Ending::Svg => drawing.draw(&SVGBackend::new(path, size).into_drawing_area()),
        Ending::Png => drawing.draw(&BitMapBackend::new(path, size).into_drawing_area()),
    }
}
