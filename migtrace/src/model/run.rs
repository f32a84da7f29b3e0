//! A whole recording in memory, with the relations between its events.

use std::ops::Range;

use super::{
    lazy::of_run::LazyMarks,
    measure::{batch_migrated_pages, migrated_pages},
    nesting::Nesting,
    phase::{self, Section},
    requested_ranges::RequestedRanges,
};
use crate::{
    event::{Event, Outcome, Probe},
    recording::Meta,
};

/// A whole recording and the relations between its events.
#[derive(Debug)]
pub struct Run {
    pub meta: Meta,
    pub events: Vec<Event>,
    pub nest: Nesting,
    pub segments: RequestedRanges,
    pub marks: LazyMarks,
    pub sections: Vec<Section>,
    zero_ns: u64,
}

impl Run {
    /// Computes the relations of a recording's events.
    #[must_use]
    pub fn new(meta: Meta, events: Vec<Event>) -> Self {
        let first = events.iter().map(Event::start_ns).min().unwrap_or(0);
        let zero_ns = if meta.start_ns == 0 { first } else { meta.start_ns.min(first) };
        let segments = RequestedRanges::new(&events);
        Self::stretch(meta, events, segments, zero_ns)
    }

    /// Computes the relations for a part of a recording. Views show times relative to `zero_ns`. `requested` contains
    /// the ranges requested up to the end of this part.
    #[must_use]
    pub fn stretch(meta: Meta, events: Vec<Event>, segments: RequestedRanges, zero_ns: u64) -> Self {
        let nest = Nesting::new(&events);
        let marks = LazyMarks::new(&events, &nest);
        let sections = phase::sections(&events, &nest);
        Self { meta, events, nest, segments, marks, sections, zero_ns }
    }

    /// Time 0 of views, ns: the start of the recording or its first event.
    #[must_use]
    pub const fn zero_ns(&self) -> u64 {
        self.zero_ns
    }

    /// The address of an event. For a mark without an address, the address found through its page frame.
    #[must_use]
    pub fn addr(&self, event: usize) -> Option<u64> {
        self.events[event].addr().or_else(|| self.marks.of_event(event).and_then(|m| m.addr))
    }

    /// Pages migrated inside an event: by the kernel's own count if batches were recorded, else by `migrate` events.
    /// `None` if neither was recorded.
    #[must_use]
    pub fn moved_inside_pages(&self, event: usize) -> Option<u64> {
        self.moves_inside(event, Outcome::Ok)
    }

    /// Pages that failed to migrate inside an event, as [`Self::moved_inside_pages`].
    #[must_use]
    pub fn failed_inside_pages(&self, event: usize) -> Option<u64> {
        self.moves_inside(event, Outcome::Failed)
    }

    fn moves_inside(&self, event: usize, want: Outcome) -> Option<u64> {
        let inside = self.nest.descendants(event);
        let (mut by_batch, mut by_row) = (None, 0);
        for i in inside {
            let event = &self.events[i];
            if let Some(pages) = batch_migrated_pages(event, want) {
                *by_batch.get_or_insert(0) += pages;
            }
            by_row += migrated_pages(event, want).unwrap_or(0);
        }
        by_batch.or_else(|| (self.sees_moves() || by_row > 0).then_some(by_row))
    }

    /// Whether a probe for migrations was attached: for batches or for single folios.
    #[must_use]
    pub fn sees_moves(&self) -> bool {
        [Probe::Batch, Probe::DirectMigrate, Probe::LazyMigrate].into_iter().any(|probe| self.attached(probe))
    }

    /// Whether a probe's events could be recorded.
    #[must_use]
    pub fn attached(&self, probe: Probe) -> bool {
        self.meta.coverage(probe, None).is_available()
    }

    /// Whether the recording is a sample, so that nested events may be missing.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.meta.sample.is_some()
    }

    /// Start and end of an event, ns.
    #[must_use]
    pub fn span(&self, event: usize) -> Range<u64> {
        self.events[event].start_ns()..self.events[event].ts_ns
    }
}
