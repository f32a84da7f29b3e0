//! Prints progress on standard error, with the time since the start.

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Time between two progress lines of a step, if standard error is not a terminal.
const QUIET_INTERVAL: Duration = Duration::from_secs(20);
/// Time between two updates of a progress line on a terminal.
const LIVE_INTERVAL: Duration = Duration::from_millis(200);

static START: OnceLock<Instant> = OnceLock::new();

/// Sets the start of all printed times.
pub fn start() {
    START.get_or_init(Instant::now);
}

/// Returns the time since [`start`].
pub fn elapsed() -> Duration {
    START.get_or_init(Instant::now).elapsed()
}

fn colour() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn stamped(text: &str) -> String {
    let stamp = clock(elapsed());
    if colour() { format!("\x1b[2m[{stamp:>7}]\x1b[0m {text}") } else { format!("[{stamp:>7}] {text}") }
}

/// Formats a time: `4.2 s` below one minute, `3:07` from one minute on.
pub fn clock(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{}:{:02}", seconds / 60, seconds % 60),
    }
}

/// Prints one line with the time since the start.
pub fn say(text: impl AsRef<str>) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", stamped(text.as_ref()));
}

/// Prints a step's name, runs the step, and prints its duration.
pub fn step<T>(text: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(text);
    let began = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done" } else { "failed" };
    say(format!("{text}: {outcome} after {}", clock(began.elapsed())));
    result
}

/// The progress line of a long step.
pub struct Live {
    text: String,
    shown: Instant,
    interval: Duration,
    terminal: bool,
}

impl Live {
    /// Creates the progress line of a step with the name `text`.
    pub fn new(text: &str) -> Live {
        let terminal = io::stderr().is_terminal();
        let interval = if terminal { LIVE_INTERVAL } else { QUIET_INTERVAL };
        Live { text: text.to_owned(), shown: Instant::now(), interval, terminal }
    }

    /// Shows the step's progress, at most once per interval.
    pub fn update(&mut self, detail: impl FnOnce() -> String) {
        if self.shown.elapsed() < self.interval {
            return;
        }
        self.shown = Instant::now();
        let line = format!("{}: {}", self.text, detail());
        if self.terminal {
            let _ = write!(io::stderr(), "\r{}\x1b[K", stamped(&line));
        } else {
            say(line);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_changes_its_format_at_one_minute() {
        assert_eq!(clock(Duration::from_millis(4_240)), "4.2 s");
        assert_eq!(clock(Duration::from_secs(59)), "59.0 s");
        assert_eq!(clock(Duration::from_secs(187)), "3:07");
    }
}
