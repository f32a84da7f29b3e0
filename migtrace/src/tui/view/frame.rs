//! Draws the whole screen: header, names of the views, the view, status line and keys.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    canvas::{Canvas, wrap},
    comparison, content, help,
    theme::Theme,
};
use crate::{
    event::escape_control,
    text::{Line, Span, Tone, line, quantity},
    tui::{
        rows::of_view,
        state::{
            action::{Action, View},
            app::App,
            session::{Playing, Source},
        },
    },
};

/// The smallest screen that shows everything.
const SMALLEST: (u16, u16) = (60, 16);
/// Lines above and below the view.
const HEAD: u16 = 2;
const FOOT: u16 = 2;

/// Draws the whole screen.
pub fn draw(app: &App, theme: Theme, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut canvas = Canvas { buffer, theme };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(&mut canvas, area);
        return;
    }
    head(app, &mut canvas, area);
    tabs(app, &mut canvas, area);
    content::draw(app, &mut canvas, body(app));
    let place = Rect { y: area.height.saturating_sub(FOOT + comparison::LINES), height: comparison::LINES, ..area };
    comparison::draw(app, &mut canvas, place);
    status(app, &mut canvas, area);
    footer(app, &mut canvas, area);
}

/// Names the size that is needed, in as many words as there is room for.
fn too_small(canvas: &mut Canvas<'_>, area: Rect) {
    let (is, needed) = (format!("{}x{}", area.width, area.height), format!("{}x{}", SMALLEST.0, SMALLEST.1));
    let texts = [
        format!("This terminal has {is} characters; migtrace top needs {needed}. q quits."),
        format!("too small: {is}, needs {needed}"),
        format!("needs {needed}"),
        needed,
    ];
    let fits = |text: &&String| {
        let lines = wrap(text, area.width.into());
        lines.len() <= area.height.into() && lines.iter().all(|line| line.chars().count() <= area.width.into())
    };
    let text = texts.iter().find(fits).unwrap_or(&texts[texts.len() - 1]);
    canvas.wrapped(area, 0, text, Tone::Warn);
}

/// The place of the view.
#[must_use]
pub(crate) fn body(app: &App) -> Rect {
    let (width, height) = app.size;
    let below = if app.moments.is_empty() { 0 } else { comparison::LINES };
    Rect::new(0, HEAD, width, height.saturating_sub(HEAD + FOOT + below))
}

fn head(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let state = app.shown();
    let meta = app.meta();
    let mut line = line![Tone::Heading.paint("migtrace ")];
    match &app.source {
        Source::Live => {
            line.push(match (app.is_paused(), app.have_exited) {
                (true, _) => Tone::Warn.paint("PAUSED "),
                (_, true) => Tone::Warn.paint("EXITED "),
                _ => Tone::Good.paint("live "),
            });
        }
        Source::Recording(playing) => {
            line.push(Tone::Strong.paint(format!("{} ", escape_control(&playing.name))));
            line.push(played(playing));
        }
    }
    line.push(format!("{} ", quantity::clock(state.elapsed_ns())));
    let machine = format!("{} {} ", escape_control(&meta.hostname), escape_control(&meta.kernel_release));
    line.push(Tone::Dim.paint(machine));
    let right = totals(app);
    let right_width = right.to_string().chars().count();
    let left = Rect { width: area.width.saturating_sub(right_width as u16 + 1), height: 1, ..area };
    canvas.line(left, 0, &line);
    let x = area.width.saturating_sub(right_width as u16);
    canvas.line(Rect { x, width: right_width as u16, height: 1, ..area }, 0, &right);
}

fn played(playing: &Playing) -> Span {
    if playing.error.is_some() {
        return Tone::Bad.paint("damaged ");
    }
    let percent = if playing.events == 0 { 100.0 } else { playing.events_read as f64 * 100.0 / playing.events as f64 };
    let how = match (playing.ended, playing.paused, playing.speed) {
        (true, ..) => "100% read".to_owned(),
        (_, true, _) => format!("paused {percent:.0}%"),
        (.., None) => format!("reading {percent:.0}%"),
        (.., Some(speed)) => format!("{speed}x {percent:.0}%"),
    };
    let tone = if playing.paused { Tone::Warn } else { Tone::Good };
    tone.paint(format!("{how} "))
}

/// The number of events, and what is not in the numbers; losses are shown also if there are none.
fn totals(app: &App) -> Line {
    let state = app.shown();
    let lost = app.lost();
    let mut line = Line::new();
    if let Some(recording) = &app.recording {
        line.push(Tone::Bad.paint(format!("● REC {} ", quantity::bytes(recording.bytes))));
    }
    if matches!(&app.source, Source::Recording(playing) if playing.truncated) {
        line.push(Tone::Warn.paint("cut off "));
    }
    line.push(format!("{} events ", quantity::short_count(state.totals.events)));
    let tone = if lost > 0 { Tone::Bad } else { Tone::Dim };
    line.push(tone.paint(format!("lost {}", quantity::short_count(lost))));
    if app.missed() > 0 {
        line.push(Tone::Bad.paint(format!(" missed {}", quantity::short_count(app.missed()))));
    }
    if app.is_silenced() {
        line.push(Tone::Bad.paint(" interrupted"));
    }
    line
}

/// The place of each view's key and name, as much of them as fits.
pub(super) fn tab_places(app: &App, width: u16) -> Vec<(View, u16, String)> {
    let texts = |between: &str, most: usize| {
        View::ALL.map(|view| {
            let key = app.keymap.name_of_view(view).map(|key| key + between).unwrap_or_default();
            let title: String = view.title().chars().take(most).collect();
            (view, key + &title)
        })
    };
    let columns = |texts: &[(View, String)]| texts.iter().map(|(_, text)| text.chars().count() + 1).sum::<usize>();
    let lengths = [texts(" ", usize::MAX), texts("", usize::MAX), texts("", 4)];
    let fits = lengths.iter().position(|texts| columns(texts) <= usize::from(width) + 1);
    let mut x = 0;
    let place = |(view, text): &(View, String)| {
        let start = x;
        x += text.chars().count() as u16 + 1;
        (*view, start, text.clone())
    };
    lengths[fits.unwrap_or(lengths.len() - 1)].iter().map(place).collect()
}

fn tabs(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    for (view, x, text) in tab_places(app, area.width) {
        let is_shown = view == app.view;
        let style = canvas.theme.style(if is_shown { Tone::Selected } else { Tone::Dim });
        canvas.put(x, 1, area.width.saturating_sub(x), &text, style);
    }
}

/// Draws the line that is typed, a message, or the view's question.
fn status(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let place = Rect { y: area.height - FOOT, height: 1, ..area };
    if let Some(prompt) = &app.prompt {
        let text = format!("{}{} ", prompt.label(), prompt.text);
        let cursor = (prompt.label().chars().count() + prompt.cursor) as u16;
        canvas.line(place, 0, &Tone::Strong.paint(text).into());
        if let Some(cell) = canvas.buffer.cell_mut((cursor.min(area.width - 1), place.y)) {
            cell.set_style(canvas.theme.style(Tone::Selected));
        }
        return;
    }
    let playing_error = match &app.source {
        Source::Recording(playing) => playing.error.clone(),
        Source::Live => None,
    };
    let line = match (&app.message, playing_error) {
        (Some((text, _)), _) => line![Tone::Warn.paint(text)],
        (None, Some(error)) => line![Tone::Bad.paint(escape_control(&error))],
        (None, None) => {
            let mut line = line![Tone::Dim.paint(app.view.question())];
            if !app.filter_text.is_empty() {
                let (filter, filtered) =
                    (escape_control(&app.filter_text), quantity::short_count(app.not_counted.filtered));
                line.push(Tone::Warn.paint(format!("  only {filter} (filtered {filtered})")));
            }
            if !app.search.is_empty() {
                line.push(Tone::Warn.paint(format!("  rows that contain {:?}, esc shows all", app.search)));
            }
            line
        }
    };
    canvas.line(place, 0, &line);
}

/// The keys of the shown view, the most useful ones first.
fn hints(app: &App) -> Vec<(Action, &'static str)> {
    let mut hints = vec![(Action::Help, "help"), (Action::Quit, "quit")];
    hints.extend(content::hints(app));
    let live = app.source == Source::Live;
    let plays = matches!(&app.source, Source::Recording(playing) if playing.paused || playing.ended);
    hints.push((Action::Pause, if plays { "play" } else { "pause" }));
    hints.extend([(Action::Filter, "filter"), (Action::Mark, "mark")]);
    if live {
        hints.push((Action::Record, if app.recording.is_some() { "stop rec" } else { "record" }));
    } else {
        hints.extend([(Action::SeekBack, "back"), (Action::SeekForward, "forward")]);
        hints.extend([(Action::Slower, "slower"), (Action::Faster, "faster")]);
    }
    hints.push((Action::SaveScreen, "save text"));
    if of_view::has_rows(app, app.view) {
        hints.extend([(Action::Search, "search"), (Action::ExportCsv, "csv")]);
    }
    hints
}

/// The place of each key's name: of as many as fit.
pub(super) fn hint_places(app: &App, width: u16) -> Vec<(Action, u16, String, &'static str)> {
    // While a line is typed, keys write letters.
    if app.prompt.is_some() {
        return Vec::new();
    }
    let mut x = 0;
    let mut places = Vec::new();
    for (action, says) in hints(app) {
        let Some(key) = app.keymap.name(action) else { continue };
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
            None => (help::of_prompt(prompt.purpose).to_owned(), Tone::Dim),
        };
        canvas.put(0, y, area.width, &text, canvas.theme.style(tone));
        return;
    }
    for (_, x, key, says) in hint_places(app, area.width) {
        let used = canvas.put(x, y, area.width - x, &key, canvas.theme.style(Tone::Key));
        canvas.put(x + used + 1, y, area.width - x - used - 1, says, canvas.theme.style(Tone::Dim));
    }
}
