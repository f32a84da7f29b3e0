//! `migtrace top` on a pseudoterminal: terminals that go away, that are slow, small, or of no size.

mod pty;

use std::{
    fs,
    time::{Duration, Instant},
};

use migtrace::{testkit, trace::Writer};
use nix::pty::Winsize;
use pty::Pty;
use tempfile::TempDir;

/// A directory with a recording, `lazy.parquet`.
fn recording() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let (meta, events) = testkit::lazy(8, 0..8);
    let mut writer = Writer::create(&dir.path().join("lazy.parquet"), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
    dir
}

const fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn top(dir: &TempDir, size: Winsize) -> Pty {
    let top = Pty::start(dir.path(), size, &["top", "lazy.parquet"]);
    top.wait_for("\u{1b}[?1000h");
    top
}

/// `top` with its first frame drawn.
fn drawn(dir: &TempDir, size: Winsize) -> Pty {
    let top = top(dir, size);
    top.wait_for("Overview");
    top
}

#[test]
fn a_terminal_that_goes_away_ends_it_quietly() {
    let dir = recording();
    for closed in ["the terminal", "the terminal, with SIGHUP ignored"] {
        let mut top = Pty::started_with(dir.path(), size(80, 24), &["top", "lazy.parquet"], closed.contains("ignored"));
        top.wait_for("Overview");
        top.hang_up();
        let status = top.ended();
        assert_eq!(status.code(), Some(0), "after {closed} closed: {status}");
    }
}

#[test]
fn a_signal_from_outside_ends_it_and_restores_the_terminal() {
    let dir = recording();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut top = drawn(&dir, size(80, 24));
        top.answer_status_after(Duration::ZERO);
        top.signal(signal);
        assert_eq!(top.ended().code(), Some(0), "signal {signal}");
        assert!(top.is_cooked(), "signal {signal}");
        // The main screen and the cursor are back, the mouse is the terminal's.
        ["\u{1b}[?1000l", "\u{1b}[?1049l", "\u{1b}[?25h"].iter().for_each(|end| top.wait_for(end));
    }
}

#[test]
fn late_reports_of_the_mouse_do_not_reach_the_shell() {
    let dir = recording();
    for delay in [30, 150].map(Duration::from_millis) {
        let mut top = drawn(&dir, size(80, 24));
        // Only buttons and the wheel: no reports of every motion.
        let start = top.output();
        assert!(!start.contains("?1003h") && !start.contains("?1002h"), "{start:?}");
        top.answer_status_after(delay);
        top.press(b"q");
        let until = Instant::now() + delay;
        while Instant::now() < until {
            top.press(b"\x1b[<0;10;10M\x1b[<0;10;10m");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(top.ended().code(), Some(0));
        assert!(top.is_cooked());
        assert_eq!(top.left_to_read(), b"", "with a delay of {delay:?}");
    }
}

#[test]
fn a_terminal_that_never_answers_delays_the_end_by_at_most_a_second() {
    let dir = recording();
    let mut top = drawn(&dir, size(80, 24));
    let began = Instant::now();
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    // Without the mouse there is nothing to wait for, and what was typed ahead stays.
    let mut top = Pty::start(dir.path(), size(80, 24), &["top", "lazy.parquet", "--no-mouse"]);
    top.wait_for("Overview");
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
    assert!(!top.output().contains("\u{1b}[5n"));
}

#[test]
fn ctrl_z_where_nothing_could_continue_it_does_not_stop_it_for_ever() {
    let dir = recording();
    // The process group of a session leader is orphaned: its parent is in another session.
    let mut top = drawn(&dir, size(80, 24));
    top.answer_status_after(Duration::ZERO);
    top.press(b"\x1a");
    top.wait_for("\u{1b}[?1049l");
    top.press(b"2");
    top.wait_for("Which process has pages");
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn a_terminal_of_no_size_is_one_of_80x24_or_of_the_environment() {
    let dir = recording();
    for (set, rows) in [(None, 24), (Some(("132", "50")), 50)] {
        let mut top = Pty::with_size_of_environment(dir.path(), set, &["top", "lazy.parquet"]);
        top.wait_for("Overview");
        top.wait_for(&format!("\u{1b}[{rows};"));
        top.press(b"q");
        assert_eq!(top.ended().code(), Some(0));
    }
}

#[test]
fn a_small_terminal_names_the_size_that_is_needed() {
    let dir = recording();
    for (columns, rows) in [(1, 1), (5, 2), (20, 4), (59, 16), (80, 5)] {
        let mut top = top(&dir, size(columns, rows));
        if columns * rows >= 8 {
            top.wait_for("60x16");
        }
        top.press(b"q");
        assert_eq!(top.ended().code(), Some(0), "{columns}x{rows}");
    }
    let mut top = drawn(&dir, size(500, 200));
    top.wait_for("\u{1b}[200;1H");
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn a_storm_of_sizes_ends_with_a_screen_of_the_last_size() {
    let dir = recording();
    let mut top = drawn(&dir, size(80, 24));
    for n in 0..200 {
        top.resize(size(60 + n % 90, 16 + n % 40));
    }
    top.resize(size(100, 33));
    top.wait_for("\u{1b}[33;1H");
    top.press(b"w");
    top.wait_for("saved as");
    let saved = fs::read_dir(dir.path()).expect("listed").flatten().map(|entry| entry.path());
    let saved = { saved }.find(|path| path.extension().is_some_and(|e| e == "txt")).expect("a saved screen");
    assert_eq!(fs::read_to_string(saved).expect("read").lines().count(), 33);
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn pasted_text_is_typed_into_a_line_and_else_ignored() {
    let dir = recording();
    let mut top = drawn(&dir, size(80, 24));
    // As keys, these would save files and quit.
    top.press(b"\x1b[200~wqe\x1b[201~");
    top.wait_for("pasted text ignored");
    top.press(b"f\x1b[200~red\x1b[31mblue\n2wq\x1b[201~\r");
    top.wait_for("red[31mblue");
    let long = [&b"\x1b[200~"[..], &[b'x'; 5000], b"\x1b[201~"].concat();
    top.press(&long);
    top.press(b"2");
    top.wait_for("Which process has pages");
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing was saved");
}

#[test]
fn a_terminal_that_takes_no_output_does_not_keep_it_from_its_signals() {
    let dir = recording();
    let mut top = drawn(&dir, size(300, 100));
    top.take_no_output();
    // Each draws a whole frame.
    for _ in 0..40 {
        top.press(b"\x0c");
        std::thread::sleep(Duration::from_millis(10));
    }
    top.signal(libc::SIGTERM);
    assert_eq!(top.ended().code(), Some(0));
    assert!(top.is_cooked());
    // A terminal that goes on gets all frames that it missed as one.
    let mut top = drawn(&dir, size(100, 30));
    let taken = top.take_no_output();
    top.press(b"2\x0c3\x0c4\x0c8\x0c9\x0c?");
    std::thread::sleep(Duration::from_millis(300));
    taken.take_again();
    top.wait_for("What do the keys, words and colours mean?");
    top.press(b"q");
    assert_eq!(top.ended().code(), Some(0));
}
