use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{fault, final_meta, meta, write};
use crate::{
    recording::Meta,
    trace::{Error, Trace, Writer, recover},
};

fn temporary() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    (dir, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

/// A recording that was killed after `segments` segments of `rows` events.
fn killed(path: &Path, segments: u64, rows: u64) {
    let mut writer = Writer::create(path, &meta()).expect("a writer");
    for n in 0..segments * rows {
        writer.push(&fault(n, n)).expect("pushed");
        if n % rows == rows - 1 {
            writer.flush().expect("flushed");
        }
    }
}

#[test]
fn a_writer_that_is_dropped_keeps_what_was_pushed() {
    let (_dir, path) = temporary();
    let mut writer = Writer::create(&path, &meta()).expect("a writer");
    writer.push(&fault(1, 1)).expect("pushed");
    drop(writer);
    assert_eq!(Trace::open(&path).and_then(|t| t.read_all()).expect("read"), [fault(1, 1)]);
}

#[test]
fn a_recording_is_readable_while_it_goes_on() {
    let (dir, path) = temporary();
    let mut writer = Writer::create(&path, &meta()).expect("a writer");
    let empty = Trace::open(&path).expect("opened from its first moment");
    assert!(empty.truncated() && empty.event_count() == 0 && *empty.meta() == meta());

    writer.set_segment_age(Duration::MAX);
    writer.push(&fault(1, 1)).expect("pushed");
    writer.tick().expect("not due");
    assert_eq!(Trace::open(&path).expect("opened").event_count(), 0);
    writer.set_segment_age(Duration::from_millis(5));
    std::thread::sleep(Duration::from_millis(6));
    writer.tick().expect("due");
    let deadline = Instant::now() + Duration::from_secs(60);
    while writer.bytes() == 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    for name in [path.clone(), dir.path().join("run.parquet.partial")] {
        let trace = Trace::open(&name).expect("opened");
        assert!(trace.truncated());
        assert_eq!(trace.read_all().expect("read"), [fault(1, 1)]);
    }
    assert_eq!(mode(&dir.path().join("run.parquet.partial")), 0o700);
    assert_eq!(mode(&dir.path().join("run.parquet.partial/000001.parquet")), 0o600);
    writer.finish(&final_meta()).expect("finished");
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "the partial directory is gone");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_is_there_is_replaced_only_at_the_end() {
    let (_dir, path) = temporary();
    write(&path, &[fault(1, 1)]);
    let mut writer = Writer::create(&path, &meta()).expect("a writer");
    writer.push(&fault(2, 2)).expect("pushed");
    writer.flush().expect("flushed");
    assert_eq!(Trace::open(&path).and_then(|t| t.read_all()).expect("read"), [fault(1, 1)]);
    writer.finish(&final_meta()).expect("finished");
    assert_eq!(Trace::open(&path).and_then(|t| t.read_all()).expect("read"), [fault(2, 2)]);
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let (dir, path) = temporary();
    symlink(dir.path().join("elsewhere"), &path).expect("a link");
    assert!(matches!(Writer::create(&path, &meta()), Err(Error::NotRegular { .. })));
    assert!(matches!(Writer::create(dir.path(), &meta()), Err(Error::NotRegular { .. })));
    assert!(matches!(Writer::create(Path::new("/dev/null"), &meta()), Err(Error::NotRegular { .. })));
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing was made");
}

#[test]
fn a_recording_that_goes_on_is_left_alone() {
    let (_dir, path) = temporary();
    let _writer = Writer::create(&path, &meta()).expect("a writer");
    assert!(matches!(Writer::create(&path, &meta()), Err(Error::Recording { .. })));
    assert!(matches!(recover(&path, None), Err(Error::Recording { .. })));
}

#[test]
fn a_recording_that_did_not_end_is_refused_and_recovered() {
    let (dir, path) = temporary();
    killed(&path, 3, 10);
    let refused = Writer::create(&path, &meta()).err().expect("refused").to_string();
    assert!(refused.contains(&format!("`migtrace recover {}`", path.display())), "{refused}");

    let recovered = recover(&path, None).expect("recovered");
    assert_eq!((recovered.events, recovered.left_out.len()), (30, 0));
    let trace = Trace::open(&path).expect("opened");
    assert!(trace.truncated(), "a recovered trace says that it was cut off");
    let times = trace.events().map(|e| e.expect("an event").ts_ns).collect::<Vec<_>>();
    assert_eq!(times, (0..30).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
}

#[test]
fn recovering_overwrites_nothing() {
    let (dir, path) = temporary();
    write(&path, &[fault(1, 1)]);
    killed(&path, 1, 1);
    assert!(matches!(recover(&path, None), Err(Error::Exists { .. })));
    let other = dir.path().join("other.parquet");
    let recovered = recover(&dir.path().join("run.parquet.partial"), Some(&other)).expect("recovered");
    assert_eq!((recovered.path, recovered.events), (other, 1));
}

#[test]
fn a_damaged_segment_costs_only_itself() {
    let (dir, path) = temporary();
    killed(&path, 3, 10);
    let partial = dir.path().join("run.parquet.partial");
    let second = partial.join("000002.parquet");
    let bytes = fs::read(&second).expect("read");
    fs::write(&second, &bytes[..bytes.len() / 2]).expect("cut");
    fs::write(partial.join("000004.parquet.tmp"), b"PAR1half").expect("written");

    let trace = Trace::open(&path).expect("opened");
    assert_eq!((trace.event_count(), trace.left_out().len()), (20, 1));
    let recovered = recover(&path, None).expect("recovered");
    assert_eq!((recovered.events, recovered.left_out.len()), (20, 1));
    assert!(recovered.left_out[0].to_string().contains("000002.parquet: damaged at its end"));
    assert!(partial.is_dir(), "what could not be read is kept");
}

#[test]
fn later_segments_carry_later_metadata() {
    let (_dir, path) = temporary();
    let mut writer = Writer::create(&path, &meta()).expect("a writer");
    let later = Meta { hostname: "later".into(), ..meta() };
    writer.set_meta(&later).expect("set");
    writer.push(&fault(1, 1)).expect("pushed");
    writer.flush().expect("flushed");
    assert_eq!(*Trace::open(&path).expect("opened").meta(), later);
}

#[test]
fn a_full_disk_is_an_error_and_what_was_written_stays() {
    let (dir, path) = temporary();
    let mut writer = Writer::create(&path, &meta()).expect("a writer");
    writer.push(&fault(1, 1)).expect("pushed");
    writer.flush().expect("flushed");
    // The next segment's name is taken by a directory that cannot be replaced: rename fails as it would on a full disk.
    fs::create_dir_all(dir.path().join("run.parquet.partial/000002.parquet/x")).expect("made");
    writer.push(&fault(2, 2)).expect("pushed");
    assert!(matches!(writer.flush(), Err(Error::Write { error, .. }) if error.raw_os_error() == Some(libc::EISDIR)));
    let again = writer.flush().expect_err("it stays broken").to_string();
    assert!(again.ends_with("stopped writing after an earlier error"), "{again}");
    assert!(!dir.path().join("run.parquet.partial/000002.parquet.tmp").exists(), "nothing half-written stays");
    drop(writer);
    assert_eq!(Trace::open(&path).and_then(|t| t.read_all()).expect("read"), [fault(1, 1)]);
}

#[test]
fn small_segments_are_joined_into_one_row_group_and_large_ones_are_taken_over() {
    let (_dir, path) = temporary();
    let mut writer = Writer::create(&path, &meta()).expect("a writer");
    writer.set_segment_age(Duration::MAX);
    let sizes = [5, 7, 40_000, 1, 2];
    let mut n = 0;
    for size in sizes {
        for _ in 0..size {
            writer.push(&fault(n, n)).expect("pushed");
            n += 1;
        }
        writer.flush().expect("flushed");
    }
    writer.finish(&final_meta()).expect("finished");
    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.row_group_sizes(), [12, 40_000, 3]);
    assert!(trace.events().map(|e| e.expect("an event").ts_ns).eq(0..n));
}
