use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{fault, final_meta, meta};
use crate::{
    recording::{Meta, Node, ProcessDetails},
    trace::{Flight, Output, Plan, Trace, Writer, recover},
};

fn temporary() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    (dir, path)
}

fn names(dir: &Path) -> Vec<String> {
    let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name().into_string().expect("a name");
    let mut names = fs::read_dir(dir).expect("listed").map(name).collect::<Vec<_>>();
    names.sort();
    names
}

fn times(path: &Path) -> Vec<u64> {
    Trace::open(path).expect("opened").events().map(|e| e.expect("an event").ts_ns).collect()
}

/// Ten events a file, by their age: every tick ends one.
fn rotated(path: &Path, files: u64, keep_files: Option<NonZeroUsize>) -> crate::trace::Written {
    let plan = Plan { rotate_age: Some(Duration::ZERO), keep_files, ..Plan::default() };
    let mut output = Output::create(path, &meta(), plan).expect("begun");
    for file in 0..files {
        (0..10).for_each(|n| output.push(&fault(2_000 + file * 10 + n, n)).expect("pushed"));
        if file + 1 < files {
            output.tick(|| None).expect("rotated");
        }
    }
    assert_eq!(output.events(), files * 10);
    output.finish(&final_meta()).expect("finished")
}

#[test]
fn each_file_of_a_rotation_is_whole() {
    let (dir, path) = temporary();
    let written = rotated(&path, 3, None);
    assert_eq!((written.events, written.files.len()), (30, 3));
    assert_eq!(names(dir.path()), ["run.1.parquet", "run.2.parquet", "run.parquet"]);
    for (number, file) in written.files.iter().enumerate() {
        let first = 2_000 + 10 * number as u64;
        assert_eq!(times(file), (first..first + 10).collect::<Vec<_>>());
        let trace = Trace::open(file).expect("opened");
        assert!(!trace.truncated());
        assert_eq!(trace.meta().part, Some(number as u32));
        assert_eq!(trace.meta().kernel_release, meta().kernel_release);
    }
    let spans = written.files.iter().map(|f| Trace::open(f).expect("opened").meta().clone());
    let spans = spans.map(|m| (m.start_ns, m.end_ns)).collect::<Vec<_>>();
    assert_eq!(spans, [(1_000, Some(2_009)), (2_009, Some(2_019)), (2_019, Some(9_000))], "one begins where one ends");
}

#[test]
fn a_rotation_keeps_as_many_files_as_it_is_told() {
    let (dir, path) = temporary();
    let written = rotated(&path, 5, NonZeroUsize::new(2));
    assert_eq!(written.events, 50);
    assert_eq!(names(dir.path()), ["run.3.parquet", "run.4.parquet"]);
    assert_eq!(written.files, [dir.path().join("run.3.parquet"), dir.path().join("run.4.parquet")]);
}

#[test]
fn a_file_is_rotated_by_size() {
    let (dir, path) = temporary();
    let plan = Plan { rotate_bytes: Some(1), ..Plan::default() };
    let mut output = Output::create(&path, &meta(), plan).expect("begun");
    output.push(&fault(2_000, 1)).expect("pushed");
    output.tick(|| None).expect("nothing is on the disk yet");
    assert_eq!(names(dir.path()), ["run.parquet.partial"]);
    output.cpu_ns().expect("flushed");
    output.tick(|| None).expect("rotated");
    output.push(&fault(2_001, 1)).expect("pushed");
    output.finish(&final_meta()).expect("finished");
    assert_eq!(names(dir.path()), ["run.1.parquet", "run.parquet"]);
}

fn flight(path: &Path, bytes: u64) -> Output {
    let plan = Plan { flight: Some(Flight { age: Duration::from_nanos(100), bytes }), ..Plan::default() };
    Output::create(path, &meta(), plan).expect("begun")
}

/// Events from `from` to `to`, a segment for each ten.
fn fly(output: &mut Output, from: u64, to: u64) {
    for ts_ns in from..to {
        output.push(&fault(ts_ns, ts_ns)).expect("pushed");
        if ts_ns % 10 == 9 {
            output.cpu_ns().expect("flushed");
        }
    }
}

#[test]
fn a_flight_keeps_what_was_last_and_counts_what_it_let_go() {
    let (dir, path) = temporary();
    let mut output = flight(&path, u64::MAX);
    fly(&mut output, 1_000, 2_000);
    assert_eq!(names(&dir.path().join("run.parquet.partial")), ["000000.parquet"], "events stay in memory");
    let written = output.finish(&final_meta()).expect("finished");
    // The segment that ends 1899 is 100 ns old against 1999.
    assert_eq!(times(&path), (1_890..2_000).collect::<Vec<_>>());
    let found = Trace::open(&path).expect("opened").meta().clone();
    assert_eq!(found, Meta { evicted: Some(890), ..final_meta() });
    assert_eq!((written.events, names(dir.path())), (110, vec!["run.parquet".to_owned()]));
}

#[test]
fn a_flight_is_written_as_often_as_it_is_asked_for() {
    let (dir, path) = temporary();
    let mut output = flight(&path, u64::MAX);
    fly(&mut output, 1_000, 1_200);
    let first = output.dump(1_200).expect("dumped");
    fly(&mut output, 1_200, 1_250);
    let second = output.dump(1_250).expect("dumped");
    fly(&mut output, 1_250, 1_500);
    let written = output.finish(&final_meta()).expect("finished");
    assert_eq!(written.files, [first.clone(), second.clone(), dir.path().join("run.2.parquet")]);
    assert_eq!(times(&first), (1_090..1_200).collect::<Vec<_>>());
    assert_eq!(times(&second), (1_140..1_250).collect::<Vec<_>>());
    assert_eq!(times(&written.files[2]), (1_390..1_500).collect::<Vec<_>>());
    assert_eq!(Trace::open(&first).expect("opened").meta().end_ns, Some(1_200));
}

/// The trace that a snapshot sends, in a file, and the number of pieces.
fn sent(output: &mut Output, end_ns: u64, last: Option<Duration>) -> (tempfile::NamedTempFile, usize) {
    let mut bytes = Vec::new();
    let mut pieces = 0;
    let snapshot = output.snapshot(end_ns).expect("a snapshot");
    let streamed = snapshot.stream(last, |piece| {
        pieces += 1;
        bytes.extend_from_slice(&piece);
        Ok(())
    });
    streamed.expect("sent");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    (file, pieces)
}

#[test]
fn a_snapshot_is_a_whole_trace_of_at_most_the_time_asked_for_and_leaves_no_file() {
    let (dir, path) = temporary();
    let mut output = flight(&path, u64::MAX);
    fly(&mut output, 1_000, 1_203);
    for (last, first) in [(None, 1_100), (Some(1_000), 1_100), (Some(55), 1_150), (Some(5), 1_200), (Some(1), 1_204)] {
        let (file, _) = sent(&mut output, 1_205, last.map(Duration::from_nanos));
        let trace = Trace::open(file.path()).expect("opened");
        assert!(!trace.truncated());
        let expected: Vec<u64> = (first..1_203).collect();
        assert_eq!(times(file.path()), expected, "{last:?}");
        let missing = 203 - expected.len() as u64;
        assert_eq!(*trace.meta(), Meta { end_ns: Some(1_205), evicted: Some(missing), ..meta() }, "{last:?}");
    }
    assert_eq!(names(&dir.path().join("run.parquet.partial")), ["000000.parquet"]);
    fly(&mut output, 1_203, 1_210);
    output.finish(&final_meta()).expect("finished");
    assert_eq!(names(dir.path()), ["run.parquet"]);
}

#[test]
fn a_snapshot_without_events_is_a_trace_and_one_whose_reader_leaves_ends() {
    let (_dir, path) = temporary();
    let mut output = flight(&path, u64::MAX);
    let (file, _) = sent(&mut output, 1_205, None);
    assert_eq!(times(file.path()), Vec::<u64>::new());
    fly(&mut output, 1_000, 1_010);
    let left = output.snapshot(1_010).expect("a snapshot").stream(None, |_| Err(std::io::ErrorKind::BrokenPipe.into()));
    assert!(left.is_err());
    output.finish(&final_meta()).expect("finished");
}

/// Row groups of many rows are copied, unless only some of their rows are recent enough.
#[test]
fn a_snapshot_of_large_segments_is_sent_in_pieces() {
    let (_dir, path) = temporary();
    let plan = Plan { flight: Some(Flight { age: Duration::MAX, bytes: u64::MAX }), ..Plan::default() };
    let mut output = Output::create(&path, &meta(), plan).expect("begun");
    let end = 1_000 + 200_000;
    for ts_ns in 1_000_u64..end {
        // Addresses that no encoding makes small.
        let noise = ts_ns.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        output.push(&fault(ts_ns, (noise ^ (noise >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9))).expect("pushed");
        if ts_ns % 50_000 == 0 {
            output.cpu_ns().expect("flushed");
        }
    }
    let (file, pieces) = sent(&mut output, end, None);
    assert_eq!(times(file.path()), (1_000..end).collect::<Vec<_>>());
    assert!(pieces >= 2, "{pieces}");
    let (file, _) = sent(&mut output, end, Some(Duration::from_nanos(120_000)));
    assert_eq!(times(file.path()), (end - 120_000..end).collect::<Vec<_>>());
    output.finish(&final_meta()).expect("finished");
}

#[test]
fn a_flight_takes_no_more_memory_than_it_may() {
    let (_dir, path) = temporary();
    let mut output = flight(&path, 1);
    fly(&mut output, 1_000, 1_100);
    output.finish(&final_meta()).expect("finished");
    assert_eq!(times(&path), (1_090..1_100).collect::<Vec<_>>(), "the newest segment stays whatever it takes");
    assert_eq!(Trace::open(&path).expect("opened").meta().evicted, Some(90));
}

#[test]
fn what_a_flight_held_when_it_broke_is_recovered() {
    let (_dir, path) = temporary();
    let mut writer = Writer::create_flight(&path, &meta(), Duration::MAX, u64::MAX).expect("a writer");
    (0..20).for_each(|n| writer.push(&fault(n, n)).expect("pushed"));
    drop(writer);
    assert_eq!(recover(&path, None).expect("recovered").events, 20);
    assert_eq!(times(&path), (0..20).collect::<Vec<_>>());
}

fn process(pid: u32) -> ProcessDetails {
    ProcessDetails { pid, command_line: Some(vec!["db".to_owned(), pid.to_string()]), ..ProcessDetails::default() }
}

/// Only the last file had the table, and a recording that was cut off had none.
#[test]
fn each_file_of_a_rotation_has_the_processes_seen_so_far() {
    let (_dir, path) = temporary();
    let plan = Plan { rotate_age: Some(Duration::ZERO), ..Plan::default() };
    let mut output = Output::create(&path, &meta(), plan).expect("begun");
    for file in 0..3 {
        (0..10).for_each(|n| output.push(&fault(2_000 + u64::from(file) * 10 + n, n)).expect("pushed"));
        if file < 2 {
            output.tick(|| Some(((0..=file).map(process).collect(), 7))).expect("rotated");
        }
    }
    let last = Meta { processes: (0..3).map(process).collect(), evicted_processes: 8, ..final_meta() };
    let written = output.finish(&last).expect("finished");
    let tables = written.files.iter().map(|file| Trace::open(file).expect("opened").meta().clone());
    let tables: Vec<_> = tables.map(|meta| (meta.processes.len(), meta.evicted_processes)).collect();
    assert_eq!(tables, [(1, 7), (2, 7), (3, 8)]);
}

#[test]
fn what_was_cut_off_has_the_processes_of_the_last_segment() {
    let (_dir, path) = temporary();
    let mut output = Output::create(&path, &meta(), Plan::default()).expect("begun");
    output.push(&fault(2_000, 1)).expect("pushed");
    output.set_processes(Some((vec![process(1)], 0))).expect("taken");
    output.cpu_ns().expect("flushed");
    output.set_processes(Some((vec![process(1), process(2)], 7))).expect("taken");
    output.push(&fault(2_001, 1)).expect("pushed");
    output.cpu_ns().expect("flushed");
    output.push(&fault(2_002, 1)).expect("pushed");
    let running = Trace::open(&path).expect("the segments");
    assert_eq!((running.meta().processes.clone(), running.event_count()), (vec![process(1), process(2)], 2));
    drop(output);
    recover(&path, None).expect("recovered");
    let trace = Trace::open(&path).expect("opened");
    let meta = trace.meta();
    assert_eq!((meta.processes.clone(), meta.evicted_processes), (vec![process(1), process(2)], 7));
}

/// The first segment had no processes: they were read a second after the start.
#[test]
fn a_segment_that_ends_has_the_processes_of_its_events() {
    let (_dir, path) = temporary();
    let mut output = Output::create(&path, &meta(), Plan::default()).expect("begun");
    output.push(&fault(2_000, 1)).expect("pushed");
    let mut read_after = Vec::new();
    while Trace::open(&path).expect("the segments").event_count() == 0 {
        std::thread::sleep(Duration::from_millis(50));
        output
            .tick(|| {
                read_after.push(1);
                Some((vec![process(1)], 0))
            })
            .expect("a tick");
    }
    assert_eq!(Trace::open(&path).expect("the segments").meta().processes, [process(1)]);
    assert!(read_after.len() < 5, "not at each tick");
}

#[test]
fn what_a_flight_recording_writes_has_the_processes() {
    let (_dir, path) = temporary();
    let flight = Flight { age: Duration::from_secs(1000), bytes: 1 << 20 };
    let mut output = Output::create(&path, &meta(), Plan { flight: Some(flight), ..Plan::default() }).expect("begun");
    output.push(&fault(2_000, 1)).expect("pushed");
    output.set_processes(Some((vec![process(1)], 0))).expect("taken");
    let dumped = output.dump(3_000).expect("dumped");
    output.finish(&final_meta()).expect("finished");
    assert_eq!(Trace::open(&dumped).expect("opened").meta().processes, [process(1)]);
}

#[test]
fn a_node_that_comes_online_is_in_the_files_from_then_on() {
    let (_dir, path) = temporary();
    let plan = Plan { rotate_age: Some(Duration::ZERO), ..Plan::default() };
    let mut output = Output::create(&path, &meta(), plan).expect("begun");
    output.push(&fault(2_000, 1)).expect("pushed");
    output.tick(|| None).expect("rotated");
    let mut later = meta().topology;
    later.nodes.push(Node { nid: 9, mem_bytes: 1 << 28, ..Node::default() });
    output.add_topology(&later).expect("added");
    for ts_ns in [2_001, 2_002] {
        output.push(&fault(ts_ns, 1)).expect("pushed");
        output.cpu_ns().expect("flushed");
    }
    drop(output);
    let cut_off = path.with_file_name("run.1.parquet");
    let nodes = |path: &Path| Trace::open(path).expect("opened").meta().topology.nodes.iter().map(|n| n.nid).max();
    assert_eq!((nodes(&path), nodes(&cut_off)), (None, Some(9)));
}
