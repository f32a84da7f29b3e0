//! Counting tests while their output passes through.

use std::{
    fmt,
    io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write},
    ops::Add,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};

/// Numbers of tests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.ignored)
    }
}

impl Tally {
    /// What a closing line of libtest says, nothing for other lines.
    fn of_line(line: &str) -> Tally {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return Tally::default();
        };
        let number = |what| {
            let part = counts.split("; ").find_map(|part| part.strip_suffix(what));
            part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        Tally { passed: number("passed"), failed: number("failed"), ignored: number("ignored") }
    }
}

/// A pipe whose content goes to standard output, and is counted.
pub(super) struct Tee {
    pub(super) writer: PipeWriter,
    reader: JoinHandle<Tally>,
}

impl Tee {
    /// Opens the pipe.
    pub(super) fn start() -> Result<Tee> {
        let (reader, writer) = io::pipe().context("cannot open a pipe")?;
        Ok(Tee { writer, reader: thread::spawn(move || pass_on(reader)) })
    }

    /// Waits for the rest; all other writers must be closed.
    pub(super) fn finish(self) -> Tally {
        drop(self.writer);
        self.reader.join().unwrap_or_default()
    }
}

fn pass_on(reader: PipeReader) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        tally = tally + Tally::of_line(&String::from_utf8_lossy(&line));
        let mut stdout = io::stdout().lock();
        // Counting goes on when nobody reads the text.
        let _ = stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 1s";
        assert_eq!(Tally::of_line(line), Tally { passed: 12, failed: 3, ignored: 1 });
        for line in ["test result::tests::ok ... ok", "running 3 tests", "", "test result: ok"] {
            assert_eq!(Tally::of_line(line), Tally::default(), "{line}");
        }
    }

    #[test]
    fn the_total_is_one_plain_line() {
        let total = Tally { passed: 1, failed: 0, ignored: 2 } + Tally { passed: 3, failed: 4, ignored: 0 };
        assert_eq!(total.to_string(), "4 passed, 4 failed, 2 skipped");
    }
}
