//! What to write of a recording.

use crate::filter::Filter;

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Every event: fold no runs of equal lines, leave no page faults out.
    pub all: bool,
    /// Only these events. The summary is of all that the run holds.
    pub filter: Filter,
    /// Lines for programs ([`super::tsv`]) instead of text.
    pub tsv: bool,
    /// Events of the trace, if not all of them are in the run.
    pub of_events: Option<u64>,
}
