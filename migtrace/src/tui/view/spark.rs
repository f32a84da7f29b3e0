//! Draws numbers over time as a row of bars.

use super::canvas::Canvas;
use crate::text::Tone;

/// Draws the last numbers that fit, a column each, the newest on the right. The largest one shown sets the scale.
pub(crate) fn draw(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, values: &[f64], tone: Tone) {
    let shown = &values[values.len().saturating_sub(width.into())..];
    let max = shown.iter().copied().fold(0.0, f64::max);
    let start = x + width - shown.len() as u16;
    let style = canvas.theme.style(tone);
    for (n, value) in shown.iter().enumerate() {
        let share = if max > 0.0 { value / max } else { 0.0 };
        let bar = canvas.theme.fill(share);
        canvas.put(start + n as u16, y, 1, &bar.to_string(), style);
    }
}

/// A bar of `width` columns, filled to `share` between 0 and 1.
pub(crate) fn bar(share: f64, width: usize) -> String {
    let filled = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    let filled = if share > 0.0 { filled.max(1) } else { filled };
    format!("{}{}", "█".repeat(filled.min(width)), " ".repeat(width - filled.min(width)))
}

#[cfg(test)]
mod tests {
    use ratatui::{buffer::Buffer, layout::Rect};

    use super::*;
    use crate::tui::view::theme::Theme;

    #[test]
    fn the_newest_is_to_the_right_and_the_scale_is_of_what_is_shown() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        let mut canvas = Canvas { buffer: &mut buffer, theme: Theme::default() };
        draw(&mut canvas, (0, 0), 4, &[1000.0, 0.0, 4.0, 8.0], Tone::Bar);
        draw(&mut canvas, (0, 0), 3, &[1000.0, 0.0, 4.0, 8.0], Tone::Bar);
        let text: String = buffer.content().iter().map(|c| c.symbol()).collect();
        assert_eq!(text, " ▄█▁", "the last is of the first row of bars");
        assert_eq!([bar(0.0, 4), bar(0.01, 4), bar(1.0, 4)], ["    ", "█   ", "████"]);
    }
}
