//! The log's colours, by meaning. Text is always written with them; the stream strips what its reader cannot show.

use anstyle::{AnsiColor, Style};

pub(crate) const HEADING: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const MOVED: Style = AnsiColor::Green.on_default();
pub(crate) const MARKED: Style = AnsiColor::Yellow.on_default();
pub(crate) const FAILED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const REQUEST: Style = AnsiColor::Blue.on_default().bold();

/// The text in a style.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
