//! `migtrace log` without a file traces the running kernel. It prints lines as events occur, and a legend and a summary
//! at the end.

use std::{
    io::{BufRead, BufReader, Read},
    process::{ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    recorder::{ChildGuard, send},
    requirements::needs,
    support::{Script, WRITTEN_ON_1, migtrace},
};

/// A running `migtrace log`.
struct Live {
    child: ChildGuard,
    out: BufReader<ChildStdout>,
    text: String,
}

impl Live {
    /// Starts the log and waits until probes are attached.
    fn start(options: &[&str]) -> Self {
        let mut child =
            ChildGuard::start(migtrace().arg("log").args(options).stdin(Stdio::null()).stdout(Stdio::piped()));
        let out = BufReader::new(child.0.stdout.take().unwrap());
        let mut live = Self { child, out, text: String::new() };
        live.wait_for(|line| line.starts_with("  lines ") || line.starts_with("number\t"));
        live
    }

    /// Reads until a line matches. Fails if the log ends before that.
    fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) {
        loop {
            let from = self.text.len();
            assert!(self.out.read_line(&mut self.text).unwrap() > 0, "the log ended early: {}", self.text);
            if wanted(&self.text[from..]) {
                return;
            }
        }
    }

    /// Sends a signal, asserts success, and returns the whole output.
    fn stop(mut self, signal: i32) -> String {
        send(self.child.0.id(), signal);
        self.out.read_to_string(&mut self.text).unwrap();
        assert!(self.child.0.wait().unwrap().success());
        self.text
    }
}

fn run_lazily() {
    let script = Script::new(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ntouch seg read\nsleep 10\n"));
    assert!(script.command().status().unwrap().success());
}

#[test]
fn live_log_shows_a_lazy_migration_before_it_ends_and_a_summary() {
    needs!(migrate_on_fault);
    let mut live = Live::start(&[]);
    run_lazily();
    // The log must print these lines while it is running.
    live.wait_for(|line| line.contains("page 8 of 8") && line.contains("page fault, class swap"));
    let text = live.stop(libc::SIGINT);
    let count = |what: &str| text.lines().filter(|l| l.contains(what)).count();
    assert_eq!(count("migrated from node 1 to node 2, frame"), 8, "{text}");
    assert_eq!(count("marked: unmapped on node 1"), 8, "{text}");
    for expected in [
        "8 marked = 8 migrated + 0 already placed + 0 failed + 0 gone + 0 untouched; the funnel balances",
        "   in total: mbind took",
        "== legend",
        "lazy_migrate   seen 8 = stored 8 + lost 0",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    // Each check is indented, because it is nested in the fault that touched the page.
    let columns = |what: &str| text.lines().filter_map(|line| line.find(what)).collect::<Vec<_>>();
    let fault_column = columns("page 8 of 8 (0x")[0];
    assert_eq!(columns("check: misplaced"), [fault_column + 2; 8], "{text}");
}

#[test]
fn live_tsv_log_has_one_line_per_event() {
    needs!(migrate_on_fault);
    let mut live = Live::start(&["--format", "tsv"]);
    run_lazily();
    live.wait_for(|line| line.contains("\ttask\t") && line.contains("exits"));
    let text = live.stop(libc::SIGTERM);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{text}");
    let at = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
    let moves: Vec<_> = rows.iter().filter(|r| r[at("kind")] == "migrate" && r[at("result")] == "ok").collect();
    let pages: Vec<&str> = moves.iter().filter(|r| !r[at("page")].is_empty()).map(|r| r[at("page")]).collect();
    assert_eq!(pages, ["1", "2", "3", "4", "5", "6", "7", "8"], "{text}");
}

#[test]
fn live_log_into_a_closed_pipe_is_no_error() {
    let program = env!("CARGO_BIN_EXE_migtrace");
    let shell = format!("{{ {program} log --all; echo status $? >&2; }} | head -n 1");
    let mut shell_command = Command::new("sh");
    let mut child = ChildGuard::start(shell_command.args(["-c", &shell]).stdout(Stdio::null()).stderr(Stdio::piped()));
    let mut stderr = child.0.stderr.take().unwrap();
    // The log detects the closed pipe only when it writes, so new processes provide events.
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let busy = thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            assert!(Command::new("true").status().unwrap().success());
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut status = String::new();
    stderr.read_to_string(&mut status).unwrap();
    is_over.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    assert_eq!(status.trim(), "status 0");
}
