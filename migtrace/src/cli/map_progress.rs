//! The progress of reading a large process, on stderr if that is a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crossterm::{
    QueueableCommand,
    cursor::MoveToColumn,
    style::Print,
    terminal::{Clear, ClearType},
};
use migtrace::text::quantity;

/// A reading that takes less has no bar.
const SILENT: Duration = Duration::from_millis(300);
const PERIOD: Duration = Duration::from_millis(100);
/// Columns of the bar.
const WIDTH: usize = 30;

/// Draws pages read against the estimated number of all.
pub(crate) struct PageProgress {
    wanted: bool,
    began: Instant,
    next: Instant,
    drawn: bool,
}

impl PageProgress {
    pub(crate) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self { wanted: !quiet && io::stderr().is_terminal(), began: now, next: now + SILENT, drawn: false }
    }

    /// Called for each run of pages, so most calls only look at the clock, or not even that.
    pub(crate) fn show(&mut self, done: u64, all: u64) {
        // A clock costs more than a page.
        if !self.wanted || !done.is_multiple_of(64) {
            return;
        }
        let now = Instant::now();
        if now >= self.next {
            self.next = now + PERIOD;
            self.drawn = true;
            // A terminal that cannot be written to does not stop the reading.
            let _ = draw(&text(done, all, now - self.began));
        }
    }

    /// Clears the line.
    pub(crate) fn clear(&self) {
        if self.drawn {
            let _ = draw("");
        }
    }
}

fn text(done: u64, all: u64, time: Duration) -> String {
    // The size is that of a moment before, so more can be read.
    let share = (done as f64 / all.max(done).max(1) as f64).min(1.0);
    let filled = (share * WIDTH as f64) as usize;
    let bar = "#".repeat(filled) + &".".repeat(WIDTH - filled);
    let rate = quantity::rate(done as f64 / time.as_secs_f64().max(1e-3));
    format!(
        "reading pages [{bar}] {:.0}%  {} of about {}  {rate}",
        share * 100.0,
        quantity::short_count(done),
        quantity::short_count(all.max(done))
    )
}

fn draw(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr();
    stderr.queue(MoveToColumn(0))?.queue(Clear(ClearType::CurrentLine))?.queue(Print(text))?;
    stderr.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_filled_by_pages() {
        let half = text(500, 1000, Duration::from_secs(1));
        assert_eq!(half, "reading pages [###############...............] 50%  500 of about 1.00k  500/s");
        assert!(text(2000, 1000, Duration::from_secs(1)).contains("100%  2.00k of about 2.00k"));
        assert!(text(0, 0, Duration::ZERO).contains("] 0%  0 of about 0"));
    }
}
