//! Reading a whole trace for the views that need all of it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use migtrace::{
    event::{Body, Event, escape_control},
    model::Run,
    trace::Trace,
};

/// Reads a trace, only the events of these processes where any is given, and says on stderr what it does not hold.
pub(super) fn run(path: &Path, pids: &[u32]) -> Result<Run> {
    let trace = Trace::open(path)?;
    warn(&trace, path);
    let mut events = trace.read_all()?;
    let wanted = |e: &Event| pids.contains(&e.pid) || matches!(e.body, Body::Loss(_));
    events.retain(|e| pids.is_empty() || wanted(e));
    Ok(Run::new(trace.meta().clone(), events))
}

/// Says on stderr what a trace does not hold.
pub(super) fn warn(trace: &Trace, path: &Path) {
    for error in trace.left_out() {
        eprintln!("migtrace: left out: {error}");
    }
    if trace.truncated() {
        eprintln!("migtrace: {}: the recording did not end, its last events are missing", path.display());
    }
}

/// What to call traces: by their files' names alone where that tells them apart.
pub(super) fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |p: &PathBuf| p.file_stem().unwrap_or(p.as_os_str()).to_string_lossy().into_owned();
    let mut stems: Vec<String> = paths.iter().map(stem).collect();
    stems.sort_unstable();
    let distinct = stems.windows(2).all(|w| w[0] != w[1]);
    let name = |p: &PathBuf| if distinct { stem(p) } else { p.display().to_string() };
    paths.iter().map(|p| escape_control(&name(p))).collect()
}
