//! The annotated trace log: what happened, in words, nested as it happened, with a key and a summary.
//!
//! This module owns the text; what the events mean together is the model's business. It writes colours always and leaves
//! it to the stream to strip them.

pub(crate) mod account;
pub(crate) mod header;
mod page;
mod request;
mod section;
mod sentence;
pub(crate) mod summary;
pub(crate) mod theme;
mod totals;
mod tree;
pub mod tsv;

use std::io::{self, Write};

use self::{totals::Totals, tsv::Lines};
use crate::{filter::Filter, model::Run};

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Every event: no runs of equal lines folded, no faults beside the point left out.
    pub all: bool,
    /// Only these events. The summary is of all that the run holds.
    pub filter: Filter,
    /// Lines for programs ([`tsv`]) instead of text.
    pub tsv: bool,
    /// Events of the trace, where not all of them are in the run.
    pub of_events: Option<u64>,
}

/// Writes the log of a recording that has this name.
///
/// # Errors
/// Those of the stream.
pub fn write(run: &Run, name: &str, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if options.tsv {
        Lines::head(out)?;
        return Lines::default().write(run, options, out);
    }
    header::write(run, name, options, out)?;
    for section in &run.sections {
        section::write(run, section, options, out)?;
    }
    let totals = Totals::of(run);
    legend::write(&totals.occurs, out)?;
    summary::write(&totals, run.marks.funnels(), &run.meta, run.zero_ns(), out)
}

/// One event in words, with colours.
#[must_use]
pub(crate) fn sentence(run: &Run, event: usize) -> String {
    sentence::of_event(run, event)
}

/// A number that is the same for events that say the same of different pages, with all that lies inside them.
#[must_use]
pub(crate) fn signature(run: &Run, event: usize) -> u64 {
    tree::signature(run, event)
}

/// Events of one signature, in one line.
#[must_use]
pub(crate) fn in_one_line(run: &Run, events: &[usize]) -> String {
    tree::in_one_line(run, events)
}

/// A heading over a part of the log.
fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}", theme::paint(theme::HEADING, format!("== {text}")))
}

mod legend;
pub mod live;
mod page_explanation;
pub mod page_report;
#[cfg(test)]
mod tests;
