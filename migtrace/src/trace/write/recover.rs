//! Makes a trace from a recording that was cut off.

use std::path::{Path, PathBuf};

use super::merge;
use crate::{
    recording::Meta,
    trace::{
        error::{Error, Result},
        parquet::container::Container,
        partial_dir::{self, Partial},
        read::{Trace, later},
        schema::FORMAT_VERSION,
    },
};

/// The result of a recovery.
#[derive(Debug)]
pub struct Recovered {
    /// The trace that was made.
    pub path: PathBuf,
    pub events: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Errors of the segments that were skipped. If there are any, the partial directory still exists.
    pub left_out: Vec<Error>,
}

/// Makes a trace from the complete segments of the recording to `path`, and removes them.
///
/// `path` is the trace's name or that of its partial directory. The trace gets its own name unless `out` is given. It has no
/// end time: see [`Trace::truncated`].
///
/// # Errors
/// The recording is running, or has no segment; the trace exists; it cannot be written.
pub fn recover(path: &Path, out: Option<&Path>) -> Result<Recovered> {
    let trace = partial_dir::trace_of(path).unwrap_or_else(|| path.to_owned());
    let partial = Partial::take_over(&trace)?;
    let out = out.unwrap_or(&trace);
    if out.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: out.to_owned() });
    }
    let mut whole = Vec::new();
    let mut left_out = Vec::new();
    let mut meta = None;
    let mut events = 0;
    for segment in partial_dir::segments(&partial.dir)? {
        match check(&segment) {
            Ok((trace, rows)) => {
                meta = Some(later(meta, trace.meta().clone()));
                events += rows;
                whole.push(segment);
            }
            Err(e) => left_out.push(e),
        }
    }
    // The joined file has this version's columns.
    let meta = meta.map(|meta: Meta| meta.in_version(FORMAT_VERSION));
    let Some(meta) = meta else { return Err(Error::NothingToRecover { path: partial.dir }) };
    // Another name can be on another disk: the usual reason for it is that this disk is full.
    let temporary = if out == trace { partial.temporary() } else { partial_dir::with_suffix(out, ".joining") };
    let bytes = merge::join(whole.iter().map(|path| Container::open(path)), &temporary, out, &meta)?;
    if left_out.is_empty() {
        partial.remove()?;
    }
    Ok(Recovered { path: out.to_owned(), events, bytes, left_out })
}

/// Opens a segment and reads all events: joining copies its bytes without decoding them.
fn check(segment: &Path) -> Result<(Trace, u64)> {
    let trace = Trace::open(segment)?;
    let mut rows = 0;
    for event in trace.events() {
        event?;
        rows += 1;
    }
    Ok((trace, rows))
}
