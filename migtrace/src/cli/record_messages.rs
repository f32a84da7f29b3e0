//! What `migtrace record` says about a finished recording.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Result;
use migtrace::{
    event::Probe,
    output_file,
    recording::{Meta, ProbeInfo},
    summary::Summary,
    text,
    trace::{Trace, Written},
};

use super::streams::say;

/// Says what was recorded, where it is, and a short summary of it.
pub(super) fn written(meta: &Meta, written: &Written) {
    if let Some(filter) = &meta.filter {
        let filtered: u64 = meta.account.iter().map(|a| a.filtered).sum();
        say!("filter: {filter}; {filtered} events of traced probes filtered");
    }
    if let Some(sample) = meta.sample {
        let out: u64 = meta.account.iter().map(|a| a.sampled_out).sum();
        say!("sample: one of {sample}; {out} events sampled out");
    }
    let owner = written.files.last().and_then(|file| output_file::other_owner(file));
    say!(
        "recorded {} events ({} lost) in {:.1} s to {} ({} bytes{})",
        written.events,
        meta.lost(),
        meta.end_ns.unwrap_or(meta.start_ns).saturating_sub(meta.start_ns) as f64 / 1e9,
        names(&written.files),
        written.bytes,
        owner.map(|owner| format!(", owner {owner}")).unwrap_or_default()
    );
    written
        .files
        .last()
        .map_or(Ok(()), |last| summarize(last))
        .unwrap_or_else(|error| log::warn!("no summary: {error:#}"));
}

/// Warns about lost events and missed program runs, by probe.
pub(super) fn losses(meta: &Meta, stacks: bool) {
    for account in meta.account.iter().filter(|account| account.lost() > 0) {
        let causes: Vec<_> = account.lost.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        log::warn!("lost of probe {}: {} of {} ({})", account.probe, account.lost(), account.seen, causes.join(", "));
    }
    for account in &meta.account {
        if let Some(missed) = account.missed.filter(|n| *n > 0) {
            // Reading a broken user stack raises exceptions, which are not page faults of the program.
            let of_exceptions = |p: &ProbeInfo| p.attached.as_ref().is_some_and(|by| by.contains("page_fault_kernel"));
            let raised = stacks && account.probe == Probe::Fault && meta.probes.iter().any(of_exceptions);
            let raised = if raised { "; these include exceptions raised by reading stacks" } else { "" };
            log::warn!("probe {}: {}{raised}", account.probe, text::missed(missed));
        }
    }
}

/// `run.parquet`, or for several files the last one and the number of others.
fn names(files: &[PathBuf]) -> String {
    match files {
        [] => "no file".to_owned(),
        [one] => one.display().to_string(),
        [others @ .., last] => {
            format!("{} and {} before it", last.display(), text::count(others.len() as u64, "file"))
        }
    }
}

/// Prints a short summary of the trace.
fn summarize(path: &Path) -> Result<()> {
    let summary = Summary::of(&Trace::open(path)?)?;
    Ok(summary.write_short(&mut io::stderr())?)
}
