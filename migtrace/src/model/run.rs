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
    event::{Event, Outcome},
    recording::{Meta, coverage},
};

/// A whole recording and the relations in it.
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
    /// Relates the events of a recording.
    #[must_use]
    pub fn new(meta: Meta, events: Vec<Event>) -> Self {
        let first = events.iter().map(Event::start_ns).min().unwrap_or(0);
        let zero_ns = if meta.start_ns == 0 { first } else { meta.start_ns.min(first) };
        let segments = RequestedRanges::new(&events);
        Self::stretch(meta, events, segments, zero_ns)
    }

    /// Relates the events of a stretch of a recording that views count from `zero_ns`. Before it, and by it, requests named
    /// these segments.
    #[must_use]
    pub fn stretch(meta: Meta, events: Vec<Event>, segments: RequestedRanges, zero_ns: u64) -> Self {
        let nest = Nesting::new(&events);
        let marks = LazyMarks::new(&events, &nest);
        let sections = phase::sections(&events, &nest);
        Self { meta, events, nest, segments, marks, sections, zero_ns }
    }

    /// The time that views count from, ns: the start of the recording, else its first event.
    #[must_use]
    pub const fn zero_ns(&self) -> u64 {
        self.zero_ns
    }

    /// The address that an event is about: its own, or for a mark the one that its page frame gives away.
    #[must_use]
    pub fn addr(&self, event: usize) -> Option<u64> {
        self.events[event].addr().or_else(|| self.marks.of_event(event).and_then(|m| m.addr))
    }

    /// Pages that moved inside an event: by the kernel's own count where its batches are in the trace, else by the rows.
    /// `None` where this recording had no probe to see either.
    #[must_use]
    pub fn moved_inside_pages(&self, event: usize) -> Option<u64> {
        self.moves_inside(event, Outcome::Ok)
    }

    /// Pages that were to move inside an event and stayed, as [`Self::moved_inside_pages`].
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

    /// Whether a probe for moves was attached: of batches, or of single folios.
    #[must_use]
    pub fn sees_moves(&self) -> bool {
        ["batch", "direct_migrate", "lazy_migrate"].into_iter().any(|probe| self.attached(probe))
    }

    /// Whether a probe's events could be recorded: [`coverage::is_attached`].
    #[must_use]
    pub fn attached(&self, probe: &str) -> bool {
        coverage::is_attached(&self.meta, probe)
    }

    /// Whether not every event was recorded, so that what lies inside one may not be there.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.meta.sample.is_some()
    }

    /// Begin and end of an event, ns.
    #[must_use]
    pub fn span(&self, event: usize) -> Range<u64> {
        self.events[event].start_ns()..self.events[event].ts_ns
    }
}
