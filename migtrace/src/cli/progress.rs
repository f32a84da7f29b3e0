//! The progress line of a recording on stderr, if stderr is a terminal.
//!
//! It only writes and never queries the terminal: the answers would reach the traced command, which may read the same
//! terminal.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    time::Instant,
};

use crossterm::{
    QueueableCommand,
    cursor::MoveToColumn,
    style::{Attribute, Print, SetAttribute},
    terminal::{self, Clear, ClearType},
};
use migtrace::event::{Body, Event};
use ratatui::{buffer::Buffer, layout::Rect, widgets::Sparkline, widgets::Widget};

/// Rates in the sparkline: one per tick.
const HISTORY: usize = 24;

/// Counts recorded events and shows the counts.
pub(crate) struct Progress {
    shown: bool,
    since: Instant,
    last: (Instant, u64),
    rates: VecDeque<u64>,
    events: u64,
    lost: u64,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            shown: !quiet && io::stderr().is_terminal(),
            since: now,
            last: (now, 0),
            rates: VecDeque::with_capacity(HISTORY),
            events: 0,
            lost: 0,
        }
    }

    pub(crate) fn count(&mut self, batch: &[Event]) {
        for event in batch {
            match &event.body {
                Body::Loss(loss) => self.lost += loss.count,
                Body::Node(_) | Body::Census(_) => {}
                _ => self.events += 1,
            }
        }
    }

    /// Shows the counts. `bytes` are on disk.
    pub(crate) fn show(&mut self, bytes: u64) {
        if !self.shown {
            return;
        }
        let rate = (self.events - self.last.1) as f64 / self.last.0.elapsed().as_secs_f64().max(1e-3);
        self.last = (Instant::now(), self.events);
        if self.rates.len() == HISTORY {
            self.rates.pop_front();
        }
        self.rates.push_back(rate as u64);
        // A terminal that cannot be written to does not stop the recording.
        let _ = self.draw(rate, bytes);
    }

    /// Clears the line.
    pub(crate) fn clear(&self) {
        if self.shown {
            let mut stderr = io::stderr();
            let _ = stderr.queue(MoveToColumn(0)).and_then(|e| e.queue(Clear(ClearType::CurrentLine)));
            let _ = stderr.flush();
        }
    }

    fn draw(&self, rate: f64, bytes: u64) -> io::Result<()> {
        let width = terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let head = format!(
            "recording {:.0} s  {} events  {} KiB  ",
            self.since.elapsed().as_secs_f64(),
            self.events,
            bytes / 1024
        );
        let lost = format!("{} lost", self.lost);
        let tail = format!("  {rate:.0}/s {}", sparkline(&self.rates.iter().copied().collect::<Vec<_>>()));
        let room = width.saturating_sub(1);
        let mut stderr = io::stderr();
        stderr.queue(MoveToColumn(0))?.queue(Clear(ClearType::CurrentLine))?;
        stderr.queue(Print(cut(&head, room)))?;
        let attribute = if self.lost > 0 { Attribute::Bold } else { Attribute::Reset };
        let room = room.saturating_sub(head.chars().count());
        stderr.queue(SetAttribute(attribute))?.queue(Print(cut(&lost, room)))?.queue(SetAttribute(Attribute::Reset))?;
        stderr.queue(Print(cut(&tail, room.saturating_sub(lost.chars().count()))))?;
        stderr.flush()
    }
}

/// The first `room` characters.
fn cut(text: &str, room: usize) -> String {
    text.chars().take(room).collect()
}

/// Draws the rates as bars.
fn sparkline(rates: &[u64]) -> String {
    let area = Rect::new(0, 0, rates.len() as u16, 1);
    let mut buffer = Buffer::empty(area);
    Sparkline::default().data(rates).render(area, &mut buffer);
    buffer.content().iter().map(|cell| cell.symbol()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_drawn_in_proportion() {
        assert_eq!(sparkline(&[0, 4, 8]), " ▄█");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn a_narrow_terminal_gets_less() {
        assert_eq!(cut("recording", 3), "rec");
    }
}
