//! Live logs of literal events.

use anstream::adapter::strip_str;

use super::*;
use crate::{
    log,
    recording::ProcessDetails,
    testkit::{self, PAGES},
};

/// The hold time, for recordings of two milliseconds.
const SHORT_HOLD_NS: u64 = 20_000;

/// The log if the source is read every `every_ns`.
fn follow(meta: &Meta, events: &[Event], every_ns: u64, options: &Options) -> String {
    let mut follower = Follower::new(meta.clone(), options.clone());
    follower.hold_ns = SHORT_HOLD_NS;
    let mut out = Vec::new();
    follower.begin(&mut out).expect("memory does not fail");
    let (mut now_ns, last_ns) = (events[0].ts_ns, events[events.len() - 1].ts_ns);
    let mut ahead = events.iter().peekable();
    while now_ns <= last_ns + SHORT_HOLD_NS + every_ns {
        while let Some(event) = ahead.next_if(|e| e.ts_ns <= now_ns) {
            follower.take(event.clone());
        }
        follower.write(now_ns, &mut out).expect("memory does not fail");
        now_ns += every_ns;
    }
    follower.finish(meta.clone(), &mut out).expect("memory does not fail");
    strip_str(&String::from_utf8(out).expect("text")).to_string()
}

fn whole(meta: &Meta, events: &[Event], options: &Options) -> String {
    let mut out = Vec::new();
    let run = Run::new(meta.clone(), events.to_vec());
    log::write(&run, "run.parquet", options, &mut out).expect("memory does not fail");
    strip_str(&String::from_utf8(out).expect("text")).to_string()
}

/// The lines of events.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|l| l.contains("memtoy/213") && !l.contains(" command ")).collect()
}

fn after<'a>(text: &'a str, heading: &str) -> &'a str {
    &text[text.find(heading).unwrap_or_else(|| panic!("{heading}: {text}"))..]
}

#[test]
fn a_live_log_has_the_lines_legend_and_summary_of_a_file() {
    for (meta, events) in [
        testkit::direct(PAGES),
        testkit::lazy(PAGES, 0..PAGES),
        testkit::lazy(PAGES, [1, 4]),
        testkit::query(),
        testkit::lossy(),
    ] {
        for every_ns in [7_000, 300_000, 5_000_000] {
            let options = Options { all: true, ..Options::default() };
            let (live, whole) = (follow(&meta, &events, every_ns, &options), whole(&meta, &events, &options));
            assert_eq!(lines(&live), lines(&whole), "{live}");
            assert_eq!(after(&live, "== legend"), after(&whole, "== legend"));
        }
    }
}

#[test]
fn a_live_log_ends_with_the_processes_that_a_file_begins_with() {
    let (mut meta, events) = testkit::direct(PAGES);
    let options = Options::default();
    assert!(!follow(&meta, &events, 300_000, &options).contains("== processes"), "unknown ones are in no list");
    let words = vec!["memtoy".to_owned(), "a\u{1b}b".to_owned()];
    let process = ProcessDetails {
        pid: testkit::PID,
        command_line: Some(words),
        parent_pid: Some(17),
        ..ProcessDetails::default()
    };
    meta.processes = vec![process];
    let line = "  process  213 (parent 17): memtoy a\\u{1b}b\n";
    let (live, whole) = (follow(&meta, &events, 300_000, &options), whole(&meta, &events, &options));
    assert!(whole[..whole.find("==").expect("a part")].contains(line), "{whole}");
    let end = after(&live, "== processes");
    assert!(end.contains(line) && end.contains("== legend"), "{live}");
}

#[test]
fn a_phase_ends_with_its_result() {
    let (meta, events) = testkit::lazy(PAGES, [1, 4]);
    insta::assert_snapshot!(follow(&meta, &events, 300_000, &Options::default()));
}

#[test]
fn events_in_a_long_syscall_wait_for_its_end_but_not_for_ever() {
    let (meta, events) = testkit::direct(PAGES);
    let is_move = |e: &Event| matches!(e.body, Body::Migrate(_));
    let first = events.iter().position(is_move).expect("moves");
    let mut follower = Follower::new(meta, Options::default());
    let mut out = Vec::new();
    events[..first + 3].iter().for_each(|e| follower.take(e.clone()));
    let ended_ns = events[first + 2].ts_ns;
    follower.write(ended_ns + HOLD_NS, &mut out).expect("memory does not fail");
    assert_eq!(follower.held.len(), 3, "the migrations");
    follower.write(ended_ns + PATIENCE_NS, &mut out).expect("memory does not fail");
    assert!(follower.held.is_empty());
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.matches(", cause mbind").count(), 3, "each shows its own cause: {text}");
}

#[test]
fn if_too_many_events_wait_they_are_written_and_counted() {
    let (meta, events) = testkit::direct(1);
    let moved = events.iter().find(|e| matches!(e.body, Body::Migrate(_))).expect("a move");
    let options = Options { filter: "kind == request".parse().expect("a filter"), ..Options::default() };
    let mut follower = Follower::new(meta.clone(), options);
    follower.most_held = 100;
    let mut out = Vec::new();
    for _ in 0..=100 {
        follower.take(moved.clone());
    }
    follower.write(moved.ts_ns, &mut out).expect("memory does not fail");
    assert!(follower.held.is_empty());
    follower.finish(meta, &mut out).expect("memory does not fail");
    let text = String::from_utf8(out).expect("text");
    assert!(text.contains("101 events shown without the syscall"), "{text}");
}

#[test]
fn lines_for_programs_are_the_same_live_and_of_a_file() {
    let options = Options { tsv: true, ..Options::default() };
    let (meta, events) = testkit::lazy(PAGES, [1, 4]);
    let live = follow(&meta, &events, 300_000, &options);
    let mut out = Vec::new();
    log::write(&Run::new(meta, events.clone()), "run.parquet", &options, &mut out).expect("memory does not fail");
    assert_eq!(live, String::from_utf8(out).expect("text"));
    assert_eq!(live.lines().count(), events.len() + 1);
}
