//! Converting: what is refused, and what the new file has. Older formats are in older.rs.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use arrow::datatypes::DataType;
use parquet::file::statistics::Statistics;

use super::{every_kind, fault, final_meta, meta, older::FORMATS, write};
use crate::trace::{COLUMNS, Error, Trace, Writer, convert, parquet::container::Container};

#[test]
fn a_file_is_not_converted_onto_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, link, hard) = (dir.path().join("a.parquet"), dir.path().join("link"), dir.path().join("hard"));
    fs::write(&path, FORMATS[0].1).expect("written");
    symlink(&path, &link).expect("a link");
    fs::hard_link(&path, &hard).expect("a link");
    for out in [
        path.clone(),
        link,
        hard,
        dir.path().join("../").join(dir.path().file_name().expect("a name")).join("a.parquet"),
    ] {
        assert!(matches!(convert(&path, &out), Err(Error::SameFile { .. })), "{}", out.display());
    }
    assert_eq!(fs::read(&path).expect("read"), FORMATS[0].1);
}

#[test]
fn what_cannot_be_converted_leaves_the_output_as_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, out) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    fs::write(&out, "old").expect("written");
    assert!(matches!(convert(&path, &out), Err(Error::Missing { .. })));
    let mut damaged = FORMATS[3].1.to_vec();
    damaged[100] ^= 1;
    fs::write(&path, damaged).expect("written");
    assert!(matches!(convert(&path, &out), Err(Error::Damaged { .. })));
    fs::remove_file(&path).expect("removed");
    Writer::create(&path, &meta()).expect("a writer").push(&fault(1, 1)).expect("pushed");
    for name in [path.clone(), dir.path().join("a.parquet.partial")] {
        let error = convert(&name, &out).expect_err("cut off").to_string();
        assert!(error.ends_with(&format!("`migtrace recover {}`, or remove it", path.display())), "{error}");
    }
    assert_eq!(fs::read(&out).expect("read"), b"old");
    fs::remove_dir_all(dir.path().join("a.parquet.partial")).expect("removed");
    write(&path, &every_kind());
    assert!(matches!(convert(&path, Path::new("/dev/null")), Err(Error::NotRegular { .. })));
    assert!(matches!(convert(&path, dir.path()), Err(Error::NotRegular { .. })));
    convert(&path, &out).expect("converted");
    assert_eq!(out.metadata().expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_trace_of_this_version_is_copied() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, out) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    write(&path, &(0..300_000).map(|n| fault(n, n << 40)).collect::<Vec<_>>());
    convert(&path, &out).expect("converted");
    let [old, new] = [&path, &out].map(|path| Trace::open(path).expect("opened"));
    assert_eq!((new.meta(), new.row_group_sizes()), (&final_meta(), old.row_group_sizes()));
    assert!(new.events().map(|e| e.expect("an event")).eq((0..300_000).map(|n| fault(n, n << 40))));
}

#[test]
fn no_column_is_unsigned_in_the_file() {
    assert!(COLUMNS.iter().all(|c| !c.data_type.is_unsigned_integer()));
    assert!(COLUMNS.iter().filter(|c| c.unsigned).all(|c| [DataType::Int32, DataType::Int64].contains(&c.data_type)));
}

/// Engines skip row groups by these. As signed numbers, the addresses of the kernel's half are the smallest.
#[test]
fn statistics_are_of_signed_numbers() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let kernel = 0xffff_ffff_ff60_0000_u64;
    let mut events = vec![fault(1, 0x1000), fault(2, kernel)];
    events[0].cgroup_id = 1 << 63;
    events[1].process_start_ns = Some(u64::MAX);
    write(&path, &events);
    let container = Container::open(&path).expect("opened");
    let range = |name: &str| {
        let column = container.groups()[0].columns().iter().find(|c| c.column_path().string() == name).expect("it");
        let Some(Statistics::Int64(range)) = column.statistics() else { panic!("{name}") };
        (*range.min_opt().expect("a minimum"), *range.max_opt().expect("a maximum"))
    };
    // Encoded by the library, and with a dictionary.
    assert_eq!(range("addr"), (kernel.cast_signed(), 0x1000));
    assert_eq!(range("cgroup_id"), (i64::MIN, 1 << 40));
    assert_eq!(range("process_start_ns"), (-1, -1));
    assert_eq!(Trace::open(&path).and_then(|t| t.read_all()).expect("read"), events);
}
