//! Draws the comparison of two marked moments, above the status line.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::tui::{rows::comparison, state::app::App};

/// Lines that the comparison takes.
pub(crate) const LINES: u16 = 5;

pub(crate) fn draw(app: &App, canvas: &mut Canvas<'_>, place: Rect) {
    let Some((title, lines)) = comparison::lines(app) else { return };
    canvas.heading(place, 0, &title);
    for (row, text) in lines.into_iter().enumerate() {
        canvas.line(place, row as u16 + 1, &text.into());
    }
}
