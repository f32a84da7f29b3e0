//! The log's colours, by meaning. Text is always written with them; the stream strips what its reader cannot show.

use anstyle::{AnsiColor, Style};

pub(super) const HEADING: Style = AnsiColor::Cyan.on_default().bold();
pub(super) const TITLE: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const MOVED: Style = AnsiColor::Green.on_default();
pub(super) const MARKED: Style = AnsiColor::Yellow.on_default();
pub(super) const FAILED: Style = AnsiColor::Red.on_default().bold();
pub(super) const REQUEST: Style = AnsiColor::Blue.on_default().bold();

/// The text in a style.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
