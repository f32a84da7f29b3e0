//! Traces of older formats, as their versions of `write` made them.

use std::{fs, path::PathBuf};

use super::{every_kind, final_meta, later_meta, with_later_columns};
use crate::{
    event::{Body, Event},
    recording::Meta,
    trace::{FORMAT_VERSION, Trace, convert, recover},
};

/// Every kind of event.
const FORMAT_1: &[u8] = include_bytes!("format-1.parquet");
/// `with_later_columns(2)` and `later_meta()`.
const FORMAT_2: &[u8] = include_bytes!("format-2.parquet");
/// A recording of eight pages that one mbind migrated.
const FORMAT_3: &[u8] = include_bytes!("format-3.parquet");
/// `with_later_columns(4)` and `later_meta()`.
const FORMAT_4: &[u8] = include_bytes!("format-4.parquet");

pub(super) const FORMATS: [(u32, &[u8]); 4] = [(1, FORMAT_1), (2, FORMAT_2), (3, FORMAT_3), (4, FORMAT_4)];

/// A file in a directory of its own, with `bytes`.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    fs::write(&path, bytes).expect("written");
    (dir, path)
}

fn read(bytes: &[u8]) -> (Meta, Vec<Event>) {
    let (_dir, path) = file(bytes);
    let trace = Trace::open(&path).expect("opened");
    (trace.meta().clone(), trace.read_all().expect("read"))
}

#[test]
fn a_trace_of_format_1_is_read() {
    let (meta, events) = read(FORMAT_1);
    assert_eq!(events, every_kind());
    // Unknown, and not processes without a command.
    assert!(meta.processes.is_empty());
    assert_eq!(meta, Meta { format_version: 1, ..final_meta() });
}

#[test]
fn traces_of_formats_2_and_4_are_read() {
    for (version, bytes) in [(2, FORMAT_2), (4, FORMAT_4)] {
        let (meta, events) = read(bytes);
        assert_eq!(events, with_later_columns(version), "format {version}");
        assert_eq!(meta, Meta { format_version: version, ..later_meta() });
    }
}

#[test]
fn a_trace_of_format_3_is_read() {
    let (meta, events) = read(FORMAT_3);
    let batches = events.iter().filter_map(|e| if let Body::Batch(batch) = &e.body { Some(batch) } else { None });
    let batches: Vec<_> = batches.map(|b| (b.succeeded, b.unmoved, b.thp_split)).collect();
    assert_eq!((meta.format_version, batches), (3, vec![(8, Some(0), None)]));
    assert!(meta.processes.is_empty());
}

#[test]
fn a_recording_of_an_older_format_is_recovered_in_this_version() {
    for (version, bytes) in FORMATS {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run.parquet");
        let partial = dir.path().join("run.parquet.partial");
        fs::create_dir(&partial).expect("made");
        fs::write(partial.join("000001.parquet"), bytes).expect("written");
        recover(&path, None).expect("recovered");
        let trace = Trace::open(&path).expect("opened");
        assert_eq!(trace.read_all().expect("read"), read(bytes).1, "format {version}");
        assert_eq!(trace.meta().format_version, FORMAT_VERSION);
    }
}

#[test]
fn every_older_format_is_converted_with_its_events_and_metadata() {
    for (version, bytes) in FORMATS {
        let (dir, path) = file(bytes);
        let out = dir.path().join("new.parquet");
        let converted = convert(&path, &out).expect("converted");
        let (meta, events) = read(bytes);
        assert_eq!((converted.from_version, converted.events), (version, events.len() as u64));
        let trace = Trace::open(&out).expect("opened");
        assert_eq!(trace.read_all().expect("read"), events, "format {version}");
        assert_eq!(*trace.meta(), Meta { format_version: FORMAT_VERSION, converted_from: Some(version), ..meta });
        assert!(trace.parts()[0].has_this_layout(), "format {version}");
        assert_eq!(fs::read(&path).expect("read"), bytes, "the old file is unchanged");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2, "nothing else stays");
    }
}
