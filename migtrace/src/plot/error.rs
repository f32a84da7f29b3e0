//! Why a plot could not be drawn.

use thiserror::Error;

/// The reason why a plot was not drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// The file's ending is no known format.
    #[error("a plot's file name must end in .svg or .png")]
    Ending,
    /// This run has nothing to draw.
    #[error("{0} has no syscall that migrates a range of pages: nothing to draw")]
    Nothing(String),
    /// The process has no pages.
    #[error("the process has no pages: nothing to draw")]
    NoPages,
    /// The built-in font could not be read.
    #[error("the built-in font is damaged")]
    Font,
    /// The file could not be created.
    #[error("{0}")]
    Create(std::io::Error),
    /// The file could not be written.
    #[error("could not draw: {0}")]
    Draw(String),
}
