//! Draws Page: the history of the opened page; without one, the pages that stand out.

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    scroll,
    table::{self, Cells, Width, unless_zero, width},
};
use crate::{
    text::{Line, Span, Tone, line},
    tui::{
        rows::{pages::Pages, table::Value},
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 9] = [
    width(14, 0), // PAGE
    width(7, 0),  // PID
    width(15, 0), // NAME
    width(5, 0),  // NODE
    width(9, 0),  // MIGRATED
    width(7, 1),  // FAILED
    width(8, 1),  // BOUNCES
    width(7, 2),  // FAULTS
    width(8, 3),  // WAITED
];

impl Cells for Pages<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, _: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (_, Value::Missing) => Tone::Dim,
            (_, Value::Text(_)) => Tone::Strong,
            (8, Value::Number(_)) => Tone::Plain,
            (4, Value::Number(n)) => unless_zero(*n, Tone::Good),
            (5 | 6, Value::Number(n)) => unless_zero(*n, Tone::Bad),
            (_, Value::Number(n)) => unless_zero(*n, Tone::Plain),
        }
    }
}

pub(super) fn table_area(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    if app.page.is_some() {
        scroll::draw(canvas, area, &lines(app), app.scrolled());
        return;
    }
    let title = match app.details.ranked_by {
        "" => "pages".to_owned(),
        by => format!("pages {by}; enter shows the history of one"),
    };
    canvas.heading(area, 0, &title);
    table::draw(canvas, table_area(area), &Pages::of(app), &app.choice(View::Page), &app.search, true);
}

/// The history of the opened page.
pub(super) fn lines(app: &App) -> Vec<Line> {
    let Some((id, addr)) = app.page else { return Vec::new() };
    if app.details.page.is_empty() {
        let text = format!("no event yet of the page at {addr:#x} of process {}", id.pid);
        return vec![line![Tone::Dim.paint(text)], line![Tone::Dim.paint("esc lists the pages that stand out")]];
    }
    let width = usize::from(app.size.0);
    let mut lines: Vec<Line> = app.details.page.iter().flat_map(|line| broken(line, width)).collect();
    if app.not_listed() > 0 {
        let text = format!("   {} events aggregated only or lost: some may be of this page", app.not_listed());
        lines.push(line![Tone::Dim.paint(text)]);
    }
    lines
}

/// A line as several that fit, the later ones indented below the first one's text.
fn broken(line: &Line, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut so_far: Vec<Span> = Vec::new();
    let mut used = 0;
    let indent = indent(line).min(width / 2);
    for span in line.spans() {
        for word in span.text.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if used + length > width && used > indent {
                lines.push(trimmed(std::mem::replace(&mut so_far, vec![" ".repeat(indent).into()])));
                used = indent;
            }
            so_far.push(span.tone.paint(word));
            used += word.chars().count();
        }
    }
    lines.push(line_of(so_far));
    lines
}

/// A line without the blanks at its end.
fn trimmed(mut spans: Vec<Span>) -> Line {
    if let Some(last) = spans.last_mut() {
        last.text.truncate(last.text.trim_end().len());
    }
    line_of(spans)
}

fn line_of(spans: Vec<Span>) -> Line {
    Line::join(spans.into_iter().map(Line::from), "")
}

/// Columns before a line's text: blanks, or the dim columns of time and task.
fn indent(line: &Line) -> usize {
    let blanks = |text: &str| text.chars().take_while(|c| *c == ' ').count();
    match line.spans() {
        [columns, text, ..] if columns.tone == Tone::Dim => columns.text.chars().count() + blanks(&text.text) + 2,
        [span, ..] => blanks(&span.text) + 2,
        [] => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::line;

    #[test]
    fn a_long_line_goes_on_below_its_text() {
        let line = line![Tone::Dim.paint("12.3 ms "), Tone::Good.paint("  migrated from node 1 to 2")];
        let lines = broken(&line, 24);
        let text: Vec<String> = lines.iter().map(Line::to_string).collect();
        assert_eq!(text, ["12.3 ms   migrated from", "            node 1 to 2"]);
        assert_eq!(broken(&line, 200).len(), 1);
        assert_eq!(broken(&Line::new(), 10).len(), 1);
    }
}
