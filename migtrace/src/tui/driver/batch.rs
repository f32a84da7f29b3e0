//! The views as text or JSON, update after update, without a terminal.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, interval_at, sleep_until},
};

use super::{feed::Feed, input, save, size, source::Source};
use crate::{
    clock,
    event::Event,
    tui::{
        rows::{json, of_view::Rows},
        state::{action::View, app::App, session},
        view::theme::Theme,
    },
};

/// Time between two reads of a live source.
const TICK: Duration = Duration::from_millis(100);
/// Time between two updates of a live source, if none is given.
const INTERVAL: Duration = Duration::from_secs(1);
/// Limit of rows: those of all processes.
const ROWS: usize = 4096;
/// Limit of rows in Overview, which has other parts below them.
const OVERVIEW_ROWS: usize = 20;
/// Lines of the other parts of a view, at most.
const PARTS: usize = 40;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub view: View,
    /// Limit of updates.
    pub updates: Option<u64>,
    pub interval: Option<Duration>,
    pub json: bool,
    pub theme: Theme,
}

/// Writes updates until there were enough, the recording ends, or a signal comes.
///
/// # Errors
/// The output cannot be written, or the recording cannot be read to its end.
pub async fn run<S: Source>(mut app: App, source: S, batch: Batch, out: &mut dyn Write) -> io::Result<()> {
    app.view = batch.view;
    let mut writer = Writer { batch, out, written: 0 };
    match app.source {
        session::Source::Live => live(app, source, &mut writer).await,
        session::Source::Recording(_) => recording(app, source, &mut writer).await,
    }
}

/// An update each interval.
async fn live<S: Source>(app: App, source: S, writer: &mut Writer<'_>) -> io::Result<()> {
    let mut feed = Feed::start(app, source);
    let mut ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let interval = writer.batch.interval.unwrap_or(INTERVAL);
    let mut updates = interval_at(Instant::now() + interval, interval);
    let mut next_tick = Instant::now();
    while !writer.is_enough() {
        tokio::select! {
            biased;
            () = input::any(&mut ends) => break,
            _ = updates.tick() => {
                feed.tick(TICK);
                // The counts and names of this moment, not of up to a second ago.
                feed.read_counts(clock::boot_ns());
                feed.read_names();
                writer.write(&mut feed.app)?;
                if feed.app.have_exited {
                    break;
                }
            }
            () = sleep_until(next_tick) => {
                feed.tick(TICK);
                next_tick = Instant::now() + TICK;
            }
            () = std::future::ready(()), if !feed.pending.is_empty() && !feed.credit.is_zero() => feed.count(),
            events = feed.source.next() => match events {
                Some(events) => feed.take(events),
                None => break,
            },
        }
    }
    Ok(())
}

/// An update each interval of the recording's time, if one is given, and one at its end.
async fn recording<S: Source>(app: App, source: S, writer: &mut Writer<'_>) -> io::Result<()> {
    let mut feed = Feed::start(app, source);
    let mut steps = writer.batch.interval.map(|interval| Steps { interval, next_ns: None });
    while let Some(events) = until_read(&mut feed.source).await {
        for event in &events {
            if let Some(steps) = &mut steps {
                steps.write_before(event.ts_ns, event.start_ns(), &mut feed.app, writer)?;
            }
            if writer.is_enough() {
                return Ok(());
            }
            feed.app.feed(event);
        }
    }
    feed.update_playing();
    let playing = feed.source.playing().unwrap_or_default();
    if let Some(steps) = &mut steps {
        steps.write_before(playing.position_ns, playing.start_ns, &mut feed.app, writer)?;
    }
    if !writer.is_enough() {
        feed.update_playing();
        feed.app.tick(clock::boot_ns());
        writer.write(&mut feed.app)?;
    }
    match playing.error {
        Some(error) => Err(io::Error::other(format!("the recording is damaged: {error}"))),
        None => Ok(()),
    }
}

/// The times of updates in a recording.
struct Steps {
    interval: Duration,
    next_ns: Option<u64>,
}

impl Steps {
    /// Writes the updates that are due before this time. The first one counts from the recording's start, or if that is
    /// unknown from its first event's.
    fn write_before(&mut self, ts_ns: u64, first_ns: u64, app: &mut App, writer: &mut Writer<'_>) -> io::Result<()> {
        let step_ns = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let start_ns = match &app.source {
            session::Source::Recording(playing) if playing.start_ns > 0 => playing.start_ns,
            _ => first_ns,
        };
        let next_ns = self.next_ns.get_or_insert_with(|| start_ns.saturating_add(step_ns));
        while *next_ns < ts_ns && !writer.is_enough() {
            if let session::Source::Recording(playing) = &mut app.source {
                (playing.position_ns, playing.events_read) = (*next_ns, app.state.totals.events);
                playing.ended = false;
            }
            app.tick(*next_ns);
            writer.write(app)?;
            *next_ns = next_ns.saturating_add(step_ns);
        }
        Ok(())
    }
}

/// The next events; `None` when all are read. A source that has ended waits for a command, and returns nothing more.
async fn until_read<S: Source>(source: &mut S) -> Option<Vec<Event>> {
    loop {
        match tokio::time::timeout(TICK / 10, source.next()).await.ok() {
            Some(events) => return events,
            None if source.playing().is_none_or(|playing| playing.ended) => return None,
            None => {}
        }
    }
}

struct Writer<'a> {
    batch: Batch,
    out: &'a mut dyn Write,
    written: u64,
}

impl Writer<'_> {
    fn is_enough(&self) -> bool {
        self.batch.updates.is_some_and(|limit| self.written >= limit)
    }

    fn write(&mut self, app: &mut App) -> io::Result<()> {
        self.written += 1;
        app.refresh();
        if self.batch.json {
            serde_json::to_writer(&mut *self.out, &json::of(app, self.written))?;
            writeln!(self.out)?;
        } else {
            let blank = if self.written > 1 { "\n" } else { "" };
            write!(self.out, "{blank}{}", text(app, self.batch.theme))?;
        }
        self.out.flush()
    }
}

/// The view as the screen draws it, as long as its rows need, without the names of the other views and without the keys.
fn text(app: &mut App, theme: Theme) -> String {
    let columns = size::width_of_text();
    let limit = if app.view == View::Overview { OVERVIEW_ROWS } else { ROWS };
    let rows = Rows::of(app, app.view).map_or(0, |rows| rows.table().len().min(limit));
    let rows = (rows + PARTS) as u16;
    app.resize(columns, rows);
    let screen = save::text_of(app, theme, columns, rows);
    let lines: Vec<&str> = screen.lines().collect();
    let head = lines.iter().take(1);
    let view = &lines[2.min(lines.len())..lines.len().saturating_sub(2).max(2.min(lines.len()))];
    let mut text = String::new();
    let mut was_blank = false;
    for line in head.chain(view) {
        // Room that the rows do not need.
        if !(line.is_empty() && was_blank) {
            text += line;
            text.push('\n');
        }
        was_blank = line.is_empty();
    }
    let used = text.trim_end().len();
    text.truncate(used);
    text + "\n"
}
