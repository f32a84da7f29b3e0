//! The censuses of a trace against its events.

use crate::{
    filter::Filter,
    model::census::{Books, Limits, Report, Windows},
    trace::{Error, Trace},
};

/// Compares the censuses that a filter selects with the events between. The events are read again, in their order: counting
/// takes parts of the trace side by side.
///
/// # Errors
/// The trace is damaged, or cannot be read.
pub(super) fn compare(trace: &Trace, filter: &Filter, windows: Windows) -> Result<Option<Report>, Error> {
    if windows.is_empty() {
        return Ok(None);
    }
    let mut books = Books::new(windows, Limits::default());
    for event in trace.events() {
        let event = event?;
        if filter.wants(&event) {
            books.take(&event);
        }
    }
    Ok(Some(books.finish()))
}
