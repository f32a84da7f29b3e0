//! Opens traces for commands that read them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use migtrace::{event::escape_control, filter::Filter, model::Run, recording::coverage, trace::Trace};

use super::{filter::FilterArgs, streams::say};

/// Opens a trace and returns it with the filter that the options mean for it. Reports on stderr what the trace lacks.
pub(super) fn open(path: &Path, args: &FilterArgs) -> Result<(Trace, Filter)> {
    let trace = Trace::open(path)?;
    warn(&trace, path);
    let filter = args.filter(&trace.meta().cgroups).with_context(|| path.display().to_string())?;
    Ok((trace, filter))
}

/// Reads the events that pass a filter. A kind of which no event can pass counts as not recorded: its numbers are unknown.
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

/// Reports on stderr what a trace lacks.
pub(super) fn warn(trace: &Trace, path: &Path) {
    for error in trace.left_out() {
        say!("segment skipped: {error}");
    }
    if trace.truncated() {
        say!("{}: the recording was cut off, its last events are missing", path.display());
    }
}

/// Names for traces: their files' names without directory and extension if these differ, else their paths.
pub(super) fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |p: &PathBuf| p.file_stem().unwrap_or(p.as_os_str()).to_string_lossy().into_owned();
    let mut stems: Vec<String> = paths.iter().map(stem).collect();
    stems.sort_unstable();
    let distinct = stems.windows(2).all(|w| w[0] != w[1]);
    let name = |p: &PathBuf| if distinct { stem(p) } else { p.display().to_string() };
    paths.iter().map(|p| escape_control(&name(p))).collect()
}
