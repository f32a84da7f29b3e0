//! Saves the screen as text, and a view's rows as CSV.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use crate::{
    output_file,
    tui::{rows::of_view, state::app::App, view::theme::Theme},
};

/// The screen as text, without blanks at the ends of lines.
#[must_use]
pub(crate) fn text_of(app: &App, theme: Theme, columns: u16, rows: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    crate::tui::draw(app, theme, &mut buffer);
    let line = |row: &[ratatui::buffer::Cell]| {
        let mut text = String::new();
        let mut at = 0;
        while let Some(cell) = row.get(at) {
            text += cell.symbol();
            // A wide character has the cell after it, too.
            at += cell.symbol().width().max(1);
        }
        text.trim_end().to_owned() + "\n"
    };
    buffer.content().chunks(usize::from(columns.max(1))).map(line).collect()
}

/// Saves the screen. Returns the file's name.
///
/// # Errors
/// It cannot be written.
pub(crate) fn screen(app: &App, theme: Theme, stamp: &str) -> io::Result<PathBuf> {
    let path = PathBuf::from(format!("migtrace-{}-{stamp}.txt", app.view_name()));
    let (columns, rows) = app.size;
    output_file::create_new(&path)?.write_all(text_of(app, theme, columns, rows).as_bytes())?;
    Ok(path)
}

/// Saves the view's rows. Returns the file's name, or `None` if it has no rows.
///
/// # Errors
/// They cannot be written.
pub(crate) fn rows(app: &App, stamp: &str) -> io::Result<Option<PathBuf>> {
    let path = PathBuf::from(format!("migtrace-{}-{stamp}.csv", app.view_name()));
    if !of_view::has_rows(app, app.view) {
        return Ok(None);
    }
    match of_view::write_csv(app, output_file::create_new(&path)?) {
        Some(written) => written.map_err(io::Error::other).map(|()| Some(path)),
        None => Ok(None),
    }
}

/// The message about something saved.
pub(crate) fn message(saved: io::Result<Option<PathBuf>>) -> String {
    match saved {
        Ok(Some(path)) => format!("saved as {}", path.display()),
        Ok(None) => "this view has no rows".to_owned(),
        Err(why) => format!("cannot save: {why}"),
    }
}

/// The time as digits, for the name of a file.
pub(crate) fn stamp() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let text = humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + now).to_string();
    text.chars().filter(char::is_ascii_digit).collect()
}
