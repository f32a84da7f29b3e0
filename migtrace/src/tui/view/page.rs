//! Page: what happened to one page, and why it moved or stayed; without one, the pages that stand out.

use ratatui::layout::Rect;

use super::{
    canvas::{Canvas, Piece, dim},
    table::{self, Column, RowKey, Table, Value, known, number, text as words},
    theme::Tone,
};
use super::{scrolled, text};
use crate::{
    model::live::fidelity::Fidelity,
    text::duration,
    tui::state::{action::View, app::App, details::PageRow},
};

const COLUMNS: [Column; 9] = [
    words("PAGE", 14, 0, "its address"),
    number("PID", 7, 0, "its process"),
    words("NAME", 15, 0, "name of that"),
    number("NODE", 5, 0, "where it was last seen"),
    number("MOVES", 6, 0, "times that it moved"),
    number("FAILED", 7, 1, "times that it was to move and stayed"),
    number("BOUNCES", 8, 1, "moves back to where it came from"),
    number("FAULTS", 7, 2, "page faults on it"),
    number("WAITED", 8, 3, "time in page faults on it"),
];

pub(super) struct Pages<'a> {
    rows: &'a [PageRow],
    fidelity: &'a Fidelity,
}

impl<'a> Pages<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        Self { rows: &app.stories.pages, fidelity: &app.shown().fidelity }
    }
}

impl Table for Pages<'_> {
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Page(self.rows[row].process, self.rows[row].addr)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let r = &self.rows[row];
        let number = |n: u64| Value::Number(n as f64);
        let given = |is: bool, n: u64| if is || n > 0 { number(n) } else { Value::Missing };
        // What a batch did it does not say of each page.
        let moves = self.fidelity.moved.is_available() && !self.fidelity.moves_by_batch;
        match column {
            0 => Value::Text(format!("{:#x}", r.addr)),
            1 => number(r.process.pid.into()),
            2 => Value::Text(r.comm.to_string()),
            3 => r.nid.map_or(Value::Missing, |nid| Value::Number(f64::from(nid))),
            4 => given(moves, r.counts.moves),
            5 => given(moves, r.counts.failed_moves),
            6 => given(moves, r.counts.bounces),
            7 => given(self.fidelity.faults.is_available(), r.counts.faults),
            _ => given(self.fidelity.fault_times.is_available(), r.counts.waited_ns),
        }
    }

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        match (column, self.value(row, column)) {
            (_, Value::Missing) => known(None, Tone::Dim),
            (_, Value::Text(text)) => (text, Tone::Strong),
            (8, Value::Number(ns)) => (duration(ns as u64), Tone::Plain),
            (4, Value::Number(n)) if n > 0.0 => (format!("{n}"), Tone::Good),
            (5 | 6, Value::Number(n)) if n > 0.0 => (format!("{n}"), Tone::Bad),
            (_, Value::Number(n)) => (format!("{n}"), if n > 0.0 { Tone::Plain } else { Tone::Dim }),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (4, true)
    }

    fn empty(&self) -> String {
        "no page at a known address yet; a opens one by its address".to_owned()
    }
}

pub(super) fn table_area(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    if app.page.is_some() {
        text::draw(canvas, area, &lines(app), scrolled(app));
        return;
    }
    let title = match app.stories.ranked_by {
        "" => "pages".to_owned(),
        by => {
            format!("pages that {}{by}; enter tells the life of one", if by == "touched most" { "were " } else { "" })
        }
    };
    canvas.heading(area, 0, &title);
    table::draw(canvas, table_area(area), &Pages::of(app), &app.choice(View::Page), &app.search, true);
}

/// The life of the opened page.
pub(super) fn lines(app: &App) -> Vec<Vec<Piece>> {
    let Some((id, addr)) = app.page else { return Vec::new() };
    if app.stories.page.is_empty() {
        let text = format!("no event so far was about the page at {addr:#x} of process {}", id.pid);
        return vec![vec![dim(text)], vec![dim("esc lists the pages that stand out")]];
    }
    let width = usize::from(app.size.0);
    let mut lines: Vec<Vec<Piece>> = app.stories.page.iter().flat_map(|line| broken(line, width)).collect();
    if app.untold() > 0 {
        lines.push(vec![dim(format!("   {} events did not come one by one, of this page too maybe", app.untold()))]);
    }
    lines
}

/// A line as several that fit, the later ones indented below the first one's text.
fn broken(line: &[Piece], width: usize) -> Vec<Vec<Piece>> {
    let mut lines = Vec::new();
    let mut line_so_far: Vec<Piece> = Vec::new();
    let mut used = 0;
    let indent = indent(line).min(width / 2);
    for (text, tone) in line {
        for word in text.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if used + length > width && used > indent {
                if let Some((last, _)) = line_so_far.last_mut() {
                    last.truncate(last.trim_end().len());
                }
                lines.push(std::mem::replace(&mut line_so_far, vec![(" ".repeat(indent), Tone::Plain)]));
                used = indent;
            }
            line_so_far.push((word.to_owned(), *tone));
            used += word.chars().count();
        }
    }
    lines.push(line_so_far);
    lines
}

/// Columns before a line's text: blanks, or the columns of time and task, which are beside the point.
fn indent(line: &[Piece]) -> usize {
    let blanks = |text: &str| text.chars().take_while(|c| *c == ' ').count();
    match line {
        [(columns, Tone::Dim), (text, _), ..] => columns.chars().count() + blanks(text) + 2,
        [(text, _), ..] => blanks(text) + 2,
        [] => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_text() {
        let line = [("12.3 ms ".to_owned(), Tone::Dim), ("  moved from node 1 to 2".to_owned(), Tone::Good)];
        let lines = broken(&line, 24);
        let text: Vec<String> = lines.iter().map(|l| l.iter().map(|(text, _)| text.as_str()).collect()).collect();
        assert_eq!(text, ["12.3 ms   moved from", "            node 1 to 2"]);
        assert_eq!(broken(&line, 200).len(), 1);
        assert_eq!(broken(&[], 10).len(), 1);
    }
}
