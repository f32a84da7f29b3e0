//! The annotated trace log: what happened, in words, nested as it happened, with a legend and a summary.
//!
//! This module owns the text, as lines of spans; what the events mean together is the model's business.

mod counters;
mod header;
mod legend;
pub mod live;
mod options;
mod page;
mod page_explanation;
pub mod page_report;
mod request;
mod section;
mod sentence;
mod summary;
mod totals;
mod tree;
pub mod tsv;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

pub use self::options::Options;
pub(crate) use self::{
    sentence::of_event as sentence,
    tree::{in_one_line, signature},
};
use self::{totals::Totals, tsv::Lines};
use crate::{model::Run, text::ansi};

/// Writes the log of a recording that has this name. Colours are always written: the stream strips them.
///
/// # Errors
/// Those of the stream.
pub fn write(run: &Run, name: &str, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if options.tsv {
        Lines::head(out)?;
        return Lines::default().write(run, options, out);
    }
    ansi::write_all(&header::of_recording(run, name, options), out)?;
    for section in &run.sections {
        section::write(run, section, options, out)?;
    }
    let totals = Totals::of(run);
    ansi::write_all(&legend::lines(&totals.occurs), out)?;
    ansi::write_all(&summary::lines(&totals, run.marks.funnels(), &run.meta, run.zero_ns()), out)
}
