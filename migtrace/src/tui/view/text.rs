//! Views that are lines of text, and scroll.

use ratatui::layout::Rect;

use super::{
    canvas::{Canvas, Piece},
    theme::Tone,
};

/// Draws lines from `first` on; the last line says how many are left.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, lines: &[Vec<Piece>], first: u16) {
    let first = usize::from(first).min(lines.len().saturating_sub(1));
    let height = usize::from(area.height);
    for (row, line) in lines.iter().skip(first).take(height).enumerate() {
        canvas.line(area, row as u16, line);
    }
    let below = lines.len().saturating_sub(first + height);
    if below > 0 && area.height > 0 {
        let row = area.height - 1;
        canvas.line(area, row, &[(" ".repeat(area.width.into()), Tone::Plain)]);
        canvas.line(area, row, &[(format!("… {} more lines below: j, pgdn", below + 1), Tone::Dim)]);
    }
}
