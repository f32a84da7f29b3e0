//! `migtrace page` on traces in files: the history of one page, and errors for ambiguous addresses.

use std::{path::Path, process::Command};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{
    event::{Body, Cause, Event, Migrate, Outcome, Verdict},
    recording::Meta,
    testkit,
    trace::Writer,
};
use tempfile::TempDir;

fn write(dir: &TempDir, (meta, events): (Meta, Vec<Event>)) {
    let mut writer = Writer::create(&dir.path().join("run.parquet"), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
}

fn page(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    command.current_dir(dir).env_remove("NO_COLOR").args(["page", "run.parquet"]);
    let output = command.args(arguments).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("an exit status"), text(&output.stdout), text(&output.stderr))
}

const ADDR: &str = "0x7f12a4003123";

#[test]
fn a_page_that_migrated_lazily() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, testkit::lazy(8, 0..8));
    let (status, out, err) = page(dir.path(), &[ADDR]);
    assert_eq!((status, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
    let decimal = 0x7f12_a400_3000_u64.to_string();
    assert!(page(dir.path(), &[&decimal]).1.contains("page 4 of 8"), "a decimal address selects the same page");
}

#[test]
fn a_page_that_migrated_directly() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, testkit::direct(8));
    insta::assert_snapshot!(page(dir.path(), &[ADDR]).1);
}

#[test]
fn a_page_that_was_not_touched() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, testkit::lazy(8, [0]));
    let (_, out, _) = page(dir.path(), &[ADDR]);
    assert!(out.contains("marked for lazy migration and never touched again: it was on node 1"), "{out}");
}

#[test]
fn a_page_that_failed_to_migrate_or_was_skipped() {
    let dir = TempDir::new().expect("a directory");
    let (meta, mut events) = testkit::lazy(8, 0..8);
    for event in &mut events {
        if let Body::Migrate(m) = &mut event.body {
            (m.result, m.reason, m.new_pfn) = (Outcome::Failed, Some("refs".into()), None);
        }
    }
    write(&dir, (meta.clone(), events.clone()));
    let (_, out, _) = page(dir.path(), &[ADDR]);
    let why = "policy bind wanted node 2 and the page was on node 1; the kernel could not migrate it (refs: another reference";
    assert!(out.contains(why) && out.contains("failed to migrate 1 time;"), "{out}");
    events.retain(|e| !matches!(e.body, Body::Migrate(_)));
    for event in &mut events {
        if let Body::Check(c) = &mut event.body {
            (c.verdict, c.reason) = (Verdict::Skipped, Some("not_opted_in".into()));
        }
    }
    write(&dir, (meta, events));
    let (_, out, _) = page(dir.path(), &[ADDR]);
    assert!(out.contains("its check was skipped (not_opted_in: no lazy migration was requested for it)"), "{out}");
}

#[test]
fn a_page_that_bounced_and_a_lossy_sampled_recording() {
    let dir = TempDir::new().expect("a directory");
    let (mut meta, mut events) = testkit::lossy();
    let end = events.len() - 1;
    for (n, (from, to)) in [(1, 2), (2, 1), (1, 2)].into_iter().enumerate() {
        let moved = Migrate { src_nid: from, dst_nid: Some(to), ..testkit::moved(3, Cause::HintingFault) };
        let at = Event { ts_ns: events[end].ts_ns + n as u64, body: moved.into(), ..events[end].clone() };
        events.insert(end + n, at);
    }
    meta.sample = std::num::NonZeroU32::new(10);
    write(&dir, (meta, events));
    let (_, out, _) = page(dir.path(), &[ADDR]);
    for expected in [
        "migrated back 2 times",
        "it was touched from another node (automatic NUMA balancing)",
        "3 events of this recording lost",
        "1 of 10 faults, checks, marks and migrations was recorded",
    ] {
        assert!(out.contains(expected), "no {expected:?} in {out}");
    }
}

#[test]
fn an_address_in_several_processes_needs_pid() {
    let dir = TempDir::new().expect("a directory");
    let (meta, mut events) = testkit::lazy(8, 0..8);
    let (_, mut others) = testkit::direct(8);
    others.iter_mut().for_each(|e| (e.pid, e.tid, e.comm) = (977, 977, "o\u{1b}[31mther".into()));
    events.append(&mut others);
    events.sort_by_key(|e| e.ts_ns);
    write(&dir, (meta, events));
    let (status, out, err) = page(dir.path(), &[ADDR]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(
        err.contains("2 processes have a page at 0x7f12a4003123: choose one with --pid: 213 (memtoy), 977 (o"),
        "{err}"
    );
    assert!(!err.contains('\u{1b}'), "{err}");
    let (status, out, _) = page(dir.path(), &[ADDR, "--pid", "977"]);
    assert!(status == 0 && out.contains("mbind(2) requested immediate migration of its range"), "{out}");
    let (status, _, err) = page(dir.path(), &[ADDR, "--pid", "1"]);
    assert!(status == 2 && err.contains("process 1 has no page at 0x7f12a4003123"), "{err}");
}

#[test]
fn an_address_without_a_page_is_an_error() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, testkit::lazy(8, 0..8));
    let (status, out, err) = page(dir.path(), &["0x7f12a4008000"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "migtrace: run.parquet: the trace has no event of the page at 0x7f12a4008000; nearest pages: 0x7f12a4007000\n"
    );
    assert_eq!(page(dir.path(), &["nonsense"]).0, 2);
}

#[test]
fn color_always_writes_escape_sequences() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, testkit::lazy(8, 0..8));
    assert!(page(dir.path(), &[ADDR, "--color", "always"]).1.contains("\u{1b}["));
    assert!(!page(dir.path(), &[ADDR]).1.contains('\u{1b}'));
}
