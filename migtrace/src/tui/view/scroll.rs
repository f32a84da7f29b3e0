//! Draws text that scrolls.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::text::{Line, Tone};

/// Draws lines from `first` on. The last line shows how many are below.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, lines: &[Line], first: u16) {
    let first = usize::from(first).min(lines.len().saturating_sub(1));
    let height = usize::from(area.height);
    for (row, line) in lines.iter().skip(first).take(height).enumerate() {
        canvas.line(area, row as u16, line);
    }
    let below = lines.len().saturating_sub(first + height);
    if below > 0 && area.height > 0 {
        let row = area.height - 1;
        canvas.line(area, row, &" ".repeat(area.width.into()).into());
        canvas.line(area, row, &Tone::Dim.paint(format!("… {} more lines below: j, pgdn", below + 1)).into());
    }
}
