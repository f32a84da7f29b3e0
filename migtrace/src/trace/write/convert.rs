//! Writes a trace of an older version, or one that another program rewrote, in this version of the format.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use super::merge;
use crate::trace::{
    error::{Error, Result},
    partial_dir,
    read::Trace,
    schema::FORMAT_VERSION,
};

/// A trace that was written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    pub events: u64,
    /// Size of the file.
    pub bytes: u64,
    /// The version of the format that the trace had.
    pub from_version: u32,
}

/// Writes the finished trace `from` as `to`, in this version of the format, with its metadata. `to` is replaced if it is
/// there. Memory for some row groups is used.
///
/// # Errors
/// Both are the same file; `from` cannot be read, or has an invalid row; `to` cannot be written. Then `to` stays as it was.
pub fn convert(from: &Path, to: &Path) -> Result<Converted> {
    let trace = open(from)?;
    if is_same_file(from, to) {
        return Err(Error::SameFile { path: from.to_owned(), other: to.to_owned() });
    }
    partial_dir::check_target(to)?;
    // Columns are copied without decoding events. The new file has valid checksums, so an invalid row must not be in it.
    let mut events = 0;
    for event in trace.events() {
        event?;
        events += 1;
    }
    let from_version = trace.meta().format_version;
    let meta = trace.meta().clone().in_version(FORMAT_VERSION);
    let temporary = partial_dir::with_suffix(to, ".converting");
    if temporary.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: temporary });
    }
    let bytes = merge::join(trace.parts().iter().cloned().map(Ok), &temporary, to, &meta)?;
    Ok(Converted { events, bytes, from_version })
}

fn open(path: &Path) -> Result<Trace> {
    if let Some(trace) = partial_dir::trace_of(path).filter(|_| path.is_dir()) {
        return Err(Error::Unfinished { path: trace, partial: path.to_owned() });
    }
    match Trace::open_file(path) {
        Err(Error::Missing { .. }) if partial_dir::path_of(path).is_dir() => {
            Err(Error::Unfinished { path: path.to_owned(), partial: partial_dir::path_of(path) })
        }
        opened => opened,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    id(one).is_some_and(|one| Some(one) == id(other))
}
