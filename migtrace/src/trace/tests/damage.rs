use std::{fs, path::Path};

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use parquet::{arrow::ArrowWriter, file::metadata::KeyValue};

use super::{every_kind, final_meta, write};
use crate::{
    event::Event,
    recording::{META_KEY, Meta},
    trace::{
        Error, FORMAT_VERSION, Result, Trace,
        parquet::{checksum, container::Container},
        schema,
        write::segment,
    },
};

/// A file in a directory of its own, with `bytes`.
fn file(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    fs::write(&path, bytes).expect("written");
    (dir, path)
}

/// A good trace of every kind of event.
fn good() -> Vec<u8> {
    let (_dir, path) = file(b"");
    write(&path, &every_kind());
    fs::read(&path).expect("read")
}

fn read(path: &Path) -> Result<(Meta, Vec<Event>)> {
    let trace = Trace::open(path)?;
    let events = trace.read_all()?;
    Ok((trace.meta().clone(), events))
}

fn error(bytes: &[u8]) -> Error {
    let (_dir, path) = file(bytes);
    read(&path).expect_err("an error")
}

#[test]
fn a_trace_cut_off_anywhere_is_an_error() {
    let good = good();
    let (_dir, path) = file(b"");
    for len in (0..good.len()).step_by(3).chain(good.len() - 9..good.len()) {
        fs::write(&path, &good[..len]).expect("written");
        match read(&path) {
            Err(Error::NotParquet { .. }) => assert!(len < 4),
            Err(Error::Damaged { place, .. }) => assert_eq!(place, "its end", "{len} bytes"),
            other => panic!("{len} bytes: {other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    let good = good();
    let expected = (final_meta(), every_kind());
    let (_dir, path) = file(b"");
    let mut bytes = good.clone();
    for at in (0..good.len()).step_by(3) {
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).expect("written");
        if let Ok(read) = read(&path) {
            assert!(read == expected, "a bit of byte {at} changed events");
        }
        bytes[at] = good[at];
    }
}

/// A crafted file: one bit is flipped, and the checksums match.
fn hostile(good: &[u8], container: &Container, at: usize, bit: u8) -> Vec<u8> {
    let mut bytes = good.to_vec();
    bytes[at] ^= 1 << bit;
    let of_group = |bytes: &[u8]| checksum::of_group(&container.groups()[0], bytes, 0).expect("inside of the file");
    let (old, new) = (format!("{:08x}", of_group(good)), format!("{:08x}", of_group(&bytes)));
    if let Some(digits) = bytes.windows(8).rposition(|w| w == old.as_bytes()) {
        bytes[digits..digits + 8].copy_from_slice(new.as_bytes());
    }
    let end = bytes.len() - checksum::TAIL;
    let mut tail = [0; checksum::TAIL];
    tail.copy_from_slice(&bytes[end..]);
    if let Some(start) = checksum::footer_bytes(tail).and_then(|len| end.checked_sub(len as usize)) {
        checksum::seal(&mut bytes[start..end]);
    }
    bytes
}

#[test]
fn a_hostile_file_is_no_panic() {
    let good = good();
    let (_dir, path) = file(&good);
    let container = Container::open(&path).expect("opened");
    let mut errors = 0;
    for at in (4..good.len()).step_by(5) {
        fs::write(&path, hostile(&good, &container, at, (at % 8) as u8)).expect("written");
        errors += usize::from(read(&path).is_err());
    }
    assert!(errors > good.len() / 50, "most of what matters is noticed: {errors} of {}", good.len());
}

#[test]
fn what_is_no_trace_is_called_so() {
    let message = |bytes: &[u8]| error(bytes).to_string();
    assert!(message(b"").ends_with("not a trace, because it is not a Parquet file"));
    assert!(message(b"#!/bin/sh\n").ends_with("not a trace, because it is not a Parquet file"));
    assert!(message(b"PAR1").ends_with("damaged at its end: the file was cut off"));
    assert!(message(b"PAR1\xff\xff\xff\xffPAR1").ends_with("the file was cut off"));
    assert!(matches!(Trace::open(Path::new("/nonexistent/run.parquet")), Err(Error::Missing { .. })));
    assert!(matches!(Trace::open(&std::env::temp_dir().join("nothing.partial")), Err(Error::Missing { .. })));
    let empty = tempfile::tempdir().expect("a directory");
    assert!(matches!(Trace::open(empty.path()), Err(Error::NothingToRecover { .. })));
}

/// A Parquet file of another program, with one column `ts_ns`, perhaps with metadata that looks like a trace's.
fn foreign(meta: Option<&str>) -> Vec<u8> {
    let column: ArrayRef = std::sync::Arc::new(UInt64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("ts_ns", column)]).expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    if let Some(meta) = meta {
        writer.append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta.to_owned()));
    }
    writer.into_inner().expect("a file")
}

#[test]
fn a_parquet_file_of_another_program_is_called_so() {
    let error = error(&foreign(None));
    assert!(matches!(error, Error::NotTrace { .. }), "{error}");
    assert!(
        error.to_string().ends_with(
            "but not a migtrace trace (its metadata has no key migtrace: a program that rewrites a trace must keep it)"
        ),
        "{error}"
    );
}

#[test]
fn a_newer_format_is_refused_before_anything_else_is_looked_at() {
    let error = error(&foreign(Some(r#"{"format_version": 99, "unheard": "of"}"#)));
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("trace format 99 is newer than this migtrace, which reads up to {FORMAT_VERSION}")),
        "{error}"
    );
}

#[test]
fn metadata_that_cannot_be_read_and_columns_that_lack_are_named() {
    let place = |meta: &str| match error(&foreign(Some(meta))) {
        Error::Foreign { place, why, .. } => format!("{place}: {why}"),
        other => panic!("{other}"),
    };
    assert!(place("{").starts_with("its metadata: "), "{}", place("{"));
    let meta = serde_json::to_string(&Meta { format_version: FORMAT_VERSION, ..Meta::default() }).expect("JSON");
    assert_eq!(place(&meta), "its schema: column cpu is missing");
}

#[test]
fn a_column_that_an_older_version_lacks_must_be_in_this_one() {
    let (_dir, path) = file(include_bytes!("format-1.parquet"));
    let mut writer =
        ArrowWriter::try_new(Vec::new(), Container::open(&path).expect("opened").metadata().schema().clone(), None)
            .expect("a writer");
    let meta = serde_json::to_string(&final_meta()).expect("JSON");
    writer.append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta));
    let error = error(&writer.into_inner().expect("a file")).to_string();
    assert!(error.ends_with("its schema is not as in a trace: column process_start_ns is missing"), "{error}");
}

#[test]
fn a_trace_that_another_program_wrote_anew_is_read() {
    // The rows of a trace, in a file whose writer is not migtrace and that has no checksums: a slice made in Polars.
    let (_dir, path) = file(&good());
    let meta = serde_json::to_string(&final_meta()).expect("JSON");
    let mut writer = ArrowWriter::try_new(Vec::new(), schema::schema(), None).expect("a writer");
    for batch in Container::open(&path).and_then(|c| c.full_reader(0)).expect("a reader") {
        writer.write(&batch.expect("a batch").slice(2, 3)).expect("written");
    }
    writer.append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta));
    let (_dir, path) = file(&writer.into_inner().expect("a file"));
    assert_eq!(read(&path).expect("read"), (final_meta(), every_kind()[2..5].to_vec()));
}

/// A trace with valid checksums of rows that `change` has made impossible.
fn impossible(change: impl FnOnce(&mut schema::Buffers, usize)) -> String {
    let mut buffers = schema::Buffers::default();
    let row = buffers.next_row();
    buffers.ts_ns.put(row, 1);
    buffers.cpu.put(row, 0);
    buffers.pid.put(row, 1);
    buffers.tid.put(row, 1);
    buffers.comm.put(row, "x");
    buffers.cgroup_id.put(row, 1);
    change(&mut buffers, row);
    let meta = serde_json::to_string(&final_meta()).expect("JSON");
    let file = segment::encode(&mut buffers, &meta, Path::new("x")).expect("a file");
    let error = error(&file).to_string();
    error.split_once("run.parquet: ").expect("a message").1.to_owned()
}

#[test]
fn rows_that_cannot_be_are_named() {
    let unknown = impossible(|b, row| b.kind.put(row, "frobnication"));
    assert_eq!(unknown, "damaged at row group 0, row 0: column kind holds \"frobnication\"");
    let lacking = impossible(|b, row| b.kind.put(row, "phase"));
    assert_eq!(lacking, "damaged at row group 0, row 0: column text is null");
    let word = impossible(|b, row| {
        b.kind.put(row, "task");
        b.what.put(row, "teleported");
    });
    assert_eq!(word, "damaged at row group 0, row 0: column what holds \"teleported\"");
    let mark = |order: u32| {
        impossible(move |b, row| {
            b.kind.put(row, "mark");
            b.pfn.put(row, 1);
            b.nid.put(row, 1);
            b.order.put(row, order);
            b.result.put(row, "ok");
        })
    };
    let weightless = impossible(|b, row| {
        b.weight.put(row, 0);
        b.kind.put(row, "phase");
        b.text.put(row, "");
    });
    assert_eq!(weightless, "damaged at row group 0, row 0: column weight holds \"0\"");
    assert_eq!(mark(64), "damaged at row group 0, row 0: column order holds \"64\"");
}

#[test]
fn a_node_mask_of_all_numbers_is_refused_and_not_built() {
    let mask = impossible(|b, row| {
        b.kind.put(row, "request");
        b.name.put(row, "mbind");
        b.flags.put(row, "");
        b.nodemask.put(row, "0-4294967295");
        b.ret.put(row, 0);
        b.latency_ns.put(row, 0);
    });
    assert_eq!(mask, "damaged at row group 0, row 0: column nodemask holds \"0-4294967295\"");
}
