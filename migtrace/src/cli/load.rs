//! Reading a whole trace for the views that need all of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use migtrace::{event::escape_control, filter::Filter, model::Run, recording::coverage, trace::Trace};

use super::filter::FilterArgs;

/// Opens a trace, says on stderr what it does not hold, and gives the filter that these options are for it.
pub(super) fn open(path: &Path, args: &FilterArgs) -> Result<(Trace, Filter)> {
    let trace = Trace::open(path)?;
    warn(&trace, path);
    let filter = args.filter(&trace.meta().cgroups).with_context(|| path.display().to_string())?;
    Ok((trace, filter))
}

/// Reads the events that a filter wants. Kinds of which it wants none count as not recorded: their numbers are not known.
pub(super) fn run(trace: &Trace, filter: &Filter) -> Result<Run> {
    let mut events = Vec::new();
    for event in trace.events() {
        let event = event?;
        if filter.wants(&event) {
            events.push(event);
        }
    }
    let mut meta = trace.meta().clone();
    coverage::exclude(&mut meta.probes, filter.kinds().complement());
    Ok(Run::new(meta, events))
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
