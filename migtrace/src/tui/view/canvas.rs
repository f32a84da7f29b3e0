//! Puts text on the screen: cut to its place, without control characters, in ASCII if the theme wants that.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthChar;

use super::theme::Theme;
use crate::text::{Line, Tone};

/// A part of the screen that is being drawn.
pub(crate) struct Canvas<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) theme: Theme,
}

impl Canvas<'_> {
    /// Writes into `room` columns; `…` in the last one shows a cut. Returns the columns used.
    pub(crate) fn put(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() {
            return 0;
        }
        let room = room.min(area.right() - x);
        let mut used = 0;
        let width: usize = text.chars().map(width_of).sum();
        let cut = width > usize::from(room);
        for c in text.chars() {
            let wide = width_of(c) as u16;
            if cut && used + wide > room.saturating_sub(1) {
                if used < room {
                    self.set(x + used, y, '…', style);
                    used += 1;
                }
                break;
            }
            if wide == 0 {
                continue;
            }
            self.set(x + used, y, c, style);
            used += wide;
        }
        used
    }

    /// Writes at the right end of `room` columns.
    pub(crate) fn put_right(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) {
        let width: usize = text.chars().map(width_of).sum();
        let gap = room.saturating_sub(width.min(usize::from(room)) as u16);
        self.put(x + gap, y, room - gap, text, style);
    }

    fn set(&mut self, x: u16, y: u16, c: char, style: Style) {
        let c = self.theme.plain(if c.is_control() { '?' } else { c });
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_char(c).set_style(style);
        }
    }

    /// Writes a line into a row of an area.
    pub(crate) fn line(&mut self, area: Rect, row: u16, line: &Line) {
        if row >= area.height {
            return;
        }
        let mut at = 0;
        for span in line.spans() {
            let room = area.width.saturating_sub(at);
            if room == 0 {
                break;
            }
            at += self.put(area.x + at, area.y + row, room, &span.text, self.theme.style(span.tone));
        }
    }

    /// Writes a line at the right end of a row.
    pub(crate) fn line_right(&mut self, area: Rect, row: u16, line: &Line) {
        let width: usize = line.spans().iter().flat_map(|span| span.text.chars()).map(width_of).sum();
        let gap = area.width.saturating_sub(width.min(usize::from(area.width)) as u16);
        self.line(Rect { x: area.x + gap, width: area.width - gap, ..area }, row, line);
    }

    /// Writes a heading with a rule to the end of the line.
    pub(crate) fn heading(&mut self, area: Rect, row: u16, text: &str) {
        if row >= area.height {
            return;
        }
        let rule: String = "─".repeat(area.width.into());
        self.put(area.x, area.y + row, area.width, &rule, self.theme.style(Tone::Dim));
        let text = format!("─ {text} ");
        self.put(area.x, area.y + row, area.width, &text, self.theme.style(Tone::Heading));
    }

    /// Writes text over several lines, broken between words. Returns the lines used.
    pub(crate) fn wrapped(&mut self, area: Rect, row: u16, text: &str, tone: Tone) -> u16 {
        let lines = wrap(text, area.width.into());
        for (n, line) in lines.iter().enumerate() {
            self.line(area, row + n as u16, &tone.paint(line.as_str()).into());
        }
        lines.len() as u16
    }

    /// Gives a row of an area a style, whatever is on it.
    pub(crate) fn highlight(&mut self, area: Rect, row: u16, tone: Tone) {
        if row < area.height {
            self.buffer.set_style(Rect::new(area.x, area.y + row, area.width, 1), self.theme.style(tone));
        }
    }
}

/// Columns that a character takes; a control character is shown as one character.
fn width_of(c: char) -> usize {
    if c.is_control() { 1 } else { c.width().unwrap_or(0) }
}

/// Lines of at most `width` characters, broken between words if possible.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("begins with one");
        let used = last.chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: u16, text: &str, ascii: bool) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        let theme = Theme { ascii, ..Theme::default() };
        Canvas { buffer: &mut buffer, theme }.put(0, 0, width, text, Style::new());
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        assert_eq!(written(5, "hello", false), "hello");
        assert_eq!(written(4, "hello", false), "hel…");
        assert_eq!(written(4, "hello", true), "hel~");
        assert_eq!(written(3, "日本", false), "日 …");
    }

    #[test]
    fn no_control_character_reaches_the_screen() {
        assert_eq!(written(8, "a\u{1b}[2J\u{9b}b", false), "a?[2J?b ");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
    }
}
