//! The whole screen: its head, the view, what is said, and the keys; and what lies where, for the mouse.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    canvas::{Canvas, Piece, dim, plain},
    table,
    theme::Tone,
};
use crate::event::escape_control;
use crate::tui::{
    format,
    state::{
        action::{Action, View},
        app::{App, Source},
        between,
    },
    view,
};

/// The smallest screen that everything fits on.
const SMALLEST: (u16, u16) = (60, 16);
/// Lines above and below the view.
const HEAD: u16 = 2;
const FOOT: u16 = 2;

/// What is under the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    View(View),
    Do(Action),
    Sort(usize),
    /// A row of the table, by its place in the order.
    Row(usize),
}

/// Draws everything.
pub fn draw(app: &App, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut canvas = Canvas { buffer, theme: app.config.theme };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!(
            "This terminal has {}x{} characters; migtrace top needs {}x{}. q quits.",
            area.width, area.height, SMALLEST.0, SMALLEST.1
        );
        canvas.wrapped(area, 0, &text, Tone::Warn);
        return;
    }
    head(app, &mut canvas, area);
    tabs(app, &mut canvas, area);
    view::draw(app, &mut canvas, body(app));
    let place = Rect { y: area.height.saturating_sub(FOOT + between::LINES), height: between::LINES, ..area };
    between::draw(app, &mut canvas, place);
    status(app, &mut canvas, area);
    footer(app, &mut canvas, area);
}

/// Where the view is.
#[must_use]
pub(crate) fn body(app: &App) -> Rect {
    let (width, height) = app.size;
    let between = if app.moments.is_empty() { 0 } else { between::LINES };
    Rect::new(0, HEAD, width, height.saturating_sub(HEAD + FOOT + between))
}

fn head(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let state = app.shown();
    let meta = app.meta();
    let mut pieces: Vec<Piece> = vec![("migtrace ".to_owned(), Tone::Heading)];
    match &app.source {
        Source::Live => {
            let (text, tone) = if app.is_frozen() { ("HELD STILL ", Tone::Warn) } else { ("live ", Tone::Good) };
            pieces.push((text.to_owned(), tone));
        }
        Source::Recording(playing) => {
            pieces.push((format!("{} ", escape_control(&playing.name)), Tone::Strong));
            pieces.push(played(playing));
        }
    }
    pieces.push(plain(format!("{} ", format::clock(state.elapsed_ns()))));
    pieces.push(dim(format!("{} {} ", escape_control(&meta.hostname), escape_control(&meta.kernel_release))));
    let right = totals(app);
    let right_width: usize = right.iter().map(|(text, _)| text.chars().count()).sum();
    let left = Rect { width: area.width.saturating_sub(right_width as u16 + 1), height: 1, ..area };
    canvas.line(left, 0, &pieces);
    let x = area.width.saturating_sub(right_width as u16);
    canvas.line(Rect { x, width: right_width as u16, height: 1, ..area }, 0, &right);
}

fn played(playing: &crate::tui::state::app::Playing) -> Piece {
    if playing.error.is_some() {
        return ("damaged ".to_owned(), Tone::Bad);
    }
    let percent = if playing.events == 0 { 100.0 } else { playing.events_read as f64 * 100.0 / playing.events as f64 };
    let how = match (playing.ended, playing.paused, playing.speed) {
        (true, ..) => "whole".to_owned(),
        (_, true, _) => format!("paused {percent:.0}%"),
        (.., None) => format!("reading {percent:.0}%"),
        (.., Some(speed)) => format!("{speed}x {percent:.0}%"),
    };
    (format!("{how} "), if playing.paused { Tone::Warn } else { Tone::Good })
}

/// Events, and what is not in the numbers: always said, also when it is nothing.
fn totals(app: &App) -> Vec<Piece> {
    let state = app.shown();
    let lost = match &app.source {
        Source::Recording(playing) if playing.ended => state.meta.lost().max(state.lost()),
        _ => state.lost(),
    };
    let mut pieces = Vec::new();
    if let Some(recording) = &app.recording {
        pieces.push((format!("● REC {} ", format::bytes(recording.bytes)), Tone::Bad));
    }
    if matches!(&app.source, Source::Recording(playing) if playing.truncated) {
        pieces.push(("cut off ".to_owned(), Tone::Warn));
    }
    pieces.push(plain(format!("{} events ", format::count(state.totals.events))));
    pieces.push((format!("lost {}", format::count(lost)), if lost > 0 { Tone::Bad } else { Tone::Dim }));
    if app.missed() > 0 {
        pieces.push((format!(" missed {}", format::count(app.missed())), Tone::Bad));
    }
    if app.is_silenced() {
        pieces.push((" interrupted".to_owned(), Tone::Bad));
    }
    if state.unrecorded() > 0 {
        pieces.push((format!(" unlisted {}", format::count(state.unrecorded())), Tone::Dim));
    }
    let uncounted = app.left_out.too_fast.saturating_add(state.uncounted);
    if uncounted > 0 {
        pieces.push((format!(" uncounted {}", format::count(uncounted)), Tone::Bad));
    }
    if !app.filter_text.is_empty() {
        pieces.push((format!(" filtered {}", format::count(app.left_out.filtered)), Tone::Warn));
    }
    pieces
}

/// Where each view's name stands.
fn tab_places(width: u16) -> Vec<(View, u16, String)> {
    let mut places = Vec::new();
    let full = View::ALL.iter().map(|v| v.title().len() as u16 + 3).sum::<u16>() <= width + 1;
    let mut x = 0;
    for (n, view) in View::ALL.into_iter().enumerate() {
        let title: String = if full { view.title().to_owned() } else { view.title().chars().take(4).collect() };
        let text = format!("{} {title}", n + 1);
        let next = x + text.len() as u16 + 1;
        places.push((view, x, text));
        x = next;
    }
    places
}

fn tabs(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    for (view, x, text) in tab_places(area.width) {
        let is_shown = view == app.view;
        let style = canvas.theme.style(if is_shown { Tone::Selected } else { Tone::Dim });
        canvas.put(x, 1, area.width.saturating_sub(x), &text, style);
    }
}

/// A line that is typed, what is told, or the view's question.
fn status(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let place = Rect { y: area.height - FOOT, height: 1, ..area };
    if let Some(prompt) = &app.prompt {
        let text = format!("{}{} ", prompt.label(), prompt.text);
        let cursor = (prompt.label().chars().count() + prompt.cursor) as u16;
        canvas.line(place, 0, &[(text, Tone::Strong)]);
        if let Some(cell) = canvas.buffer.cell_mut((cursor.min(area.width - 1), place.y)) {
            cell.set_style(canvas.theme.style(Tone::Selected));
        }
        return;
    }
    let playing_error = match &app.source {
        Source::Recording(playing) => playing.error.clone(),
        Source::Live => None,
    };
    let pieces = match (&app.message, playing_error) {
        (Some((text, _)), _) => vec![(text.clone(), Tone::Warn)],
        (None, Some(error)) => vec![(escape_control(&error), Tone::Bad)],
        (None, None) => {
            let mut pieces = vec![dim(app.view.question())];
            if !app.filter_text.is_empty() {
                pieces.push((format!("  only {}", escape_control(&app.filter_text)), Tone::Warn));
            }
            if !app.search.is_empty() {
                pieces.push((format!("  rows with {:?}, esc shows all", app.search), Tone::Warn));
            }
            pieces
        }
    };
    canvas.line(place, 0, &pieces);
}

/// The keys that do something here, in the order of their use.
fn hints(app: &App) -> Vec<(Action, &'static str)> {
    let mut hints = vec![(Action::Help, "help"), (Action::Quit, "quit")];
    hints.extend(view::hints(app));
    let live = app.source == Source::Live;
    hints.push((Action::Pause, if live { "hold" } else { "play" }));
    hints.extend([(Action::Filter, "filter"), (Action::Mark, "mark")]);
    if live {
        hints.push((Action::Record, if app.recording.is_some() { "stop rec" } else { "record" }));
    } else {
        hints.extend([(Action::SeekBack, "back"), (Action::SeekForward, "on")]);
        hints.extend([(Action::Slower, "slower"), (Action::Faster, "faster")]);
    }
    hints.push((Action::SaveScreen, "save text"));
    if view::has_table(app) {
        hints.extend([(Action::Search, "find"), (Action::ExportCsv, "csv")]);
    }
    hints
}

/// Where each key is named: as many as fit.
fn hint_places(app: &App, width: u16) -> Vec<(Action, u16, String, &'static str)> {
    // While a line is typed, keys are letters.
    if app.prompt.is_some() {
        return Vec::new();
    }
    let mut x = 0;
    let mut places = Vec::new();
    for (action, says) in hints(app) {
        let Some(key) = app.config.keymap.name(action) else { continue };
        let end = x + (key.chars().count() + 1 + says.len()) as u16;
        if end > width {
            continue;
        }
        places.push((action, x, key, says));
        x = end + 2;
    }
    places
}

fn footer(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let y = area.height - 1;
    if let Some(prompt) = &app.prompt {
        let (text, tone) = match &prompt.error {
            Some(error) => (escape_control(error.lines().next().unwrap_or_default()), Tone::Bad),
            None => (view::help::of_prompt(prompt.purpose).to_owned(), Tone::Dim),
        };
        canvas.put(0, y, area.width, &text, canvas.theme.style(tone));
        return;
    }
    for (_, x, key, says) in hint_places(app, area.width) {
        let used = canvas.put(x, y, area.width - x, &key, canvas.theme.style(Tone::Key));
        canvas.put(x + used + 1, y, area.width - x - used - 1, says, canvas.theme.style(Tone::Dim));
    }
}

/// What is at a place of the screen.
pub(crate) fn hit(app: &App, x: u16, y: u16) -> Option<Hit> {
    let (width, height) = app.size;
    if y == 1 {
        let at = |(_, start, text): &(View, u16, String)| (*start..*start + text.len() as u16).contains(&x);
        return tab_places(width).into_iter().find(at).map(|(view, ..)| Hit::View(view));
    }
    if y + 1 == height {
        let at = |(_, start, key, says): &(Action, u16, String, &str)| {
            (*start..*start + (key.chars().count() + 1 + says.len()) as u16).contains(&x)
        };
        return hint_places(app, width).into_iter().find(at).map(|(action, ..)| Hit::Do(action));
    }
    let table = app.table()?;
    let area = view::table_area(app, body(app));
    if y == area.y && area.height > 0 {
        let columns = table::fit(&table.columns(), area.width);
        let at = |(_, start, room): &(usize, u16, u16)| (area.x + start..=area.x + start + room).contains(&x);
        return columns.into_iter().find(at).map(|(column, ..)| Hit::Sort(column));
    }
    if y <= area.y || y >= area.bottom() {
        return None;
    }
    let choice = app.choice(app.view);
    let order = table::order(&*table, &choice, &app.search);
    let rows = usize::from(area.height - 1);
    let first = view::first_row(app, &*table, &order, &choice, rows);
    let position = first + usize::from(y - area.y - 1);
    (position < order.len()).then_some(Hit::Row(position))
}
