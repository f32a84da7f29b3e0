//! Counts tests while copying their output.

use std::{
    fmt,
    io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write},
    ops::Add,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};

/// A skipped test prints this after its name, with the reason: `test a::b ... skipped: needs x`.
const SKIPPED: &str = " ... skipped: ";

/// Numbers of tests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
    /// Skipped tests of the current run. libtest's closing line counts them as passed, so they are subtracted there.
    skipping: u64,
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
            skipping: self.skipping + other.skipping,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.ignored)
    }
}

impl Tally {
    /// Counts a line of the tests' output: a test's `skipped: WHY`, or libtest's closing line.
    fn add_line(&mut self, line: &str) {
        if line.starts_with("test ") && line.contains(SKIPPED) {
            self.skipping += 1;
        }
        if let Some(closing) = Tally::of_closing(line) {
            let skipped = std::mem::take(&mut self.skipping).min(closing.passed);
            let own = Tally { passed: closing.passed - skipped, ignored: closing.ignored + skipped, ..closing };
            *self = *self + own;
        }
    }

    /// Parses libtest's closing line. Returns `None` for other lines.
    fn of_closing(line: &str) -> Option<Tally> {
        let (_, counts) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))?;
        let number = |what| {
            let part = counts.split("; ").find_map(|part| part.strip_suffix(what));
            part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        Some(Tally { passed: number("passed"), failed: number("failed"), ignored: number("ignored"), skipping: 0 })
    }
}

/// A pipe that counts tests and copies its content to standard output.
pub(super) struct Tee {
    pub(super) writer: PipeWriter,
    reader: JoinHandle<TestOutput>,
}

/// When the output of tests is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    AtOnce,
    /// As a whole at the end, because other tests print meanwhile.
    AtEnd,
}

/// What was read from tests' output.
#[derive(Debug, Default)]
pub(super) struct TestOutput {
    pub(super) tally: Tally,
    /// The last line that is not empty, possibly cut. It shows which test ran when the machine broke.
    pub(super) last_line: String,
}

impl Tee {
    /// Opens the pipe, and starts the thread that reads it.
    pub(super) fn start(show: Show) -> Result<Tee> {
        let (reader, writer) = io::pipe().context("cannot open a pipe")?;
        Ok(Tee { writer, reader: thread::spawn(move || pass_on(reader, show)) })
    }

    /// Waits for the rest of the output. All other writers must be closed.
    pub(super) fn finish(self) -> TestOutput {
        drop(self.writer);
        self.reader.join().unwrap_or_default()
    }
}

fn pass_on(reader: PipeReader, show: Show) -> TestOutput {
    let mut output = TestOutput::default();
    let mut held = Vec::new();
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        output.tally.add_line(&text);
        if !text.trim().is_empty() {
            output.last_line = text.trim().to_owned();
        }
        held.extend(line);
        held.push(b'\n');
        if show == Show::AtOnce {
            print(&mut held);
        }
    }
    print(&mut held);
    output
}

fn print(held: &mut Vec<u8>) {
    let mut stdout = io::stdout().lock();
    // Counting continues if standard output is closed.
    let _ = stdout.write_all(held).and_then(|()| stdout.flush());
    held.clear();
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.add_line(line));
        tally
    }

    #[test]
    fn an_interrupted_run_reports_its_last_line() {
        let mut tee = Tee::start(Show::AtEnd).expect("a pipe");
        tee.writer.write_all(b"test a::b ... ok\n\ntest a::c ... ").expect("written");
        let output = tee.finish();
        assert_eq!(output.last_line, "test a::c ...");
        assert_eq!(output.tally, Tally::default());
    }

    #[test]
    fn closing_lines_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 1s";
        assert_eq!(tally(&[line]), Tally { passed: 12, failed: 3, ignored: 1, skipping: 0 });
        for line in ["test result::tests::ok ... ok", "running 3 tests", "", "test result: ok"] {
            assert_eq!(tally(&[line]), Tally::default(), "{line}");
        }
    }

    #[test]
    fn a_skipped_test_does_not_count_as_passed() {
        let closing = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s";
        let lines = ["test lazy::a ... skipped: needs migrate-on-fault", "ok", "test direct::b ... ok", closing];
        assert_eq!(tally(&lines).to_string(), "2 passed, 0 failed, 2 skipped");
        assert_eq!(tally(&[&lines[..], &lines[..]].concat()).to_string(), "4 passed, 0 failed, 4 skipped");
    }

    #[test]
    fn the_total_is_one_plain_line() {
        let tally = |passed, failed, ignored| Tally { passed, failed, ignored, skipping: 0 };
        let total = tally(1, 0, 2) + tally(3, 4, 0);
        assert_eq!(total.to_string(), "4 passed, 4 failed, 2 skipped");
    }
}
